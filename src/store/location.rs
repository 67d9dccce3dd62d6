//! Where a log and its read models live, and how to open them there: what `--store` and `--read-db`
//! say.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use whence_events::Mac;
use whence_projections::ReadDb;

use super::{EventStore, SqliteStore};
use crate::clock::Clock;

/// Where a log and its read models live.
#[derive(Clone, Debug)]
pub enum Location {
    /// Two files in a directory.
    Sqlite(PathBuf),
}

/// Where, for people: without passwords.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(directory) => write!(f, "{}", directory.display()),
        }
    }
}

impl Location {
    /// What `--store` and `--read-db` name together.
    ///
    /// # Errors
    /// One sentence that repeats no password.
    pub fn parse(store: &str, read_db: Option<&str>) -> anyhow::Result<Self> {
        let (scheme, rest) = store.split_once(':').unwrap_or((store, ""));
        match scheme {
            "sqlite" if !rest.is_empty() => {
                if read_db.is_some() {
                    bail!("--read-db: the read models of a sqlite store lie beside it");
                }
                Ok(Self::Sqlite(PathBuf::from(rest)))
            }
            _ => bail!("--store {scheme}: the way to write it is sqlite:DIR"),
        }
    }

    /// The directory of what is kept in files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match self {
            Self::Sqlite(directory) => directory,
        }
    }

    /// Opens the log, or makes it. `fingerprint` is that of the master key.
    ///
    /// # Errors
    /// One sentence.
    pub async fn open(
        &self,
        fingerprint: Mac,
        clock: Clock,
    ) -> anyhow::Result<Arc<dyn EventStore>> {
        Ok(match self {
            Self::Sqlite(directory) => {
                Arc::new(SqliteStore::open(&directory.join("log.db"), fingerprint, clock)?)
            }
        })
    }

    /// Opens the read models, or makes them.
    ///
    /// # Errors
    /// One sentence.
    pub async fn open_reads(&self) -> anyhow::Result<ReadDb> {
        match self {
            Self::Sqlite(directory) => {
                let path = directory.join("read.db");
                ReadDb::sqlite(&path)
                    .with_context(|| format!("cannot open the read models {}", path.display()))
            }
        }
    }
}
