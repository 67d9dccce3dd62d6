//! Postgres at its limits: 503 in bounded time, never a wrong answer, and an end by itself.

use std::time::{Duration, Instant};

use crate::nodes::client::{Answer, Client, Cookies};
use crate::nodes::cluster::{Cluster, Held, Node, within};
use whence_test_support::postgres::{database, execute};

/// Less than the limit of a request, which would be 503 as well.
const BOUND: Duration = Duration::from_secs(28);

/// An answer, which comes in time.
async fn soon(what: &str, answer: impl Future<Output = Option<Answer>>) -> Answer {
    let since = Instant::now();
    let answer = answer.await.unwrap();
    eprintln!("{what}: {} after {:?}", answer.status, since.elapsed());
    assert!(since.elapsed() < BOUND, "{what}: {:?}", since.elapsed());
    answer
}

/// It says so, in time.
async fn not_now(what: &str, answer: impl Future<Output = Option<Answer>>) {
    let answer = soon(what, answer).await;
    assert!(answer.is_not_now(), "{what}: {answer:?}");
}

/// All goes on by itself.
async fn recovered(cluster: &Cluster, node: &Node, user: &Cookies) {
    node.client.ready().await;
    let answers = async || node.client.me(user).await.unwrap().status == 200;
    within(Duration::from_secs(10), "me", answers).await;
    node.log_in("late@example.com", &Cookies::new()).await;
    cluster.check(node).await;
}

/// A login whose code is not tried yet.
async fn started(node: &Node, email: &str) -> (String, String) {
    let request_id = node.client.started(email).await;
    (request_id, node.mails.code(email).unwrap())
}

/// The right code is not wrong when it comes too early.
async fn verified_in_the_end(client: &Client, (request_id, code): &(String, String)) {
    let verified = async || {
        let answer = client.verify(request_id, code, &Cookies::new()).await.unwrap();
        assert!(answer.status == 200 || answer.is_not_now(), "{answer:?}");
        answer.status == 200
    };
    within(BOUND, "the right code is right", verified).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_connections() {
    let database = database().await;
    let role = format!("whence_test_{}", std::process::id());
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let sql = format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'p';
        ALTER DATABASE {name} OWNER TO {role}"
    );
    execute(database.url(), &sql).await;
    let (_, place) = database.url().split_once('@').unwrap();
    let cluster = Cluster::over(&format!("postgres://{role}:p@{place}"));
    let nodes = [cluster.node().await, cluster.node().await];
    let user = nodes[0].log_in("ada@example.com", &Cookies::new()).await;
    let other = nodes[1].log_in("bob@example.com", &Cookies::new()).await;
    let late = started(&nodes[0], "eve@example.com").await;
    let sql = format!(
        "ALTER ROLE {role} CONNECTION LIMIT 0;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
    );
    execute(database.url(), &sql).await;
    let (client, nobody) = (&nodes[0].client, Cookies::new());
    not_now("no connections: start", client.start("u@example.com")).await;
    not_now("no connections: me", client.me(&other)).await;
    not_now("no connections: verify", client.verify(&late.0, &late.1, &nobody)).await;
    not_now("no connections: attribution", client.snapshot(&user)).await;
    not_now("no connections: logout", client.logout(&user)).await;
    // A few: fewer than two nodes would like to have.
    execute(database.url(), &format!("ALTER ROLE {role} CONNECTION LIMIT 7")).await;
    for answer in futures::future::join_all((0..40).map(|_| nodes[1].client.me(&other))).await {
        let answer = answer.unwrap();
        assert!(answer.status == 200 || answer.is_not_now(), "{answer:?}");
    }
    execute(database.url(), &format!("ALTER ROLE {role} CONNECTION LIMIT -1")).await;
    verified_in_the_end(client, &late).await;
    recovered(&cluster, &nodes[0], &user).await;
    drop(nodes);
    let sql =
        format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}");
    execute(database.url(), &sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_holds_the_head_of_the_log() {
    let cluster = Cluster::new().await;
    let node = cluster.node().await;
    let user = node.log_in("ada@example.com", &Cookies::new()).await;
    let late = started(&node, "eve@example.com").await;
    let held = Held::by(cluster.url(), "SELECT * FROM log.head FOR UPDATE").await;
    let (client, nobody) = (&node.client, Cookies::new());
    let asked = futures::join!(
        soon("the head is held: me", client.me(&user)),
        soon("the head is held: attribution", client.snapshot(&user)),
        not_now("the head is held: start", client.start("u@example.com")),
        not_now("the head is held: verify", client.verify(&late.0, &late.1, &nobody)),
        not_now("the head is held: logout", client.logout(&user)),
    );
    // Nothing of these needs it.
    assert_eq!((asked.0.status, asked.1.status), (200, 200));
    held.release().await;
    verified_in_the_end(client, &late).await;
    recovered(&cluster, &node, &user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_holds_the_tables() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    let user = nodes[0].log_in("ada@example.com", &Cookies::new()).await;
    // Where a login begins, no table is needed to go on with it.
    let late = started(&cluster.node().await, "eve@example.com").await;
    for node in &nodes {
        node.client.ready().await;
    }
    let sql = "LOCK TABLE read.sessions, read.users, read.login_requests, read.attributions";
    let held = Held::by(cluster.url(), sql).await;
    for node in &nodes {
        let (client, nobody) = (&node.client, Cookies::new());
        let email = format!("{}@example.com", node.name);
        let asked = futures::join!(
            // The log is not held.
            soon("the tables are held: start", client.start(&email)),
            not_now("the tables are held: me", client.me(&user)),
            not_now("the tables are held: verify", client.verify(&late.0, &late.1, &nobody)),
            not_now("the tables are held: attribution", client.snapshot(&user)),
            not_now("the tables are held: logout", client.logout(&user)),
        );
        assert_eq!(asked.0.status, 200);
    }
    held.release().await;
    verified_in_the_end(&nodes[1].client, &late).await;
    recovered(&cluster, &nodes[1], &user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_take_too_long() {
    let cluster = Cluster::new().await;
    let options = "options=-c%20statement_timeout%3D700%20-c%20lock_timeout%3D0";
    let node = cluster.node_by(&format!("{}?{options}", cluster.url())).await;
    let user = node.log_in("ada@example.com", &Cookies::new()).await;
    let late = started(&node, "eve@example.com").await;
    node.client.ready().await;
    let sql = "LOCK TABLE log.events, log.streams, log.head, read.sessions, read.login_requests";
    let held = Held::by(cluster.url(), sql).await;
    let (client, nobody) = (&node.client, Cookies::new());
    futures::join!(
        not_now("statements take too long: start", client.start("u@example.com")),
        not_now("statements take too long: me", client.me(&user)),
        not_now("statements take too long: verify", client.verify(&late.0, &late.1, &nobody)),
        not_now("statements take too long: attribution", client.snapshot(&user)),
        not_now("statements take too long: logout", client.logout(&user)),
    );
    held.release().await;
    verified_in_the_end(client, &late).await;
    recovered(&cluster, &node, &user).await;
}
