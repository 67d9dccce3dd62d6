//! Read models in the schema `read` of a Postgres database, shared by all nodes: one of them writes.

mod apply;
mod bulk;
mod differences;
mod leadership;
mod locks;
mod open;
mod plan;
pub(super) mod positions;
mod query;
mod schema;
pub(super) mod scratch;
mod tiles;
mod writer;

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use futures::lock::Mutex;
use postgres_types::Type;
use tokio::time::timeout;
use tokio_postgres::Row;
use uuid::Uuid;

use super::dump::{self, Dumped};
use super::error::{ProjectError, QueryError};
use super::position::{CoveredPosition, POSITIONS, ProjectorPosition, StoredPosition};
use super::sql::SchemaName;
use crate::projector::Projector;
use writer::{QUERY_TIMEOUT, WriterConnection};

/// How long a run of the log may take: far more than one of the largest does. A connection that says
/// nothing for that long is given up, and the lock with it.
const APPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// A Postgres database of read models: any number of readers, out of a pool, and the one connection
/// that may write.
pub struct PostgresReadDb {
    pool: Pool,
    schema: SchemaName,
    projectors: Vec<&'static dyn Projector>,
    /// Empty while it is in use: a use that is cancelled half way ends the connection with it.
    writer: Mutex<Option<WriterConnection>>,
}

impl PostgresReadDb {
    pub(crate) async fn open(
        pool: Pool,
        projectors: &[&'static dyn Projector],
    ) -> Result<Self, ProjectError> {
        open::make_missing(&mut *pool.get().await?, projectors).await?;
        Ok(Self::over(pool, SchemaName::Live, projectors.to_vec()))
    }

    fn over(pool: Pool, schema: SchemaName, projectors: Vec<&'static dyn Projector>) -> Self {
        Self { pool, schema, projectors, writer: Mutex::default() }
    }

    pub(super) fn projectors(&self) -> &[&'static dyn Projector] {
        &self.projectors
    }

    pub(crate) fn forget(&mut self, name: &str) {
        self.projectors.retain(|projector| projector.name() != name);
        if let Some(writer) = self.writer.get_mut() {
            writer.done = None;
        }
    }

    /// Returns the positions that the writer has committed.
    pub(super) async fn positions(&self) -> Result<Vec<ProjectorPosition>, ProjectError> {
        ProjectorPosition::all(&self.stored_positions().await?, &self.projectors)
    }

    pub(super) async fn covered(&self) -> Result<Option<CoveredPosition>, ProjectError> {
        Ok(CoveredPosition::find(&self.stored_positions().await?))
    }

    async fn stored_positions(&self) -> Result<Vec<StoredPosition>, ProjectError> {
        let client = self.pool.get().await?;
        if let Ok(done) = timeout(QUERY_TIMEOUT, self.read_rows(&client)).await {
            return done;
        }
        drop(Object::take(client));
        Err(ProjectError::TimedOut)
    }

    /// Returns the positions in the order of the projectors.
    async fn read_positions(
        &self,
        client: &ClientWrapper,
    ) -> Result<Vec<ProjectorPosition>, ProjectError> {
        ProjectorPosition::all(&self.read_rows(client).await?, &self.projectors)
    }

    async fn read_rows(&self, client: &ClientWrapper) -> Result<Vec<StoredPosition>, ProjectError> {
        let statement = client.prepare_cached(POSITIONS.for_postgres(self.schema)).await?;
        let rows = client.query(&statement, &[]).await?;
        Ok(positions::stored(&rows)?)
    }

    pub(super) async fn dump(&self) -> Result<Vec<String>, QueryError> {
        let client = self.pool.get().await?;
        let mut lines = Vec::new();
        for table in self.projectors.iter().flat_map(|projector| projector.tables()) {
            let sql = format!("SELECT * FROM {}", self.schema.table(table));
            for row in client.query(&sql, &[]).await? {
                let ids: Vec<_> = (0..row.len()).map(|column| id(&row, column)).collect();
                let values =
                    ids.iter().enumerate().map(|(column, id)| dumped(&row, column, id.as_ref()));
                lines.push(dump::line(table, &values.collect::<Result<Vec<_>, _>>()?));
            }
        }
        Ok(lines)
    }
}

/// Returns the id in a column, if it is a column of ids and has a value.
fn id(row: &Row, column: usize) -> Option<Uuid> {
    row.try_get(column).ok().flatten()
}

fn dumped<'a>(
    row: &'a Row,
    column: usize,
    id: Option<&'a Uuid>,
) -> Result<Dumped<'a>, tokio_postgres::Error> {
    let value = match *row.columns()[column].type_() {
        Type::UUID => id.map(|id| Dumped::Blob(id.as_bytes())),
        Type::BYTEA => row.try_get::<_, Option<_>>(column)?.map(Dumped::Blob),
        Type::INT8 => row.try_get::<_, Option<_>>(column)?.map(Dumped::Integer),
        _ => row.try_get::<_, Option<_>>(column)?.map(Dumped::Text),
    };
    Ok(value.unwrap_or(Dumped::Null))
}
