//! `GET /touch.js`: the script that reports visits.

use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::Value;

use crate::landing::site::{Site, jar, shown};

#[tokio::test]
async fn the_script_is_kept_by_caches_and_asked_for_by_its_tag() {
    let mut site = Site::start().await;
    // No fetch metadata: an old browser's request for it looks like a visit.
    let request = site.request(Method::GET, "/touch.js", &[]);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(jar(&answer), "");
    let headers = answer.headers().clone();
    assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(headers["cache-control"], "public, max-age=3600");
    let script = answer.text().await.unwrap();
    assert!(script.contains("/v1/touch") && script.contains("prerenderingchange"));

    let tag = headers["etag"].to_str().unwrap();
    let both = format!("\"other\", W/{tag}");
    for known in [tag, &both] {
        let request = site.request(Method::GET, "/touch.js", &[("if-none-match", known)]);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 304);
        assert_eq!(answer.headers()["etag"], tag);
        assert_eq!(answer.text().await.unwrap(), "");
    }
    site.nothing_recorded();
}

#[tokio::test]
async fn the_wrong_verb_is_refused() {
    let site = Site::start().await;
    let request = site.request(Method::POST, "/touch.js", &[]);
    let answer = request.send().await.unwrap();
    insta::assert_snapshot!(shown(answer).await, @r"
    405 Method Not Allowed
    allow: GET,HEAD
    content-length: 0
    ");
}

/// What a page asks the network for, when it is at `address` and loads the script.
const PAGE: &str = r#"
const [address, referrer, script] = process.argv.slice(1);
const location = new URL(address);
const own = { src: "https://login.shop.test/touch.js", dataset: { consent: "granted" } };
globalThis.document = { currentScript: own, referrer, addEventListener() {} };
globalThis.window = { location };
window.top = window.self = window;
globalThis.fetch = (url, request) => {
    console.log(JSON.stringify([url.href, JSON.parse(request.body)]));
    return Promise.resolve();
};
(0, eval)(script);
"#;

/// Returns the report of the script, run by Node.js.
fn reported(script: &str, address: &str) -> Value {
    let node = Command::new("node")
        .args(["-e", PAGE, "--", address, "https://news.test/", script])
        .stderr(Stdio::inherit())
        .output()
        .expect("Node.js: scripts/prepare --tests installs it");
    let [url, report]: [Value; 2] = serde_json::from_slice(&node.stdout).unwrap();
    assert_eq!(url, "https://login.shop.test/v1/touch");
    assert_eq!(
        (&report["referrer"], &report["consent"]),
        (&"https://news.test/".into(), &"granted".into())
    );
    report["location"].clone()
}

#[tokio::test]
async fn of_a_fragment_the_script_sends_what_is_of_a_campaign_and_no_token() {
    let site = Site::start().await;
    let script = site.request(Method::GET, "/touch.js", &[]).send().await.unwrap();
    let script = script.text().await.unwrap();
    let long = "x".repeat(3000);
    for (fragment, sent) in [
        ("", ""),
        ("#prices", ""),
        ("#access_token=SECRET&id_token=SECRET&state=SECRET", ""),
        ("#utm_source=a&utm_medium=b", "#utm_source=a&utm_medium=b"),
        ("#?utm_source=a", "#utm_source=a"),
        ("#/sign-up?Utm_Source=a&x=SECRET&REF=b", "#Utm_Source=a&REF=b"),
        ("#!/x?creator=a&gclid=b&mtm_campaign=c", "#creator=a&gclid=b&mtm_campaign=c"),
        ("#token=SECRET&amp;utm_term=a#again&fbclid=b", "#utm_term=a&fbclid=b"),
    ] {
        let page = "https://www.shop.test/a?q=1";
        let location = reported(&script, &format!("{page}{fragment}"));
        assert_eq!(location, format!("{page}{sent}"), "{fragment}");
    }
    let location = reported(&script, &format!("https://www.shop.test/?q={long}#utm_source=a"));
    assert_eq!(location.as_str().unwrap().len(), 2000);
}
