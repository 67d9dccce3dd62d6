//! Opens a log or a vault: checks, migrations.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};
use whence_events::{Position, Timestamp};

use crate::infra::keys::{Fingerprints, MadeWith};
use crate::infra::postgres::{
    ConnectError, ConnectionTask, PostgresUrl, TRANSACTION_POOLING, message,
};
use crate::store::clamped;

/// The settings of every connection to the log and the vault.
pub(super) const SETTINGS: [&str; 6] = [
    // What was acknowledged is on disk; and on the standby, when there is a synchronous one.
    "synchronous_commit=on",
    // What comes after the lock has to see what was committed before it was given.
    "default_transaction_isolation=read committed",
    // Every look-up has an index made for it; a plan that was made while the log was all but empty
    // must not read whole tables later.
    "plan_cache_mode=force_generic_plan",
    "enable_seqscan=off",
    "enable_bitmapscan=off",
    "jit=off",
];

/// The oldest server that the Postgres project still maintains.
pub(super) const OLDEST_SERVER: i32 = 140_000;

/// Nodes that open a database at the same time take turns under this advisory lock: "whnc".
const OPEN_LOCK: i64 = 0x7768_6e63;

/// The migrations of each part, which only go forward: a vault can be without a log, but not a log
/// without a vault.
pub(super) const VAULT: &[&str] = &[
    include_str!("../../../migrations/postgres/vault_0001.sql"),
    include_str!("../../../migrations/postgres/vault_0002.sql"),
    include_str!("../../../migrations/postgres/vault_0003.sql"),
];
pub(super) const LOG: &[&str] = &[include_str!("../../../migrations/postgres/log_0001.sql")];

/// Asks for the fingerprint of the master key, and of the one that is to take its place.
pub(super) const MASTER_KEYS: &str =
    "SELECT (SELECT value FROM vault.about WHERE name = 'master_key'),
            (SELECT value FROM vault.about WHERE name = 'master_key_next')";

/// Why a log or a vault cannot be opened. `database` names hosts and database, without the password.
#[derive(Debug, thiserror::Error)]
pub enum PostgresOpenError {
    /// There is no connection: no such server, or it did not let this user in.
    #[error("cannot connect to Postgres at {database}: {source}")]
    Unreachable {
        /// The hosts and the database.
        database: String,
        /// The cause.
        source: ConnectError,
    },
    /// Postgres refused a statement.
    #[error("cannot open the log at {database}: {}", message(.source))]
    Postgres {
        /// The hosts and the database.
        database: String,
        /// The cause.
        source: tokio_postgres::Error,
    },
    /// The user may not do what is needed.
    #[error("the user of {database} has not the rights it needs: {reason}")]
    NoRights {
        /// The hosts and the database.
        database: String,
        /// The message of the server.
        reason: String,
    },
    /// The server is a standby, or set to take no writes.
    #[error("the Postgres at {0} is read-only")]
    ReadOnly(String),
    /// A pooler does not keep a session on one connection.
    #[error("the Postgres at {0} {TRANSACTION_POOLING}")]
    TransactionPooling(String),
    /// The version of Postgres is too old.
    #[error(
        "the Postgres at {database} is too old: version {found}, and 14 is the oldest that will do"
    )]
    OldServer {
        /// The hosts and the database.
        database: String,
        /// The major version of the server.
        found: i32,
    },
    /// The database is not in UTF-8: names would not be kept as they are.
    #[error("the database {database} is encoded in {found} and has to be in UTF8")]
    Encoding {
        /// The hosts and the database.
        database: String,
        /// The encoding of the database.
        found: String,
    },
    /// The database has schemas of these names that another program made.
    #[error("the database {0} has a schema log or vault that is not of whence")]
    NotOurs(String),
    /// A newer version of whence has changed it.
    #[error(
        "the database {database} was written by a newer version of whence ({part} format {found}, here {known})"
    )]
    Newer {
        /// The hosts and the database.
        database: String,
        /// `log` or `vault`.
        part: &'static str,
        /// The format of that part.
        found: i64,
        /// The newest format that this version knows.
        known: i64,
    },
    /// Another master key made it: nothing in it could be opened or verified with this one.
    #[error("the database {0} was made with another master key")]
    WrongMasterKey(String),
    /// The master key is being rotated, and one of the two was not given.
    #[error(
        "the master key of the database {0} is being rotated: give the new key and the old one, in \
         this order, until whence keys rotate master says that it is done"
    )]
    Rotating(String),
}

/// The end of a log.
pub(super) struct LogEnd {
    pub(super) position: Position,
    /// When the last event was recorded: no clock here may show an earlier moment.
    pub(super) recorded_at: Timestamp,
    /// What the clock of the server says.
    pub(super) server_time: Timestamp,
}

/// The time of the server, in microseconds since 1970.
pub(super) const SERVER_TIME: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// Checks a log, brings it up to date, and returns its end.
pub(super) async fn log(
    url: &PostgresUrl,
    fingerprint: &Fingerprints,
) -> Result<LogEnd, PostgresOpenError> {
    let mut opening = Opening::connect(url).await?;
    opening.prepare(fingerprint, &[("vault", VAULT), ("log", LOG)]).await?;
    let sql = format!("SELECT position, recorded_at, {SERVER_TIME} FROM log.head");
    let row = opening.client.query_one(&sql, &[]).await;
    let row = row.map_err(|error| failed(&opening.database, error))?;
    let position = u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
    let at = |column| Timestamp::from_micros(row.get(column));
    Ok(LogEnd { position, recorded_at: at(1), server_time: at(2) })
}

/// Checks a vault and brings it up to date.
pub(super) async fn vault(
    url: &PostgresUrl,
    fingerprint: &Fingerprints,
) -> Result<(), PostgresOpenError> {
    Opening::connect(url).await?.prepare(fingerprint, &[("vault", VAULT)]).await
}

/// A connection that opens a database, and its name in errors.
struct Opening {
    client: Client,
    _driver: ConnectionTask,
    database: String,
}

impl Opening {
    async fn connect(url: &PostgresUrl) -> Result<Self, PostgresOpenError> {
        let database = url.to_string();
        // Another node may run a long migration.
        let connected = url.connect(&["lock_timeout=60s", "synchronous_commit=on"]).await;
        let (client, driver) = connected.map_err(|source| PostgresOpenError::Unreachable {
            database: database.clone(),
            source,
        })?;
        match url.is_transaction_pooled(&client).await {
            Ok(false) => {}
            Ok(true) => {
                return Err(PostgresOpenError::TransactionPooling(database));
            }
            Err(source) => return Err(PostgresOpenError::Unreachable { database, source }),
        }
        Ok(Self { client, _driver: driver, database })
    }

    /// Checks the database and runs the migrations that have not run, all or none.
    async fn prepare(
        &mut self,
        fingerprint: &Fingerprints,
        parts: &[(&'static str, &[&str])],
    ) -> Result<(), PostgresOpenError> {
        self.check_server().await?;
        let database = self.database.clone();
        let failed = |error| failed(&database, error);
        let transaction = self.client.transaction().await.map_err(failed)?;
        let sql = "SET LOCAL statement_timeout = 0";
        transaction.batch_execute(sql).await.map_err(failed)?;
        let sql = "SELECT pg_advisory_xact_lock($1)";
        transaction.execute(sql, &[&OPEN_LOCK]).await.map_err(failed)?;
        let ours = check_ours(&transaction, &database, fingerprint).await?;
        for (part, migrations) in parts {
            migrate(&transaction, &database, part, migrations, ours).await?;
        }
        let sql = "INSERT INTO vault.about (name, value) VALUES ('master_key', $1)";
        if !ours {
            transaction.execute(sql, &[&&fingerprint.current().0[..]]).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Checks what no migration could repair.
    async fn check_server(&self) -> Result<(), PostgresOpenError> {
        let sql = "SELECT current_setting('server_version_num')::int,
                          current_setting('server_encoding'),
                          current_setting('transaction_read_only')::bool";
        let row = self.client.query_one(sql, &[]).await;
        let row = row.map_err(|error| failed(&self.database, error))?;
        let (found, encoding): (i32, String) = (row.get(0), row.get(1));
        let database = self.database.clone();
        if found < OLDEST_SERVER {
            return Err(PostgresOpenError::OldServer { database, found: found / 10_000 });
        }
        if encoding != "UTF8" {
            return Err(PostgresOpenError::Encoding { database, found: encoding });
        }
        if row.get(2) {
            return Err(PostgresOpenError::ReadOnly(database));
        }
        Ok(())
    }
}

/// Returns whether the database has a vault of whence, made with this key; `false` when it is empty.
async fn check_ours(
    transaction: &Transaction<'_>,
    database: &str,
    fingerprint: &Fingerprints,
) -> Result<bool, PostgresOpenError> {
    let failed = |error| failed(database, error);
    let sql = "SELECT to_regclass('vault.migrations') IS NOT NULL
                      AND to_regclass('vault.about') IS NOT NULL,
                      EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('log', 'vault'))";
    let row = transaction.query_one(sql, &[]).await.map_err(failed)?;
    match (row.get(0), row.get(1)) {
        (false, false) => return Ok(false),
        (false, true) => return Err(PostgresOpenError::NotOurs(database.to_owned())),
        (true, _) => {}
    }
    let row = transaction.query_one(MASTER_KEYS, &[]).await.map_err(failed)?;
    match fingerprint.hold(row.get(0), row.get(1)) {
        MadeWith::Known => Ok(true),
        MadeWith::Rotating => Err(PostgresOpenError::Rotating(database.to_owned())),
        MadeWith::Another => Err(PostgresOpenError::WrongMasterKey(database.to_owned())),
    }
}

/// Runs the migrations of a part that have not run.
async fn migrate(
    transaction: &Transaction<'_>,
    database: &str,
    part: &'static str,
    migrations: &[&str],
    ours: bool,
) -> Result<(), PostgresOpenError> {
    let failed = |error| failed(database, error);
    let known = clamped(migrations.len());
    let mut found = 0;
    // The first migration of the vault makes the table that is asked here.
    if ours || part != "vault" {
        let sql = "SELECT coalesce(max(number), 0) FROM vault.migrations WHERE part = $1";
        found = transaction.query_one(sql, &[&part]).await.map_err(failed)?.get(0);
    }
    if found > known {
        return Err(PostgresOpenError::Newer { database: database.to_owned(), part, found, known });
    }
    for (number, migration) in (1_i64..).zip(migrations).filter(|(number, _)| *number > found) {
        transaction.batch_execute(migration).await.map_err(failed)?;
        let sql = "INSERT INTO vault.migrations (part, number) VALUES ($1, $2)";
        transaction.execute(sql, &[&part, &number]).await.map_err(failed)?;
    }
    Ok(())
}

fn failed(database: &str, source: tokio_postgres::Error) -> PostgresOpenError {
    let database = database.to_owned();
    match source.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            PostgresOpenError::NoRights { database, reason: message(&source) }
        }
        Some(&SqlState::DUPLICATE_SCHEMA) => PostgresOpenError::NotOurs(database),
        _ => PostgresOpenError::Postgres { database, source },
    }
}
