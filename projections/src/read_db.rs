//! Where read models live.

mod apply;
mod query;
mod sqlite;

use std::path::Path;

use whence_events::{EventId, Position, Recorded, RequestId, SessionId, Timestamp, UserId};

use crate::{
    Invitee, Onboarding, ReferralOverview, SessionView, Snapshot, UndecidedReferral, UserView,
};
use sqlite::SqliteReadDb;

/// A database of read models: disposable.
pub enum ReadDb {
    /// A SQLite file.
    Sqlite(SqliteReadDb),
}

/// How far a projector got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which.
    pub projector: &'static str,
    /// The last event in its tables; 0: none.
    pub position: Position,
    /// That event's id, which tells whether the log is still the same one.
    pub event_id: Option<EventId>,
}

/// Why the tables did not move on.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A newer version of whence wrote an event that this one does not know. Nothing is skipped.
    #[error("event {position} is of the unknown type {event_type}")]
    UnknownEvent {
        /// Where.
        position: Position,
        /// Its stored type.
        event_type: String,
    },
    /// The file can be read no more.
    #[error("the read models in {} are damaged: delete that file and start again", .0.display())]
    Damaged(std::path::PathBuf),
    /// The database.
    #[error("the read models cannot be written: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Why a query has no answer.
pub type QueryError = rusqlite::Error;

impl ReadDb {
    /// Opens the SQLite file at `path`, or makes it. Tables of a projector whose version changed
    /// are made anew, and so is a file that cannot be read.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn sqlite(path: &Path) -> Result<Self, ProjectError> {
        Ok(Self::Sqlite(SqliteReadDb::open(path)?))
    }

    /// Whether it is this process that writes the tables: of those that share a database, one does.
    /// Asks to be that one, where there is none; asked every now and then, it notices when it no
    /// longer is. Only who leads may call [`ReadDb::reset`] and [`ReadDb::apply`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lead(&self) -> Result<bool, ProjectError> {
        match self {
            // The log's lock file has seen to it that nobody else is here.
            Self::Sqlite(_) => Ok(true),
        }
    }

    /// How far each projector got.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProjectError> {
        let Self::Sqlite(db) = self;
        db.checkpoints()
    }

    /// Empties all tables: the next batch starts at the beginning of the log.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reset(&self) -> Result<(), ProjectError> {
        let Self::Sqlite(db) = self;
        db.reset()
    }

    /// Applies a run of the log: rows and checkpoints in one transaction. Each projector takes what
    /// lies behind its checkpoint, so a run that was applied before changes nothing.
    ///
    /// # Errors
    /// [`ProjectError::UnknownEvent`]: all before that event was applied. Otherwise nothing was.
    pub async fn apply(&self, events: &[Recorded]) -> Result<(), ProjectError> {
        let Self::Sqlite(db) = self;
        db.apply(events).map_err(|error| db.explain(error))
    }

    /// The mailbox of a login that is open.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn login(
        &self,
        request_id: RequestId,
    ) -> Result<Option<whence_events::EmailKey>, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::login(connection, request_id))
    }

    /// A session and whose it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session(&self, session_id: SessionId) -> Result<Option<SessionView>, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::session(connection, session_id))
    }

    /// The sessions of a user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sessions_of(&self, user_id: UserId) -> Result<Vec<SessionId>, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::sessions_of(connection, user_id))
    }

    /// A user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user(&self, user_id: UserId) -> Result<Option<UserView>, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::user(connection, user_id))
    }

    /// Whence a user came.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn snapshot(&self, user_id: UserId) -> Result<Option<Snapshot>, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::snapshot(connection, user_id))
    }

    /// A user as a referrer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn referral_overview(&self, user_id: UserId) -> Result<ReferralOverview, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::referral_overview(connection, user_id))
    }

    /// Whom a user brought, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn invitees(
        &self,
        user_id: UserId,
        limit: u64,
        offset: u64,
    ) -> Result<Vec<Invitee>, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::invitees(connection, user_id, limit, offset))
    }

    /// How often a user was credited since then.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn credited_since(
        &self,
        user_id: UserId,
        since: Timestamp,
    ) -> Result<u32, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::credited_since(connection, user_id, since))
    }

    /// Up to `limit` onboardings that are not over, the longest waiting first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn onboardings(&self, limit: u64) -> Result<Vec<Onboarding>, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::onboardings(connection, limit))
    }

    /// Up to `limit` referrals that are not decided.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn undecided_referrals(
        &self,
        limit: u64,
    ) -> Result<Vec<UndecidedReferral>, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(|connection| query::undecided_referrals(connection, limit))
    }

    /// Every row of every table as text, in one order: for comparing a rebuilt database with a live one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn dump(&self) -> Result<Vec<String>, QueryError> {
        let Self::Sqlite(db) = self;
        db.read(sqlite::dump)
    }
}
