//! Short links as people open them: they lead on, and what goes wrong is a page and not JSON.

use crate::server::{Answer, Server, until};
use crate::service::attribution::referrer;
use crate::service::raw::connect;
use crate::stores::on_every_store;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const LANDING: [&str; 2] = ["--landing-url", "https://www.shop.test/welcome?a=1&b=2"];

/// What browsers accept of a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// That an answer is a page that leads on to the landing page, and loads nothing.
#[track_caller]
fn assert_page(answer: &Answer, title: &str) {
    assert_eq!(answer.header("content-type").as_deref(), Some("text/html; charset=utf-8"));
    assert!(answer.text.contains(&format!("<h1>{title}</h1>")), "{}", answer.text);
    let link = "<a href=\"https://www.shop.test/welcome?a=1&#38;b=2\">Go on to www.shop.test</a>";
    assert!(answer.text.contains(link), "{}", answer.text);
    assert!(!answer.text.contains("src=") && !answer.text.contains("<script"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let id = answer.header("x-request-id").unwrap();
    assert!(answer.text.contains(&id), "the reference is that of the request");
}

#[on_every_store]
async fn every_spelling_of_the_path_leads_on() {
    let server = Server::with(&LANDING).await;
    let ada = referrer(&server, "ada@example.com").await;
    let (code, lower) = (&ada.code, ada.code.to_lowercase());
    for path in [
        format!("/r/{lower}"),
        format!("//r/{code}"),
        format!("///r//{code}/"),
        format!("/R/{code}"),
        format!("/r%2F{code}"),
        format!("/r/{code}."),
    ] {
        let mut browser = server.browser();
        let answer = browser.get(&path).await;
        let location = answer.header("location").unwrap_or_default();
        assert!(location.to_uppercase().ends_with(&format!("REF={code}")), "{path}: {answer:?}");
        assert!(browser.cookies.contains_key("ref_code"), "{path}");
    }
    for path in ["/r", "/r/", "//r", "/r/a/b", "/r/%FF", "/r/%00", "/R/", "/r/never-was", "/r/%zz"]
    {
        let answer = server.browser().get(path).await;
        assert_eq!(answer.status, 302, "{path}: {}", answer.text);
        let location = answer.header("location").unwrap();
        assert!(
            location.starts_with("https://www.shop.test/welcome?a=1&b=2"),
            "{path}: {location}"
        );
    }
    let long = server.browser().get(&format!("/r/{}", "x".repeat(25_000))).await;
    assert_eq!(long.status, 302);
}

#[on_every_store]
async fn of_several_readings_the_one_that_is_somebodys_counts() {
    let server = Server::with(&LANDING).await;
    let ada = referrer(&server, "ada@example.com").await;
    let code = &ada.code;
    for path in [
        format!("/r/{code}%E2%80%94thanks"),
        format!("/r/{code}%0D%0Athanks"),
        format!("/r/{code}-"),
        format!("/r/{}=%0D%0A{}", &code[..3], &code[3..]),
    ] {
        let mut browser = server.browser();
        let answer = browser.get(&path).await;
        assert!(answer.header("location").unwrap().ends_with(&format!("ref={code}")), "{path}");
        assert_eq!(browser.cookies["ref_code"].split('.').nth(1), Some(code.as_str()), "{path}");
    }
    // Where none is, it is on record as it was written.
    let mut browser = server.browser();
    browser.get("/r/oak%E2%80%94tree").await;
    assert_eq!(browser.cookies["ref_code"].split('.').nth(1), Some("oak-tree"));
    until("five landings", async || {
        server.types().await.iter().filter(|t| *t == "TouchRecorded.v2").count() == 5
    })
    .await;
}

#[on_every_store]
async fn what_goes_wrong_is_a_page_that_leads_on() {
    let server = Server::with(&LANDING).await;
    let mut browser = server.browser();
    for accept in [None, Some(BROWSER), Some("*/*")] {
        browser.headers = accept.map(|accept| ("accept", accept.to_owned())).into_iter().collect();
        for method in ["POST", "PUT", "DELETE"] {
            for path in ["/r", "/r/", "/r/oak", "//r/oak", "/r/a/b"] {
                let answer = browser.send(browser.request(method, path)).await;
                assert_eq!(answer.status, 405, "{method} {path}");
                assert_page(&answer, "This link can only be opened");
                assert_eq!(answer.header("allow").as_deref(), Some("GET,HEAD"));
            }
        }
    }
    browser.headers = vec![("accept", "application/json, text/plain, */*".to_owned())];
    let answer = browser.send(browser.request("POST", "/r/oak")).await;
    assert_eq!((answer.status, answer.error().as_str()), (405, "method_not_allowed"));
}

#[on_every_store]
async fn a_request_that_cannot_be_answered_is_a_page_too() {
    let server = Server::with(&LANDING).await;
    let mut stream = connect(&server).await;
    stream
        .write_all(b"GET /r/oak HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("<h1>This link cannot be read</h1>"), "{answer}");
}

#[on_every_store]
async fn a_browser_at_the_root_is_not_shown_json() {
    let server = Server::with(&LANDING).await;
    let mut browser = server.browser();
    assert_eq!(browser.get("/").await.error(), "not_found", "programs have what they had");
    browser.headers = vec![("accept", BROWSER.to_owned())];
    assert_page(&browser.get("/").await, "There is no page here");
    assert_eq!(browser.get("/v1/nope").await.error(), "not_found");
}

#[on_every_store]
async fn what_no_browser_sends_as_it_is_leads_on_as_well() {
    let server = Server::with(&LANDING).await;
    let mut stream = connect(&server).await;
    for address in [
        "/r/oak>",
        "/r/<oak>",
        "//r/oak<br>",
        "/r/oak</a>",
        "/r/oak^",
        "/r/`oak`",
        "/r/oak\u{201d}",
    ] {
        // One after the other over one connection.
        let request = format!("GET {address} HTTP/1.1\r\nhost: x.test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 302 "), "{address}: {answer}");
        assert!(answer.contains("&ref=oak\r\n"), "{address}: {answer}");
    }
}
