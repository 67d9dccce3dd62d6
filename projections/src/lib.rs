//! Read models: folds of the log into tables that HTTP reads.
//!
//! A projector turns each event into [`Change`]s; [`ReadDb`] applies the changes of a batch together
//! with the projectors' checkpoints in one transaction. Nothing here appends, and deleting all of it
//! loses nothing.

mod attribution;
mod change;
mod duties;
mod identity;
pub mod log_tree;
mod look;
pub mod merkle;
mod read_db;
pub mod report;

pub use attribution::{Invitee, ReferralOverview, Snapshot};
pub use change::Change;
pub use duties::{Onboarding, UndecidedReferral};
pub use identity::{SessionView, UserView};
pub use look::{Found, look_postgres, look_sqlite, look_who_leads};
pub use read_db::{
    Checkpoint, Comparison, Differences, Held, ProjectError, Purpose, QueryError, ReadDb, Scratch,
};

use whence_events::Recorded;

/// A fold of the log.
pub trait Projector: Send + Sync {
    /// Its name, for checkpoints and metrics.
    fn name(&self) -> &'static str;

    /// Changed whenever the same log would give other rows: its tables are then made anew.
    fn version(&self) -> u32;

    /// The tables it owns, and nobody else writes.
    fn tables(&self) -> &'static [&'static str];

    /// What an event changes.
    ///
    /// The same events always give the same changes, however they are batched: whatever depends on
    /// time depends on the times in the events.
    fn project(&self, event: &Recorded, changes: &mut Vec<Change>);

    /// Whether it is the one that folds whole runs, into the tree over the log.
    fn is_log_tree(&self) -> bool {
        false
    }
}

/// Every projector, in no particular order: none depends on another's tables.
#[must_use]
pub fn projectors() -> Vec<Box<dyn Projector>> {
    vec![
        Box::new(identity::Identity),
        Box::new(attribution::Attribution),
        Box::new(duties::Duties),
        Box::new(log_tree::LogTree),
    ]
}
