//! What users say about themselves.

use serde_json::json;

use crate::server::{Answer, Browser, Server};
use crate::stores::on_every_store;

async fn patch(browser: &mut Browser, body: &serde_json::Value) -> Answer {
    browser.send(browser.request("PATCH", "/v1/auth/me").body(body.to_string())).await
}

async fn updates(server: &Server) -> usize {
    server.types().await.iter().filter(|name| *name == "ProfileUpdated.v1").count()
}

#[on_every_store]
async fn a_user_says_a_name_and_a_picture_and_takes_them_back() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await.with_csrf();
    let both = json!({ "display_name": " Ada\u{202e}  Lovelace ", "avatar_url": "https://cdn.example.com/a.png" });
    let answer = patch(&mut ada, &both).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let user = answer.json()["user"].clone();
    assert_eq!(user["display_name"], "Ada Lovelace");
    assert_eq!(user["avatar_url"], "https://cdn.example.com/a.png");
    assert_eq!(ada.get("/v1/auth/me").await.json()["user"], user);
    let changes = updates(&server).await;
    assert_eq!(patch(&mut ada, &both).await.status, 200);
    assert_eq!(patch(&mut ada, &json!({ "unknown": 1 })).await.json()["user"], user);
    assert_eq!(updates(&server).await, changes, "what is so already leaves no event");
    let user = patch(&mut ada, &json!({ "display_name": null })).await.json()["user"].clone();
    assert_eq!((&user["display_name"], &user["avatar_url"]), (&json!(""), &both["avatar_url"]));
    let user = patch(&mut ada, &json!({ "avatar_url": "" })).await.json()["user"].clone();
    assert_eq!((&user["display_name"], &user["avatar_url"]), (&json!(""), &json!("")));
}

#[on_every_store]
async fn what_is_no_profile_changes_nothing() {
    let server = Server::start().await;
    let mut ada = server.signed_in("ada@example.com").await;
    let missing = patch(&mut ada, &json!({ "display_name": "Ada" })).await;
    assert_eq!((missing.status, missing.error().as_str()), (403, "csrf_missing"));
    let mut ada = ada.with_csrf();
    for body in [
        json!({ "avatar_url": "javascript:alert(1)" }),
        json!({ "avatar_url": "data:image/svg+xml,<svg/>" }),
        json!({ "avatar_url": "http://cdn.example.com/a.png" }),
        json!({ "avatar_url": ["https://cdn.example.com/a.png"] }),
        json!({ "display_name": "x".repeat(81) }),
        json!({ "display_name": "Ada", "avatar_url": "//cdn.example.com/a.png" }),
        json!({ "display_name": {} }),
    ] {
        let answer = patch(&mut ada, &body).await;
        let shown = (answer.status, answer.error());
        assert_eq!(shown, (400, "invalid_parameter".into()), "{body}");
    }
    assert_eq!(updates(&server).await, 0);
    let mut nobody = server.browser();
    assert_eq!(patch(&mut nobody, &json!({})).await.status, 401);
}
