//! The envelope that an event is stored in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{
    ApiKeyId, CorrelationId, EmailKey, Event, EventId, Handle, InvalidId, Mac, ReferralCode,
    Timestamp, TouchId, UserId,
};

/// The position of an event in the whole log, in commit order from 1. Some stores leave gaps.
pub type Position = u64;

/// The position of an event in its stream, from 0, without gaps.
pub type Version = u64;

/// The name of a stream. Each business rule holds within one stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StreamId {
    /// The stream of an e-mail address.
    Mailbox(EmailKey),
    /// The stream of an account.
    User(UserId),
    /// The stream of a referral code, in lower case.
    Code(ReferralCode),
    /// The stream of a creator handle.
    Handle(Handle),
    /// The stream of a touch.
    Touch(TouchId),
    /// The stream of a set of rule settings.
    Rules(Mac),
    /// The single stream that records who read the log.
    Audit,
    /// The stream of an API key.
    ApiKey(ApiKeyId),
}

impl StreamId {
    /// The prefixes of the stream names, by which our streams are found in a log that others share.
    pub const PREFIXES: [&str; 8] = [
        "mailbox-",
        "user-",
        "name-code-",
        "name-handle-",
        "touch-",
        "rules-",
        "audit",
        "api-key-",
    ];

    /// Returns the stream of a referral code, whatever its case.
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
            Self::ApiKey(id) => write!(f, "api-key-{id}"),
        }
    }
}

impl FromStr for StreamId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        type Parse = fn(&str) -> Result<StreamId, InvalidId>;
        let parse: [Parse; 8] = [
            |rest| rest.parse().map(Self::Mailbox),
            |rest| rest.parse().map(Self::User),
            |rest| rest.parse().map(Self::Code),
            |rest| rest.parse().map(Self::Handle),
            |rest| rest.parse().map(Self::Touch),
            |rest| rest.parse().map(Self::Rules),
            |rest| if rest.is_empty() { Ok(Self::Audit) } else { Err(InvalidId("stream name")) },
            |rest| rest.parse().map(Self::ApiKey),
        ];
        Self::PREFIXES
            .iter()
            .zip(parse)
            .find_map(|(prefix, parse)| Some(parse(text.strip_prefix(prefix)?)))
            .unwrap_or(Err(InvalidId("stream name")))
    }
}

/// The party on whose behalf an event was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A visitor who has not proved an identity.
    Visitor,
    /// The signed-in user whom the stream belongs to.
    Owner,
    /// The service itself.
    System,
    /// An operator, by name.
    Operator(String),
    /// A back-end of the platform, by its API key.
    ApiKey(ApiKeyId),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visitor => f.write_str("visitor"),
            Self::Owner => f.write_str("owner"),
            Self::System => f.write_str("system"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::ApiKey(id) => write!(f, "api-key:{id}"),
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
            _ => match text.strip_prefix("api-key:") {
                Some(id) => id.parse().map(Self::ApiKey).map_err(|_| InvalidId("actor")),
                None => text
                    .strip_prefix("operator:")
                    .map(|name| Self::Operator(name.to_owned()))
                    .ok_or(InvalidId("actor")),
            },
        }
    }
}

/// The metadata of an event: what is known besides what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The time at which it happened, by the clock of the node that decided it.
    pub occurred_at: Timestamp,
    /// The id that all events of the same request share.
    pub correlation_id: CorrelationId,
    /// The event that caused this one.
    pub causation_id: Option<EventId>,
    /// The party on whose behalf the event was written.
    pub actor: Actor,
}

/// A stored event with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The position in the log.
    pub position: Position,
    /// The stream that the event belongs to.
    pub stream: StreamId,
    /// The position in the stream.
    pub version: Version,
    /// The id of the event.
    pub event_id: EventId,
    /// The event itself, with its personal fields sealed.
    pub event: Event,
    /// The bytes of the event, exactly as stored.
    pub data: Arc<[u8]>,
    /// The metadata of the event.
    pub metadata: Metadata,
    /// The time at which the store committed it.
    pub recorded_at: Timestamp,
}
