//! Scratch tables, which are filled next to the live ones and then replace them.
//!
//! Scratch tables have positions of their own, so a rebuild that was killed continues where it was.
//! One process at a time has them. While a projector is [`Held`], its live tables are not written:
//! what is compared then is of one position, and what is swapped in is never behind what it replaces.

use std::time::Duration;

use whence_events::{Position, Recorded};

use crate::projector::Projector;
use crate::read_db::{
    Differences, PostgresComparison, PostgresHeld, PostgresScratch, ProjectError,
    ProjectorPosition, Purpose, ReadDb, SqliteComparison, SqliteHeld, SqliteScratch, blocking,
};

/// How often a connection that waits for something else asks the server something: the server ends
/// sessions that are idle.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Scratch tables of some projectors, empty at first.
pub struct Scratch {
    database: ScratchDb,
    tables: ReadDb,
    /// Also those whose tables were swapped.
    projectors: Vec<&'static dyn Projector>,
}

enum ScratchDb {
    Sqlite(SqliteScratch),
    Postgres(PostgresScratch),
}

/// Live tables of a projector that are not written for as long as this value lives. Dropped without
/// [`Held::commit`] it leaves them as they were.
pub struct Held {
    /// How far they are.
    pub live: ProjectorPosition,
    database: HeldDb,
}

enum HeldDb {
    Sqlite(SqliteHeld),
    Postgres(PostgresHeld),
}

/// Live and scratch tables as they were at one moment, whatever is written since.
pub enum Comparison {
    /// Two files.
    Sqlite(SqliteComparison),
    /// Two schemas.
    Postgres(PostgresComparison),
}

impl ReadDb {
    /// Opens scratch tables of these projectors, or makes them. Scratch tables of other projectors are
    /// not touched. One process has them at a time: else the answer is
    /// [`ProjectError::RebuildUnderWay`].
    pub async fn scratch(
        &self,
        purpose: Purpose,
        names: &[&'static str],
    ) -> Result<Scratch, ProjectError> {
        let wanted = |projector: &&&'static dyn Projector| names.contains(&projector.name());
        let projectors: Vec<_> = self.projectors().iter().filter(wanted).copied().collect();
        let (database, tables) = match self {
            Self::Sqlite(live) => {
                let open = || SqliteScratch::open(live, purpose, &projectors);
                let (database, tables) = blocking(open)?;
                (ScratchDb::Sqlite(database), Self::Sqlite(tables))
            }
            Self::Postgres(live) => {
                let (database, tables) = PostgresScratch::open(live, purpose, &projectors).await?;
                (ScratchDb::Postgres(database), Self::Postgres(tables))
            }
        };
        let scratch = Scratch { database, tables, projectors };
        if purpose == Purpose::Check {
            scratch.tables.reset().await?;
        }
        Ok(scratch)
    }
}

impl Scratch {
    /// Returns how far each projector is in the scratch tables.
    pub async fn positions(&self) -> Result<Vec<ProjectorPosition>, ProjectError> {
        self.tables.positions().await
    }

    /// Returns how far one projector is in the scratch tables.
    pub async fn position(&self, name: &'static str) -> Result<ProjectorPosition, ProjectError> {
        let mut all = self.positions().await?.into_iter();
        all.find(|reached| reached.projector == name).ok_or(ProjectError::TablesMoved(name))
    }

    /// Applies a run of the log to the scratch tables, as [`ReadDb::apply_after`] does to live ones.
    pub async fn apply_after(
        &self,
        after: Position,
        events: &[Recorded],
    ) -> Result<(), ProjectError> {
        self.tables.apply_after(after, events).await
    }

    /// Empties the scratch tables.
    pub async fn reset(&self) -> Result<(), ProjectError> {
        self.tables.reset().await
    }

    /// Holds the live tables of a projector as they are. Writers of them wait, so not for long; readers
    /// notice nothing.
    pub async fn hold(&self, name: &'static str) -> Result<Held, ProjectError> {
        let projector = self.named(name);
        Ok(match &self.database {
            ScratchDb::Sqlite(database) => {
                let (held, live) = blocking(|| SqliteHeld::new(database, projector))?;
                Held { live, database: HeldDb::Sqlite(held) }
            }
            ScratchDb::Postgres(database) => {
                let (held, live) = PostgresHeld::new(database, projector).await?;
                Held { live, database: HeldDb::Postgres(held) }
            }
        })
    }

    /// Returns live and scratch tables as they are now.
    pub async fn compare(&self) -> Result<Comparison, ProjectError> {
        Ok(match &self.database {
            ScratchDb::Sqlite(database) => Comparison::Sqlite(SqliteComparison::new(database)?),
            ScratchDb::Postgres(database) => {
                Comparison::Postgres(PostgresComparison::new(database).await?)
            }
        })
    }

    /// Returns how the tables of a projector differ, row by row.
    pub async fn differences(
        &self,
        comparison: Comparison,
        name: &'static str,
    ) -> Result<Differences, ProjectError> {
        let projector = self.named(name);
        let comparison = match comparison {
            Comparison::Sqlite(comparison) => {
                return Ok(blocking(|| comparison.differences(projector))?);
            }
            Comparison::Postgres(comparison) => comparison,
        };
        let mut comparing = std::pin::pin!(comparison.differences(projector));
        loop {
            tokio::select! {
                done = &mut comparing => return done,
                () = tokio::time::sleep(KEEP_ALIVE_INTERVAL) => { self.tables.claim_writer().await?; }
            }
        }
    }

    /// Prepares the scratch tables of a projector for a swap, so that queries of them are fast from the
    /// first one on.
    pub async fn prepare_swap(&self, name: &'static str) -> Result<(), ProjectError> {
        match &self.database {
            ScratchDb::Sqlite(_) => Ok(()),
            ScratchDb::Postgres(database) => database.analyze(self.named(name)).await,
        }
    }

    /// Stops folding for a projector, whose tables are in use now.
    pub fn forget(&mut self, name: &str) {
        match &mut self.tables {
            ReadDb::Sqlite(tables) => tables.forget(name),
            ReadDb::Postgres(tables) => tables.forget(name),
        }
    }

    fn named(&self, name: &str) -> &'static dyn Projector {
        let found = self.projectors.iter().find(|projector| projector.name() == name);
        *found.expect("a projector that these scratch tables were opened for")
    }

    /// Removes the scratch tables.
    pub async fn clear(self) -> Result<(), ProjectError> {
        let Self { database, tables, .. } = self;
        match database {
            ScratchDb::Sqlite(database) => {
                drop(tables);
                database.clear();
                Ok(())
            }
            // The connection of `tables` has the lock, so that goes last.
            ScratchDb::Postgres(database) => database.clear().await.map(|()| drop(tables)),
        }
    }
}

impl Held {
    /// Replaces the live tables by the scratch tables, which no reader sees before [`Held::commit`].
    /// After an error, such as [`ProjectError::InUse`], drop this value.
    pub async fn replace(&mut self) -> Result<(), ProjectError> {
        let same_version = self.live.version;
        match &mut self.database {
            HeldDb::Sqlite(held) => Ok(blocking(|| held.replace(same_version))?),
            HeldDb::Postgres(held) => held.replace().await,
        }
    }

    /// Commits: from here on all readers see the new tables. After an error either all of it was done or
    /// nothing, and the positions tell which.
    pub async fn commit(self) -> Result<(), ProjectError> {
        match self.database {
            HeldDb::Sqlite(held) => Ok(blocking(|| held.commit())?),
            HeldDb::Postgres(held) => held.commit().await,
        }
    }
}
