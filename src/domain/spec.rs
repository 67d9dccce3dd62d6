//! A vocabulary for tests: given these events, when that command comes, then these events happen.

use std::fmt::Debug;
use std::time::Duration;

use uuid::Uuid;
use whence_events::{
    Client, DeviceId, EmailAddress, EmailKey, Hash, Pii, Provider, RequestId, SessionId,
    SessionKind, SessionOpened, Timestamp, TouchId, UserEvent, UserId, UserRegistered,
};

use super::user::{SESSION_IDLE, SESSION_MAX};
use super::{Decider, EventContext};

/// A history that a command is decided in. Its events are a second apart from [`START`] on, unless
/// [`Given::at`] sets their time.
pub(crate) struct Given<D> {
    state: D,
    now: Timestamp,
    version: u64,
}

/// The time of the first event of a history: 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Returns a history of these events.
pub(crate) fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    Given { state: D::default(), now: START, version: 0 }.and(events)
}

impl<D: Decider> Given<D> {
    /// Adds events to the history.
    pub(crate) fn and(mut self, events: impl IntoIterator<Item = D::Event>) -> Self {
        for event in events {
            self.state =
                self.state.evolve(&event, EventContext { at: self.now, version: self.version });
            self.now = self.now + Duration::from_secs(1);
            self.version += 1;
        }
        self
    }

    /// Sets the time of the next event.
    pub(crate) fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads as a sentence")]
    pub(crate) fn when(self, command: D::Command) -> When<D> {
        When(self.state.decide(&command))
    }

    pub(crate) fn state(self) -> D {
        self.state
    }
}

/// The result of a command.
pub(crate) struct When<D: Decider>(Result<Vec<D::Event>, D::Rejection>);

impl<D: Decider> When<D>
where
    D::Event: Debug + PartialEq,
    D::Rejection: Debug + PartialEq,
{
    #[track_caller]
    pub(crate) fn then(self, events: impl IntoIterator<Item = D::Event>) {
        assert_eq!(self.0, Ok(events.into_iter().collect()));
    }

    #[track_caller]
    pub(crate) fn rejected(self, rejection: D::Rejection) {
        assert_eq!(self.0, Err(rejection));
    }

    #[track_caller]
    pub(crate) fn events(self) -> Vec<D::Event> {
        self.0.expect("events")
    }
}

pub(crate) fn user(n: u8) -> UserId {
    UserId(id(n))
}

pub(crate) fn request(n: u8) -> RequestId {
    RequestId(id(n))
}

pub(crate) fn session(n: u8) -> SessionId {
    SessionId(id(n))
}

pub(crate) fn device(n: u8) -> DeviceId {
    DeviceId(id(n))
}

pub(crate) fn touch(n: u8) -> TouchId {
    TouchId(id(n))
}

fn id(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

/// Returns the time `seconds` after [`START`].
pub(crate) fn after(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

/// Returns the registration of a user.
pub(crate) fn registered() -> UserEvent {
    UserRegistered {
        email: Pii::Clear(EmailAddress::parse("ada@example.com").expect("an address")),
        email_key: EmailKey([1; 16]),
        display_name: None,
        provider: Provider::Email,
    }
    .into()
}

/// Returns the opening of session 1 at the start, with a token whose hash is zeros.
pub(crate) fn opened(kind: SessionKind) -> UserEvent {
    SessionOpened {
        session_id: session(1),
        token_hash: Hash([0; 32]),
        kind,
        expires_at: START + SESSION_IDLE,
        absolute_expires_at: START + SESSION_MAX,
        device: Pii::Clear(Client::default()),
        device_class: None,
        country: None,
    }
    .into()
}
