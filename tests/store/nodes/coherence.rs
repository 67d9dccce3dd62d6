//! What one node does, the others know: their caches hold nothing that is over.

use std::time::Duration;

use serde_json::json;
use whence::app::App;
use whence::domain::user::measure::{Act, Reason};
use whence::engine::handler::Context;
use whence::infra::clock::Clock;
use whence_events::{Event, StreamId, UserEvent};

use crate::nodes::client::Cookies;
use crate::nodes::cluster::{Cluster, Held, within};

/// Far more than the tail takes, on a machine that is busy otherwise.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_on_one_node_is_a_401_on_the_other() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    let mut delays = vec![];
    for round in 0..40 {
        let (here, there) = (&nodes[round % 2], &nodes[(round + 1) % 2]);
        let user = here.log_in(&format!("u{round}@example.com"), &Cookies::new()).await;
        // Twice: the second one is out of the cache.
        for _ in 0..2 {
            assert_eq!(there.client.me(&user).await.unwrap().status, 200);
        }
        assert_eq!(here.client.logout(&user).await.unwrap().status, 200);
        let gone = async || there.client.me(&user).await.unwrap().status == 401;
        delays.push(within(SOON, "a 401", gone).await);
        // And for good.
        for node in &nodes {
            assert_eq!(node.client.me(&user).await.unwrap().status, 401);
        }
    }
    delays.sort();
    eprintln!("a log-out on the other node: median {:?}, worst {:?}", delays[20], delays[39]);
}

/// A stolen session ends everywhere when its owner ends all others, or an operator suspends them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_other_sessions_and_a_suspension_end_sessions_on_every_node() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    let inside = App::open(cluster.config(), Clock::system()).await.unwrap();
    for round in 0..6 {
        let (here, there) = (&nodes[round % 2], &nodes[(round + 1) % 2]);
        let email = format!("v{round}@example.com");
        let thief = there.log_in(&email, &Cookies::new()).await;
        let owner = here.log_in(&email, &Cookies::new()).await;
        for user in [&thief, &owner] {
            for node in &nodes {
                assert_eq!(node.client.me(user).await.unwrap().status, 200);
            }
        }
        let all = here.client.post("/v1/auth/sessions/revoke-all", json!({}), &owner).await;
        assert_eq!(all.unwrap().body["revoked"], 1);
        assert_eq!(here.client.me(&thief).await.unwrap().status, 401);
        let gone = async || there.client.me(&thief).await.unwrap().status == 401;
        within(SOON, "a 401 of the thief", gone).await;
        let me = there.client.me(&owner).await.unwrap();
        assert_eq!(me.status, 200);
        let user_id = me.body["user"]["id"].as_str().unwrap().parse().unwrap();
        let reason = Reason::parse("a test").unwrap();
        let context = Context::of_system(None);
        inside.moderate(user_id, Act::Suspend, reason, &context).await.unwrap();
        for node in &nodes {
            let gone = async || node.client.me(&owner).await.unwrap().status == 401;
            within(SOON, "a 401 of a suspended user", gone).await;
        }
        let request_id = there.client.started(&email).await;
        let code = there.mails.code(&email).unwrap();
        let told = there.client.verify(&request_id, &code, &Cookies::new()).await.unwrap();
        assert_eq!((told.status, told.error()), (403, "account_suspended"));
    }
    cluster.check_tables(&nodes[0]).await;
}

/// Whoever writes the tables may have to wait for a lock. Its caches do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_does_not_wait_for_the_tables_of_the_other_node() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    for (here, there) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        let user = here.log_in(&format!("{}@example.com", here.name), &Cookies::new()).await;
        for node in &nodes {
            assert_eq!(node.client.me(&user).await.unwrap().status, 200);
        }
        let sql = "LOCK TABLE read.sessions, read.checkpoints";
        let lock = Held::by(cluster.url(), sql).await;
        // Something that the tables wait with, and whoever writes them.
        here.client.started("someone@example.com").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let gone = async || there.client.me(&user).await.unwrap().status == 401;
        let gone = within(Duration::from_secs(2), "a 401, before the lock is given up", gone);
        let (left, took) = futures::join!(here.client.logout(&user), gone);
        assert_eq!(left.unwrap().status, 200);
        eprintln!("a log-out while the tables are locked: {took:?}");
        lock.release().await;
        nodes[0].client.ready().await;
        nodes[1].client.ready().await;
        assert_eq!(there.client.me(&user).await.unwrap().status, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_was_given_up_on_one_node_attributes_nothing_on_the_other() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    let ada = nodes[0].log_in("ada@example.com", &Cookies::new()).await;
    for round in 0..3 {
        let (here, there) = (&nodes[round % 2], &nodes[(round + 1) % 2]);
        let slug = format!("ada-{round}");
        let chosen = here.client.post("/v1/referrals/code", json!({ "slug": slug }), &ada).await;
        assert_eq!(chosen.unwrap().status, 200);
        let mut bob = there.log_in(&format!("bob{round}@example.com"), &Cookies::new()).await;
        let mut eve = there.log_in(&format!("eve{round}@example.com"), &Cookies::new()).await;
        bob.insert("ref_code".to_owned(), slug.clone());
        eve.insert("ref_code".to_owned(), slug.clone());
        assert_eq!(there.client.attribute(&bob).await.body, json!({ "attributed": true }));
        assert_eq!(here.client.delete("/v1/referrals/code", &ada).await.unwrap().status, 200);
        let refused = there.client.attribute(&eve).await;
        assert_eq!(refused.body["attributed"], false, "{}", refused.body);
    }
    assert_eq!(cluster.count("ReferralAttributed.v1").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_was_erased_on_one_node_is_gone_on_the_other() {
    let cluster = Cluster::new().await;
    let node = cluster.node().await;
    // Two nodes inside of this process: what is in memory there can be looked at.
    let here = App::open(cluster.config(), Clock::system()).await.unwrap();
    let there = App::open(cluster.config(), Clock::system()).await.unwrap();
    for round in 0..5 {
        let email = format!("u{round}@example.com");
        let user = node.log_in(&email, &Cookies::new()).await;
        assert_eq!(node.client.me(&user).await.unwrap().status, 200);
        let registered =
            cluster.log().await.into_iter().rev().find_map(|e| match (e.stream, e.event) {
                (StreamId::User(id), Event::User(event)) => match *event {
                    UserEvent::UserRegistered(event) => Some((id, event.email)),
                    _ => None,
                },
                _ => None,
            });
        let (user_id, sealed) = registered.unwrap();
        let stream = StreamId::User(user_id);
        let open = async || there.engine.vault.open(&stream, 0, "email", &sealed).await.unwrap();
        assert_eq!(open().await.unwrap().as_str(), email, "the key is kept open from here on");
        let erasing = here.erase_user(user_id, "a test");
        // Meanwhile it is asked for: a key that is read before it is destroyed must not stay.
        let asking = async {
            for _ in 0..200 {
                open().await;
            }
        };
        let (erased, ()) = futures::join!(erasing, asking);
        erased.unwrap();
        within(SOON, "the key is not open", async || open().await.is_none()).await;
        let gone = async || node.client.me(&user).await.unwrap().status == 401;
        within(SOON, "a 401", gone).await;
    }
    // The address may register anew, and becomes somebody else.
    let again = node.log_in("u0@example.com", &Cookies::new()).await;
    assert_eq!(node.client.me(&again).await.unwrap().status, 200);
    cluster.check_tables(&node).await;
}
