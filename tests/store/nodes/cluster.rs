//! Nodes over one database.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::NoTls;
use whence::app::config::Config;
use whence::infra::clock::Clock;
use whence::infra::keys::MasterKey;
use whence_events::Recorded;

use crate::nodes::client::{Client, Cookies};
use whence_test_support::log;
use whence_test_support::mails::Mails;
use whence_test_support::ports::free_port;
use whence_test_support::postgres::{Database, database};

/// A database, and what the nodes over it share.
pub(crate) struct Cluster {
    url: String,
    master_key: String,
    /// Logs and mails, a directory a node.
    pub(crate) directory: TempDir,
    nodes: AtomicU32,
    /// Flags of every node.
    pub(crate) flags: Vec<&'static str>,
    _database: Option<Database>,
}

impl Cluster {
    /// Over a fresh database.
    pub(crate) async fn new() -> Self {
        let database = database().await;
        let url = database.url().to_owned();
        Self { _database: Some(database), ..Self::over(&url) }
    }

    /// Over a database that is there.
    pub(crate) fn over(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            master_key: MasterKey::generate().to_hex(),
            directory: TempDir::new().unwrap(),
            nodes: AtomicU32::new(1),
            flags: vec![],
            _database: None,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// One more node.
    pub(crate) async fn node(&self) -> Node {
        self.node_by(&self.url).await
    }

    /// One more node, which reaches the database in a way of its own.
    pub(crate) async fn node_by(&self, url: &str) -> Node {
        let node = self.start(url);
        node.client.ready().await;
        node
    }

    fn start(&self, url: &str) -> Node {
        let name = format!("node{}", self.nodes.fetch_add(1, Ordering::Relaxed));
        let sign = if url.contains('?') { '&' } else { '?' };
        let store = format!("{url}{sign}application_name={name}");
        let address = format!("127.0.0.1:{}", free_port());
        let mails = self.directory.path().join(&name);
        let mail = format!("directory:{}", mails.display());
        let said = std::fs::File::create(self.directory.path().join(format!("{name}.log")));
        let child = Command::new(env!("CARGO_BIN_EXE_whence"))
            .args(["serve", "--listen", &address, "--store", &store, "--mail", &mail])
            .args(["--master-key", &self.master_key])
            .args(&self.flags)
            .stdin(Stdio::null())
            .stderr(said.unwrap())
            .spawn()
            .unwrap();
        let client = Client::new(&format!("http://{address}"));
        Node { child, name, client, mails: Arc::new(Mails::in_directory(&mails)) }
    }

    /// The settings of a node inside of this process.
    pub(crate) fn config(&self) -> Config {
        let flags = ["--store", &self.url, "--master-key", &self.master_key, "--mail", "memory"];
        Config::from_flags(flags).unwrap()
    }

    /// Every event there is.
    pub(crate) async fn log(&self) -> Vec<Recorded> {
        let store = self.config().open_log(Clock::system()).await.unwrap();
        let mut events: Vec<Recorded> = vec![];
        loop {
            let after = events.last().map_or(0, |event| event.position);
            let page = store.read_all(after, 10_000).await.unwrap();
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }

    /// How often each type of event is in the log.
    pub(crate) async fn count(&self, event_type: &str) -> usize {
        let events = self.log().await;
        events.iter().filter(|event| event.event.event_type() == event_type).count()
    }

    /// The tables are what the log gives from its beginning, and nothing in it is there twice.
    pub(crate) async fn check(&self, node: &Node) -> Vec<Recorded> {
        let events = self.check_tables(node).await;
        log::check(&events);
        events
    }

    /// The tables are what the log gives from its beginning.
    pub(crate) async fn check_tables(&self, node: &Node) -> Vec<Recorded> {
        node.client.ready().await;
        let reads = self.config().storage.store.open_read_db().await.unwrap();
        // Nobody asks for anything any more, but an onboarding may be under way.
        for _ in 0..20 {
            let events = self.log().await;
            let fresh = log::rebuilt(&events).await;
            node.client.ready().await;
            if reads.dump().await.unwrap() == fresh {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("the tables are not those of the log");
    }

    /// The name of the node that writes the tables.
    pub(crate) async fn projecting(&self) -> Option<String> {
        let sql = "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                   WHERE l.locktype = 'advisory' AND l.granted
                     AND l.classid = 2003330414 AND l.objid = 1667563522
                     AND a.datname = current_database()";
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.query_opt(sql, &[]).await.unwrap().map(|row| row.get(0))
    }
}

/// A `whence serve`, killed when it is dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) mails: Arc<Mails>,
}

impl Node {
    /// As `kill -9` does it.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn face(&self) -> Face {
        Face { name: self.name.clone(), client: self.client.clone(), mails: self.mails.clone() }
    }

    /// Logs in, all of it here.
    pub(crate) async fn log_in(&self, email: &str, cookies: &Cookies) -> Cookies {
        let request_id = self.client.started(email).await;
        let code = self.mails.code(email).expect("a mail before the answer");
        let answer = self.client.verify(&request_id, &code, cookies).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.cookies
    }

    /// The primary code of a user, once there is one.
    pub(crate) async fn primary_code(&self, cookies: &Cookies) -> String {
        for _ in 0..500 {
            let overview = self.client.get("/v1/referrals/me", cookies).await.unwrap();
            if let Some(code) = overview.body["primary_code"].as_str() {
                return code.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no primary code");
    }
}

/// What a node's clients know of it, whatever becomes of it.
pub(crate) struct Face {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) mails: Arc<Mails>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until something holds, at most so long, and says how long it took.
pub(crate) async fn within(
    most: Duration,
    what: &str,
    mut holds: impl AsyncFnMut() -> bool,
) -> Duration {
    let since = std::time::Instant::now();
    while !holds().await {
        assert!(since.elapsed() < most, "not within {most:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    since.elapsed()
}

/// Locks that somebody else holds.
pub(crate) struct Held {
    client: tokio_postgres::Client,
}

impl Held {
    /// What a statement locks, held from now on.
    pub(crate) async fn by(url: &str, sql: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client.batch_execute(&format!("BEGIN; {sql}")).await.expect(sql);
        Self { client }
    }

    pub(crate) async fn release(self) {
        self.client.batch_execute("ROLLBACK").await.expect("a rollback");
    }
}
