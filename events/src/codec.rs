//! Event to stored bytes and back. Upcasts of old versions live here and nowhere else.
//!
//! A stored type is `Name.vN`. A change of shape is a new version: its reader is added to the
//! family's list, and the old type is turned into the new event here. Old bytes stay as they are.

use crate::{Event, MailboxEvent, NameEvent, RulesEvent, TouchEvent, UserEvent};

/// Why an event has no bytes, or bytes no event.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A personal field was clear or erased, or the event is of a type nobody knows.
    #[error("{event_type} cannot be written: {source}")]
    NotWritable {
        /// The stored type.
        event_type: String,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// The bytes are not those of this type.
    #[error("stored {event_type} cannot be read: {source}")]
    Malformed {
        /// The stored type.
        event_type: String,
        /// What was wrong.
        source: serde_json::Error,
    },
}

/// The bytes to store.
///
/// # Errors
/// [`CodecError::NotWritable`] when a personal field is not sealed, or the event is unknown.
pub fn encode(event: &Event) -> Result<Vec<u8>, CodecError> {
    let bytes = match event {
        Event::Mailbox(event) => event.encode(),
        Event::User(event) => event.encode(),
        Event::Name(event) => event.encode(),
        Event::Touch(event) => event.encode(),
        Event::Rules(event) => event.encode(),
        Event::Unknown { .. } => Err(serde::ser::Error::custom("of an unknown type")),
    };
    bytes.map_err(|source| CodecError::NotWritable {
        event_type: event.event_type().to_owned(),
        source,
    })
}

/// The event of stored bytes; [`Event::Unknown`] when this version does not know the type.
///
/// # Errors
/// [`CodecError::Malformed`] when the type is known and the bytes are not of it.
pub fn decode(event_type: &str, data: &[u8]) -> Result<Event, CodecError> {
    let known = MailboxEvent::decode(event_type, data)
        .map(|event| event.map(Event::from))
        .or_else(|| UserEvent::decode(event_type, data).map(|event| event.map(Event::from)))
        .or_else(|| NameEvent::decode(event_type, data).map(|event| event.map(Event::from)))
        .or_else(|| TouchEvent::decode(event_type, data).map(|event| event.map(Event::from)))
        .or_else(|| RulesEvent::decode(event_type, data).map(|event| event.map(Event::from)));
    match known {
        Some(event) => event
            .map_err(|source| CodecError::Malformed { event_type: event_type.to_owned(), source }),
        None => Ok(Event::Unknown { event_type: event_type.to_owned() }),
    }
}

/// Every stored type this version knows.
pub fn known_types() -> impl Iterator<Item = &'static str> {
    [MailboxEvent::TYPES, UserEvent::TYPES, NameEvent::TYPES, TouchEvent::TYPES, RulesEvent::TYPES]
        .into_iter()
        .flatten()
        .copied()
}

/// The JSON Schema of every stored type.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
    [
        MailboxEvent::schemas(),
        UserEvent::schemas(),
        NameEvent::schemas(),
        TouchEvent::schemas(),
        RulesEvent::schemas(),
    ]
    .concat()
}
