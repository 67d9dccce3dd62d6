//! Postgres restarts, crashes, and is replaced by its standby, under load.

use std::time::Duration;

use futures::future::join_all;

use crate::nodes::client::Cookies;
use crate::nodes::cluster::{Cluster, Node, within};
use crate::nodes::ledger::{Ledger, under_load};
use whence_test_support::postgres::{Database, database_in, execute, script};

/// A server of its own, removed with this value.
struct Server {
    name: String,
}

impl Server {
    /// Its URL as well.
    fn new(name: &str) -> (Self, String) {
        let server = Self { name: format!("{name}_{}", std::process::id()) };
        script(&["remove", &server.name]);
        let url = script(&["cluster", &server.name]);
        (server, url)
    }

    /// Another one that has all that the first has before it is acknowledged.
    fn standby(&self) -> (Self, String) {
        let standby = Self { name: format!("{}_standby", self.name) };
        script(&["remove", &standby.name]);
        let url = script(&["standby", &standby.name, &self.name, "--sync"]);
        (standby, url)
    }

    /// Runs the script beside the load.
    async fn run(&self, command: &'static str) {
        let name = self.name.clone();
        tokio::task::spawn_blocking(move || script(&[command, &name])).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        script(&["remove", &self.name]);
    }
}

async fn cluster(url: &str) -> (Cluster, Database) {
    let database = database_in(url.to_owned()).await;
    (Cluster::over(database.url()), database)
}

async fn check(cluster: &Cluster, ledger: &Ledger, nodes: &[Node; 2]) {
    for node in nodes {
        node.client.ready().await;
        ledger.check(node).await;
    }
    cluster.check(&nodes[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_restarted_under_load() {
    let (server, url) = Server::new("restarted");
    let (cluster, _database) = cluster(&url).await;
    let nodes = [cluster.node().await, cluster.node().await];
    let ledger = Ledger::default();
    let happens = async {
        for _ in 0..2 {
            server.run("restart").await;
            ledger.until_more(30).await;
        }
        // As if it had crashed, and for longer than a node believes its cache.
        server.run("kill").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        server.run("up").await;
        ledger.until_more(60).await;
    };
    under_load(&ledger, &[nodes[0].face(), nodes[1].face()], happens).await;
    ledger.say("Postgres restarted twice, and gone for 5 s");
    check(&cluster, &ledger, &nodes).await;
}

/// The tables are written without waiting for the disk, so a crash may take the last rows. What was
/// acknowledged is in the log, and nobody is told otherwise while the tables catch up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_a_crash_took_back_deny_nothing() {
    let (server, url) = Server::new("crashed");
    // As long as can be: whatever is not flushed for somebody else is lost.
    execute(&url, "ALTER SYSTEM SET wal_writer_delay = '10s'").await;
    execute(&url, "SELECT pg_reload_conf()").await;
    let (cluster, _database) = cluster(&url).await;
    let nodes = [cluster.node().await, cluster.node().await];
    let log_in = |n: usize| {
        let node = &nodes[n % 2];
        async move { node.log_in(&format!("u{n}@example.com"), &Cookies::new()).await }
    };
    join_all((0..8).map(log_in)).await;
    let welcome = async || cluster.count("WelcomeEmailSent.v1").await == 8;
    within(Duration::from_secs(20), "everybody is welcome", welcome).await;
    let mut lost = 0;
    for _ in 0..4 {
        // Nothing comes after these logins that would be flushed, and they with it.
        let users = join_all((0..8).map(log_in)).await;
        for node in &nodes {
            node.client.ready().await;
        }
        let rows = async || {
            cluster.config().storage.store.open_read_db().await.unwrap().dump().await.unwrap()
        };
        let before = rows().await;
        server.run("kill").await;
        let comes_back = async {
            server.run("up").await;
            lost += usize::from(rows().await != before);
        };
        let known = users.iter().enumerate().map(async |(n, user)| {
            // Neither node has it in its cache.
            let client = &nodes[n % 2].client;
            let known = async || {
                let answer = client.me(user).await.unwrap();
                assert!(answer.status == 200 || answer.is_not_now(), "{answer:?}");
                answer.status == 200
            };
            within(Duration::from_secs(20), "a session is known", known).await;
        });
        futures::join!(comes_back, join_all(known));
    }
    eprintln!("the tables went back in {lost} of 4 crashes");
    cluster.check(&nodes[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_under_load() {
    let (primary, url) = Server::new("primary");
    let (cluster_of_one, _database) = cluster(&url).await;
    let (standby, standby_url) = primary.standby();
    // Both of them, in one URL.
    let place = |url: &str| url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let both = format!("{},{}", place(&url), place(&standby_url));
    let url = cluster_of_one.url().replace(&place(&url), &both);
    let of_both = Cluster::over(&format!("{url}?target_session_attrs=read-write"));
    let nodes = [of_both.node().await, of_both.node().await];
    let ledger = Ledger::default();
    let happens = async {
        ledger.until_more(60).await;
        primary.run("kill").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        standby.run("promote").await;
        let promoted = std::time::Instant::now();
        ledger.until_more(1).await;
        eprintln!("the next login {:?} after the promotion", promoted.elapsed());
        ledger.until_more(100).await;
    };
    under_load(&ledger, &[nodes[0].face(), nodes[1].face()], happens).await;
    ledger.say("the standby took over");
    check(&of_both, &ledger, &nodes).await;
}
