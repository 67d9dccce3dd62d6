//! Cookies that other applications keep under the name `ref_code`.

use whence_events::Signal;

use super::{assert_cleared, attribute, decisions, landed, referrer, user_id, with_cookie};
use crate::server::{Browser, Server};
use crate::stores::on_every_store;

/// What other applications keep: a code of theirs, JSON, a signed value of another form, anything.
const FOREIGN: [&str; 7] = [
    "partner-77",
    "%7B%22id%22%3A5%7D",
    "v1.abc.def",
    "eyJhbGciOiJIUzI1NiJ9.eyJyIjoxfQ.c2ln",
    "GA1.2.1234567890.1700000000",
    "\"quoted text\"",
    "=",
];

/// Sends a request with these cookie lines as they are.
async fn send_raw(browser: &Browser, request: &str, cookies: &str) -> reqwest::Response {
    let (method, path) = request.split_once(' ').unwrap();
    let request = browser.request(method, path).header("cookie", cookies.as_bytes());
    request.send().await.unwrap()
}

fn sets_ref_code(answer: &reqwest::Response) -> bool {
    let lines = answer.headers().get_all("set-cookie").iter();
    lines.map(|line| line.to_str().unwrap()).any(|line| line.starts_with("ref_code=v1."))
}

fn clears_ref_code(answer: &reqwest::Response) -> usize {
    let lines = answer.headers().get_all("set-cookie").iter();
    lines.filter(|line| line.to_str().unwrap().starts_with("ref_code=;")).count()
}

#[on_every_store]
async fn they_do_not_keep_a_code_from_being_planted() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    for foreign in FOREIGN {
        let cookies = format!("a=1; ref_code={foreign}");
        let link = format!("GET /r/{}", ada.code);
        assert!(sets_ref_code(&send_raw(&server.browser(), &link, &cookies).await), "{foreign}");
    }
}

#[on_every_store]
async fn they_are_not_taken_away() {
    let server = Server::start().await;
    for (n, foreign) in FOREIGN.iter().enumerate() {
        let email = format!("bob{n}@example.com");
        let mut bob = with_cookie(server.browser(), foreign);
        let verified = server.log_in(&mut bob, &email).await;
        let lines = verified.all("set-cookie");
        assert!(!lines.iter().any(|line| line.starts_with("ref_code=")), "{foreign}: {lines:?}");
        assert!(attribute(&mut bob).await.all("set-cookie").is_empty(), "{foreign}");
        let mut bob = bob.with_csrf();
        bob.post("/v1/auth/logout", "").await;
        assert_eq!(bob.cookies["ref_code"], *foreign);
    }
}

#[on_every_store]
async fn beside_one_of_them_ours_counts_and_goes() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    for (n, foreign) in FOREIGN.iter().enumerate() {
        for ours_first in [true, false] {
            let ours = landed(&server, &ada.code).await.cookies["ref_code"].clone();
            let mut bob = server.signed_in(&format!("bob{n}{ours_first}@example.com")).await;
            bob.cookies.remove("ref_code");
            let session = bob.cookies["nl_session"].clone();
            let (one, other) = if ours_first { (&*ours, *foreign) } else { (*foreign, &*ours) };
            let cookies = format!("ref_code={one}; nl_session={session}; ref_code={other}");
            let answer = send_raw(&bob, "POST /v1/auth/attribute", &cookies).await;
            assert_eq!(clears_ref_code(&answer), 1, "{foreign}: the one in our place alone");
            let reason: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(reason["attributed"], true, "{foreign}");
        }
    }
}

#[on_every_store]
async fn a_bare_code_counts_when_it_is_somebodys() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut bob = with_cookie(server.browser(), &ada.code);
    let verified = server.log_in(&mut bob, "bob@example.com").await;
    assert_cleared(&verified, &bob);
    let (attributed, _) = decisions(&server, user_id(&verified)).await;
    assert!(attributed[0].signals.contains(&Signal::UnsignedCookie));

    // Also behind what another application keeps.
    let eve = server.signed_in("eve@example.com").await;
    for foreign in ["partner-77", "{}", "GA1.2.3.4"] {
        let session = &eve.cookies["nl_session"];
        let cookies = format!("nl_session={session}; ref_code={foreign}; ref_code={}", ada.code);
        let answer = send_raw(&eve, "POST /v1/auth/attribute", &cookies).await;
        assert_eq!(clears_ref_code(&answer), 1);
        let text = answer.text().await.unwrap();
        assert!(text.contains("true") || text.contains("already_attributed"), "{foreign}: {text}");
    }
}

#[on_every_store]
async fn several_of_our_own_form_all_go() {
    let server = Server::start().await;
    let ada = referrer(&server, "ada@example.com").await;
    let ours = landed(&server, &ada.code).await.cookies["ref_code"].clone();
    let stale = ours.replace(&ada.code, "OTHER");
    let bob = server.signed_in("bob@example.com").await;
    let session = &bob.cookies["nl_session"];
    let cookies = format!("ref_code={ours}; nl_session={session}; ref_code={stale}");
    let answer = send_raw(&bob, "POST /v1/auth/attribute", &cookies).await;
    assert!(clears_ref_code(&answer) > 1, "wherever they were set");
}
