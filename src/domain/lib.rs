//! The decisions of whence: pure, synchronous, without clock, randomness or IO.
//!
//! The state of a stream is the fold of its events by [`Decider::evolve`]; [`Decider::decide`]
//! decides a command in that state. Everything else that a decision depends on (the time, fresh
//! ids, facts looked up elsewhere) is part of the command. Each module is about one noun.

pub mod api_key;
pub mod audit;
pub mod billing;
pub mod bots;
pub mod handle;
pub mod mailbox;
pub mod name;
pub mod profile;
pub mod referral;
pub mod reserved;
pub mod rules;
#[cfg(test)]
mod spec;
pub mod text;
pub mod touch;
pub mod user;

use whence_events::{Event, Timestamp, Version};

/// The state of one stream, with the rules that hold within it.
pub trait Decider: Default + Clone + Send + Sync + 'static {
    /// The commands that it decides.
    type Command: Sync;
    /// The events of its stream.
    type Event: Clone + Into<Event> + Send + Sync;
    /// The reasons why it rejects a command.
    type Rejection: std::error::Error + Send;

    /// Returns the event of this family; `None` for an event of another one.
    fn event(event: &Event) -> Option<&Self::Event>;

    /// Returns the state after one more event.
    #[must_use]
    fn evolve(self, event: &Self::Event, context: EventContext) -> Self;

    /// Returns the events that `command` leads to in this state; none when it changes nothing.
    ///
    /// A rejected command changes nothing.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;
}

/// The time of an event and its position in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventContext {
    /// The time of the event, by the clock of the node that decided it.
    pub at: Timestamp,
    /// The position of the event in its stream.
    pub version: Version,
}
