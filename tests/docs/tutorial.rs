//! The tutorial, followed in a real browser.

use std::path::Path;

use serde_json::{Value, json};
use whence_test_support::tool::program;

use crate::commands::run;
use crate::markdown::documents;
use crate::shell::Shell;

/// What the reader of the tutorial does on its page.
const DRIVE: &str = include_str!("drive.js");

/// A reader with a browser of their own, who logs in as somebody.
struct Reader {
    page: String,
}

impl Reader {
    /// Opens an address in a new browser, logs in on the page that comes, and looks at it.
    fn log_in(shell: &Shell, address: &str, email: &str) -> Self {
        let site = shell.directory().join("site");
        let page = shell.directory().join("written.html");
        if !page.exists() {
            std::fs::copy(site.join("index.html"), &page).unwrap();
            std::fs::write(site.join("drive.js"), DRIVE).unwrap();
        }
        let person = json!({ "api": shell.here("http://localhost:8080"), "email": email });
        let driven = format!("<script src='drive.js' data-person='{person}'></script>\n</html>");
        let written = std::fs::read_to_string(page).unwrap();
        std::fs::write(site.join("index.html"), written.replace("</html>", &driven)).unwrap();
        Self { page: browse(&shell.directory(), &shell.here(address)) }
    }

    /// The text of an element of the page.
    #[track_caller]
    fn text(&self, id: &str) -> &str {
        let (_, rest) = self.page.split_once(&format!("id=\"{id}\"")).expect(&self.page);
        let (_, rest) = rest.split_once('>').unwrap();
        rest.split('<').next().unwrap()
    }

    /// The snapshot that the page shows.
    #[track_caller]
    fn snapshot(&self) -> Value {
        serde_json::from_str(self.text("origin")).expect(&self.page)
    }
}

/// Returns the document that a fresh Chromium has after some virtual seconds, in which it waits for what
/// it asked the network for.
fn browse(directory: &Path, address: &str) -> String {
    let profile = tempfile::tempdir_in(directory).unwrap();
    let mut chromium = program("chromium");
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    chromium.args(["--disable-background-networking", "--disable-dev-shm-usage", "--disable-sync"]);
    // The user agent of a headless browser is one of the bots.
    chromium.arg("--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36");
    chromium.arg(format!("--user-data-dir={}", profile.path().display()));
    chromium.args(["--virtual-time-budget=120000", "--dump-dom", address]);
    let output = chromium.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_tutorial_ends_with_a_page_that_knows_who_is_there() {
    let tutorial = documents().into_iter().find(|page| page.path == "docs/tutorial.md").unwrap();
    let typed = |text: &str| {
        assert!(tutorial.text.contains(text), "the tutorial does not say {text}");
        text.to_owned()
    };
    let mut shell = Shell::new();
    run("docs/tutorial.md", &mut shell);

    let address = typed("http://localhost:3000/?utm_source=newsletter&utm_campaign=spring");
    let first = Reader::log_in(&shell, &address, &typed("test+123456@example.com"));
    assert_eq!((first.text("email"), first.text("said")), ("test+123456@example.com", ""));
    let snapshot = first.snapshot();
    assert_eq!(snapshot["utmSource"], "newsletter", "{snapshot}");
    assert_eq!(snapshot["referredBy"], Value::Null, "{snapshot}");

    // A reader who comes back on another device is the same person, and finds the link.
    let again = Reader::log_in(&shell, &address, "test+123456@example.com");
    let link = again.text("link").to_owned();
    assert!(link.contains("/r/"), "{link}");

    let ada = Reader::log_in(&shell, &link, &typed("ada@example.com"));
    let snapshot = ada.snapshot();
    assert!(snapshot["referredBy"].is_string(), "{snapshot}");
    assert!(link.ends_with(snapshot["referralCode"].as_str().unwrap()), "{snapshot}");
}
