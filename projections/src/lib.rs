//! Read models: folds of the log into tables that HTTP reads, and the reports that analysts ask for.
//!
//! A projector turns each event into changes; [`ReadDb`] applies the changes of a batch together with
//! the positions of the projectors in one transaction. Nothing here appends, and deleting all of it
//! loses nothing.
//!
//! # Layout
//!
//! From the ground up; each module uses those above it in this list:
//!
//! - `schema`, `change`, `projector`: what a read model is made of: its tables, the changes to them,
//!   and the fold of events into changes;
//! - [`merkle`], [`tiles`]: the arithmetic of the tree over the log;
//! - `read_db`: the databases that hold read models, SQLite and Postgres;
//! - `scratch`: tables that are filled next to the live ones and then replace them;
//! - `identity`, `attribution`, `pending`, `api_keys`, `log_tree`: a read model each, with its tables, its projector,
//!   its queries and what they answer with;
//! - `projectors`: the list of them; `inspect`: what is found in a database of read models;
//! - [`report`]: the views of analysts, a fold of its own without tables.

mod change;
pub mod merkle;
mod projector;
mod read_db;
pub mod report;
mod schema;
mod scratch;
pub mod tiles;

mod api_keys;
mod attribution;
mod identity;
mod log_tree;
mod pending;

mod inspect;
mod projectors;

pub use api_keys::ApiKeyView;
pub use attribution::{Invitee, ReferralOverview, Snapshot};
pub use change::{
    ApiKeyChange, AttributionChange, Change, IdentityChange, Leaf, NewApiKey, NewSession,
    OnboardingStep, PendingChange,
};
pub use identity::{ListedSession, SessionView, UserView};
pub use inspect::{
    ProjectorState, inspect_covered, inspect_postgres, inspect_sqlite, inspect_writer,
};
pub use pending::{DueAddress, Onboarding, UndecidedReferral};
pub use projector::Projector;
pub use projectors::projectors;
pub use read_db::{
    CoveredPosition, Differences, ProjectError, ProjectorPosition, Purpose, QueryError, ReadDb,
    SqliteError, has_wal, needs_writing, open_sqlite_to_read,
};
pub use schema::{ColumnSchema, ColumnType, IndexSchema, RowSize, TableSchema};
pub use scratch::{Comparison, Held, Scratch};
