//! Throw-away Postgres databases: one server for all tests, a database for each.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_postgres::NoTls;

use crate::tool;

/// The variable that names another server to test on.
const ELSEWHERE: &str = "WHENCE_TEST_POSTGRES_URL";

/// The longest time that a test waits for its database to be dropped.
const DROP_WAIT: Duration = Duration::from_secs(1);

/// A database that is dropped with this value.
pub struct Database {
    server: String,
    name: String,
    url: String,
}

/// Makes an empty database in the server of the tests.
pub async fn database() -> Database {
    #[expect(clippy::disallowed_methods, reason = "a test chooses its server, not the service")]
    let elsewhere = std::env::var(ELSEWHERE).ok();
    match elsewhere {
        Some(server) => database_in(server).await,
        None => database_in(script(&["start"])).await,
    }
}

/// Makes an empty database in the server with this URL.
pub async fn database_in(server: String) -> Database {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("whence_test_{}_{number}", std::process::id());
    // A test of the same process id that was killed has left it behind.
    execute(&server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    // Nobody can be connected to template0, so any number of tests may copy it at once.
    execute(&server, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
    let url = url_of(&server, &name);
    Database { server, name, url }
}

impl Database {
    /// Returns the URL for the user that owns it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    /// Drops the database, unless its server is gone, and waits for that at most `DROP_WAIT`.
    ///
    /// Another thread does it, because a runtime cannot be entered twice. This thread does not wait to
    /// the end: it may be the one that a half made connection waits for, and the server for that. The
    /// server finishes when this process is gone.
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let _ = tokio::time::timeout(DROP_WAIT, try_execute(&server, &sql)).await;
            });
        });
        let _ = dropping.join();
    }
}

/// Runs `scripts/postgres` and returns what it prints.
#[track_caller]
pub fn script(arguments: &[&str]) -> String {
    tool::script("postgres", arguments).trim().to_owned()
}

/// Runs statements on a connection of its own.
pub async fn execute(url: &str, sql: &str) {
    if let Err(error) = try_execute(url, sql).await {
        panic!("{sql}: {error:?}");
    }
}

async fn try_execute(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(sql).await;
    drop(client);
    let _ = connection.await;
    done
}

/// Returns the URL of another database in the same server.
fn url_of(server: &str, database: &str) -> String {
    let (before, parameters) = match server.split_once('?') {
        Some((before, parameters)) => (before, format!("?{parameters}")),
        None => (server, String::new()),
    };
    let after_scheme = before.find("://").map_or(0, |at| at + 3);
    let end = before[after_scheme..].find('/').map_or(before.len(), |at| after_scheme + at);
    format!("{}/{database}{parameters}", &before[..end])
}
