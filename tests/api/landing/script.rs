//! `GET /touch.js`: the script that reports visits.

use reqwest::Method;

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
