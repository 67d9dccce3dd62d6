//! Every projector, and the databases opened with the tables of all of them.

use std::path::Path;

use deadpool_postgres::Pool;

use crate::api_keys::ApiKeys;
use crate::attribution::Attribution;
use crate::identity::Identity;
use crate::log_tree::LogTree;
use crate::pending::Pending;
use crate::projector::Projector;
use crate::read_db::{PostgresReadDb, ProjectError, ReadDb, SqliteReadDb};

/// The projectors, in no particular order: none depends on the tables of another.
static PROJECTORS: [&dyn Projector; 5] = [&Identity, &Attribution, &Pending, &ApiKeys, &LogTree];

/// Returns every projector.
#[must_use]
pub fn projectors() -> &'static [&'static dyn Projector] {
    &PROJECTORS
}

impl ReadDb {
    /// Opens the SQLite file at `path`, or makes it; a file that cannot be read is replaced by a new
    /// one. Tables of a projector whose version changed stay as they are: see [`ReadDb::outdated`].
    pub fn sqlite(path: &Path) -> Result<Self, ProjectError> {
        Ok(Self::Sqlite(SqliteReadDb::open(path, &PROJECTORS)?))
    }

    /// Opens the SQLite file at `path` next to a service that may be using it: one that is damaged is
    /// left alone, and the answer is [`ProjectError::Damaged`].
    pub fn sqlite_beside(path: &Path) -> Result<Self, ProjectError> {
        Ok(Self::Sqlite(SqliteReadDb::open_shared(path, &PROJECTORS)?))
    }

    /// Opens the SQLite file at `path` to read it, as [`ReadDb::sqlite_beside`] does, also where nothing
    /// can be written. Where it is missing there, the read models are empty.
    pub fn sqlite_to_read(path: &Path) -> Result<Self, ProjectError> {
        Ok(Self::Sqlite(SqliteReadDb::open_to_read(path, &PROJECTORS)?))
    }

    /// Opens the schema `read` of a Postgres database, or makes it. Tables of a projector whose
    /// version changed stay as they are: see [`ReadDb::outdated`]. The connections of the pool must be
    /// sessions of the server's own: a pooler that hands out transactions would lose the writer's lock.
    pub async fn postgres(pool: Pool) -> Result<Self, ProjectError> {
        Ok(Self::Postgres(PostgresReadDb::open(pool, &PROJECTORS).await?))
    }
}
