//! The page in a real browser.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::pictures::story::Story;

/// What a page says on the console and asks the network for; a picture of it.
fn look(file: &Path, picture: &Path, scheme: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/browser");
    let output = Command::new(script).arg(file).arg(picture).arg(scheme).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_has_nothing_to_complain_of_and_nothing_to_load() {
    let story = Story::of(200).await;
    story.report(&["--html", "page.html"]);
    let file = story.directory.path().join("page.html");
    let pictures = ["light", "dark"].map(|scheme| {
        let picture = story.directory.path().join(format!("{scheme}.png"));
        assert_eq!(look(&file, &picture, scheme), "", "{scheme}");
        std::fs::read(picture).unwrap()
    });
    assert!(pictures.iter().all(|png| png.len() > 20_000), "there is something to see");
    assert!(pictures[0] != pictures[1], "light and dark look alike");
}

/// So that silence means something.
#[test]
fn a_page_that_loads_and_complains_is_noticed() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("bad.html");
    let bad = "<!DOCTYPE html><img src='http://127.0.0.1:9/x.png'><script>nothing.here()</script>";
    std::fs::write(&file, bad).unwrap();
    let said = look(&file, &directory.path().join("bad.png"), "light");
    assert!(said.contains("NETWORK http://127.0.0.1:9/x.png\n"), "{said}");
    assert!(said.contains("CONSOLE") && said.contains("nothing is not defined"), "{said}");
}
