//! The envelope.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{
    CorrelationId, EmailKey, Event, EventId, Handle, InvalidId, Mac, ReferralCode, Timestamp,
    TouchId, UserId,
};

/// Place of an event in the whole log: commit order, from 1 on. Not every log leaves no gaps.
pub type Position = u64;

/// Place of an event in its stream, from 0, without gaps.
pub type Version = u64;

/// The name of a stream. Each business rule lives inside one stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StreamId {
    /// One e-mail address.
    Mailbox(EmailKey),
    /// One account.
    User(UserId),
    /// One referral code, folded.
    Code(ReferralCode),
    /// One creator handle.
    Handle(Handle),
    /// One recorded landing.
    Touch(TouchId),
    /// One set of rule settings.
    Rules(Mac),
    /// Who looked into the log.
    Audit,
}

impl StreamId {
    /// What the names of each family begin with: what to ask for of a log that others write to, too.
    pub const PREFIXES: [&str; 7] =
        ["mailbox-", "user-", "name-code-", "name-handle-", "touch-", "rules-", "audit"];

    /// The stream of a referral code, however it is spelt.
    #[must_use]
    pub fn code(code: &ReferralCode) -> Self {
        Self::Code(code.folded())
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(key) => write!(f, "mailbox-{key}"),
            Self::User(id) => write!(f, "user-{id}"),
            Self::Code(code) => write!(f, "name-code-{code}"),
            Self::Handle(handle) => write!(f, "name-handle-{handle}"),
            Self::Touch(id) => write!(f, "touch-{id}"),
            Self::Rules(digest) => write!(f, "rules-{digest}"),
            Self::Audit => f.write_str("audit"),
        }
    }
}

impl FromStr for StreamId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        type Parse = fn(&str) -> Result<StreamId, InvalidId>;
        let parse: [Parse; 7] = [
            |rest| rest.parse().map(Self::Mailbox),
            |rest| rest.parse().map(Self::User),
            |rest| rest.parse().map(Self::Code),
            |rest| rest.parse().map(Self::Handle),
            |rest| rest.parse().map(Self::Touch),
            |rest| rest.parse().map(Self::Rules),
            |rest| if rest.is_empty() { Ok(Self::Audit) } else { Err(InvalidId("stream name")) },
        ];
        Self::PREFIXES
            .iter()
            .zip(parse)
            .find_map(|(prefix, parse)| Some(parse(text.strip_prefix(prefix)?)))
            .unwrap_or(Err(InvalidId("stream name")))
    }
}

/// On whose behalf an event was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who has proved nothing yet.
    Visitor,
    /// The signed-in user whose stream it is.
    Owner,
    /// whence itself.
    System,
    /// A named operator.
    Operator(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visitor => f.write_str("visitor"),
            Self::Owner => f.write_str("owner"),
            Self::System => f.write_str("system"),
            Self::Operator(name) => write!(f, "operator:{name}"),
        }
    }
}

impl FromStr for Actor {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "visitor" => Ok(Self::Visitor),
            "owner" => Ok(Self::Owner),
            "system" => Ok(Self::System),
            _ => text
                .strip_prefix("operator:")
                .map(|name| Self::Operator(name.to_owned()))
                .ok_or(InvalidId("actor")),
        }
    }
}

/// What is known about an event besides what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// When it happened, by the clock of the node that decided it.
    pub occurred_at: Timestamp,
    /// The request it belongs to.
    pub correlation_id: CorrelationId,
    /// The event that led to it.
    pub causation_id: Option<EventId>,
    /// On whose behalf.
    pub actor: Actor,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Place in the log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Place in the stream.
    pub version: Version,
    /// Its id.
    pub event_id: EventId,
    /// What happened; personal fields sealed.
    pub event: Event,
    /// The exact stored bytes.
    pub data: Arc<[u8]>,
    /// What else is known.
    pub metadata: Metadata,
    /// When the log took it.
    pub recorded_at: Timestamp,
}
