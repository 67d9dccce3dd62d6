//! What a projector is.

use whence_events::Recorded;

use crate::change::Change;
use crate::schema::TableSchema;

/// A fold of the log into tables of its own.
pub trait Projector: Send + Sync {
    /// Returns the name under which its position is stored, and which metrics and commands use.
    fn name(&self) -> &'static str;

    /// Returns a number that is raised whenever the same log would give other rows: the tables of
    /// another version are then rebuilt.
    fn version(&self) -> u32;

    /// Returns the tables that it owns, and that no other projector writes.
    fn schema(&self) -> &'static [TableSchema];

    /// Adds what an event changes to `changes`.
    ///
    /// The same events always give the same changes, however they are batched: what depends on
    /// time depends on the times in the events.
    fn project(&self, event: &Recorded, changes: &mut Vec<Change>);
}

impl dyn Projector + '_ {
    /// Returns the names of its tables.
    pub fn tables(&self) -> impl Iterator<Item = &'static str> {
        self.schema().iter().map(|table| table.name)
    }
}
