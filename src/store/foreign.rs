//! An event in a stream of whence that whence did not write.

use std::fmt;

use whence_events::{Position, StreamId};

/// An event that another program wrote into a stream of whence, or a mark of what it did to one.
///
/// Only a store that others can write to has such events. They are in no answer of a store: readers
/// get the events of whence around them, and commands on their stream are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignEvent {
    /// The stream.
    pub stream: StreamId,
    /// The position in the log; 0 when the server does not say.
    pub position: Position,
    /// What was found, in words.
    pub found: String,
}

impl fmt::Display for ForeignEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, position, found } = self;
        write!(f, "{stream}, position {position}: {found}")
    }
}
