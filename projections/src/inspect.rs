//! What is found in a database of read models, without changing it: for `whence doctor`.

use std::path::Path;

use tokio_postgres::Client;

use crate::projector::Projector;
use crate::projectors::projectors;
use crate::read_db::{self, CoveredPosition, ProjectorPosition, SqliteError, StoredPosition};

/// The tables of a projector as they are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectorState {
    /// How far they are.
    pub reached: ProjectorPosition,
    /// Whether they are of the version that this program makes.
    pub current: bool,
}

/// Returns the state of each projector that has tables in a SQLite file.
pub fn inspect_sqlite(path: &Path) -> Result<Vec<ProjectorState>, SqliteError> {
    Ok(states(&read_db::stored_in_sqlite(path)?))
}

/// Returns the state of each projector that has tables in a Postgres database.
pub async fn inspect_postgres(
    client: &Client,
) -> Result<Vec<ProjectorState>, tokio_postgres::Error> {
    Ok(states(&read_db::stored_in_postgres(client).await?))
}

/// Returns the place in the log up to which all events are in the read models of a Postgres database,
/// when that is a later one than the positions of the projectors.
pub async fn inspect_covered(
    client: &Client,
) -> Result<Option<CoveredPosition>, tokio_postgres::Error> {
    Ok(CoveredPosition::find(&read_db::stored_in_postgres(client).await?))
}

/// Returns which process writes the read models of a Postgres database now: its name, its address
/// and its server process id; `None` when there is none.
pub async fn inspect_writer(client: &Client) -> Result<Option<String>, tokio_postgres::Error> {
    read_db::writer_in_postgres(client).await
}

fn states(rows: &[StoredPosition]) -> Vec<ProjectorState> {
    let state = |projector: &&'static dyn Projector| {
        let reached = ProjectorPosition::find(rows, *projector)?;
        Some(ProjectorState { reached, current: reached.version == projector.version() })
    };
    projectors().iter().filter_map(state).collect()
}
