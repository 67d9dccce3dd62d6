//! The connection that writes.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::time::timeout;
use whence_events::Position;

use crate::read_db::error::ProjectError;
use crate::tiles::Edge;

/// How long a query may wait for its answer, and a node that writes or would for the lock.
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_secs(3);

/// The connection that may write, or would.
pub(super) struct WriterConnection {
    pub(super) client: ClientWrapper,
    pub(super) is_writer: bool,
    /// How far each projector is, in their order, as far as that is known.
    pub(super) done: Option<Vec<Position>>,
    /// Where the tree over the log grows; meaningless when `done` is not known.
    pub(super) edge: Option<Edge>,
}

impl WriterConnection {
    /// Returns whether its session still lives, and the lock with it.
    pub(super) async fn answers(&self) -> bool {
        matches!(timeout(QUERY_TIMEOUT, self.client.check_connection()).await, Ok(Ok(())))
    }

    /// Returns this connection after an attempt to write, with nothing half done; `None` when its
    /// session is over.
    pub(super) async fn after<T>(self, result: &Result<T, ProjectError>) -> Option<Self> {
        if result.is_err() {
            self.client.batch_execute("ROLLBACK").await.ok()?;
        }
        Some(self)
    }
}
