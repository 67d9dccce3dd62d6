//! The session cookies, letter by letter.

use crate::server::{Answer, Server};
use crate::stores::on_every_store;

const HTTPS: [&str; 3] = ["--public-url", "https://login.example.com", "--development"];

/// What verify sets of the session cookies, values masked.
async fn set_by_verify(flags: &[&str]) -> Vec<String> {
    let server = Server::with(flags).await;
    let answer = server.log_in(&mut server.browser(), "ada@example.com").await;
    let masked = |line: String| {
        let (pair, attributes) = line.split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        format!("{name}=<{}>; {attributes}", value.len())
    };
    let lines = answer.all("set-cookie").into_iter();
    lines.map(masked).collect()
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
            "__Host-nl_session=<64>; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2592000",
            "__Host-nl_csrf=<43>; SameSite=Lax; Secure; Path=/; Max-Age=2592000",
            "nl_session=<0>; SameSite=Lax; Secure; Path=/; Max-Age=0",
            "nl_csrf=<0>; SameSite=Lax; Secure; Path=/; Max-Age=0",
            "__Host-whence_device=<64>; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000",
        ]
    );
}

#[on_every_store]
async fn over_https_under_the_plain_names() {
    let mut flags = HTTPS.to_vec();
    flags.push("--host-cookie-prefix=false");
    assert_eq!(
        set_by_verify(&flags).await,
        [
            "nl_session=<64>; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2592000",
            "nl_csrf=<43>; SameSite=Lax; Secure; Path=/; Max-Age=2592000",
            "whence_device=<64>; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000",
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

/// What a request with these cookies is answered.
async fn me(server: &Server, cookies: &[&str]) -> Answer {
    let mut bare = server.browser();
    let request = bare.request("GET", "/v1/auth/me");
    bare.send(cookies.iter().fold(request, |request, line| request.header("cookie", *line))).await
}

/// A well-formed token of no session.
fn made_up(n: usize) -> String {
    format!("nl_session={n:064}")
}

#[on_every_store]
async fn of_several_session_cookies_the_one_that_proves_itself_wins() {
    let server = Server::start().await;
    let own =
        format!("nl_session={}", server.signed_in("ada@example.com").await.cookies["nl_session"]);
    for line in [
        format!("nl_session=stale; {own}"),
        format!("{own}; nl_session=stale"),
        format!("{}; {}; {}; {own}", made_up(1), made_up(2), made_up(3)),
        format!("{own}; {own}"),
        format!("nl_session=\"; nl_session=; {own}; other=1"),
    ] {
        assert_eq!(me(&server, &[&line]).await.status, 200, "{line}");
    }
    assert_eq!(me(&server, &[&made_up(1), &own]).await.status, 200, "in two lines");
}

#[on_every_store]
async fn of_two_session_cookies_in_use_none_counts_and_both_are_taken_away() {
    let flags = [&HTTPS[..], &["--host-cookie-prefix=false"]].concat();
    let server = Server::with(&flags).await;
    let own = server.signed_in("ada@example.com").await.cookies["nl_session"].clone();
    let planted = server.signed_in("eve@example.com").await.cookies["nl_session"].clone();
    for (first, second) in [(&own, &planted), (&planted, &own)] {
        let line = format!("nl_session={first}; nl_session={second}");
        let answer = me(&server, &[&line]).await;
        assert_eq!((answer.status, answer.error().as_str()), (401, "unauthenticated"));
        assert_taken_away(&answer, &["/", "/v1", "/v1/auth", "/v1/auth/me"]);
    }
    // Who plants so many that nobody looks at all of them gains nothing.
    let many = (0..4).map(made_up).collect::<Vec<_>>().join("; ");
    let answer = me(&server, &[&format!("nl_session={planted}; {many}; nl_session={own}")]).await;
    assert_eq!(answer.status, 401);
    assert_taken_away(&answer, &["/"]);
}

/// The session cookie is taken away for each of these paths, on the host and on the domains above it.
#[track_caller]
fn assert_taken_away(answer: &Answer, paths: &[&str]) {
    let lines = answer.all("set-cookie");
    assert!(lines.iter().all(|line| line.contains("Max-Age=0")), "{lines:?}");
    for path in paths {
        for domain in ["", "; Domain=login.example.com", "; Domain=example.com"] {
            let there = |line: &&String| {
                let attributes: Vec<_> = line.split("; ").skip(1).collect();
                line.starts_with("nl_session=;")
                    && attributes.contains(&format!("Path={path}").as_str())
                    && (domain.is_empty() != line.contains("Domain="))
                    && line.contains(domain)
            };
            assert!(lines.iter().any(|line| there(&line)), "{path}{domain}: {lines:?}");
        }
    }
    let bytes: usize = lines.iter().map(|line| line.len() + "set-cookie: \r\n".len()).sum();
    assert!(bytes < 4000, "{bytes}: proxies take no larger head");
}

#[on_every_store]
async fn logging_out_ends_the_session_behind_a_stale_cookie_and_takes_all_away() {
    let server = Server::start().await;
    let browser = server.signed_in("ada@example.com").await.with_csrf();
    let own = browser.cookies["nl_session"].clone();
    let mut stale = browser.clone();
    stale.cookies.clear();
    let request = stale.request("POST", "/v1/auth/logout");
    let line = format!("{}; nl_session={own}", made_up(1));
    let out = stale.send(request.header("cookie", line)).await;
    assert_eq!(out.status, 200);
    let lines = out.all("set-cookie");
    assert!(lines.iter().any(|line| line.contains("Path=/v1/auth;")), "{lines:?}");
    assert_eq!(me(&server, &[&format!("nl_session={own}")]).await.status, 401, "it has ended");
}
