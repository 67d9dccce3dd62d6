//! A clock that is wrong by thirty days, in either direction: nothing revives, and all still expires.

use std::time::Duration;

use crate::server::{Browser, START, Server};
use crate::stores::on_every_store;

const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

/// A bearer token of a user, asked with later.
struct Bearer(Browser);

impl Bearer {
    async fn of(browser: &Browser) -> Self {
        let answer = browser.clone().with_csrf().post("/v1/auth/token", "").await;
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let mut bearer = browser.clone();
        bearer.cookies.clear();
        bearer.headers.push(("authorization", format!("Bearer {token}")));
        Self(bearer)
    }

    async fn status(&mut self) -> u16 {
        self.0.get("/api/v1/users/attribution").await.status
    }
}

/// Codes, bearers, throttles and sessions live as long as they should, while time passes.
async fn everything_lives_as_long_as_it_should(server: &Server, name: &str) {
    let (early, late) = (format!("early-{name}@example.com"), format!("late-{name}@example.com"));
    let mut user = server.signed_in(&format!("user-{name}@example.com")).await;
    let mut bearer = Bearer::of(&user).await;
    let mut browser = server.browser();
    let (in_time, too_late) = (browser.start(&early).await, browser.start(&late).await);
    let (early_code, late_code) = (server.code(&early), server.code(&late));
    let body = format!(r#"{{"email":"busy-{name}@example.com"}}"#);
    let mut statuses = vec![];
    for _ in 0..6 {
        statuses.push(browser.post("/v1/auth/email/start", &body).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    server.clock.advance(Duration::from_secs(10 * 60 - 1));
    assert_eq!(browser.verify(&in_time, &early_code).await.status, 200);
    server.clock.advance(SECOND);
    assert_eq!(browser.verify(&too_late, &late_code).await.error(), "invalid_request");
    server.clock.advance(Duration::from_secs(5 * 60 - 1));
    assert_eq!(bearer.status().await, 200);
    server.clock.advance(SECOND);
    assert_eq!(bearer.status().await, 401);
    server.clock.advance(Duration::from_mins(45));
    assert_eq!(server.browser().post("/v1/auth/email/start", &body).await.status, 200);
    server.clock.advance(Duration::from_secs((30 * 24 - 1) * 3600 - 1));
    let mut other = user.clone();
    assert_eq!(other.get("/v1/auth/me").await.status, 200, "a second is left");
    // The call above has renewed it.
    server.settle().await;
    server.clock.advance(30 * DAY);
    assert_eq!(user.get("/v1/auth/me").await.status, 401);
}

#[on_every_store]
async fn a_clock_that_was_ahead_for_one_request_stops_no_clock() {
    let server = Server::start().await;
    let mut browser = server.browser();
    server.clock.set(START + 30 * DAY);
    browser.start("glitch@example.com").await;
    server.clock.set(START + SECOND);
    let ready = browser.get("/readyz").await;
    let ahead = ready.json()["clock_ahead_seconds"].as_u64().unwrap();
    assert!((2_591_990..=2_592_000).contains(&ahead), "{}", ready.text);
    everything_lives_as_long_as_it_should(&server, "now").await;
    drop(browser);
    // The same after a restart, with the clock right: the log is ahead of it.
    let server = server.restarted(START + DAY).await;
    everything_lives_as_long_as_it_should(&server, "later").await;
}

#[on_every_store]
async fn a_clock_that_is_set_back_by_thirty_days_revives_nothing_and_goes_on() {
    let server = Server::start().await;
    let user = server.signed_in("ada@example.com").await;
    let mut bearer = Bearer::of(&user).await;
    let mut browser = server.browser();
    let old = browser.start("old@example.com").await;
    let old_code = server.code("old@example.com");
    server.clock.advance(Duration::from_mins(15));
    assert_eq!(bearer.status().await, 401);
    server.clock.set(START - 30 * DAY);
    assert_eq!(bearer.status().await, 401);
    assert_eq!(browser.verify(&old, &old_code).await.error(), "invalid_request");
    everything_lives_as_long_as_it_should(&server, "back").await;
}

#[on_every_store]
async fn ready_says_nothing_of_a_clock_that_is_right() {
    let server = Server::start().await;
    let ready = server.browser().get("/readyz").await;
    assert!(ready.json().get("clock_ahead_seconds").is_none(), "{}", ready.text);
}
