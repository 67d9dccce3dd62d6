//! What surrounds every answer: ids, headers, CORS, unknown paths and wrong verbs, health, keys.

use insta::assert_snapshot;

use crate::server::{Answer, Server, all_alike};
use crate::stores::on_every_store;

#[on_every_store]
async fn unknown_paths_are_answered_in_the_shape_of_their_family() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let mut shown = vec![];
    for path in ["/", "/v1", "/v1/nope", "/api", "/v1/auth/me/", "/V1/auth/me"] {
        shown.push(browser.get(path).await.shown());
    }
    assert_snapshot!(all_alike(shown), @r#"404 {"error":"not_found","message":"There is nothing here.","request_id":"<uuid>"}"#);
    let mut shown = vec![];
    for path in ["/api/v1/nope", "/api/"] {
        shown.push(browser.get(path).await.shown());
    }
    assert_snapshot!(all_alike(shown), @r#"404 {"success":false,"error":{"code":"NOT_FOUND","message":"There is nothing here.","i18nKey":"error.not_found","i18nVars":{},"details":[],"correlationId":"<uuid>"}}"#);
}

#[on_every_store]
async fn wrong_verbs_are_told_the_right_ones() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let mut shown = vec![];
    for (method, path, allowed) in [
        ("GET", "/v1/auth/email/start", "POST"),
        ("PUT", "/v1/auth/email/verify", "POST"),
        ("OPTIONS", "/v1/auth/email/verify", "POST"),
        ("POST", "/v1/auth/me", "GET,HEAD,PATCH"),
        ("GET", "/v1/auth/logout", "POST"),
        ("GET", "/v1/auth/token", "POST"),
        ("DELETE", "/v1/referrals/me", "GET,HEAD"),
        ("PATCH", "/v1/referrals/invitees", "GET,HEAD"),
        ("POST", "/healthz", "GET,HEAD"),
        ("POST", "/.well-known/jwks.json", "GET,HEAD"),
        ("BREW", "/v1/auth/me", "GET,HEAD,PATCH"),
        ("DELETE", "/v1/touch", "POST"),
    ] {
        let answer = browser.send(browser.request(method, path)).await;
        shown.push(answer.shown());
        assert_eq!(answer.all("allow"), [allowed], "{method} {path}");
    }
    assert_snapshot!(all_alike(shown), @r#"405 {"error":"method_not_allowed","message":"This cannot be done here.","request_id":"<uuid>"}"#);
    let answer = browser.post("/api/v1/users/attribution", "{}").await;
    assert_snapshot!(answer.shown(), @r#"405 {"success":false,"error":{"code":"METHOD_NOT_ALLOWED","message":"This cannot be done here.","i18nKey":"error.method_not_allowed","i18nVars":{"allow":"GET,HEAD"},"details":[{"message":"Allowed here: GET,HEAD."}],"correlationId":"<uuid>"}}"#);
    assert_eq!(answer.all("allow"), ["GET,HEAD"]);
}

#[on_every_store]
async fn a_callers_request_id_is_kept_when_it_is_one() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let id = "7f0c2a51-9a4e-4d53-8f0e-0c1d2e3f4a5b";
    for (sent, kept) in [
        (id.to_owned(), true),
        (id.to_uppercase(), true),
        (id.replace('-', ""), false),
        (format!("{{{id}}}"), false),
        (format!("{id}0"), false),
        ("x".to_owned(), false),
        (String::new(), false),
        ("é".to_owned(), false),
    ] {
        browser.headers = vec![("x-request-id", sent.clone())];
        for path in ["/v1/auth/me", "/api/v1/users/attribution", "/healthz"] {
            let answer = browser.get(path).await;
            let got = answer.header("x-request-id").unwrap();
            assert_eq!(got == id, kept, "{sent}");
            assert!(got.parse::<uuid::Uuid>().is_ok());
            assert!(answer.status == 200 || answer.text.contains(&got), "{}", answer.text);
        }
    }
    browser.headers = vec![("x-request-id", id.to_owned())];
    browser.start("ada@example.com").await;
    let last = server.log().await.pop().unwrap();
    assert_eq!(last.metadata.correlation_id.0.to_string(), id, "it ties the events to the request");
    browser.start("bob@example.com").await;
    let last = server.log().await.pop().unwrap();
    assert_ne!(last.metadata.correlation_id.0.to_string(), id, "of one request, and of no other");
}

#[on_every_store]
async fn two_ids_of_one_request_are_none() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let ids = ["5f0c8d0e-6f3a-4d2c-9a51-1b8f6f1c7a10", "5f0c8d0e-6f3a-4d2c-9a51-1b8f6f1c7a11"];
    browser.headers = ids.map(|id| ("x-request-id", id.to_owned())).to_vec();
    let got = browser.get("/healthz").await.header("x-request-id").unwrap();
    assert!(!ids.contains(&got.as_str()), "{got}");
}

#[track_caller]
fn assert_safe(answer: &Answer, path: &str) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(answer.all(name), [value], "{name} of {path}");
    }
    assert_eq!(answer.all("content-type"), ["application/json"], "{path}");
    for telling in ["server", "x-powered-by"] {
        assert!(answer.header(telling).is_none(), "{telling} of {path}");
    }
}

#[on_every_store]
async fn every_answer_has_the_security_headers() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await;
    for path in [
        "/v1/auth/me",
        "/v1/referrals/me",
        "/v1/referrals/invitees",
        "/v1/nope",
        "/api/v1/users/profile",
        "/v1/auth/logout",
        "/healthz",
        "/readyz",
    ] {
        let answer = ada.get(path).await;
        assert_safe(&answer, path);
        assert!(answer.header("strict-transport-security").is_none(), "not over http");
    }
    assert_safe(&ada.post("/v1/auth/email/start", "{").await, "start");
    assert_safe(&ada.post("/v1/auth/email/verify", "{").await, "verify");
    assert_safe(&server.log_in(&mut server.browser(), "bob@example.com").await, "verify");
}

#[on_every_store]
async fn over_https_browsers_are_told_to_stay_there() {
    let flags = ["--public-url", "https://login.example.com", "--development"];
    let server = Server::with(&flags).await;
    let answer = server.browser().get("/v1/auth/me").await;
    assert_eq!(answer.all("strict-transport-security"), ["max-age=31536000; includeSubDomains"]);
}

/// The CORS headers of an answer, as one text.
fn cors(answer: &Answer) -> String {
    let named = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        let text = format!("{name}: {}", value.to_str().unwrap());
        name.as_str().starts_with("access-control").then_some(text)
    };
    let mut lines: Vec<_> = answer.headers.iter().filter_map(named).collect();
    lines.sort();
    lines.join("\n")
}

#[on_every_store]
async fn without_allowed_origins_there_is_no_cors() {
    let server = Server::start().await;
    let mut browser = server.browser();
    for origin in ["https://console.example.com", "null", &server.url] {
        browser.headers =
            vec![("origin", origin.to_owned()), ("access-control-request-method", "POST".into())];
        assert_eq!(cors(&browser.get("/v1/auth/me").await), "");
        let preflight = browser.send(browser.request("OPTIONS", "/v1/auth/logout")).await;
        assert_eq!((preflight.status, cors(&preflight).as_str()), (405, ""));
    }
}

#[on_every_store]
async fn allowed_origins_are_compared_exactly() {
    let flags = [
        "--allowed-origin",
        "https://console.example.com",
        "--allowed-origin",
        "https://www.example.com:8443",
    ];
    let server = Server::with(&flags).await;
    let mut browser = server.browser();
    for allowed in ["https://console.example.com", "https://www.example.com:8443"] {
        browser.headers = vec![("origin", allowed.to_owned())];
        // On errors too: the page has to be able to read them.
        for path in ["/v1/auth/me", "/healthz", "/v1/nope", "/v1/auth/logout"] {
            let answer = browser.get(path).await;
            assert_eq!(answer.all("access-control-allow-origin"), [allowed], "{path}");
            assert_eq!(answer.all("access-control-allow-credentials"), ["true"]);
            let exposed = answer.header("access-control-expose-headers").unwrap();
            assert_eq!(exposed, "x-request-id,retry-after,x-csrf-token");
            assert!(answer.all("vary").join(",").contains("origin"), "caches tell origins apart");
        }
    }
    for other in [
        "http://console.example.com",
        "https://console.example.com:444",
        "https://console.example.com.evil.example",
        "https://evil.example",
        "https://CONSOLE.example.com",
        "null",
        "*",
    ] {
        browser.headers =
            vec![("origin", other.to_owned()), ("access-control-request-method", "POST".into())];
        let preflight = browser.send(browser.request("OPTIONS", "/v1/auth/logout")).await;
        for answer in [browser.get("/v1/auth/me").await, preflight] {
            assert!(answer.all("access-control-allow-origin").is_empty(), "{other}");
        }
    }
}

#[on_every_store]
async fn a_page_that_cannot_read_the_cookie_is_told_the_csrf_token() {
    let server = Server::with(&["--allowed-origin", "https://console.example.com"]).await;
    let mut browser = server.signed_in("ada@example.com").await;
    let told = browser.get("/v1/auth/me").await.header("x-csrf-token").unwrap();
    assert_eq!(told, browser.cookies["nl_csrf"]);
    let again = server.log_in(&mut browser, "ada@example.com").await;
    assert_eq!(again.header("x-csrf-token").as_ref(), browser.cookies.get("nl_csrf"));
    assert_ne!(again.header("x-csrf-token").unwrap(), told, "it is that of one session");
    let nobody = server.browser().get("/v1/auth/me").await;
    assert_eq!((nobody.status, nobody.header("x-csrf-token")), (401, None));
}

#[on_every_store]
async fn a_console_on_a_sibling_domain_is_let_through_its_preflight() {
    let server = Server::with(&["--allowed-origin", "https://console.example.com"]).await;
    let mut browser = server.browser();
    browser.headers = vec![
        ("origin", "https://console.example.com".into()),
        ("access-control-request-method", "POST".into()),
        ("access-control-request-headers", "content-type,x-csrf-token".into()),
    ];
    let preflight = browser.send(browser.request("OPTIONS", "/v1/auth/logout")).await;
    assert_eq!(preflight.status, 200);
    assert_snapshot!(cors(&preflight), @r"
    access-control-allow-credentials: true
    access-control-allow-headers: content-type,authorization,x-csrf-token
    access-control-allow-methods: GET,POST,PUT,PATCH,DELETE
    access-control-allow-origin: https://console.example.com
    ");
}

#[on_every_store]
async fn it_says_whether_it_is_alive_and_ready() {
    let server = Server::start().await;
    let mut browser = server.browser();
    assert_snapshot!(browser.get("/healthz").await.shown(), @r#"200 {"status":"ok"}"#);
    browser.start("ada@example.com").await;
    server.settle().await;
    let ready = browser.get("/readyz").await;
    let head = server.app.engine.store.head().await.unwrap();
    let expected = format!(r#"200 {{"status":"ok","head":{head},"projected":{head}}}"#);
    assert_eq!(ready.shown(), expected);
}

#[on_every_store]
async fn the_keys_of_the_bearers_are_public() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let answer = browser.get("/.well-known/jwks.json").await;
    assert_eq!(answer.all("cache-control"), ["public, max-age=3600"]);
    assert_eq!(answer.all("content-type"), ["application/json"]);
    let key = answer.json()["keys"][0].clone();
    let (x, kid) = (key["x"].as_str().unwrap(), key["kid"].as_str().unwrap());
    assert_eq!((x.len(), kid.len()), (43, 43));
    let shown = answer.shown().replace(x, "<x>").replace(kid, "<kid>");
    assert_snapshot!(shown, @r#"200 {"keys":[{"kty":"OKP","crv":"Ed25519","x":"<x>","kid":"<kid>","alg":"EdDSA","use":"sig"}]}"#);
    drop(browser);
    let server = server.restarted(crate::server::START).await;
    assert_eq!(server.browser().get("/.well-known/jwks.json").await.text, answer.text);
}
