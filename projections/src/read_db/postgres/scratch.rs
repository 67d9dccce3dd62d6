//! Scratch tables in a schema of their own, and how they move into the live one.
//!
//! The swap moves tables, not rows: it is one short transaction, whatever their size. A reader with a
//! prepared statement finds the new tables by their name.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use tokio_postgres::error::SqlState;

use super::PostgresReadDb;
use super::differences;
use super::positions;
use crate::projector::Projector;
use crate::read_db::differences::Differences;
use crate::read_db::error::ProjectError;
use crate::read_db::position::ProjectorPosition;
use crate::read_db::purpose::Purpose;
use crate::read_db::sql::SchemaName;

/// How long a swap waits for readers, and other readers wait for the swap. Far below the second after
/// which the server looks for a deadlock and ends one of the queries.
const SWAP_LOCK_TIMEOUT: &str = "200ms";

/// How many times a swap tries, while the writer of the tables waits: two seconds or so, less than the
/// server lets it wait.
const TRIES: usize = 8;

/// How long a swap waits between two tries.
const TRY_INTERVAL: Duration = Duration::from_millis(20);

/// The schema of scratch tables.
pub(crate) struct PostgresScratch {
    pool: Pool,
    schema: SchemaName,
}

impl PostgresScratch {
    /// Opens the scratch tables, or makes them. No other process has them for as long as the second value
    /// lives: its connection holds a lock.
    pub(crate) async fn open(
        live: &PostgresReadDb,
        purpose: Purpose,
        projectors: &[&'static dyn Projector],
    ) -> Result<(Self, PostgresReadDb), ProjectError> {
        let (pool, schema) = (live.pool.clone(), SchemaName::from(purpose));
        let tables = PostgresReadDb::over(pool.clone(), schema, projectors.to_vec());
        // More than once: the lock of one that has just ended is free a moment later, when the server
        // has noticed.
        for _ in 0..TRIES {
            if tables.claim_writer().await? {
                return Ok((Self { pool, schema }, tables));
            }
            tokio::time::sleep(TRY_INTERVAL).await;
        }
        Err(ProjectError::RebuildUnderWay)
    }

    /// Returns a connection of its own. Dropped in the middle of a transaction it takes that with it.
    async fn connect(&self) -> Result<ClientWrapper, ProjectError> {
        Ok(Object::take(self.pool.get().await?))
    }

    pub(crate) async fn analyze(&self, projector: &dyn Projector) -> Result<(), ProjectError> {
        let client = self.connect().await?;
        for table in projector.tables() {
            client.batch_execute(&format!("ANALYZE {}", self.schema.table(table))).await?;
        }
        Ok(())
    }

    pub(crate) async fn clear(self) -> Result<(), ProjectError> {
        let client = self.connect().await?;
        let schema = self.schema.name();
        Ok(client.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await?)
    }
}

/// A transaction that holds the position of a projector.
pub(crate) struct PostgresHeld {
    client: ClientWrapper,
    schema: SchemaName,
    projector: &'static dyn Projector,
}

impl PostgresHeld {
    pub(crate) async fn new(
        scratch: &PostgresScratch,
        projector: &'static dyn Projector,
    ) -> Result<(Self, ProjectorPosition), ProjectError> {
        let client = scratch.connect().await?;
        client.batch_execute("BEGIN").await?;
        // The writer of the tables moves this row first, and waits here with nothing written.
        let sql = "SELECT projector, version, position, event_id FROM read.checkpoints
                   WHERE projector = $1 FOR UPDATE";
        let rows = client.query(sql, &[&projector.name()]).await?;
        let live = ProjectorPosition::find(&positions::stored(&rows)?, projector);
        let live = live.ok_or(ProjectError::TablesMoved(projector.name()))?;
        Ok((Self { client, schema: scratch.schema, projector }, live))
    }

    pub(crate) async fn replace(&mut self) -> Result<(), ProjectError> {
        let from = self.schema.name();
        let swaps = self.projector.tables().map(|table| {
            format!("DROP TABLE IF EXISTS read.{table}; ALTER TABLE {from}.{table} SET SCHEMA read")
        });
        let swaps = swaps.collect::<Vec<_>>().join("; ");
        let sql =
            format!("SET LOCAL lock_timeout = '{SWAP_LOCK_TIMEOUT}'; SAVEPOINT before; {swaps}");
        let mut tries = 1;
        while let Err(error) = self.client.batch_execute(&sql).await {
            if error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) {
                return Err(error.into());
            }
            if tries == TRIES {
                return Err(ProjectError::InUse(self.projector.name()));
            }
            // Readers that waited for this go first.
            self.client.batch_execute("ROLLBACK TO before").await?;
            tokio::time::sleep(TRY_INTERVAL).await;
            tries += 1;
        }
        let name = self.projector.name();
        let sql = format!(
            "WITH moved AS (DELETE FROM {}.checkpoints WHERE projector = $1 RETURNING *)
             INSERT INTO read.checkpoints (projector, version, position, event_id)
             SELECT projector, version, position, event_id FROM moved
             ON CONFLICT (projector) DO UPDATE SET version = excluded.version,
               position = excluded.position, event_id = excluded.event_id",
            self.schema.name()
        );
        self.client.execute(&sql, &[&name]).await?;
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), ProjectError> {
        Ok(self.client.batch_execute("COMMIT").await?)
    }
}

/// A transaction that sees one moment.
pub struct PostgresComparison {
    client: ClientWrapper,
    schema: SchemaName,
}

impl PostgresComparison {
    pub(crate) async fn new(scratch: &PostgresScratch) -> Result<Self, ProjectError> {
        let client = scratch.connect().await?;
        // Both sides in the order of their keys: that takes no more memory for more rows.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
            SET LOCAL statement_timeout = 0; SET LOCAL enable_hashjoin = off; SET LOCAL jit = off;
            SELECT count(*) FROM read.checkpoints";
        client.batch_execute(begin).await?;
        Ok(Self { client, schema: scratch.schema })
    }

    pub(crate) async fn differences(
        &self,
        projector: &dyn Projector,
    ) -> Result<Differences, ProjectError> {
        let mut found = Differences::default();
        for table in projector.schema() {
            let count = format!("SELECT count(*) FROM read.{}", table.name);
            let rows: i64 = self.client.query_one(&count, &[]).await?.try_get(0)?;
            found.rows += rows.cast_unsigned();
            differences::compare(&self.client, self.schema, table, &mut found).await?;
        }
        Ok(found)
    }
}
