//! The steps of a pass over a log, for a caller that shows progress.

use whence_events::Position;

/// A step of a pass over a log, for a caller that shows how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassStep {
    /// A pass over a log begins, which ends at `head`.
    Begin {
        /// What the pass does, in one word.
        pass: &'static str,
        /// The last position of the pass.
        head: Position,
    },
    /// The event at `position` is done, the last of `events` in this pass.
    At {
        /// The position in the log that is read.
        position: Position,
        /// The number of events of this pass that are done.
        events: u64,
    },
    /// The pass is over, with this many events.
    End {
        /// The number of events of the pass.
        events: u64,
    },
}

/// A function that is called with each step.
pub type Watch<'a> = &'a mut (dyn FnMut(PassStep) + Send);
