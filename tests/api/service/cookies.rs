//! The session cookies, letter by letter.

use crate::server::Server;
use crate::stores::on_every_store;

const HTTPS: [&str; 3] = ["--public-url", "https://login.example.com", "--development"];

/// What verify sets, values masked.
async fn set_by_verify(flags: &[&str]) -> Vec<String> {
    let server = Server::with(flags).await;
    let answer = server.log_in(&mut server.browser(), "ada@example.com").await;
    let masked = |line: String| {
        let (pair, attributes) = line.split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        format!("{name}=<{}>; {attributes}", value.len())
    };
    answer.all("set-cookie").into_iter().map(masked).collect()
}

#[on_every_store]
async fn over_http_on_this_machine() {
    assert_eq!(
        set_by_verify(&[]).await,
        [
            "nl_session=<64>; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000",
            "nl_csrf=<43>; SameSite=Lax; Path=/; Max-Age=2592000",
            "whence_device=<64>; HttpOnly; SameSite=Lax; Path=/; Max-Age=34560000",
        ]
    );
}

#[on_every_store]
async fn over_https() {
    assert_eq!(
        set_by_verify(&HTTPS).await,
        [
            "nl_session=<64>; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2592000",
            "nl_csrf=<43>; SameSite=Lax; Secure; Path=/; Max-Age=2592000",
            "whence_device=<64>; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000",
        ]
    );
}

#[on_every_store]
async fn with_the_host_prefix() {
    let mut flags = HTTPS.to_vec();
    flags.push("--host-cookie-prefix");
    assert_eq!(
        set_by_verify(&flags).await,
        [
            "__Host-nl_session=<64>; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2592000",
            "__Host-nl_csrf=<43>; SameSite=Lax; Secure; Path=/; Max-Age=2592000",
            "__Host-whence_device=<64>; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000",
        ]
    );
}

#[on_every_store]
async fn with_the_host_prefix_nothing_else_is_read() {
    let mut flags = HTTPS.to_vec();
    flags.push("--host-cookie-prefix");
    let server = Server::with(&flags).await;
    let mut browser = server.signed_in("ada@example.com").await;
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
    let token = browser.cookies["__Host-nl_session"].clone();
    let csrf = browser.cookies["__Host-nl_csrf"].clone();
    let mut bare = server.browser();
    bare.cookies.insert("nl_session".into(), token);
    assert_eq!(bare.get("/v1/auth/me").await.status, 401);
    browser.headers.push(("x-csrf-token", csrf));
    let out = browser.post("/v1/auth/logout", "").await;
    assert_eq!(
        out.all("set-cookie"),
        [
            "__Host-nl_session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0",
            "__Host-nl_csrf=; SameSite=Lax; Secure; Path=/; Max-Age=0",
        ]
    );
}
