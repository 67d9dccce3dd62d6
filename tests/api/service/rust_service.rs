//! Another axum service, whose layers (`whence-client`) ask a running whence over sockets.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use whence_client::{SessionLayer, SignedIn, TouchLayer, Whence};

use crate::server::{Browser, Server};
use crate::stores::on_every_store;

/// The service that the layers are for: pages for all, for members, and for both.
fn site(whence: &Whence) -> Router {
    let members = Router::new()
        .route("/account", get(async |user: SignedIn| format!("{} {}", user.user_id, user.email)))
        .layer(SessionLayer::required(whence.clone()));
    let greeting =
        async |user: Option<SignedIn>| user.map_or("nobody".to_owned(), |user| user.session_id);
    let both = Router::new()
        .route("/greeting", get(greeting))
        .layer(SessionLayer::optional(whence.clone()));
    // Without a layer around it nobody is signed in.
    let all = Router::new()
        .route("/", get(async || ([("cache-control", "public, max-age=60")], "home")))
        .route("/forgotten", get(async |_: SignedIn| "never"));
    members.merge(both).merge(all.layer(TouchLayer::new(whence.clone())))
}

/// Starts the service with a whence at this URL: a browser that goes to it.
async fn visit(whence: &str, browser: Browser) -> Browser {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let whence = Whence::new(whence).unwrap().touch_timeout(Duration::from_millis(300));
    let site = site(&whence.session_timeout(Duration::from_secs(20)));
    let site = site.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, site).await.unwrap() });
    browser.elsewhere(url)
}

const FLAGS: [&str; 4] =
    ["--trusted-proxy", "127.0.0.1/32", "--login-url", "https://www.example.com/login"];

#[on_every_store]
async fn a_service_lets_in_who_is_signed_in() {
    let server = Server::with(&FLAGS).await;
    let mut own = server.signed_in("jürgen@example.com").await;
    let user = own.get("/v1/auth/me").await.json()["user"].clone();
    let session = own.get("/v1/auth/sessions").await.json()["items"][0]["id"].clone();
    let mut browser = visit(&server.url, own.clone()).await;
    let account = browser.get("/account").await;
    let expected = format!("{} jürgen@example.com", user["id"].as_str().unwrap());
    assert_eq!((account.status, account.text), (200, expected));
    assert_eq!(browser.get("/greeting").await.text, session.as_str().unwrap());
    assert_eq!(browser.get("/forgotten").await.status, 401);
    server.pass(Duration::from_hours(8 * 24));
    let renewed = browser.get("/account").await;
    assert_eq!(renewed.all("set-cookie").len(), 2);
    assert_eq!(renewed.header("cache-control").unwrap(), "private");

    let mut nobody = visit(&server.url, server.browser()).await;
    // What a client claims counts for nothing.
    nobody.headers.push(("remote-user", "admin".to_owned()));
    let told = nobody.get("/account").await;
    assert_eq!((told.status, told.error().as_str()), (401, "unauthenticated"));
    assert_eq!(told.header("www-authenticate").unwrap(), r#"Bearer realm="whence""#);
    assert_eq!(nobody.get("/greeting").await.text, "nobody");
    nobody.headers.push(("accept", "text/html".to_owned()));
    let led = nobody.get("/account").await;
    let location = led.header("location").unwrap();
    assert_eq!((led.status, location.as_str()), (302, "https://www.example.com/login"));
}

#[on_every_store]
async fn a_service_picks_landings_up() {
    let server = Server::with(&FLAGS).await;
    let mut visitor = visit(&server.url, server.browser()).await;
    let landed = visitor.get("/?ref=abc&utm_source=mail").await;
    assert_eq!((landed.status, landed.text.as_str()), (200, "home"));
    assert_eq!(landed.header("cache-control").unwrap(), "private, max-age=60");
    assert!(
        visitor.cookies.contains_key("ref_code") && visitor.cookies.contains_key("whence_touch")
    );
    let later = visitor.get("/").await;
    assert_eq!((later.status, later.all("set-cookie").len()), (200, 0));
    assert_eq!(later.header("cache-control").unwrap(), "public, max-age=60");
    // The cookies are those of the login behind it.
    let mut login = server.browser();
    login.cookies = visitor.cookies.clone();
    let mut login = login.clone();
    server.log_in(&mut login, "ada@example.com").await;
    let csrf = login.cookies["nl_csrf"].clone();
    login.headers.push(("x-csrf-token", csrf));
    let token = login.post("/v1/auth/token", "").await.json();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    login.headers.push(("authorization", bearer));
    let snapshot = login.get("/api/v1/users/attribution").await.json();
    assert_eq!(snapshot["data"]["utmSource"], "mail", "{snapshot}");
}

/// A page is shown without whence, and nobody is let in.
#[tokio::test]
async fn without_an_answer_pages_are_shown_and_nobody_is_let_in() {
    // One that nobody listens at, one that never answers, and one that is something else.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls = [&silent, &other].map(|it| format!("http://{}", it.local_addr().unwrap()));
    let lies =
        [("set-cookie", "planted=1"), ("remote-user", "admin"), ("remote-email", "a@b.test")];
    let lies = Router::new().fallback(async move || (lies, [("remote-session", "x")], "a page"));
    tokio::spawn(async move { axum::serve(other, lies).await.unwrap() });
    for (url, waits) in [("http://127.0.0.1:1", false), (&urls[0], true), (&urls[1], false)] {
        let mut browser = visit(url, Browser::new(url)).await;
        let page = browser.get("/?ref=abc").await;
        assert_eq!((page.status, page.text.as_str()), (200, "home"), "{url}");
        assert_eq!(page.all("set-cookie").len(), 0, "{url}");
        if !waits {
            let refused = browser.get("/account").await;
            assert_eq!((refused.status, refused.text.as_str()), (503, ""), "{url}");
            assert_eq!(browser.get("/greeting").await.text, "nobody", "{url}");
        }
    }
}
