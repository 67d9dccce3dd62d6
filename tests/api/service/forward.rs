//! What proxies ask before they pass a request on: who it is of, and whether it is a landing.

use std::time::Duration;

use whence_events::Event;

use crate::server::{Answer, Browser, Server, until};
use crate::stores::on_every_store;

const DAY: Duration = Duration::from_hours(24);

/// A site at another address than the service, whose login page is its own.
const SITE: [&str; 8] = [
    "--trusted-proxy",
    "127.0.0.1/32",
    "--landing-url",
    "https://www.example.com/welcome",
    "--allowed-origin",
    "https://app.example.com",
    "--login-url",
    "https://www.example.com/login?theme=dark",
];

type Lines<'a> = &'a [(&'a str, &'a str)];

/// A page view as browsers make it.
const PAGE: Lines<'static> =
    &[("accept", "text/html,*/*"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

/// The original request as Traefik describes it.
const TRAEFIK: Lines<'static> = &[
    ("x-forwarded-method", "GET"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "app.example.com"),
    ("x-forwarded-uri", "/inbox?page=2"),
    ("x-forwarded-for", "203.0.113.7"),
];

async fn ask(browser: &mut Browser, path: &str, lines: &[Lines<'_>]) -> Answer {
    let request = browser.request("GET", path);
    let lines = lines.iter().copied().flatten();
    browser.send(lines.fold(request, |request, (name, value)| request.header(*name, *value))).await
}

async fn forward(browser: &mut Browser, lines: &[Lines<'_>]) -> Answer {
    ask(browser, "/v1/auth/forward", lines).await
}

#[on_every_store]
async fn a_signed_in_user_passes_with_their_name_in_headers() {
    let server = Server::with(&SITE).await;
    let mut browser = server.signed_in("jürgen%a@müller.example").await.with_csrf();
    let user = browser.get("/v1/auth/me").await.json();
    let passed = forward(&mut browser, &[TRAEFIK]).await;
    assert_eq!((passed.status, passed.text.as_str()), (204, ""));
    let header = |name| passed.header(name).unwrap();
    assert_eq!(header("remote-user"), user["user"]["id"].as_str().unwrap());
    assert_eq!(header("remote-email"), "j%C3%BCrgen%25a@m%C3%BCller.example");
    let sessions = browser.get("/v1/auth/sessions").await.json();
    assert_eq!(header("remote-session"), sessions["items"][0]["id"].as_str().unwrap());

    let token = browser.post("/v1/auth/token", "").await.json();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let by_token = forward(&mut server.browser(), &[&[("authorization", &bearer)]]).await;
    assert_eq!(by_token.status, 204);
    assert_eq!(by_token.header("remote-user"), passed.header("remote-user"));
    // The site may have tokens of its own, which do not keep the cookie from counting.
    let foreign = [("authorization", "Bearer of-the-site")];
    assert_eq!(forward(&mut browser, &[&foreign]).await.status, 204);
    let refused = forward(&mut server.browser(), &[&foreign]).await;
    let challenge = refused.header("www-authenticate").unwrap();
    assert_eq!(challenge, r#"Bearer realm="whence", error="invalid_token""#);

    browser.post("/v1/auth/logout", "").await;
    let over = forward(&mut server.browser(), &[&[("authorization", &bearer)]]).await;
    assert_eq!((over.status, over.header("remote-user")), (401, None));
}

#[on_every_store]
async fn a_browser_is_led_to_the_login_page_and_back_to_the_site_alone() {
    let server = Server::with(&SITE).await;
    let mut nobody = server.browser();
    let login = "https://www.example.com/login?theme=dark";
    let back = format!("{login}&return_to=https%3A%2F%2Fapp.example.com%2Finbox%3Fpage%3D2");
    let led = forward(&mut nobody, &[PAGE, TRAEFIK]).await;
    assert_eq!((led.status, led.header("location").unwrap()), (302, back.clone()));
    assert_eq!(led.header("cache-control").unwrap(), "no-store");

    // nginx takes no redirect, and copies the header.
    let nginx = [("x-original-url", "https://app.example.com/inbox?page=2")];
    let told = forward(&mut nobody, &[PAGE, &nginx]).await;
    assert_eq!((told.status, told.header("location").unwrap()), (401, back));
    assert_eq!(told.header("www-authenticate").unwrap(), r#"Bearer realm="whence""#);

    // To other hosts nobody is led, by whatever trick.
    for (host, uri) in [
        ("evil.test", "/"),
        ("app.example.com.evil.test", "/"),
        ("app.example.com@evil.test", "/"),
        ("app.example.com:8443", "/"),
        ("app.example.com", "//evil.test\\@/"),
        ("x.app.example.com", "/"),
    ] {
        let lines = [("x-forwarded-host", host), ("x-forwarded-uri", uri)];
        let led = forward(&mut nobody, &[PAGE, &lines, &[("x-forwarded-proto", "https")]]).await;
        let location = led.header("location").unwrap_or_default();
        let safe = location == login
            || location.starts_with(&format!("{login}&return_to=https%3A%2F%2Fapp.example.com%2F"));
        assert!(led.status == 302 && safe || led.status == 401, "{host} {uri}: {location}");
    }

    // What is no page view gets no redirect, nor does the login page itself.
    let page = [("x-forwarded-uri", "/login?x"), ("x-forwarded-host", "www.example.com")];
    let own = [&page[..], &[("x-forwarded-proto", "https")]].concat();
    for lines in [
        &[TRAEFIK][..],
        &[TRAEFIK, &[("accept", "application/json")]],
        &[PAGE, &[("x-forwarded-method", "POST"), ("x-forwarded-uri", "/")]],
        &[&[("accept", "text/html"), ("sec-fetch-mode", "cors")], TRAEFIK],
        &[PAGE, &own],
    ] {
        let told = forward(&mut nobody, lines).await;
        assert_eq!((told.status, told.header("location")), (401, None), "{lines:?}");
    }
    let wrong = server.browser().request("POST", "/v1/auth/forward").send().await.unwrap();
    assert_eq!(wrong.status(), 405);
}

#[on_every_store]
async fn of_two_sessions_neither_passes_and_the_redirect_takes_both_away() {
    let server = Server::with(&SITE).await;
    let sessions =
        [server.signed_in("ada@example.com").await, server.signed_in("bo@example.com").await];
    let pairs = sessions.map(|browser| format!("nl_session={}", browser.cookies["nl_session"]));
    let cookie = pairs.join("; ");
    let led = forward(&mut server.browser(), &[PAGE, TRAEFIK, &[("cookie", &cookie)]]).await;
    assert_eq!((led.status, led.header("remote-user")), (302, None));
    // Wherever they were planted: also at the path of the page that was asked for.
    let lines = led.all("set-cookie");
    for path in ["Path=/;", "Path=/inbox;"] {
        let there = |line: &String| line.starts_with("nl_session=;") && line.contains(path);
        assert!(lines.iter().any(there), "{path} {lines:?}");
    }
}

#[on_every_store]
async fn a_peer_that_nobody_named_says_nothing_about_another_request() {
    let flags = &SITE[2..];
    let server = Server::with(flags).await;
    let login = "https://www.example.com/login?theme=dark";
    let told = forward(&mut server.browser(), &[PAGE, TRAEFIK]).await;
    assert_eq!((told.status, told.header("location").unwrap().as_str()), (401, login));
    let lines = [("x-forwarded-uri", "/?ref=abc")];
    let ignored = ask(&mut server.browser(), "/v1/touch/forward", &[&lines]).await;
    assert_eq!((ignored.status, ignored.all("set-cookie").len()), (204, 0));
    let mut browser = server.signed_in("ada@example.com").await;
    assert_eq!(forward(&mut browser, &[TRAEFIK]).await.status, 204, "its own cookie counts");
}

#[on_every_store]
async fn a_page_of_another_site_passes_with_nothing_that_changes_something() {
    let server = Server::with(&SITE).await;
    let mut browser = server.signed_in("ada@example.com").await;
    let post = [("x-forwarded-method", "POST"), ("x-forwarded-uri", "/transfer")];
    let cross = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.test")];
    let same = [("sec-fetch-site", "same-origin"), ("origin", "https://app.example.com")];
    let evil = [("origin", "https://evil.test")];
    let socket = [("sec-websocket-key", "x"), ("x-forwarded-method", "GET"), evil[0]];
    let own = [("origin", "https://shop.example.com"), ("x-forwarded-host", "shop.example.com")];
    let own = [&own[..], &[("x-forwarded-proto", "https")]].concat();
    for (lines, status) in [
        (&[&post[..], &cross][..], 403),
        (&[&post, &evil], 403),
        (&[&post, &same], 204),
        (&[&post], 204),
        (&[&post, &own], 204),
        (&[TRAEFIK, &cross], 204),
        (&[&socket, &[("x-forwarded-uri", "/")]], 403),
        // A proxy that does not name the method.
        (&[&evil, &[("x-original-uri", "/")]], 403),
        (&[&[("sec-fetch-site", "cross-site")], &[("x-original-uri", "/")]], 204),
    ] {
        let answer = forward(&mut browser, lines).await;
        assert_eq!(answer.status, status, "{lines:?}");
        let error = if answer.text.is_empty() { String::new() } else { answer.error() };
        assert_eq!(error, if status == 403 { "csrf_invalid" } else { "" });
    }
}

#[on_every_store]
async fn a_session_goes_on_and_its_cookies_come_along() {
    let server = Server::with(&SITE).await;
    let mut browser = server.signed_in("ada@example.com").await;
    server.pass(8 * DAY);
    let nginx = [("x-original-url", "https://app.example.com/")];
    let renewed = forward(&mut browser, &[&nginx]).await;
    let lines = renewed.all("set-cookie");
    assert_eq!(lines.len(), 2);
    let numbered = ["x-set-cookie-1", "x-set-cookie-2"].map(|name| renewed.header(name).unwrap());
    assert_eq!(lines, numbered, "nginx copies headers by their names");
    server.pass(8 * DAY);
    let renewed = forward(&mut browser, &[TRAEFIK]).await;
    assert_eq!((renewed.all("set-cookie").len(), renewed.header("x-set-cookie-1")), (2, None));
}

#[on_every_store]
async fn a_page_view_behind_a_proxy_is_a_landing_once() {
    let server = Server::with(&SITE).await;
    let mut visitor = server.browser();
    let page = [
        ("x-original-url", "https://app.example.com/pricing?ref=abc&utm_source=mail"),
        ("x-original-method", "GET"),
        ("x-forwarded-for", "203.0.113.7"),
        ("referer", "https://blog.example.org/best"),
    ];
    let landed = ask(&mut visitor, "/v1/touch/forward", &[PAGE, &page]).await;
    assert_eq!(landed.status, 204);
    let names: Vec<_> = landed.all("set-cookie").iter().map(|line| line[..8].to_owned()).collect();
    assert_eq!(names, ["ref_code", "whence_t"]);
    assert_eq!(landed.header("x-set-cookie-2").unwrap(), landed.all("set-cookie")[1]);
    let again = ask(&mut visitor, "/v1/touch/forward", &[PAGE, &page]).await;
    assert_eq!(again.status, 204);
    // What is no view of a page plants nothing.
    for (name, value) in
        [("x-original-method", "POST"), ("sec-fetch-dest", "image"), ("sec-fetch-dest", "empty")]
    {
        let others = PAGE.iter().chain(&page).filter(|(other, _)| *other != name).copied();
        let lines: Vec<_> = others.chain([(name, value)]).collect();
        let ignored = ask(&mut server.browser(), "/v1/touch/forward", &[&lines]).await;
        assert_eq!((ignored.status, ignored.all("set-cookie").len()), (204, 0), "{name}");
    }
    let mut touches = vec![];
    until("both page views are in the log", async || {
        touches = touches_of(&server).await;
        touches.len() == 2
    })
    .await;
    let seen: Vec<_> = touches.iter().map(|(page, again)| (page.as_str(), *again)).collect();
    assert_eq!(seen, [("/pricing", false), ("/pricing", true)]);
}

#[on_every_store]
async fn a_layer_in_javascript_cannot_say_that_it_reports_a_navigation() {
    let server = Server::with(&SITE).await;
    // `fetch` of Node.js writes its own mode over that of the browser.
    let fetched = [("sec-fetch-mode", "cors"), ("x-forwarded-uri", "/pricing?ref=abc")];
    for (dest, planted) in [(Some("document"), 2), (None, 2), (Some("empty"), 0)] {
        let dest: Vec<_> = dest.map(|dest| ("sec-fetch-dest", dest)).into_iter().collect();
        let reported = ask(&mut server.browser(), "/v1/touch/forward", &[&fetched, &dest]).await;
        assert_eq!(reported.all("set-cookie").len(), planted, "{dest:?}");
    }
}

/// The landing page of each touch, and whether it repeats one.
async fn touches_of(server: &Server) -> Vec<(String, bool)> {
    let log = server.log().await;
    let touches = log.iter().filter_map(|recorded| match &recorded.event {
        Event::Touch(event) => {
            let touch = event.touch().into_owned();
            Some((touch.landing_page, touch.deduplicated))
        }
        _ => None,
    });
    touches.collect()
}
