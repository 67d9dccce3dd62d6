//! Who referred somebody, and whence they came.

mod bearer;
mod contests;
mod decisions;
mod foreign_cookies;
mod policy;
mod referrals;
mod snapshot;
mod undecided;

use whence_events::{Event, ReferralAttributed, ReferralRefused, UserEvent, UserId};

use crate::server::{Answer, Browser, Server};

/// A referrer who has been given their code.
pub struct Referrer {
    browser: Browser,
    user_id: UserId,
    pub code: String,
}

pub async fn referrer(server: &Server, email: &str) -> Referrer {
    let mut browser = server.browser();
    let user_id = user_id(&server.log_in(&mut browser, email).await);
    let code = server.onboarded(&mut browser).await;
    Referrer { browser, user_id, code }
}

fn user_id(verified: &Answer) -> UserId {
    verified.json()["user"]["id"].as_str().unwrap().parse().unwrap()
}

/// A visitor who followed somebody's link.
async fn landed(server: &Server, code: &str) -> Browser {
    let mut browser = server.browser();
    let answer = browser.get(&format!("/r/{code}")).await;
    assert_eq!(answer.status, 302);
    assert!(browser.cookies.contains_key("ref_code"), "{:?}", answer.headers);
    browser
}

/// Registers without the cookie that the browser holds, so that the attribute call decides.
async fn register_first(server: &Server, browser: &mut Browser, email: &str) -> UserId {
    let ref_code = browser.cookies.remove("ref_code");
    let user_id = user_id(&server.log_in(browser, email).await);
    if let Some(ref_code) = ref_code {
        browser.cookies.insert("ref_code".to_owned(), ref_code);
    }
    user_id
}

async fn attribute(browser: &mut Browser) -> Answer {
    browser.post("/v1/auth/attribute", "{}").await
}

fn with_cookie(mut browser: Browser, value: &str) -> Browser {
    browser.cookies.insert("ref_code".to_owned(), value.to_owned());
    browser
}

/// What was decided of a user, oldest first.
async fn decisions(
    server: &Server,
    user_id: UserId,
) -> (Vec<ReferralAttributed>, Vec<ReferralRefused>) {
    let (mut attributed, mut refused) = (vec![], vec![]);
    for recorded in server.log().await {
        if recorded.stream != whence_events::StreamId::User(user_id) {
            continue;
        }
        let Event::User(event) = recorded.event else { continue };
        if let UserEvent::ReferralAttributed(event) = event.as_ref() {
            attributed.push(event.clone());
        }
        if let UserEvent::ReferralRefused(event) = event.as_ref() {
            refused.push(event.clone());
        }
    }
    (attributed, refused)
}

/// That the answer took `ref_code` away, as browsers understand it.
#[track_caller]
fn assert_cleared(answer: &Answer, browser: &Browser) {
    let lines = answer.all("set-cookie");
    let line = lines.iter().find(|line| line.starts_with("ref_code=;"));
    let line = line.unwrap_or_else(|| panic!("ref_code is not cleared: {lines:?}"));
    assert!(line.contains("Max-Age=0") && line.contains("Path=/"), "{line}");
    assert!(!browser.cookies.contains_key("ref_code"));
}
