//! Read models in the schema `read` of a Postgres database, shared by all nodes: one of them writes.

mod apply;
mod lead;
mod open;
mod plan;
mod query;
mod sets;
mod tiles;

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use futures::lock::Mutex;
use rusqlite::types::ValueRef;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;
use whence_events::EventId;

use super::{Checkpoint, ProjectError, QueryError};
use crate::{Projector, projectors};
pub(crate) use lead::PROJECTING;
use lead::Seat;

/// How long a question may wait for its answer, and whoever leads or would for the lock.
const ANSWER: Duration = Duration::from_secs(3);

/// How long a run of the log may take: far more than one of the largest does. A connection that says
/// nothing for so long is given up, and the lock with it.
const APPLY: Duration = Duration::from_secs(30);

/// Any number of readers, out of a pool, and the one connection that may write.
pub struct PostgresReadDb {
    pool: Pool,
    projectors: Vec<Box<dyn Projector>>,
    /// Empty while it is in use: a use that is broken off half way ends the connection with it.
    seat: Mutex<Option<Seat>>,
}

impl PostgresReadDb {
    pub(super) async fn open(pool: Pool) -> Result<Self, ProjectError> {
        let projectors = projectors();
        open::make_missing(&mut *pool.get().await?, &projectors).await?;
        Ok(Self { pool, projectors, seat: Mutex::default() })
    }

    /// Those that whoever leads has committed.
    pub(super) async fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProjectError> {
        let client = self.pool.get().await?;
        if let Ok(done) = timeout(ANSWER, read_checkpoints(&client, &self.projectors)).await {
            return done;
        }
        drop(Object::take(client));
        Err(ProjectError::TimedOut)
    }

    /// In the words of SQLite's dump, so that the two can be compared.
    pub(super) async fn dump(&self) -> Result<Vec<String>, QueryError> {
        let client = self.pool.get().await?;
        let mut dump = Vec::new();
        for table in self.projectors.iter().flat_map(|projector| projector.tables()) {
            for row in client.query(&format!("SELECT * FROM read.{table}"), &[]).await? {
                let values: Vec<_> =
                    (0..row.len()).map(|i| as_text(&row, i)).collect::<Result<_, _>>()?;
                dump.push(format!("{table}: {}", values.join(", ")));
            }
        }
        dump.sort();
        Ok(dump)
    }
}

/// The projectors' checkpoints, in their order.
async fn read_checkpoints(
    client: &ClientWrapper,
    projectors: &[Box<dyn Projector>],
) -> Result<Vec<Checkpoint>, ProjectError> {
    let sql = "SELECT position, event_id, projector FROM read.checkpoints";
    let rows = client.query(&client.prepare_cached(sql).await?, &[]).await?;
    let checkpoint = |projector: &'static str| {
        let there = |row: &&Row| row.try_get(2).is_ok_and(|name: &str| name == projector);
        let row = rows.iter().find(there).ok_or(ProjectError::TablesMoved(projector))?;
        let event_id = row.try_get::<_, Option<_>>(1)?.map(EventId);
        Ok(Checkpoint { projector, position: row.try_get::<_, i64>(0)?.cast_unsigned(), event_id })
    };
    projectors.iter().map(|projector| projector.name()).map(checkpoint).collect()
}

fn as_text(row: &Row, column: usize) -> Result<String, QueryError> {
    let uuid: Uuid;
    let value = match *row.columns()[column].type_() {
        Type::UUID => match row.try_get(column)? {
            Some(id) => {
                uuid = id;
                ValueRef::Blob(uuid.as_bytes())
            }
            None => ValueRef::Null,
        },
        Type::BYTEA => row.try_get::<_, Option<_>>(column)?.map_or(ValueRef::Null, ValueRef::Blob),
        Type::INT8 => {
            row.try_get::<_, Option<_>>(column)?.map_or(ValueRef::Null, ValueRef::Integer)
        }
        _ => {
            let text = row.try_get::<_, Option<&str>>(column)?;
            text.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes()))
        }
    };
    Ok(format!("{value:?}"))
}
