//! Refresh tokens on two nodes: one successor for whoever asks at once, and one end for all.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::nodes::client::{Answer, Cookies};
use crate::nodes::cluster::{Cluster, Node, within};

const AT_ONCE: usize = 64;

/// Far more than the tail takes, on a machine that is busy otherwise.
const SOON: Duration = Duration::from_secs(5);

/// Logs in on a node and gives the tokens.
async fn tokens(node: &Node, email: &str) -> Value {
    let cookies = Cookies::new();
    let start = node.client.post("/api/v1/auth/login/start", json!({ "email": email }), &cookies);
    let start = start.await.unwrap();
    let body = json!({
        "requestId": start.body["data"]["requestId"],
        "code": node.mails.code(email).unwrap(),
        "tokenDelivery": "body",
    });
    let login = node.client.post("/api/v1/auth/login", body, &cookies).await.unwrap();
    assert_eq!(login.status, 200, "{}", login.body);
    login.body["data"].clone()
}

async fn refresh(node: &Node, token: &Value) -> Answer {
    let body = json!({ "refreshToken": token });
    node.client.post("/api/v1/auth/refresh", body, &Cookies::new()).await.unwrap()
}

async fn profile(node: &Node, access_token: &Value) -> u16 {
    let bearer = Cookies::from([("bearer".to_owned(), access_token.as_str().unwrap().to_owned())]);
    node.client.get("/api/v1/users/profile", &bearer).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_uses_of_one_refresh_token_on_two_nodes_give_one_successor() {
    const ROUNDS: usize = 10;
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    let mut token = tokens(&nodes[0], "ada@example.com").await["refreshToken"].clone();
    for round in 1..=ROUNDS {
        let uses = (0..AT_ONCE).map(|n| refresh(&nodes[n % 2], &token));
        let answers = join_all(uses).await;
        let next = answers[0].body["data"]["refreshToken"].clone();
        assert_ne!(next, token);
        for answer in &answers {
            assert_eq!(answer.status, 200, "round {round}: {}", answer.body);
            assert_eq!(answer.body["data"]["refreshToken"], next, "round {round}");
        }
        assert_eq!(cluster.count("RefreshRotated.v1").await, round);
        token = next;
    }
    assert_eq!(cluster.count("SessionRevoked.v1").await, 0);
    cluster.check(&nodes[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_refresh_token_ends_the_session_on_every_node_at_the_next_request() {
    let mut cluster = Cluster::new().await;
    // The issuer of access tokens, which is one for all nodes.
    cluster.flags = vec!["--public-url", "http://localhost:8080"];
    let nodes = [cluster.node().await, cluster.node().await];
    for round in 0..10 {
        let (one, other) = (&nodes[round % 2], &nodes[(round + 1) % 2]);
        let first = tokens(one, &format!("u{round}@example.com")).await;
        let stolen = &first["refreshToken"];
        let second = refresh(other, stolen).await.body["data"].clone();
        let third = refresh(one, &second["refreshToken"]).await.body["data"].clone();
        for node in &nodes {
            assert_eq!(profile(node, &third["accessToken"]).await, 200);
        }
        let reused = refresh(other, stolen).await;
        assert_eq!(reused.body["error"]["i18nKey"], "auth.refresh.token_reuse_detected");
        // No node exchanges anything any more, whatever it has read of the log.
        for node in [one, other] {
            for tokens in [&third, &second, &first] {
                let gone = refresh(node, &tokens["refreshToken"]).await;
                assert_eq!(gone.body["error"]["i18nKey"], "auth.refresh.invalid_token");
            }
        }
        // The node that ended it takes no bearer, and the other one none once it is told.
        assert_eq!(profile(other, &third["accessToken"]).await, 401);
        let gone = async || profile(one, &third["accessToken"]).await == 401;
        within(SOON, "a 401 of a bearer", gone).await;
        for tokens in [&first, &second, &third] {
            assert_eq!(profile(one, &tokens["accessToken"]).await, 401);
        }
    }
    assert_eq!(cluster.count("SessionRevoked.v1").await, 10);
}

/// The answer of a node that is killed is lost; its exchange is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_gives_the_successor_of_a_token_whose_answer_was_lost() {
    let cluster = Cluster::new().await;
    let mut one = cluster.node().await;
    let other = cluster.node().await;
    let first = tokens(&one, "ada@example.com").await["refreshToken"].clone();
    let second = refresh(&one, &first).await.body["data"]["refreshToken"].clone();
    one.kill();
    let again = refresh(&other, &first).await;
    assert_eq!(again.body["data"]["refreshToken"], second, "{}", again.body);
    assert_eq!(refresh(&other, &second).await.status, 200);
    assert_eq!(cluster.count("RefreshRotated.v1").await, 2);
}
