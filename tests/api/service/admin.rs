//! The operators' API is closed until somebody has a token, and to everybody else.

use serde_json::json;

use crate::server::Server;
use crate::stores::on_every_store;

const TOKEN: &str = "c2VjcmV0c2VjcmV0c2VjcmV0cw==";

#[on_every_store]
async fn without_a_configured_token_it_is_closed() {
    let server = Server::start().await;
    let url = format!("{}/v1/admin/projections", server.url);
    let answer = reqwest::Client::new().get(url).header("x-admin-token", TOKEN).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 401);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["error"], "admin_token_unset");
}

#[on_every_store]
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
    assert_eq!(server.app.counters.admin_tokens_wrong.get(), 4, "none at all is no wrong one");
    let answer = client.get(&url).header("x-admin-token", TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: serde_json::Value = answer.json().await.unwrap();
    let names: Vec<_> =
        body["projections"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
    assert!(names.contains(&&json!("identity")), "{body}");
}

#[on_every_store(flavor = "multi_thread")]
async fn an_operator_has_read_models_rebuilt() {
    let server = Server::with(&["--admin-token", TOKEN]).await;
    let mut ada = server.signed_in("ada@example.com").await;
    server.onboarded(&mut ada).await;
    server.settle().await;
    let rows = server.app.engine.read_db.dump().await.unwrap();
    let client = reqwest::Client::new();
    let url = format!("{}/v1/admin/projections", server.url);
    let list = async || -> serde_json::Value {
        let answer = client.get(&url).header("x-admin-token", TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    };
    let rebuild = async |name: &str, token: &str| {
        let request = client.post(format!("{url}/{name}/rebuild")).header("x-admin-token", token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    let before = list().await;
    let identity = &before["projections"][0];
    assert_eq!(identity["name"], "identity");
    assert_eq!((&identity["version"], &identity["lag"]), (&json!(3), &json!(0)), "{before}");
    assert_eq!(identity["position"], identity["head"]);
    assert_eq!((&before["rebuilding"], &before["last_rebuild"]), (&json!(null), &json!(null)));

    assert_eq!(rebuild("identity", "another-token-of-22-chars").await.0, 401);
    assert_eq!(rebuild("nonsense", TOKEN).await.0, 404);
    let scratch =
        server.app.engine.read_db.scratch(whence_projections::Purpose::Rebuild, &["identity"]);
    let scratch = scratch.await.unwrap();
    let (status, refused) = rebuild("identity", TOKEN).await;
    assert_eq!((status, &refused["error"]), (409, &json!("rebuild_under_way")));
    drop(scratch);

    let begun = async || loop {
        // On Postgres the lock goes a moment after the connection that has it.
        match rebuild("identity", TOKEN).await {
            (202, answer) => return answer,
            (status, answer) => assert_eq!(status, 409, "{answer}"),
        }
    };
    assert_eq!(begun().await, json!({ "rebuilding": ["identity"] }));
    crate::server::until("it is rebuilt", async || list().await["last_rebuild"].is_object()).await;
    let after = list().await;
    let expected = json!({ "projections": ["identity"], "error": null });
    assert_eq!((&after["last_rebuild"], &after["rebuilding"]), (&expected, &json!(null)));
    assert_eq!(server.app.engine.read_db.dump().await.unwrap(), rows);
    // And the service goes on in the new tables.
    server.signed_in("bob@example.com").await;
    server.settle().await;
    assert_eq!(server.app.progress.stopped(), None);
    assert!(server.app.engine.read_db.dump().await.unwrap().len() > rows.len());
}
