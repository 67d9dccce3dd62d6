//! The operators' API is closed until somebody has a token, and to everybody else.

use serde_json::json;

use crate::support::Server;

const TOKEN: &str = "c2VjcmV0c2VjcmV0c2VjcmV0cw==";

#[tokio::test]
async fn without_a_configured_token_it_is_closed() {
    let server = Server::start().await;
    let url = format!("{}/v1/admin/projections", server.url);
    let answer = reqwest::Client::new().get(url).header("x-admin-token", TOKEN).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 401);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["error"], "admin_token_unset");
}

#[tokio::test]
async fn only_a_right_token_opens_it() {
    let server = Server::with(&["--admin-token", &format!("grace={TOKEN}")]).await;
    let url = format!("{}/v1/admin/projections", server.url);
    let client = reqwest::Client::new();
    for wrong in [None, Some(""), Some("grace"), Some(&TOKEN[1..]), Some("grace=c2Vjcm")] {
        let request = client.get(&url);
        let request = match wrong {
            Some(token) => request.header("x-admin-token", token),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{wrong:?}");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "admin_token_invalid");
    }
    let answer = client.get(&url).header("x-admin-token", TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: serde_json::Value = answer.json().await.unwrap();
    let names: Vec<_> = body["projections"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
    assert!(names.contains(&&json!("identity")), "{body}");
}
