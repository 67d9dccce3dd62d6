//! Signals: noted by default, refused in strict mode.

use std::time::Duration;

use whence_events::Signal;

use super::{Referrer, attribute, decisions, landed, referrer, user_id};
use crate::server::{Browser, Server};
use crate::stores::on_every_store;

const PROXY: [&str; 4] = ["--trusted-proxy", "127.0.0.1", "--country-header", "cloudflare"];

/// A browser whose requests come through the trusted proxy.
fn from(server: &Server, ip: &str, country: &str, agent: &str) -> Browser {
    let mut browser = server.browser();
    browser.headers = vec![
        ("x-forwarded-for", ip.to_owned()),
        ("cf-ipcountry", country.to_owned()),
        ("user-agent", agent.to_owned()),
    ];
    browser
}

/// A referrer at 192.0.2.1 in Turkey.
async fn ada(server: &Server) -> Referrer {
    let mut browser = from(server, "192.0.2.1", "TR", "Browser/1");
    let user_id = user_id(&server.log_in(&mut browser, "ada@example.com").await);
    let code = server.onboarded(&mut browser).await;
    server.pass(Duration::from_mins(1));
    Referrer { browser, user_id, code }
}

/// Follows a link, registers a minute later, and gives what was noticed.
async fn noticed(server: &Server, mut browser: Browser, link: &str, email: &str) -> Vec<Signal> {
    browser.get(link).await;
    server.pass(Duration::from_mins(1));
    let verified = server.log_in(&mut browser, email).await;
    let (attributed, _) = decisions(server, user_id(&verified)).await;
    attributed.into_iter().next().expect("attributed").signals
}

#[on_every_store]
async fn nothing_is_noticed_of_a_stranger() {
    let server = Server::with(&PROXY).await;
    let ada = ada(&server).await;
    let bob = from(&server, "198.51.100.7", "TR", "Browser/1");
    let link = format!("/r/{}", ada.code);
    assert_eq!(noticed(&server, bob, &link, "bob@example.com").await, []);
}

#[on_every_store]
async fn networks_devices_clicks_and_countries_are_noticed_and_refuse_nothing() {
    let server = Server::with(&PROXY).await;
    let ada = ada(&server).await;
    let link = format!("/r/{}", ada.code);
    let near = from(&server, "192.0.2.77", "TR", "Browser/1");
    assert_eq!(noticed(&server, near, &link, "a@x.test").await, [Signal::SameNetwork]);
    let same = from(&server, "192.0.2.1", "TR", "Browser/1");
    let both = [Signal::SameNetwork, Signal::SameIpAndUa];
    assert_eq!(noticed(&server, same, &link, "b@x.test").await, both);
    let other = from(&server, "192.0.2.1", "TR", "Browser/2");
    assert_eq!(noticed(&server, other, &link, "c@x.test").await, [Signal::SameNetwork]);

    let far = || from(&server, "198.51.100.7", "TR", "Browser/1");
    let paid = format!("{link}?gclid=abc");
    assert_eq!(noticed(&server, far(), &paid, "d@x.test").await, [Signal::PaidClickId]);
    // Nobody paid for the link of a post, a free listing or a campaign with a number.
    let free = format!("{link}?fbclid=a&srsltid=b&utm_id=c");
    assert_eq!(noticed(&server, far(), &free, "free@x.test").await, []);

    let mut fast = far();
    fast.get(&link).await;
    let verified = server.log_in(&mut fast, "e@x.test").await;
    let (attributed, _) = decisions(&server, user_id(&verified)).await;
    assert_eq!(attributed[0].signals, [Signal::FastConversion]);

    let mut moved = far();
    moved.get(&link).await;
    moved.headers[1].1 = "DE".into();
    server.pass(Duration::from_mins(1));
    let verified = server.log_in(&mut moved, "f@x.test").await;
    let (attributed, _) = decisions(&server, user_id(&verified)).await;
    assert_eq!(attributed[0].signals, [Signal::CountryMismatch]);
}

/// A file of domains, and the flags that name it.
fn disposable() -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# comment\nMailinator.test\n\nother.test\n").unwrap();
    let path = file.path().display().to_string();
    (file, path)
}

#[on_every_store]
async fn disposable_addresses_and_velocity_are_noticed() {
    let (_file, path) = disposable();
    let flags = ["--disposable-domains", &path, "--referral-velocity-cap", "2"];
    let server = Server::with(&[&PROXY[..], &flags].concat()).await;
    let ada = ada(&server).await;
    let link = format!("/r/{}", ada.code);
    let far = || from(&server, "198.51.100.7", "TR", "Browser/1");
    let thrown = noticed(&server, far(), &link, "x@mailinator.test").await;
    assert_eq!(thrown, [Signal::DisposableEmail]);
    let below = noticed(&server, far(), &link, "x@a.b.other.test").await;
    assert_eq!(below, [Signal::DisposableEmail]);
    // The third of a day.
    server.settle().await;
    assert_eq!(noticed(&server, far(), &link, "x@x.test").await, [Signal::Velocity]);
    server.pass(Duration::from_hours(25));
    assert_eq!(noticed(&server, far(), &link, "y@notother.test").await, []);
}

#[on_every_store]
async fn strict_mode_refuses_past_the_velocity_cap() {
    let flags = ["--referral-strict", "--referral-velocity-cap", "1"];
    let server = Server::with(&flags).await;
    let ada = referrer(&server, "ada@example.com").await;
    let (mut bob, mut eve) = (landed(&server, &ada.code).await, landed(&server, &ada.code).await);
    super::register_first(&server, &mut bob, "bob@example.com").await;
    let eve_id = super::register_first(&server, &mut eve, "eve@example.com").await;
    assert_eq!(attribute(&mut bob).await.text, r#"{"attributed":true}"#);
    let answer = attribute(&mut eve).await;
    insta::assert_snapshot!(answer.shown(), @r#"200 {"attributed":false,"reason":"blocked_by_policy"}"#);
    super::assert_cleared(&answer, &eve);
    let (_, refused) = decisions(&server, eve_id).await;
    assert_eq!(refused[0].evidence.owner, Some(ada.user_id));
    assert!(refused[0].signals.contains(&Signal::Velocity));
}

#[on_every_store]
async fn strict_mode_refuses_disposable_addresses() {
    let (_file, path) = disposable();
    let server = Server::with(&["--referral-strict", "--disposable-domains", &path]).await;
    let ada = referrer(&server, "ada@example.com").await;
    for (email, reason) in
        [("x@mailinator.test", "blocked_by_policy"), ("x@sub.other.test", "blocked_by_policy")]
    {
        let mut browser = landed(&server, &ada.code).await;
        super::register_first(&server, &mut browser, email).await;
        assert_eq!(attribute(&mut browser).await.json()["reason"], reason, "{email}");
    }
}

#[on_every_store]
async fn strict_mode_refuses_blocked_countries_when_a_trusted_proxy_names_them() {
    let flags = ["--referral-strict", "--blocked-country", "KP,XK"];
    let server = Server::with(&[&PROXY[..], &flags].concat()).await;
    let ada = ada(&server).await;
    let mut kim = from(&server, "198.51.100.7", "kp", "Browser/1");
    kim.get(&format!("/r/{}", ada.code)).await;
    super::register_first(&server, &mut kim, "kim@example.com").await;
    assert_eq!(attribute(&mut kim).await.json()["reason"], "blocked_by_policy");
    let mut bob = from(&server, "198.51.100.8", "TR", "Browser/1");
    bob.get(&format!("/r/{}", ada.code)).await;
    super::register_first(&server, &mut bob, "bob@example.com").await;
    assert_eq!(attribute(&mut bob).await.text, r#"{"attributed":true}"#);

    // From anybody else the header is worth nothing.
    let server = Server::with(&flags).await;
    let ada = referrer(&server, "ada@example.com").await;
    let mut kim = from(&server, "198.51.100.7", "KP", "Browser/1");
    kim.get(&format!("/r/{}", ada.code)).await;
    super::register_first(&server, &mut kim, "kim@example.com").await;
    assert_eq!(attribute(&mut kim).await.text, r#"{"attributed":true}"#);
}
