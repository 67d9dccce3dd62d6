//! Finds out whether a pooler such as `PgBouncer` stands between this process and the server, and
//! whether it keeps a session on one connection to the server.

use std::time::Duration;

use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::{ConnectError, PostgresUrl};

/// What a log needs of a pooler, as an operator reads it.
pub const TRANSACTION_POOLING: &str = "is behind a pooler that changes the connection within a session \
    (transaction pooling), and whence keeps prepared statements, settings and LISTEN in its sessions: \
    use session pooling (pool_mode = session), or the address of the server itself";

/// How often two sessions are compared. A pooler gives both the same connection at once when there is
/// no other use of it; the more others use it, the more often it has to be asked.
const ROUNDS: usize = 8;

/// How long a session waits for a connection that the pooler gives to it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a new session is looked at for a connection that was there before, and the time that a
/// pooler gets in between to clear one.
const REUSE_TRIES: usize = 4;
const REUSE_INTERVAL: Duration = Duration::from_millis(50);

/// What stands between this process and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// No pooler was noticed.
    None,
    /// A pooler that keeps each session on one connection.
    Session,
    /// A pooler that changes the connection of a session between transactions.
    Transaction,
}

impl PostgresUrl {
    /// Returns whether a pooler between `session`, a connection to this URL, and the server changes the
    /// connection within a session.
    pub async fn is_transaction_pooled(&self, session: &Client) -> Result<bool, ConnectError> {
        let (other, _driver) = self.connect(&[]).await?;
        for _ in 0..ROUNDS {
            // Outside of a transaction a session holds no connection of a pooler's, so that the
            // other one may get it, and then cannot give it back.
            let before = backend(session).await?;
            if is_moved(session, &other, before).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns which pooler stands between `session`, a connection to this URL, and the server.
    pub async fn pooler(&self, session: &Client) -> Result<Pooler, ConnectError> {
        if self.is_transaction_pooled(session).await? {
            return Ok(Pooler::Transaction);
        }
        // A connection of the server's that is older than its session is a pooler's, which gives
        // back to the next session what the last one left.
        let started = "SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        for _ in 0..REUSE_TRIES {
            let opened = answer(session, "SELECT clock_timestamp()").await?.unwrap_or_default();
            let (other, driver) = self.connect(&[]).await?;
            let sql = format!("SELECT ({started}) < '{opened}'::timestamptz");
            if answer(&other, &sql).await?.as_deref() == Some("t") {
                return Ok(Pooler::Session);
            }
            drop((other, driver));
            tokio::time::sleep(REUSE_INTERVAL).await;
        }
        Ok(Pooler::None)
    }
}

/// Returns whether a session whose connection was `before` has another one while `other` is in a
/// transaction.
async fn is_moved(session: &Client, other: &Client, before: String) -> Result<bool, ConnectError> {
    let moved = async {
        other.batch_execute("BEGIN").await?;
        let held = backend(other).await?;
        if held == before {
            return Ok(true);
        }
        // It waits where the pooler has no other connection to give.
        match tokio::time::timeout(ANSWER_TIMEOUT, backend(session)).await {
            Ok(after) => Ok(after? != before),
            Err(_) => Ok(true),
        }
    };
    let moved: Result<bool, ConnectError> = moved.await;
    match moved {
        // Statement pooling has no transactions at all.
        Err(ConnectError::Refused(error)) if says_pooling(&error) => Ok(true),
        Ok(moved) => {
            other.batch_execute("ROLLBACK").await?;
            Ok(moved)
        }
        Err(error) => Err(error),
    }
}

fn says_pooling(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| error.message().contains("pooling"))
}

/// Returns the process of the server that a session speaks to now.
async fn backend(session: &Client) -> Result<String, ConnectError> {
    Ok(answer(session, "SELECT pg_backend_pid()").await?.unwrap_or_default())
}

/// Returns the one value that a statement answers. It is not prepared: that is what fails behind a
/// pooler.
async fn answer(session: &Client, sql: &str) -> Result<Option<String>, ConnectError> {
    let rows = session.simple_query(sql).await?;
    Ok(rows.iter().find_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0).map(str::to_owned)
    }))
}
