//! Where read models live.

mod apply;
mod postgres;
mod query;
mod scratch;
mod sqlite;
mod tree;

use std::path::Path;

use deadpool_postgres::{Pool, PoolError};
use tokio::runtime::{Handle, RuntimeFlavor};
use whence_events::{
    EmailKey, Event, EventId, Position, Recorded, ReferralCode, RequestId, SessionId, Timestamp,
    TouchId, UserId,
};

use crate::{
    Invitee, Onboarding, Projector, ReferralOverview, SessionView, Snapshot, UndecidedReferral,
    UserView, projectors,
};
pub(crate) use postgres::PROJECTING;
use postgres::PostgresReadDb;
pub use scratch::{Comparison, Differences, Held, Purpose, Scratch};
use sqlite::SqliteReadDb;

/// A database of read models: disposable.
pub enum ReadDb {
    /// A SQLite file.
    Sqlite(SqliteReadDb),
    /// A schema of a Postgres database.
    Postgres(PostgresReadDb),
}

/// How far a projector got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which.
    pub projector: &'static str,
    /// The version of its tables; not that of the projector while they are still to be rebuilt.
    pub version: u32,
    /// The last event in its tables; 0: none.
    pub position: Position,
    /// That event's id, which tells whether the log is still the same one.
    pub event_id: Option<EventId>,
}

impl Checkpoint {
    /// How far all of them are; 0 when there are none.
    #[must_use]
    pub fn lowest(checkpoints: &[Self]) -> Position {
        checkpoints.iter().map(|checkpoint| checkpoint.position).min().unwrap_or(0)
    }
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
    /// The database.
    #[error("the read models cannot be written: {}", words(.0))]
    Postgres(tokio_postgres::Error),
    /// The database cannot be reached.
    #[error("the read models cannot be reached: {0}")]
    Pool(#[from] PoolError),
    /// The database does not answer. Whether something was applied, the checkpoints tell.
    #[error("the read models did not answer in time")]
    TimedOut,
    /// Another node writes the tables, or may do so by now.
    #[error("this node does not write the read models")]
    NotLeading,
    /// The tables are further, or not as far, as this node had them. It has to look.
    #[error("the tables of {0} are not where this node left them")]
    TablesMoved(&'static str),
    /// One at a time.
    #[error("another rebuild or check of these read models is under way")]
    RebuildUnderWay,
    /// Readers never let go of a table for long enough to put another in its place.
    #[error("the tables of {0} are in use all the time: try again when there is less to do")]
    InUse(&'static str),
    /// The file that is locked during a rebuild.
    #[error("{} cannot be locked: {source}", .path.display())]
    Lock {
        /// Where it is.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The file.
    #[error("the read models cannot be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The database.
    #[error("the read models cannot be read: {}", words(.0))]
    Postgres(tokio_postgres::Error),
    /// The database cannot be reached.
    #[error("the read models cannot be reached: {0}")]
    Pool(#[from] PoolError),
    /// The database does not answer.
    #[error("the read models did not answer in time")]
    TimedOut,
    /// Another version wrote them.
    #[error("the read models hold a value that this version does not know")]
    Value,
}

// No sources, which would be logged: what the server adds to its messages has values of rows in it.
impl From<tokio_postgres::Error> for ProjectError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<tokio_postgres::Error> for QueryError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

/// What the server said, or what is wrong with the connection.
fn words(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(answer), _) => answer.message().to_owned(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

/// The events before the first one that this version does not know, and what to say of that one.
fn known(events: &[Recorded]) -> (&[Recorded], Option<ProjectError>) {
    let unknown = events.iter().position(|event| matches!(event.event, Event::Unknown { .. }));
    let Some(end) = unknown else { return (events, None) };
    let (position, event_type) = (events[end].position, events[end].event.event_type().to_owned());
    (&events[..end], Some(ProjectError::UnknownEvent { position, event_type }))
}

impl ReadDb {
    /// Opens the SQLite file at `path`, or makes it; a file that cannot be read is made anew. Tables
    /// of a projector whose version changed stay as they are: see [`ReadDb::outdated`].
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn sqlite(path: &Path) -> Result<Self, ProjectError> {
        Ok(Self::Sqlite(SqliteReadDb::open(path, projectors())?))
    }

    /// The same beside a service that may be using the file: one that is damaged is left alone.
    ///
    /// # Errors
    /// [`ProjectError::Damaged`], and when the file cannot be made.
    pub fn sqlite_beside(path: &Path) -> Result<Self, ProjectError> {
        Ok(Self::Sqlite(SqliteReadDb::open_beside(path)?))
    }

    /// Opens the schema `read` of a Postgres database, or makes it. Tables of a projector whose
    /// version changed stay as they are: see [`ReadDb::outdated`]. Its connections must be sessions
    /// of the server's own: a pooler that deals out transactions would lose the lock of who leads.
    ///
    /// # Errors
    /// When the database cannot be reached, or the schema cannot be made.
    pub async fn postgres(pool: Pool) -> Result<Self, ProjectError> {
        Ok(Self::Postgres(PostgresReadDb::open(pool).await?))
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
            Self::Postgres(db) => db.lead().await,
        }
    }

    /// How far each projector got.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProjectError> {
        match self {
            Self::Sqlite(db) => db.checkpoints(),
            Self::Postgres(db) => db.checkpoints().await,
        }
    }

    /// The projectors whose tables are of another version. Nothing can be applied to those: they
    /// answer as they are until [`Scratch`] tables take their place.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn outdated(&self) -> Result<Vec<&'static str>, ProjectError> {
        let checkpoints = self.checkpoints().await?;
        let is_outdated = |projector: &&dyn Projector| {
            let of = |checkpoint: &&Checkpoint| checkpoint.projector == projector.name();
            let there = checkpoints.iter().find(of);
            there.is_some_and(|checkpoint| checkpoint.version != projector.version())
        };
        let all = projectors();
        let all = all.iter().map(AsRef::as_ref);
        Ok(all.filter(is_outdated).map(Projector::name).collect())
    }

    /// Empties all tables: the next batch starts at the beginning of the log.
    ///
    /// # Errors
    /// [`ProjectError::NotLeading`], and when the database does not answer.
    pub async fn reset(&self) -> Result<(), ProjectError> {
        match self {
            Self::Sqlite(db) => blocking(|| db.reset()),
            Self::Postgres(db) => db.reset().await,
        }
    }

    /// Applies a run of the log that begins right behind position `after`: rows and checkpoints in one transaction. Each projector takes what
    /// lies behind its checkpoint, so a run that was applied before changes nothing.
    ///
    /// # Errors
    /// [`ProjectError::UnknownEvent`]: all before that event was applied. Otherwise nothing was: then
    /// [`ReadDb::checkpoints`] tell where to go on.
    pub async fn apply_after(
        &self,
        after: Position,
        events: &[Recorded],
    ) -> Result<(), ProjectError> {
        match self {
            Self::Sqlite(db) => {
                blocking(|| db.apply(after, events)).map_err(|error| db.explain(error))
            }
            Self::Postgres(db) => db.apply(after, events).await,
        }
    }

    /// [`ReadDb::apply_after`] for a log whose positions are dense, which tells where a run begins.
    ///
    /// # Errors
    /// The same.
    pub async fn apply(&self, events: &[Recorded]) -> Result<(), ProjectError> {
        let after = events.first().map_or(0, |event| event.position.saturating_sub(1));
        self.apply_after(after, events).await
    }

    /// The mailbox of a login that is open.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn login(&self, request_id: RequestId) -> Result<Option<EmailKey>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::login(file, request_id))?),
            Self::Postgres(db) => db.login(request_id).await,
        }
    }

    /// A session and whose it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session(&self, session_id: SessionId) -> Result<Option<SessionView>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::session(file, session_id))?),
            Self::Postgres(db) => db.session(session_id).await,
        }
    }

    /// The sessions of a user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sessions_of(&self, user_id: UserId) -> Result<Vec<SessionId>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::sessions_of(file, user_id))?),
            Self::Postgres(db) => db.sessions_of(user_id).await,
        }
    }

    /// A user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user(&self, user_id: UserId) -> Result<Option<UserView>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::user(file, user_id))?),
            Self::Postgres(db) => db.user(user_id).await,
        }
    }

    /// Whence a user came.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn snapshot(&self, user_id: UserId) -> Result<Option<Snapshot>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::snapshot(file, user_id))?),
            Self::Postgres(db) => db.snapshot(user_id).await,
        }
    }

    /// A user as a referrer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn referral_overview(&self, user_id: UserId) -> Result<ReferralOverview, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::referral_overview(file, user_id))?),
            Self::Postgres(db) => db.referral_overview(user_id).await,
        }
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
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::invitees(file, user_id, limit, offset))?),
            Self::Postgres(db) => db.invitees(user_id, limit, offset).await,
        }
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
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::credited_since(file, user_id, since))?),
            Self::Postgres(db) => db.credited_since(user_id, since).await,
        }
    }

    /// Up to `limit` onboardings that are not over, the longest waiting first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn onboardings(&self, limit: u64) -> Result<Vec<Onboarding>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::onboardings(file, limit))?),
            Self::Postgres(db) => db.onboardings(limit).await,
        }
    }

    /// Up to `limit` referrals that are not decided.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn undecided_referrals(
        &self,
        limit: u64,
    ) -> Result<Vec<UndecidedReferral>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::undecided_referrals(file, limit))?),
            Self::Postgres(db) => db.undecided_referrals(limit).await,
        }
    }

    /// Up to `limit` addresses that belong to nobody, for which nobody asked for a code since, the
    /// longest waiting first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unverified_mailboxes(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<Vec<EmailKey>, QueryError> {
        match self {
            Self::Sqlite(db) => {
                Ok(db.read(|file| query::unverified_mailboxes(file, before, limit))?)
            }
            Self::Postgres(db) => db.unverified_mailboxes(before, limit).await,
        }
    }

    /// Who was credited to a referrer by a code, as issued, and when; the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn credited_by(
        &self,
        referrer: UserId,
        code: &ReferralCode,
        limit: u64,
    ) -> Result<Vec<(UserId, Timestamp)>, QueryError> {
        let code = code.as_str();
        match self {
            Self::Sqlite(db) => {
                Ok(db.read(|file| query::credited_by(file, referrer, code, limit))?)
            }
            Self::Postgres(db) => db.credited_by(referrer, code, limit).await,
        }
    }

    /// The touches of a visitor that came after their first one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn later_touches(&self, first: TouchId) -> Result<Vec<TouchId>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| query::later_touches(file, first))?),
            Self::Postgres(db) => db.later_touches(first).await,
        }
    }

    /// Every row of every table as text, in one order: for comparing a rebuilt database with a live one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn dump(&self) -> Result<Vec<String>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(sqlite::dump)?),
            Self::Postgres(db) => db.dump().await,
        }
    }
}

/// Runs what writes a file where it does not keep others from running.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
