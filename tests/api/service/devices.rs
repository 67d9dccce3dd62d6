//! Devices that an address knows: the cookie, what it grants, the list, and forgetting them.

use std::time::Duration;

use insta::assert_snapshot;

use crate::server::{Browser, Server};
use crate::stores::on_every_store;

const ADA: &str = "ada@example.com";

async fn start(browser: &mut Browser, email: &str) -> u16 {
    browser.post("/v1/auth/email/start", format!(r#"{{"email":"{email}"}}"#)).await.status
}

/// Returns a browser that has nothing but the cookie by which it is known.
fn only_known(browser: &Browser) -> Browser {
    let mut known = browser.clone();
    known.cookies.retain(|name, _| name.contains("whence_device"));
    assert_eq!(known.cookies.len(), 1);
    known
}

/// Takes all codes that there are for devices which are not known.
async fn use_up(server: &Server, email: &str) {
    while start(&mut server.browser(), email).await == 200 {}
}

async fn devices(browser: &mut Browser) -> Vec<serde_json::Value> {
    let answer = browser.get("/v1/auth/devices").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["devices"].as_array().unwrap().clone()
}

#[on_every_store]
async fn the_cookie_is_set_at_a_login_and_kept_for_long() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let answer = server.log_in(&mut browser, ADA).await;
    let lines = answer.all("set-cookie");
    let line = lines.iter().find(|line| line.starts_with("whence_device=")).unwrap();
    let (value, attributes) = line.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/; Max-Age=34560000");
    assert_eq!(value.len(), "whence_device=".len() + 64);
    let before = browser.cookies["whence_device"].clone();
    server.log_in(&mut browser, ADA).await;
    assert_eq!(browser.cookies["whence_device"], before, "the same device");
}

#[on_every_store]
async fn under_https_the_cookie_is_secure() {
    let flags =
        ["--public-url", "https://auth.example.com", "--host-cookie-prefix", "--development"];
    let server = Server::with(&flags).await;
    let answer = server.log_in(&mut server.browser(), ADA).await;
    let lines = answer.all("set-cookie");
    let line = lines.iter().find(|line| line.starts_with("__Host-whence_device=")).unwrap();
    assert!(line.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000"), "{line}");
}

#[on_every_store]
async fn a_known_device_gets_a_code_when_strangers_took_all_others() {
    let server = Server::start().await;
    let browser = server.signed_in(ADA).await;
    use_up(&server, ADA).await;
    let mut known = only_known(&browser);
    server.log_in(&mut known, ADA).await;
    assert_eq!(start(&mut server.browser(), ADA).await, 429);
    // It is known to that address alone.
    use_up(&server, "bob@example.com").await;
    assert_eq!(start(&mut known, "bob@example.com").await, 429);
}

#[on_every_store]
async fn a_known_device_has_five_codes_an_hour_of_its_own() {
    let server = Server::start().await;
    let mut known = only_known(&server.signed_in(ADA).await);
    server.pass(Duration::from_hours(1));
    for _ in 0..5 {
        assert_eq!(start(&mut known, ADA).await, 200);
    }
    server.pass(Duration::from_mins(10));
    let refused = known.post("/v1/auth/email/start", format!(r#"{{"email":"{ADA}"}}"#)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("3000".into())));
    assert_eq!(start(&mut server.browser(), ADA).await, 200, "strangers have theirs");
}

#[on_every_store]
async fn a_browser_is_known_to_the_last_three_addresses() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let emails = ["a@example.com", "b@example.com", "c@example.com", "d@example.com"];
    for email in emails {
        server.log_in(&mut browser, email).await;
    }
    let mut known = only_known(&browser);
    for (email, status) in emails.iter().zip([429, 200, 200, 200]) {
        use_up(&server, email).await;
        assert_eq!(start(&mut known, email).await, status, "{email}");
    }
}

#[on_every_store]
async fn forged_and_planted_cookies_do_no_harm() {
    let server = Server::start().await;
    let mine = only_known(&server.signed_in(ADA).await).cookies["whence_device"].clone();
    let theirs =
        only_known(&server.signed_in("eve@example.com").await).cookies["whence_device"].clone();
    use_up(&server, ADA).await;
    let bent = format!("{}A", &mine[..63]);
    let other = if bent == mine { format!("{}B", &mine[..63]) } else { bent };
    for (cookie, status) in [
        (format!("whence_device={theirs}"), 429),
        (format!("whence_device={other}"), 429),
        ("whence_device=".into(), 429),
        (format!("whence_device={theirs}; whence_device={mine}"), 200),
        (format!("whence_device=junk; whence_device={mine}; whence_device={other}"), 200),
    ] {
        let mut browser = server.browser();
        browser.headers.push(("cookie", cookie.clone()));
        assert_eq!(start(&mut browser, ADA).await, status, "{cookie}");
    }
}

#[on_every_store]
async fn devices_are_listed_and_forgotten() {
    let server = Server::start().await;
    let first = server.signed_in(ADA).await.with_csrf();
    server.pass(Duration::from_hours(2));
    let mut second = server.browser();
    second.headers.push((
        "user-agent",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 Safari/604.1".into(),
    ));
    server.log_in(&mut second, ADA).await;
    let mut second = second.with_csrf();
    let answer = second.get("/v1/auth/devices").await;
    assert_snapshot!(answer.shown(), @r#"200 {"devices":[{"id":"<uuid>","device":"mobile","first_login_at":"<time>","last_login_at":"<time>","current":true},{"id":"<uuid>","device":null,"first_login_at":"<time>","last_login_at":"<time>","current":false}]}"#);
    let known = devices(&mut second).await;
    let id = known[1]["id"].as_str().unwrap();
    let path = format!("/v1/auth/devices/{id}");
    let mut bare = second.clone();
    bare.headers.clear();
    assert_eq!(bare.send(bare.request("DELETE", &path)).await.error(), "csrf_missing");
    assert_eq!(second.send(second.request("DELETE", &path)).await.shown(), r#"200 {"ok":true}"#);
    assert_eq!(second.send(second.request("DELETE", &path)).await.error(), "not_found");
    assert_eq!(
        second.send(second.request("DELETE", "/v1/auth/devices/x")).await.error(),
        "not_found"
    );
    assert_eq!(devices(&mut second).await.len(), 1);
    use_up(&server, ADA).await;
    assert_eq!(start(&mut only_known(&first), ADA).await, 429, "it is a stranger again");
    assert_eq!(start(&mut only_known(&second), ADA).await, 200);
    assert_eq!(server.browser().get("/v1/auth/devices").await.status, 401);
}

#[on_every_store]
async fn nobody_sees_or_forgets_the_devices_of_another() {
    let server = Server::start().await;
    let mut ada = server.signed_in(ADA).await;
    let mut eve = server.signed_in("eve@example.com").await.with_csrf();
    let id = devices(&mut ada).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/auth/devices/{id}");
    assert_eq!(eve.send(eve.request("DELETE", &path)).await.error(), "not_found");
    assert_eq!(devices(&mut ada).await.len(), 1);
}

#[on_every_store]
async fn an_erased_address_knows_no_device() {
    let server = Server::start().await;
    let browser = server.signed_in(ADA).await;
    let user_id = browser.clone().get("/v1/auth/me").await.json()["user"]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    server.app.erase_user(user_id, "root").await.unwrap();
    use_up(&server, ADA).await;
    assert_eq!(start(&mut only_known(&browser), ADA).await, 429);
    server.pass(Duration::from_hours(1));
    let mut again = only_known(&browser);
    server.log_in(&mut again, ADA).await;
    assert_eq!(devices(&mut again).await.len(), 1);
}

#[on_every_store]
async fn a_known_device_is_not_held_up_by_others_behind_its_network_address() {
    let flags = [
        "--trusted-proxy",
        "127.0.0.1/32",
        "--starts-per-client",
        "2",
        "--verifies-per-client",
        "2",
    ];
    let server = Server::with(&flags).await;
    let behind = || {
        let mut browser = server.browser();
        browser.headers.push(("x-forwarded-for", "203.0.113.9".into()));
        browser
    };
    let mut owner = behind();
    server.log_in(&mut owner, ADA).await;
    assert_eq!(start(&mut behind(), "junk@example.com").await, 200);
    assert_eq!(start(&mut behind(), "colleague@example.com").await, 429);
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(behind().verify(unknown, "000000").await.status, 400);
    assert_eq!(behind().verify(unknown, "000000").await.status, 429);
    server.log_in(&mut owner, ADA).await;
    assert_eq!(start(&mut owner, "colleague@example.com").await, 429, "for that address alone");
    assert_eq!(owner.verify(unknown, "000000").await.status, 400, "a login that nobody knows");
}
