//! The decisions: pure, synchronous, without clock, randomness or IO.
//!
//! A stream's state is the fold of its events by `evolve`; a command on it is decided by `decide`.
//! Whatever a decision depends on besides the state (the time, fresh ids, facts looked up elsewhere)
//! arrives inside the command. Each file owns one noun.

pub mod audit;
pub mod mailbox;
pub mod name;
pub mod referral;
pub mod rules;
#[cfg(test)]
mod spec;
pub mod touch;
pub mod user;

use whence_events::{Event, Timestamp, Version};

/// The state of one stream, and the rules that live in it.
pub trait Decider: Default + Clone + Send + Sync + 'static {
    /// What can be asked of it.
    type Command: Sync;
    /// What can have happened.
    type Event: Clone + Into<Event> + Send + Sync;
    /// Why it says no.
    type Rejection: std::error::Error + Send;

    /// The event, when it is of this family.
    fn event(event: &Event) -> Option<&Self::Event>;

    /// The state after one more event.
    #[must_use]
    fn evolve(self, event: &Self::Event, stamp: Stamp) -> Self;

    /// What happens when `command` comes in this state; nothing, when it changes nothing.
    ///
    /// # Errors
    /// Why it does not happen. Nothing changes.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;
}

/// When and where in its stream an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When, by the node that decided it.
    pub at: Timestamp,
    /// Place in the stream.
    pub version: Version,
}
