//! The keys of back-ends over several nodes.

use std::time::Duration;

use whence::app::App;
use whence::app::api_keys::{ApiKeyRequest, KeyChange};
use whence::domain::api_key::ApiKeyName;
use whence::domain::user::measure::Reason;
use whence::engine::handler::Context;
use whence::infra::clock::Clock;
use whence_events::ApiKeyScope;

use crate::nodes::client::Cookies;
use crate::nodes::cluster::{Cluster, within};

const SOON: Duration = Duration::from_secs(5);

/// Nobody, about whom a key may ask.
const PATH: &str = "/api/v1/users/0191e0f4-0000-7000-8000-000000000001/attribution";

fn bearer(key: &str) -> Cookies {
    Cookies::from([("bearer".to_owned(), key.to_owned())])
}

fn new_key() -> ApiKeyRequest {
    ApiKeyRequest {
        name: ApiKeyName::parse("shop").unwrap(),
        scopes: vec![ApiKeyScope::ReadAttribution],
        expires_at: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_uses_on_two_nodes_are_one_event_of_the_day() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    let inside = App::open(cluster.config(), Clock::system()).await.unwrap();
    let issued = inside.issue_api_key(new_key(), &Context::of_system(None)).await.unwrap();
    let key = bearer(&issued.key);
    let uses = (0..64).map(|n| nodes[n % 2].client.get(PATH, &key));
    for answer in futures::future::join_all(uses).await {
        assert_eq!(answer.unwrap().status, 404, "let in, and there is no such user");
    }
    let is_noted = async || cluster.count("ApiKeyUsed.v1").await > 0;
    within(SOON, "a use on record", is_noted).await;
    for node in &nodes {
        assert_eq!(node.client.get(PATH, &key).await.unwrap().status, 404);
    }
    // What comes after a use on each node comes after what each has queued.
    for node in &nodes {
        node.log_in(&format!("{}@example.com", node.name), &Cookies::new()).await;
    }
    cluster.check_tables(&nodes[0]).await;
    let events = cluster.log().await;
    let days = events.iter().filter_map(|event| match &event.event {
        whence_events::Event::ApiKey(whence_events::ApiKeyEvent::ApiKeyUsed(key_use)) => {
            Some(key_use.day.clone())
        }
        _ => None,
    });
    let days: Vec<_> = days.collect();
    let mut each_once = days.clone();
    each_once.dedup();
    assert_eq!(days, each_once, "one at most a day, also around midnight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_or_replaced_on_one_node_is_a_401_on_the_other() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    let inside = App::open(cluster.config(), Clock::system()).await.unwrap();
    let context = Context::of_system(None);
    for _ in 0..10 {
        let issued = inside.issue_api_key(new_key(), &context).await.unwrap();
        let first = bearer(&issued.key);
        for node in nodes.iter().chain(&nodes) {
            assert_eq!(node.client.get(PATH, &first).await.unwrap().status, 404);
        }
        let rotated = inside.rotate_api_key(issued.id, Duration::ZERO, &context).await.unwrap();
        let second = bearer(&rotated.key);
        for node in &nodes {
            let gone = async || node.client.get(PATH, &first).await.unwrap().status == 401;
            within(SOON, "a 401 of the secret before", gone).await;
            assert_eq!(node.client.get(PATH, &second).await.unwrap().status, 404);
        }
        let revoke = KeyChange::Revoke(Reason::parse("a test").unwrap());
        inside.change_api_key(issued.id, revoke, &context).await.unwrap();
        for node in &nodes {
            let gone = async || node.client.get(PATH, &second).await.unwrap().status == 401;
            within(SOON, "a 401 of a revoked key", gone).await;
            assert_eq!(node.client.get(PATH, &second).await.unwrap().status, 401, "for good");
        }
    }
    cluster.check_tables(&nodes[0]).await;
}
