//! The page in a real browser.

use std::path::Path;

use tempfile::TempDir;
use whence_test_support::tool::script;

use crate::pictures::story::Story;

/// What a page says on the console and asks the network for; a picture of it.
pub(crate) fn look(file: &Path, picture: &Path, scheme: &str) -> String {
    script("browser", &[file.to_str().unwrap(), picture.to_str().unwrap(), scheme])
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
