//! A node that cannot reach Postgres does not go on answering what it remembers.

use std::time::{Duration, Instant};

use crate::nodes::client::Cookies;
use crate::nodes::cluster::{Cluster, within};
use crate::nodes::proxy::{Proxy, target};

/// What an answer may take while nothing answers: far less than the limit of a request.
const BOUND: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_answers_503_until_it_is_back() {
    let cluster = Cluster::new().await;
    let whole = cluster.node().await;
    let proxy = Proxy::to(target(cluster.url())).await;
    let cut_off = cluster.node_by(&proxy.of(cluster.url())).await;
    let stays = whole.log_in("ada@example.com", &Cookies::new()).await;
    let leaves = whole.log_in("bob@example.com", &Cookies::new()).await;
    for user in [&stays, &leaves] {
        assert_eq!(cut_off.client.me(user).await.unwrap().status, 200);
    }
    proxy.block();
    let took =
        within(BOUND, "a 503", async || cut_off.client.me(&stays).await.unwrap().is_not_now());
    eprintln!("a node that was cut off says so after {:?}", took.await);
    assert_eq!(whole.client.logout(&leaves).await.unwrap().status, 200);
    // Whatever it is asked, it says no soon, and nothing that may be wrong.
    let since = Instant::now();
    for _ in 0..3 {
        for user in [&stays, &leaves] {
            let (me, snapshot, start, left) = futures::join!(
                cut_off.client.me(user),
                cut_off.client.snapshot(user),
                cut_off.client.start("eve@example.com"),
                cut_off.client.logout(user),
            );
            for answer in [me, snapshot, start, left] {
                let answer = answer.unwrap();
                assert!(answer.is_not_now(), "{answer:?}");
            }
        }
    }
    eprintln!("six rounds of requests to it took {:?}", since.elapsed());
    assert!(cut_off.client.get("/readyz", &Cookies::new()).await.unwrap().status == 503);
    assert_eq!(whole.client.me(&stays).await.unwrap().status, 200, "the other one goes on");
    proxy.unblock();
    let back = within(BOUND, "it is back", async || {
        let answer = cut_off.client.me(&leaves).await.unwrap();
        assert!(answer.status == 401 || answer.is_not_now(), "{answer:?}");
        answer.status == 401
    });
    eprintln!("and is back after {:?}", back.await);
    within(BOUND, "me", async || cut_off.client.me(&stays).await.unwrap().status == 200).await;
    cut_off.client.ready().await;
    cut_off.log_in("eve@example.com", &Cookies::new()).await;
    cluster.check(&cut_off).await;
}

/// The one that writes the tables is cut off: they go on within the time that the server needs to
/// notice, and nobody is told anything wrong meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_node_that_projects_is_cut_off_nothing_wrong_is_said() {
    let cluster = Cluster::new().await;
    let proxy = Proxy::to(target(cluster.url())).await;
    let cut_off = cluster.node_by(&proxy.of(cluster.url())).await;
    let whole = cluster.node().await;
    assert_eq!(cluster.projecting().await.as_ref(), Some(&cut_off.name));
    let user = cut_off.log_in("ada@example.com", &Cookies::new()).await;
    assert_eq!(whole.client.me(&user).await.unwrap().status, 200);
    proxy.block();
    // What is in the tables is answered; what is not there yet is not denied.
    assert_eq!(whole.client.me(&user).await.unwrap().status, 200);
    let request_id = whole.client.started("bob@example.com").await;
    let code = whole.mails.code("bob@example.com").unwrap();
    let verified = within(Duration::from_mins(1), "bob is in", async || {
        let answer = whole.client.verify(&request_id, &code, &Cookies::new()).await.unwrap();
        assert!(answer.status == 200 || answer.is_not_now(), "{answer:?}");
        answer.status == 200
    });
    eprintln!("the tables of a node that was cut off stood still for {:?}", verified.await);
    proxy.unblock();
    cut_off.client.ready().await;
    cluster.check(&whole).await;
}
