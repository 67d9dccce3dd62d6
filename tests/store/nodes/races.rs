//! What requests must not get when they come at once, on two nodes.

use futures::future::join_all;
use serde_json::json;

use crate::nodes::client::{Answer, Client, Cookies};
use crate::nodes::cluster::{Cluster, Node};
use whence_test_support::log;

const AT_ONCE: usize = 64;

async fn two() -> (Cluster, [Node; 2]) {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    (cluster, nodes)
}

/// A code that is not this one.
fn other_than(code: &str, n: usize) -> String {
    let code: usize = code.parse().unwrap();
    format!("{:06}", (code + 1 + n) % 1_000_000)
}

/// Tries codes on one login all at once, on both nodes by turns.
async fn verify_all(nodes: &[Node; 2], request_id: &str, codes: &[String]) -> Vec<Answer> {
    let none = Cookies::new();
    let tries = codes.iter().enumerate().map(|(n, code)| {
        let (client, none) = (&nodes[n % 2].client, &none);
        async move { client.verify(request_id, code, none).await.unwrap() }
    });
    join_all(tries).await
}

fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_right_codes_on_two_nodes_give_one_session() {
    const ROUNDS: usize = 40;
    let (cluster, nodes) = two().await;
    for round in 0..ROUNDS {
        let email = format!("u{round}@example.com");
        let starts = &nodes[round % 2];
        let request_id = starts.client.started(&email).await;
        let codes = vec![starts.mails.code(&email).unwrap(); AT_ONCE];
        let answers = verify_all(&nodes, &request_id, &codes).await;
        assert_eq!(with_status(&answers, 200), 1, "round {round}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((answer.status, answer.error()), (400, "invalid_request"));
            assert!(answer.cookies.is_empty());
        }
    }
    log::check(&cluster.log().await);
    for once in ["SessionOpened.v1", "CodeVerified.v1", "MailboxClaimed.v1", "UserRegistered.v1"] {
        assert_eq!(cluster.count(once).await, ROUNDS, "{once}");
    }
    assert_eq!(cluster.count("CodeRejected.v1").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_codes_on_two_nodes_and_three_logins_share_one_budget() {
    let (cluster, nodes) = two().await;
    let mut logins = vec![];
    for node in [0, 1, 0] {
        let request_id = nodes[node].client.started("ada@example.com").await;
        logins.push((request_id, nodes[node].mails.code("ada@example.com").unwrap()));
    }
    let all = logins.iter().map(|(request_id, right)| {
        let wrong: Vec<_> = (0..AT_ONCE).map(|n| other_than(right, n)).collect();
        let nodes = &nodes;
        async move { verify_all(nodes, request_id, &wrong).await }
    });
    let answers: Vec<_> = join_all(all).await.into_iter().flatten().collect();
    let told = |error: &str| answers.iter().filter(|a| a.error() == error).count();
    assert_eq!((told("invalid_code"), told("invalid_request")), (10, 3 * AT_ONCE - 10));
    assert_eq!(cluster.count("CodeRejected.v1").await, 10);
    for node in &nodes {
        let refused = node.client.start("ada@example.com").await.unwrap();
        assert_eq!((refused.status, refused.error()), (429, "rate_limited"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_wrong_codes_on_two_nodes_five_are_compared() {
    let (cluster, nodes) = two().await;
    for round in 1..=15 {
        let email = format!("u{round}@example.com");
        let request_id = nodes[0].client.started(&email).await;
        let right = nodes[0].mails.code(&email).unwrap();
        let wrong: Vec<_> = (0..AT_ONCE).map(|n| other_than(&right, n)).collect();
        let answers = verify_all(&nodes, &request_id, &wrong).await;
        let told = |error: &str| answers.iter().filter(|a| a.error() == error).count();
        assert_eq!((told("invalid_code"), told("invalid_request")), (5, AT_ONCE - 5));
        assert_eq!(cluster.count("CodeRejected.v1").await, 5 * round);
        assert_eq!(cluster.count("LoginLocked.v1").await, round);
        for late in verify_all(&nodes, &request_id, &[right.clone(), right]).await {
            assert_eq!(late.error(), "invalid_request");
        }
    }
    assert_eq!(cluster.count("SessionOpened.v1").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_code_beside_four_wrong_ones_on_two_nodes_is_never_refused() {
    let (cluster, nodes) = two().await;
    for round in 0..60 {
        let email = format!("u{round}@example.com");
        let request_id = nodes[round % 2].client.started(&email).await;
        let right = nodes[round % 2].mails.code(&email).unwrap();
        let mut codes: Vec<_> = (0..4).map(|n| other_than(&right, n)).collect();
        codes.insert(round % 5, right);
        let answers = verify_all(&nodes, &request_id, &codes).await;
        assert_eq!(answers[round % 5].status, 200, "round {round}: {}", answers[round % 5].body);
        assert_eq!(with_status(&answers, 400), 4);
    }
    log::check(&cluster.log().await);
}

/// Each node has a code of its own for one new address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_register_one_address_once() {
    const ROUNDS: usize = 40;
    let (cluster, nodes) = two().await;
    for round in 0..ROUNDS {
        let email = format!("u{round}@example.com");
        let starts = nodes.iter().map(|node| node.client.started(&email));
        let requests = join_all(starts).await;
        let none = Cookies::new();
        let verifies = nodes.iter().zip(&requests).map(|(node, request_id)| {
            let code = node.mails.code(&email).unwrap();
            let none = &none;
            async move { node.client.verify(request_id, &code, none).await.unwrap() }
        });
        let answers = join_all(verifies).await;
        assert_eq!(with_status(&answers, 200), 2, "{answers:?}");
        assert_eq!(answers[0].body["user"]["id"], answers[1].body["user"]["id"]);
        for (node, other) in nodes.iter().zip(answers.iter().rev()) {
            assert_eq!(node.client.me(&other.cookies).await.unwrap().status, 200);
        }
    }
    log::check(&cluster.log().await);
    for (event, times) in
        [("UserRegistered.v1", 1), ("MailboxClaimed.v1", 1), ("SessionOpened.v1", 2)]
    {
        assert_eq!(cluster.count(event).await, times * ROUNDS, "{event}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_attribute_a_user_once() {
    const ROUNDS: usize = 15;
    let (cluster, nodes) = two().await;
    let ada = nodes[0].log_in("ada@example.com", &Cookies::new()).await;
    let eve = nodes[1].log_in("eve@example.com", &Cookies::new()).await;
    let codes = [nodes[0].primary_code(&ada).await, nodes[1].primary_code(&eve).await];
    for round in 0..ROUNDS {
        let email = format!("bob{round}@example.com");
        let bob = nodes[round % 2].log_in(&email, &Cookies::new()).await;
        let calls = (0..16).map(|n| {
            let mut bob = bob.clone();
            bob.insert("ref_code".to_owned(), codes[n / 2 % 2].clone());
            let client: &Client = &nodes[n % 2].client;
            async move { client.attribute(&bob).await.body }
        });
        let answers = join_all(calls).await;
        let already = json!({ "attributed": false, "reason": "already_attributed" });
        let won = answers.iter().filter(|body| **body == json!({ "attributed": true })).count();
        let lost = answers.iter().filter(|body| **body == already).count();
        assert_eq!((won, lost), (1, 15), "{answers:?}");
    }
    assert_eq!(cluster.count("ReferralAttributed.v1").await, ROUNDS);
    let events = cluster.check(&nodes[0]).await;
    log::check(&events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_two_users_claim_on_two_nodes_has_one_owner() {
    let (cluster, nodes) = two().await;
    for round in 0..10 {
        let mut users = vec![];
        for (n, node) in nodes.iter().enumerate() {
            let email = format!("u{round}-{n}@example.com");
            users.push(node.log_in(&email, &Cookies::new()).await);
        }
        let slug = format!("chosen-{round}");
        let claims = nodes.iter().zip(&users).map(|(node, user)| {
            node.client.post("/v1/referrals/code", json!({ "slug": slug }), user)
        });
        let answers: Vec<_> = join_all(claims).await.into_iter().map(Option::unwrap).collect();
        assert_eq!(with_status(&answers, 200), 1, "{answers:?}");
        let loser = answers.iter().find(|answer| answer.status != 200).unwrap();
        assert_eq!((loser.status, loser.error()), (409, "slug_taken"));
    }
    assert_eq!(
        cluster
            .check_tables(&nodes[1])
            .await
            .iter()
            .filter(|e| e.version == 0
                && e.event.event_type() == "NameReserved.v1"
                && e.stream.to_string().contains("chosen"))
            .count(),
        10
    );
}

/// Each step on another node than the one before, and at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_request_may_go_to_the_other_node() {
    let (cluster, nodes) = two().await;
    let ada = nodes[0].log_in("ada@example.com", &Cookies::new()).await;
    let code = nodes[1].primary_code(&ada).await;
    let logins = (0..120).map(async |n: usize| {
        let (one, other) = (&nodes[n % 2], &nodes[(n + 1) % 2]);
        let email = format!("u{n}@example.com");
        let request_id = one.client.started(&email).await;
        let right = one.mails.code(&email).unwrap();
        let answer = other.client.verify(&request_id, &right, &Cookies::new()).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut user = answer.cookies;
        assert_eq!(one.client.me(&user).await.unwrap().status, 200);
        user.insert("ref_code".to_owned(), code.clone());
        let attributed = one.client.attribute(&user).await;
        assert_eq!(attributed.body, json!({ "attributed": true }));
        let snapshot = other.client.snapshot(&user).await.unwrap();
        assert_eq!(snapshot.body["data"]["referralCode"], *code, "{snapshot:?}");
        assert_eq!(one.client.logout(&user).await.unwrap().status, 200);
    });
    for some in futures::stream::StreamExt::collect::<Vec<_>>(
        futures::stream::StreamExt::buffer_unordered(futures::stream::iter(logins), 12),
    )
    .await
    {
        let () = some;
    }
    assert_eq!(cluster.count("ReferralAttributed.v1").await, 120);
    cluster.check(&nodes[0]).await;
}
