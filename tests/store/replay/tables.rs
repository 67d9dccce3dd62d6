//! Read models somewhere, opened as often as a test likes.
#![expect(clippy::unwrap_used, reason = "helpers of tests: no tables, no test")]

use deadpool_postgres::{Manager, Pool};
use futures::executor::block_on;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;
use whence_events::Recorded;
use whence_projections::{ProjectorPosition, ReadDb};

use whence_test_support::postgres::{self as database, Database};

/// A place for read models, and the runtime that waits for it.
pub(crate) struct Tables {
    place: Place,
    runtime: Runtime,
}

enum Place {
    Sqlite(TempDir),
    Postgres(Database),
}

impl Tables {
    pub(crate) fn sqlite() -> Self {
        Self {
            place: Place::Sqlite(tempfile::tempdir().unwrap()),
            runtime: Runtime::new().unwrap(),
        }
    }

    pub(crate) fn postgres() -> Self {
        let runtime = Runtime::new().unwrap();
        let database = runtime.block_on(database::database());
        Self { place: Place::Postgres(database), runtime }
    }

    /// Opens them, to write. Whoever has had them open must have dropped them.
    pub(crate) fn open(&self) -> ReadDb {
        self.wait(async {
            let reads = match &self.place {
                Place::Sqlite(folder) => ReadDb::sqlite(&folder.path().join("read.db")).unwrap(),
                Place::Postgres(database) => node(database).await,
            };
            while !reads.claim_writer().await.unwrap() {
                tokio::task::yield_now().await;
            }
            reads
        })
    }

    /// Opens them with nothing in them.
    pub(crate) fn open_empty(&self) -> ReadDb {
        let reads = self.open();
        self.wait(reads.reset()).unwrap();
        reads
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }

    /// Runs statements on the tables, past all that whence does.
    pub(crate) fn execute(&self, statements: &[&str]) {
        match &self.place {
            Place::Sqlite(folder) => {
                let file = rusqlite::Connection::open(folder.path().join("read.db")).unwrap();
                for sql in statements {
                    file.execute_batch(sql).unwrap();
                }
            }
            Place::Postgres(database) => {
                let sql = format!("SET search_path = read; {}", statements.join("; "));
                self.wait(database::execute(database.url(), &sql));
            }
        }
    }

    /// Whether there are scratch tables beside the live ones.
    pub(crate) fn has_scratch(&self) -> bool {
        match &self.place {
            Place::Sqlite(folder) => ["read.rebuild.db", "read.check.db"]
                .iter()
                .any(|name| folder.path().join(name).exists()),
            Place::Postgres(database) => self.wait(async {
                let sql = "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'read\\__%'";
                let (client, connection) =
                    tokio_postgres::connect(database.url(), NoTls).await.unwrap();
                tokio::spawn(connection);
                !client.query(sql, &[]).await.unwrap().is_empty()
            }),
        }
    }

    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

/// A node on this database.
pub(crate) async fn node(database: &Database) -> ReadDb {
    ReadDb::postgres(pool(database)).await.unwrap()
}

pub(crate) fn pool(database: &Database) -> Pool {
    let mut config: tokio_postgres::Config = database.url().parse().unwrap();
    config.options("-c synchronous_commit=off");
    Pool::builder(Manager::new(config, NoTls)).max_size(4).build().unwrap()
}

/// What a history gives: folded by SQLite, one event after another.
pub(crate) struct Expected {
    pub(crate) folder: TempDir,
    pub(crate) reads: ReadDb,
    pub(crate) rows: Vec<String>,
    pub(crate) checkpoints: Vec<ProjectorPosition>,
}

impl Expected {
    pub(crate) fn of(events: &[Recorded]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let reads = ReadDb::sqlite(&folder.path().join("expected.db")).unwrap();
        block_on(reads.apply(events)).unwrap();
        let rows = block_on(reads.dump()).unwrap();
        let checkpoints = block_on(reads.positions()).unwrap();
        Self { folder, reads, rows, checkpoints }
    }
}

/// Runs cases on each backend.
macro_rules! on_each_backend {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $case() { super::$case(&crate::replay::tables::Tables::sqlite()); })+
        }
        mod postgres {
            $(#[test] fn $case() { super::$case(&crate::replay::tables::Tables::postgres()); })+
        }
    };
}
pub(crate) use on_each_backend;
