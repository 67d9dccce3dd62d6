//! The size of a log on disk, and the work that a database did for it.

use rusqlite::Connection as Database;

use crate::kind::StoreKind;
use crate::numbers::float;
use crate::service::Log;
use crate::stores::{self, Target};

/// The content and the size of a log.
pub(crate) struct Size {
    pub(crate) bytes: f64,
    pub(crate) users: usize,
    pub(crate) events: usize,
    pub(crate) parts: Vec<(String, f64)>,
}

impl Size {
    pub(crate) fn of(target: &Target, log: &Log) -> anyhow::Result<Self> {
        match &target.url {
            None => Self::of_files(target),
            Some(url) => log.runtime.block_on(Self::of_database(target.kind, url)),
        }
    }

    fn of_files(target: &Target) -> anyhow::Result<Self> {
        let database = Database::open(target.directory().join("log.db"))?;
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let count = |sql| database.query_row(sql, [], |row| row.get::<_, usize>(0));
        let sql = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 6";
        let mut statement = database.prepare(sql)?;
        let parts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self {
            bytes: float(count(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            )?),
            users: count("SELECT count(*) FROM events WHERE type = 'UserRegistered.v1'")?,
            events: count("SELECT count(*) FROM events")?,
            parts: parts.collect::<rusqlite::Result<_>>()?,
        })
    }

    async fn of_database(kind: StoreKind, url: &str) -> anyhow::Result<Self> {
        let client = stores::connect(url).await?;
        let sql = "SELECT c.relname, pg_relation_size(c.oid)::float8
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname IN ('log', 'vault') AND c.relkind IN ('r', 'i', 't')
                   ORDER BY 2 DESC";
        let rows = client.query(sql, &[]).await?;
        let mut parts: Vec<(String, f64)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let bytes = parts.iter().map(|(_, bytes)| bytes).sum();
        parts.truncate(6);
        let users = match kind {
            StoreKind::KurrentdbDouble => "SELECT count(*), 0::bigint FROM read.users",
            StoreKind::Sqlite | StoreKind::Postgres => {
                "SELECT count(*) FILTER (WHERE type = 'UserRegistered.v1'), count(*) FROM log.events"
            }
        };
        let row = client.query_one(users, &[]).await?;
        let count = |column| usize::try_from(row.get::<_, i64>(column)).unwrap_or(0);
        Ok(Self { bytes, users: count(0), events: count(1), parts })
    }
}

/// The work that a database server has done so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct DatabaseWork {
    /// The size of the write-ahead log, in bytes.
    pub(crate) wal: f64,
    /// The number of transactions of this database, single statements included.
    pub(crate) transactions: f64,
    /// The number of flushes of the write-ahead log.
    pub(crate) syncs: f64,
}

impl DatabaseWork {
    /// Returns the work up to now; zero where there is no database.
    pub(crate) fn now(target: &Target, log: &Log) -> anyhow::Result<Self> {
        let Some(url) = &target.url else { return Ok(Self::default()) };
        log.runtime.block_on(async {
            let client = stores::connect(url).await?;
            let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8,
                         xact_commit::float8, (SELECT wal_sync::float8 FROM pg_stat_wal)
                       FROM pg_stat_database WHERE datname = current_database()";
            let row = client.query_one(sql, &[]).await?;
            Ok(Self { wal: row.get(0), transactions: row.get(1), syncs: row.get(2) })
        })
    }

    /// Adds the work between two moments.
    pub(crate) fn add(&mut self, before: Self, after: Self) {
        self.wal += after.wal - before.wal;
        self.transactions += after.transactions - before.transactions;
        self.syncs += after.syncs - before.syncs;
    }
}
