//! Tables in the making beside the live ones, and how they take their place.
//!
//! Scratch tables have checkpoints of their own, so a rebuild that was killed goes on where it was.
//! One process at a time has them. While a projector is [`Held`], nobody writes its live tables: what
//! is compared then is of one position, and what is swapped in is never behind what it replaces.

use std::time::Duration;

use whence_events::{Position, Recorded};

use super::postgres::{PostgresComparison, PostgresHeld, PostgresScratch};
use super::sqlite::{SqliteComparison, SqliteHeld, SqliteScratch};
use super::{Checkpoint, ProjectError, ReadDb, blocking};
use crate::{Projector, projectors};

/// How often a server hears of somebody who waits for something else: it ends sessions that are idle.
const STILL_HERE: Duration = Duration::from_secs(2);

/// Differences that are told one by one. The others are counted.
const TOLD: u64 = 20;

/// What scratch tables are for. Each has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To take the place of the live ones. Those of a rebuild that was broken off are gone on with.
    Rebuild,
    /// To be compared with the live ones; always made anew.
    Check,
}

/// Tables in the making, empty at first.
pub struct Scratch {
    place: Place,
    tables: ReadDb,
}

enum Place {
    Sqlite(SqliteScratch),
    Postgres(PostgresScratch),
}

/// Live tables of a projector that nobody writes for as long as this value is there. Dropped without
/// [`Held::commit`] it leaves them as they were.
pub struct Held {
    /// How far they are.
    pub live: Checkpoint,
    place: HeldPlace,
}

enum HeldPlace {
    Sqlite(SqliteHeld),
    Postgres(PostgresHeld),
}

/// Live and scratch tables as they were at one moment, whatever is written meanwhile.
pub enum Comparison {
    /// Two files.
    Sqlite(SqliteComparison),
    /// Two schemas.
    Postgres(PostgresComparison),
}

/// How live tables and a fold of the log differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Rows that were compared.
    pub rows: u64,
    /// How many of them differ.
    pub count: u64,
    /// The first of those, each as a line for people.
    pub first: Vec<String>,
}

impl Differences {
    pub(super) fn add(&mut self, line: impl FnOnce() -> String) {
        self.count += 1;
        if self.count <= TOLD {
            self.first.push(line());
        }
    }
}

impl ReadDb {
    /// Opens scratch tables of these projectors beside the live ones, or makes them. Others in there
    /// are not touched.
    ///
    /// # Errors
    /// [`ProjectError::RebuildUnderWay`], and when the tables cannot be made.
    pub async fn scratch(
        &self,
        purpose: Purpose,
        names: &[&'static str],
    ) -> Result<Scratch, ProjectError> {
        let wanted = projectors().into_iter().filter(|p| names.contains(&p.name())).collect();
        let (place, tables) = match self {
            Self::Sqlite(live) => {
                let (place, tables) = blocking(|| SqliteScratch::open(live, purpose, wanted))?;
                (Place::Sqlite(place), Self::Sqlite(tables))
            }
            Self::Postgres(live) => {
                let (place, tables) = PostgresScratch::open(live, purpose, wanted).await?;
                (Place::Postgres(place), Self::Postgres(tables))
            }
        };
        let scratch = Scratch { place, tables };
        if purpose == Purpose::Check {
            scratch.tables.reset().await?;
        }
        Ok(scratch)
    }
}

impl Scratch {
    /// How far each projector got here.
    ///
    /// # Errors
    /// As [`ReadDb::checkpoints`].
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProjectError> {
        self.tables.checkpoints().await
    }

    /// How far one projector got here.
    ///
    /// # Errors
    /// As [`ReadDb::checkpoints`].
    pub async fn checkpoint(&self, name: &'static str) -> Result<Checkpoint, ProjectError> {
        let mut all = self.checkpoints().await?.into_iter();
        all.find(|checkpoint| checkpoint.projector == name).ok_or(ProjectError::TablesMoved(name))
    }

    /// As [`ReadDb::apply_after`].
    ///
    /// # Errors
    /// The same.
    pub async fn apply_after(
        &self,
        after: Position,
        events: &[Recorded],
    ) -> Result<(), ProjectError> {
        self.tables.apply_after(after, events).await
    }

    /// Empties them.
    ///
    /// # Errors
    /// As [`ReadDb::reset`].
    pub async fn reset(&self) -> Result<(), ProjectError> {
        self.tables.reset().await
    }

    /// Holds the live tables of a projector as they are. Whoever would write them waits, so not for
    /// long; who reads them notices nothing.
    ///
    /// # Errors
    /// When the database does not answer, or somebody else writes for too long.
    pub async fn hold(&self, name: &'static str) -> Result<Held, ProjectError> {
        let projector = named(name);
        Ok(match &self.place {
            Place::Sqlite(place) => {
                let (held, live) = blocking(|| SqliteHeld::new(place, projector))?;
                Held { live, place: HeldPlace::Sqlite(held) }
            }
            Place::Postgres(place) => {
                let (held, live) = PostgresHeld::new(place, projector).await?;
                Held { live, place: HeldPlace::Postgres(held) }
            }
        })
    }

    /// Keeps in view what live and scratch tables are now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn compare(&self) -> Result<Comparison, ProjectError> {
        Ok(match &self.place {
            Place::Sqlite(place) => Comparison::Sqlite(SqliteComparison::new(place)?),
            Place::Postgres(place) => Comparison::Postgres(PostgresComparison::new(place).await?),
        })
    }

    /// Compares the tables of a projector row by row.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn differences(
        &self,
        comparison: Comparison,
        name: &'static str,
    ) -> Result<Differences, ProjectError> {
        let projector = named(name);
        let comparison = match comparison {
            Comparison::Sqlite(comparison) => {
                return Ok(blocking(|| comparison.differences(projector.as_ref()))?);
            }
            Comparison::Postgres(comparison) => comparison,
        };
        let mut comparing = std::pin::pin!(comparison.differences(projector.as_ref()));
        loop {
            tokio::select! {
                done = &mut comparing => return done,
                () = tokio::time::sleep(STILL_HERE) => { self.tables.lead().await?; }
            }
        }
    }

    /// What makes the swapped tables quick to ask from the first question on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prepare_swap(&self, name: &'static str) -> Result<(), ProjectError> {
        match &self.place {
            Place::Sqlite(_) => Ok(()),
            Place::Postgres(place) => place.analyze(named(name).as_ref()).await,
        }
    }

    /// Folds no more for a projector: its tables are in use now.
    pub fn forget(&mut self, name: &str) {
        match &mut self.tables {
            ReadDb::Sqlite(tables) => tables.forget(name),
            ReadDb::Postgres(tables) => tables.forget(name),
        }
    }

    /// Removes the scratch tables.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn clear(self) -> Result<(), ProjectError> {
        let Self { place, tables } = self;
        match place {
            Place::Sqlite(place) => {
                drop(tables);
                place.clear();
                Ok(())
            }
            // The lock is the connection's that `tables` has, so that goes last.
            Place::Postgres(place) => place.clear().await.map(|()| drop(tables)),
        }
    }
}

impl Held {
    /// Puts the scratch tables in the place of the live ones. Nobody sees that before
    /// [`Held::commit`].
    ///
    /// # Errors
    /// When the database does not answer, [`ProjectError::InUse`]. Drop it then.
    pub async fn replace(&mut self) -> Result<(), ProjectError> {
        let same_version = self.live.version;
        match &mut self.place {
            HeldPlace::Sqlite(held) => Ok(blocking(|| held.replace(same_version))?),
            HeldPlace::Postgres(held) => held.replace().await,
        }
    }

    /// Ends it. From here on everybody sees the new tables.
    ///
    /// # Errors
    /// When the database does not answer: either all of it was done or nothing, the checkpoints tell.
    pub async fn commit(self) -> Result<(), ProjectError> {
        match self.place {
            HeldPlace::Sqlite(held) => Ok(blocking(|| held.commit())?),
            HeldPlace::Postgres(held) => held.commit().await,
        }
    }
}

fn named(name: &str) -> Box<dyn Projector> {
    let projector = projectors().into_iter().find(|projector| projector.name() == name);
    projector.expect("names of projectors come from projectors")
}
