//! Wrong codes over all logins of an address, and codes over all spellings of it.

use std::time::Duration;

use whence::domain::user::measure::Reason;
use whence::engine::handler::Context;
use whence_events::{Actor, EmailAddress};

use crate::server::{Answer, Browser, START, Server};
use crate::service::login::wrong;
use crate::stores::on_every_store;

const BEHIND_A_PROXY: [&str; 4] =
    ["--trusted-proxy", "127.0.0.1/32", "--starts-per-client", "100000"];

const ADA: &str = "ada@example.com";

/// Returns a browser of somebody in one of many networks.
fn from_network(server: &Server, n: usize) -> Browser {
    let mut browser = server.browser();
    browser.headers.push(("x-forwarded-for", format!("198.51.{}.{}", 100 + n / 250, n % 250)));
    browser
}

async fn start(browser: &mut Browser, email: &str) -> Answer {
    browser.post("/v1/auth/email/start", format!(r#"{{"email":"{email}"}}"#)).await
}

/// A stranger who knows the address, and what they got.
struct Stranger<'a> {
    server: &'a Server,
    networks: usize,
    next: usize,
    compared: usize,
}

impl<'a> Stranger<'a> {
    fn with_networks(server: &'a Server, networks: usize) -> Self {
        Self { server, networks, next: 0, compared: 0 }
    }

    /// Asks for codes until there are none, and guesses on each until nothing is compared.
    async fn attack(&mut self) {
        let mut logins = vec![];
        for _ in 0..self.networks.min(6) * 4 {
            self.next = (self.next + 1) % self.networks;
            let mut browser = from_network(self.server, self.next);
            let answer = start(&mut browser, ADA).await;
            if answer.status == 200 {
                let request_id = answer.json()["request_id"].as_str().unwrap().to_owned();
                logins.push((browser, request_id, self.server.code(ADA)));
            } else {
                assert_eq!(
                    (answer.status, answer.header("retry-after")),
                    (429, Some("3600".into()))
                );
            }
        }
        for (mut browser, request_id, code) in logins {
            loop {
                match browser.verify(&request_id, wrong(&code)).await.error().as_str() {
                    "invalid_code" => self.compared += 1,
                    "invalid_request" => break,
                    other => panic!("{other}"),
                }
            }
        }
    }
}

/// The owner comes every two hours on a known device, and on a new one whenever there is a code to
/// be had.
async fn a_day_of_attacks(networks: usize) -> (usize, usize) {
    let server = Server::with(&BEHIND_A_PROXY).await;
    let mut known = server.browser();
    known.headers.push(("x-forwarded-for", "203.0.113.7".into()));
    server.log_in(&mut known, ADA).await;
    let mut stranger = Stranger::with_networks(&server, networks);
    let mut codes_of_a_new_device = 0;
    for half_hour in 0..48 {
        let mut new = from_network(&server, 20_000 + half_hour);
        let sent = start(&mut new, ADA).await;
        let code = (sent.status == 200).then(|| server.code(ADA));
        stranger.attack().await;
        if let Some(code) = code {
            codes_of_a_new_device += 1;
            let request_id = sent.json()["request_id"].as_str().unwrap().to_owned();
            // Not entered every time, because a right code starts the count of wrong ones anew.
            if half_hour % 8 == 0 {
                let answer = new.verify(&request_id, &code).await;
                assert_eq!(answer.status, 200, "the code that was sent is good: {}", answer.text);
            }
        }
        if half_hour % 4 == 0 {
            server.log_in(&mut known, ADA).await;
        }
        server.pass(Duration::from_mins(30));
    }
    (stranger.compared, codes_of_a_new_device)
}

#[on_every_store]
async fn a_day_of_attacks_from_one_network_keeps_nobody_out() {
    let (compared, codes_of_a_new_device) = a_day_of_attacks(1).await;
    // The owner logged in 12 times and more, each of which starts the count anew.
    assert!((12..=18 * 18).contains(&compared), "{compared}");
    assert!(codes_of_a_new_device >= 12, "{codes_of_a_new_device}");
}

#[on_every_store]
async fn a_day_of_attacks_from_fifty_networks_does_not_keep_a_known_device_out() {
    let (compared, _) = a_day_of_attacks(50).await;
    assert!((12..=18 * 18).contains(&compared), "{compared}");
}

#[on_every_store]
async fn two_hundred_resends_do_not_widen_the_budget() {
    let mut server = Server::with(&BEHIND_A_PROXY).await;
    let (mut compared, mut next) = (0, 0);
    for round in 0..4 {
        let mut stranger = Stranger { next, ..Stranger::with_networks(&server, 200) };
        for _ in 0..5 {
            stranger.attack().await;
            server.pass(Duration::from_mins(30));
        }
        compared += stranger.compared;
        next = stranger.next;
        if round == 1 {
            let now = server.clock.now();
            server = server.restarted_with(now, &BEHIND_A_PROXY).await;
        }
    }
    assert!((10..=18).contains(&compared), "{compared} in ten hours");
    let types = server.types().await;
    let count = |name: &str| types.iter().filter(|found| *found == name).count();
    assert_eq!(count("CodeRejected.v1"), compared);
    assert!(count("LoginThrottled.v1") <= 20, "refusals are on record once a window");
}

#[on_every_store]
async fn an_operator_clears_a_lock_and_a_right_code_does() {
    let server = Server::with(&BEHIND_A_PROXY).await;
    let email = EmailAddress::parse(ADA).unwrap();
    let operator = Context { actor: Actor::Operator("root".into()), ..Context::of_system(None) };
    let reason = Reason::parse("they called").unwrap();
    assert!(!server.app.clear_lock(&email, &reason, &operator).await.unwrap(), "nothing to clear");
    Stranger::with_networks(&server, 50).attack().await;
    let mut owner = from_network(&server, 20_000);
    assert_eq!(start(&mut owner, ADA).await.status, 429);
    assert!(server.app.clear_lock(&email, &reason, &operator).await.unwrap());
    server.log_in(&mut owner, ADA).await;
    assert!(server.types().await.contains(&"LockCleared.v1".to_owned()));
    Stranger::with_networks(&server, 50).attack().await;
    server.log_in(&mut owner, ADA).await;
    server.pass(Duration::from_hours(1));
    assert_eq!(start(&mut server.browser(), ADA).await.status, 200, "the count began anew");
}

#[on_every_store]
async fn what_strangers_are_told_does_not_show_that_somebody_logged_in() {
    let server = Server::with(&BEHIND_A_PROXY).await;
    server.log_in(&mut from_network(&server, 1), ADA).await;
    server.log_in(&mut from_network(&server, 2), "a.d.a+x@gmail.com").await;
    server.pass(Duration::from_secs(1234));
    let mut told = vec![];
    for email in [ADA, "ada@gmail.com", "nobody@example.com"] {
        let mut answers = vec![];
        for n in 0..7 {
            let answer = start(&mut from_network(&server, 10 + n % 3), email).await;
            answers.push((answer.status, answer.header("retry-after")));
        }
        told.push(answers);
    }
    assert_eq!(told[0], told[2]);
    assert_eq!(told[1], told[2]);
    assert_eq!(told[2].iter().filter(|(status, _)| *status == 200).count(), 5);
    assert_eq!(told[2][6], (429, Some("3600".to_owned())));
}

#[on_every_store]
async fn one_network_leaves_codes_for_others() {
    let server = Server::with(&BEHIND_A_PROXY).await;
    let mut statuses = vec![];
    for (network, times) in [(1, 4), (2, 3)] {
        for _ in 0..times {
            statuses.push(start(&mut from_network(&server, network), ADA).await.status);
        }
    }
    assert_eq!(statuses, [200, 200, 200, 429, 200, 200, 429]);
}

#[on_every_store]
async fn a_person_gets_five_codes_however_the_address_is_spelled() {
    let server = Server::start().await;
    let mut statuses = vec![];
    for spelling in [
        "a.da@gmail.com",
        "ada+one@gmail.com",
        "ada@gmail.com",
        "ad.a+two@googlemail.com",
        "a.d.a@gmail.com",
        "ada+three@gmail.com",
        "ada@gmail.com",
        "adah@gmail.com",
    ] {
        statuses.push(start(&mut server.browser(), spelling).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429, 200]);
    // Each is an address and an account of its own all the same, and a code that was sent is good.
    let length = server.log().await.len();
    start(&mut server.browser(), "ada+four@gmail.com").await;
    assert_eq!(server.log().await.len(), length, "a refusal is on record once");
    assert_eq!(START, server.clock.now());
}

#[on_every_store]
async fn a_login_with_a_tag_gives_its_code_back_to_the_person() {
    let server = Server::start().await;
    for _ in 0..8 {
        server.log_in(&mut server.browser(), "ada+shop@example.com").await;
    }
    let types = server.types().await;
    let count = |name: &str| types.iter().filter(|found| *found == name).count();
    assert_eq!((count("StartCounted.v1"), count("StartReturned.v1")), (8, 8));
    assert_eq!(count("UserRegistered.v1"), 1);
}
