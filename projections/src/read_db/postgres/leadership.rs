//! One node writes: the one whose connection holds an advisory lock.
//!
//! The lock and the writes go through one connection. A session that the server has given up has
//! therefore lost both, and the next holder of the lock sees all that was committed before.

use deadpool_postgres::Object;
use tokio::time::timeout;

use super::locks::{PROJECTING, REBUILDING};
use super::writer::{QUERY_TIMEOUT, WriterConnection};
use super::{PostgresReadDb, open};
use crate::read_db::error::ProjectError;
use crate::read_db::position::{COVER, CoveredPosition};
use crate::read_db::sql::SchemaName;

/// A machine that is gone, or a process that is stopped, sends nothing: the server has to end its
/// session unasked, and would by default take hours to, or not do it at all. A node that writes or
/// would asks something twice a second.
const MAY_VANISH: &str = "SET idle_session_timeout = '10s'; SET tcp_user_timeout = '10s'";

/// Rows are found by their keys, whatever the statistics say: they are wrong of a table that was
/// empty a second ago, and a statement is planned once.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

impl PostgresReadDb {
    /// Returns whether this node writes, and becomes the writer where there is none.
    pub(crate) async fn claim_writer(&self) -> Result<bool, ProjectError> {
        let mut place = self.writer.lock().await;
        let writer = match place.take() {
            Some(writer) if writer.is_writer && writer.answers().await => {
                *place = Some(writer);
                return Ok(true);
            }
            Some(writer) if !writer.is_writer && !writer.client.is_closed() => Some(writer),
            Some(_) | None => None,
        };
        // Any failure from here on ends the connection, and gives the lock back.
        let asked = timeout(QUERY_TIMEOUT, self.try_lock(writer)).await;
        let mut writer = asked.map_err(|_| ProjectError::TimedOut)??;
        if writer.is_writer {
            match self.schema {
                SchemaName::Live => tracing::info!("this node projects"),
                // No limit but the server's: tables are made.
                SchemaName::Rebuild | SchemaName::Check => {
                    open::make_current(&mut writer.client, self.schema, &self.projectors).await?;
                }
            }
        }
        let is_writer = writer.is_writer;
        *place = Some(writer);
        Ok(is_writer)
    }

    async fn try_lock(
        &self,
        writer: Option<WriterConnection>,
    ) -> Result<WriterConnection, ProjectError> {
        let mut writer = match writer {
            Some(writer) => writer,
            None => self.connect_writer().await?,
        };
        let sql = "SELECT pg_try_advisory_lock($1)";
        let statement = writer.client.prepare_cached(sql).await?;
        let number = self.lock_number();
        writer.is_writer = writer.client.query_one(&statement, &[&number]).await?.try_get(0)?;
        if writer.is_writer {
            writer.client.batch_execute(SETTINGS).await?;
        }
        Ok(writer)
    }

    fn lock_number(&self) -> i64 {
        match self.schema {
            SchemaName::Live => PROJECTING,
            SchemaName::Rebuild | SchemaName::Check => REBUILDING,
        }
    }

    /// Empties all tables.
    pub(crate) async fn reset(&self) -> Result<(), ProjectError> {
        let tables = self.projectors.iter().flat_map(|projector| projector.tables());
        let tables: Vec<_> = tables.map(|table| self.schema.table(table)).collect();
        let sql = format!(
            "BEGIN;
             UPDATE {} SET position = 0, event_id = NULL;
             TRUNCATE {};
             COMMIT",
            self.schema.table("checkpoints"),
            tables.join(", ")
        );
        let mut place = self.writer.lock().await;
        let mut writer = place.take_if(|writer| writer.is_writer).ok_or(ProjectError::NotWriter)?;
        writer.done = None;
        // Those of another version may have other tables.
        let made = open::make_current(&mut writer.client, self.schema, &self.projectors).await;
        let result = match made {
            Ok(()) => writer.client.batch_execute(&sql).await.map_err(ProjectError::from),
            Err(error) => Err(error),
        };
        *place = writer.after(&result).await;
        result
    }

    /// Notes up to where the log is covered by the tables.
    pub(crate) async fn note_covered(&self, covered: CoveredPosition) -> Result<(), ProjectError> {
        let mut place = self.writer.lock().await;
        let writer = place.take_if(|writer| writer.is_writer).ok_or(ProjectError::NotWriter)?;
        let (position, event) = (covered.position.cast_signed(), covered.event_id.0);
        let noted = async {
            let statement = writer.client.prepare_cached(COVER.for_postgres(self.schema)).await?;
            writer.client.execute(&statement, &[&position, &event]).await?;
            Ok(())
        };
        let noted = timeout(QUERY_TIMEOUT, noted).await;
        let result: Result<(), ProjectError> = noted.map_err(|_| ProjectError::TimedOut)?;
        *place = writer.after(&result).await;
        result
    }

    /// Takes a connection out of the pool for good: no borrower of the pool may end up with the lock.
    async fn connect_writer(&self) -> Result<WriterConnection, ProjectError> {
        let client = Object::take(self.pool.get().await?);
        client.batch_execute(MAY_VANISH).await?;
        Ok(WriterConnection { client, is_writer: false, done: None, edge: None })
    }
}
