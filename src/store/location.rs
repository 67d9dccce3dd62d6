//! Where a log and its read models are kept, as `--store` and `--read-db` name it, and how to open
//! them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use whence_projections::{ProjectError, ReadDb};

#[cfg(feature = "kurrentdb")]
use super::kurrent;
use super::postgres::{self, CopyLock, PostgresTransfer};
use super::sqlite;
use super::{EventStore, PostgresStore, SqliteStore, Transfer};
#[cfg(feature = "kurrentdb")]
use super::{KurrentStore, KurrentUrl, PostgresVault, kurrent::KurrentTransfer};
use crate::infra::clock::Clock;
use crate::infra::keys::Fingerprints;
use crate::infra::postgres::PostgresUrl;
use crate::store::findings::{ExamineContext, Findings};

/// The databases that keep a log and its read models.
#[derive(Clone, Debug)]
pub enum Location {
    /// Two SQLite files in a directory.
    Sqlite(PathBuf),
    /// One Postgres database.
    Postgres(Box<PostgresUrl>),
    /// The log in KurrentDB; read models, and keys that can be destroyed, in Postgres.
    #[cfg(feature = "kurrentdb")]
    KurrentDb(KurrentUrl, Box<PostgresUrl>),
}

/// Which side of a copy a location is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The side that is copied, and stays as it is.
    Source,
    /// The side that is copied into.
    Target,
}

/// Connections to the database of the read models.
const READ_DB_CONNECTIONS: usize = 16;

/// Commits to the read models need not wait for the disk: what a crash takes from them, the log brings
/// back.
const READ_SETTINGS: [&str; 1] = ["synchronous_commit=off"];

impl Location {
    /// Parses what `--store` and `--read-db` name together. Errors repeat no password.
    pub fn parse(store: &str, read_db: Option<&str>) -> anyhow::Result<Self> {
        Self::named("--store", store, read_db)
    }

    /// Parses what another flag than `--store` names, as [`Location::parse`] does.
    pub fn named(flag: &str, store: &str, read_db: Option<&str>) -> anyhow::Result<Self> {
        let (scheme, rest) = store.split_once(':').unwrap_or((store, ""));
        match scheme {
            "sqlite" if !rest.is_empty() => {
                ensure!(read_db.is_none(), "--read-db is for a kurrentdb store");
                Ok(Self::Sqlite(PathBuf::from(rest)))
            }
            "postgres" | "postgresql" => {
                ensure!(read_db.is_none(), "--read-db is for a kurrentdb store");
                let url = PostgresUrl::parse(store).with_context(|| flag.to_owned())?;
                Ok(Self::Postgres(Box::new(url)))
            }
            _ if Self::is_kurrentdb(store) => Self::kurrentdb(flag, store, read_db),
            // What was given is not repeated: it may be a password, or begin with one.
            _ => bail!(
                "{flag}: the ways to write it are sqlite:DIR, postgres://... and kurrentdb://..."
            ),
        }
    }

    /// Returns whether a `--store` names KurrentDB, which needs a `--read-db`.
    #[must_use]
    pub fn is_kurrentdb(store: &str) -> bool {
        let scheme = store.split(':').next().unwrap_or("");
        ["kurrentdb", "kurrentdb+discover", "esdb", "esdb+discover"].contains(&scheme)
    }

    #[cfg(feature = "kurrentdb")]
    fn kurrentdb(flag: &str, store: &str, read_db: Option<&str>) -> anyhow::Result<Self> {
        let read_db = read_db.with_context(|| {
            format!(
                "{flag} kurrentdb://... needs --read-db postgres://..., for the read models and \
                 for keys that can be destroyed"
            )
        })?;
        let url = KurrentUrl::parse(store).with_context(|| flag.to_owned())?;
        let read_db = PostgresUrl::parse(read_db).context("--read-db")?;
        Ok(Self::KurrentDb(url, Box::new(read_db)))
    }

    #[cfg(not(feature = "kurrentdb"))]
    fn kurrentdb(flag: &str, _: &str, _: Option<&str>) -> anyhow::Result<Self> {
        bail!("{flag} kurrentdb://...: this whence was built without KurrentDB")
    }

    /// Returns whether the positions of the log have no gaps.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => true,
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(..) => false,
        }
    }

    /// Returns the directory of a log that is kept in files.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(directory) => Some(directory),
            Self::Postgres(_) => None,
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(..) => None,
        }
    }

    /// Returns the Postgres database of the read models, unless they are kept in files.
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
    pub async fn open(
        &self,
        fingerprint: Fingerprints,
        clock: Clock,
    ) -> anyhow::Result<Arc<dyn EventStore>> {
        Ok(match self {
            Self::Sqlite(directory) => {
                Arc::new(SqliteStore::open(&directory.join("log.db"), fingerprint, clock)?)
            }
            Self::Postgres(url) => Arc::new(PostgresStore::open(url, fingerprint, clock).await?),
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(url, read_db) => {
                let vault = PostgresVault::open(read_db, fingerprint, clock.clone()).await?;
                Arc::new(KurrentStore::open(url.as_str(), vault, &clock).await?)
            }
        })
    }

    /// Opens a log that exists, for reading, also while a service runs on it. The tail of a log in
    /// files does not deliver what other processes append: ask for its head instead.
    pub async fn open_to_read(
        &self,
        fingerprint: Fingerprints,
        clock: Clock,
    ) -> anyhow::Result<Arc<dyn EventStore>> {
        self.ensure_log_exists().await?;
        if let Self::Sqlite(directory) = self {
            let store = SqliteStore::open_to_read(&directory.join("log.db"), fingerprint)?;
            return Ok(Arc::new(store));
        }
        #[cfg(feature = "kurrentdb")]
        if let Self::KurrentDb(url, read_db) = self {
            let vault = PostgresVault::open(read_db, fingerprint, clock.clone()).await?;
            return Ok(Arc::new(KurrentStore::open_to_read(url.as_str(), vault, &clock).await?));
        }
        self.open(fingerprint, clock).await
    }

    /// Fails when there is no log here, or when that cannot be known. For commands that need a log that
    /// exists: opening would make one.
    pub async fn ensure_log_exists(&self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(directory) => {
                let there = directory.join("log.db").exists();
                ensure!(there, "there is no log in {}", directory.display());
            }
            Self::Postgres(url) => {
                CopyLock::of_source(url, "log.head").await?;
            }
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(_, read_db) => {
                CopyLock::of_source(read_db, "vault.subject_keys").await?;
            }
        }
        Ok(())
    }

    /// Opens one side of a copy. The source has to exist; the target is made when it does not, and no
    /// other process copies into it meanwhile. `fingerprint` is that of the master key of both.
    pub async fn open_for_copy(
        &self,
        side: Side,
        fingerprint: Fingerprints,
        clock: Clock,
    ) -> anyhow::Result<Arc<dyn Transfer>> {
        Ok(match self {
            Self::Sqlite(directory) => {
                let path = directory.join("log.db");
                let missing = side == Side::Source && !path.exists();
                ensure!(!missing, "there is no log in {}", directory.display());
                Arc::new(SqliteStore::open(&path, fingerprint, clock)?)
            }
            Self::Postgres(url) => {
                let lock = match side {
                    Side::Source => CopyLock::of_source(url, "log.head").await?,
                    Side::Target => CopyLock::take(url).await?,
                };
                let store = PostgresStore::open(url, fingerprint, clock).await?;
                Arc::new(PostgresTransfer::new(store, lock))
            }
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(url, read_db) => {
                let lock = match side {
                    Side::Source => CopyLock::of_source(read_db, "vault.subject_keys").await?,
                    Side::Target => CopyLock::take(read_db).await?,
                };
                let vault = PostgresVault::open(read_db, fingerprint, clock.clone()).await?;
                let store = KurrentStore::open_to_read(url.as_str(), vault, &clock).await?;
                Arc::new(KurrentTransfer::new(store, lock))
            }
        })
    }

    /// Examines log, vault and read models for the doctor, and changes nothing.
    pub async fn examine(&self, context: &ExamineContext, findings: &mut Findings) {
        match self {
            Self::Sqlite(directory) => sqlite::examine(directory, context, findings),
            Self::Postgres(url) => {
                postgres::examine(url, postgres::Parts::All, context, findings).await;
            }
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(url, read_db) => {
                kurrent::examine(url, read_db, context, findings).await;
                postgres::examine(read_db, postgres::Parts::Vault, context, findings).await;
            }
        }
    }

    /// Opens the database of the read models, or makes it.
    pub async fn open_read_db(&self) -> anyhow::Result<ReadDb> {
        if let Some(url) = self.database() {
            let pool = url.pool(READ_DB_CONNECTIONS, &READ_SETTINGS);
            return ReadDb::postgres(pool)
                .await
                .with_context(|| format!("cannot open the read models in {url}"));
        }
        self.open_file(ReadDb::sqlite)
    }

    /// Opens the database of the read models while a service may be writing them: damaged ones are left
    /// to that service.
    pub async fn open_read_db_shared(&self) -> anyhow::Result<ReadDb> {
        match self.database() {
            Some(_) => self.open_read_db().await,
            None => self.open_file(ReadDb::sqlite_beside),
        }
    }

    /// Opens the database of the read models to read it, also where nothing can be written.
    pub async fn open_read_db_to_read(&self) -> anyhow::Result<ReadDb> {
        match self.database() {
            Some(_) => self.open_read_db().await,
            None => self.open_file(ReadDb::sqlite_to_read),
        }
    }

    fn open_file(
        &self,
        open: impl FnOnce(&Path) -> Result<ReadDb, ProjectError>,
    ) -> anyhow::Result<ReadDb> {
        let path = self.directory().unwrap_or(Path::new("")).join("read.db");
        open(&path).with_context(|| format!("cannot open the read models {}", path.display()))
    }
}

/// Shows the location to people, without passwords.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(directory) => write!(f, "{}", directory.display()),
            Self::Postgres(url) => write!(f, "postgres://{url}"),
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(log, read_db) => {
                write!(f, "kurrentdb://{log} and postgres://{read_db}")
            }
        }
    }
}
