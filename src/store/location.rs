//! Where a log and its read models live, and how to open them there: what `--store` and `--read-db`
//! say.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use whence_events::Mac;
use whence_projections::ReadDb;

use super::{EventStore, PostgresStore, SqliteStore};
#[cfg(feature = "kurrentdb")]
use super::{KurrentStore, KurrentUrl, PostgresVault};
use crate::clock::Clock;
use crate::postgres::PostgresUrl;

/// Where a log and its read models live.
#[derive(Clone, Debug)]
pub enum Location {
    /// Two files in a directory.
    Sqlite(PathBuf),
    /// One database.
    Postgres(PostgresUrl),
    /// The log in KurrentDB; read models, and keys that can be destroyed, in Postgres.
    #[cfg(feature = "kurrentdb")]
    KurrentDb(KurrentUrl, PostgresUrl),
}

/// Connections of the read models.
const READERS: usize = 16;

/// What the read models lose in a crash, the log brings back.
const READ_SETTINGS: [&str; 1] = ["synchronous_commit=off"];

impl Location {
    /// What `--store` and `--read-db` name together.
    ///
    /// # Errors
    /// One sentence that repeats no password.
    pub fn parse(store: &str, read_db: Option<&str>) -> anyhow::Result<Self> {
        let (scheme, rest) = store.split_once(':').unwrap_or((store, ""));
        match scheme {
            "sqlite" if !rest.is_empty() => {
                ensure!(read_db.is_none(), "--read-db is for a kurrentdb store");
                Ok(Self::Sqlite(PathBuf::from(rest)))
            }
            "postgres" | "postgresql" => {
                ensure!(read_db.is_none(), "--read-db is for a kurrentdb store");
                Ok(Self::Postgres(PostgresUrl::parse(store).context("--store")?))
            }
            "kurrentdb" | "kurrentdb+discover" | "esdb" | "esdb+discover" => {
                Self::kurrentdb(store, read_db)
            }
            _ => bail!(
                "--store {scheme}: the ways to write it are sqlite:DIR, postgres://... and \
                 kurrentdb://..."
            ),
        }
    }

    #[cfg(feature = "kurrentdb")]
    fn kurrentdb(store: &str, read_db: Option<&str>) -> anyhow::Result<Self> {
        let read_db = read_db.context(
            "--store kurrentdb://... needs --read-db postgres://..., for the read models and for \
             keys that can be destroyed",
        )?;
        let url = KurrentUrl::parse(store).context("--store")?;
        Ok(Self::KurrentDb(url, PostgresUrl::parse(read_db).context("--read-db")?))
    }

    #[cfg(not(feature = "kurrentdb"))]
    fn kurrentdb(_: &str, _: Option<&str>) -> anyhow::Result<Self> {
        bail!("--store kurrentdb://...: this whence was built without KurrentDB")
    }

    /// The directory of a log that lives in files.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(directory) => Some(directory),
            Self::Postgres(_) => None,
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(..) => None,
        }
    }

    /// The database of what is not in files.
    #[must_use]
    pub fn database(&self) -> Option<&PostgresUrl> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(url) => Some(url),
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(_, url) => Some(url),
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
            Self::Postgres(url) => Arc::new(PostgresStore::open(url, fingerprint, clock).await?),
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(url, keys) => {
                let vault = PostgresVault::open(keys, fingerprint, clock.clone()).await?;
                Arc::new(KurrentStore::open(url.as_str(), Arc::new(vault), &clock).await?)
            }
        })
    }

    /// Opens the read models, or makes them.
    ///
    /// # Errors
    /// One sentence.
    pub async fn open_reads(&self) -> anyhow::Result<ReadDb> {
        if let Some(url) = self.database() {
            let pool = url.pool(READERS, &READ_SETTINGS);
            return ReadDb::postgres(pool)
                .await
                .with_context(|| format!("cannot open the read models in {url}"));
        }
        let path = self.directory().unwrap_or(Path::new("")).join("read.db");
        ReadDb::sqlite(&path)
            .with_context(|| format!("cannot open the read models {}", path.display()))
    }
}

/// Where, for people: without passwords.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(directory) => write!(f, "{}", directory.display()),
            Self::Postgres(url) => write!(f, "postgres://{url}"),
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(log, reads) => write!(f, "kurrentdb://{log} and postgres://{reads}"),
        }
    }
}
