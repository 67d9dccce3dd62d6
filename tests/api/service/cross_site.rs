//! Pages of other sites, in browsers with and without Fetch Metadata.

use crate::server::{Browser, Server};
use crate::stores::on_every_store;

const ALLOWED: [&str; 4] =
    ["--allowed-origin", "https://app.shop.test", "--public-url", "https://login.shop.test"];

async fn server() -> Server {
    let flags = [&ALLOWED[..], &["--development", "--host-cookie-prefix=false"]].concat();
    Server::with(&flags).await
}

/// The same browser on a page of this origin.
fn on_page(browser: &Browser, origin: &str) -> Browser {
    let mut there = browser.clone();
    there.headers.push(("origin", origin.to_owned()));
    there
}

#[on_every_store]
async fn the_origin_decides_where_fetch_metadata_is_missing() {
    let server = server().await;
    let mut browser = server.browser();
    let start = r#"{"email":"ada@shop.test"}"#;
    for foreign in
        ["https://evil.test", "null", "http://login.shop.test", "https://x.app.shop.test"]
    {
        let mut there = on_page(&browser, foreign);
        let refused = there.post("/v1/auth/email/start", start).await;
        assert_eq!((refused.status, refused.error().as_str()), (403, "csrf_invalid"), "{foreign}");
    }
    assert!(server.types().await.iter().all(|stored| !stored.starts_with("Login")));
    let request_id = browser.start("ada@shop.test").await;
    let code = server.code("ada@shop.test");
    // As a form of `enctype=text/plain` sends it: no preflight request asks the service first.
    let body = format!(r#"{{"request_id":"{request_id}","code":"{code}","x":"="}}"#);
    let form = browser.request("POST", "/v1/auth/email/verify");
    let form = form.header("content-type", "text/plain").body(body);
    let refused = on_page(&browser, "https://evil.test").send(form).await;
    assert_eq!((refused.status, refused.all("set-cookie").len()), (403, 0));
    let mut own = on_page(&browser, "https://app.shop.test");
    assert_eq!(own.verify(&request_id, &code).await.status, 200);
}

#[on_every_store]
async fn no_call_that_changes_something_is_taken_from_another_site() {
    let server = server().await;
    let signed_in = server.signed_in("ada@shop.test").await.with_csrf();
    let calls = [
        ("POST", "/v1/auth/token"),
        ("POST", "/v1/auth/logout"),
        ("POST", "/v1/referrals/code"),
        ("DELETE", "/v1/referrals/code"),
        ("POST", "/v1/auth/sessions/revoke-all"),
    ];
    let sibling = ("sec-fetch-site", "same-site".to_owned());
    let mut old = on_page(&signed_in, "https://blog.shop.test");
    let mut new = old.clone();
    new.headers.push(sibling);
    for there in [&mut old, &mut new] {
        for (method, path) in calls {
            let refused = there.send(there.request(method, path).body(r#"{"slug":"mine"}"#)).await;
            assert_eq!((refused.status, refused.error().as_str()), (403, "csrf_invalid"), "{path}");
        }
        let unattributed = there.post("/v1/auth/attribute", "").await;
        assert_eq!((unattributed.status, unattributed.all("set-cookie").len()), (401, 0));
    }
    for own in ["https://app.shop.test", "https://login.shop.test"] {
        assert_eq!(on_page(&signed_in, own).post("/v1/auth/token", "").await.status, 200);
    }
}
