//! The codec between events and stored bytes, and the only place where old versions are upcast.
//!
//! A stored type is `Name.vN`. A change of shape is a new version: it is added to the list of the
//! family, the old version stays in it, and a reader gets the newest shape from this module.
//! Decoding does not replace the old version: a copy of the log and a proof about it need the
//! stored type.

use std::borrow::Cow;

use crate::{
    ApiKeyEvent, AttributionCaptured, AttributionCapturedV1, AuditEvent, Event, MailboxEvent,
    NameEvent, RulesEvent, TouchEvent, TouchRecorded, TouchRecordedV1, UserEvent,
};

/// The reason why an event cannot be encoded or bytes cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A personal field was clear or erased, or the type of the event is unknown.
    #[error("{event_type} cannot be written: {source}")]
    NotWritable {
        /// The stored type.
        event_type: String,
        /// The error of the JSON library.
        source: serde_json::Error,
    },
    /// The bytes are not an event of this type.
    #[error("stored {event_type} cannot be read: {source}")]
    Malformed {
        /// The stored type.
        event_type: String,
        /// The error of the JSON library.
        source: serde_json::Error,
    },
}

/// Returns the bytes to store.
pub fn encode(event: &Event) -> Result<Vec<u8>, CodecError> {
    let bytes = match event {
        Event::Mailbox(event) => event.encode(),
        Event::User(event) => event.encode(),
        Event::Name(event) => event.encode(),
        Event::Touch(event) => event.encode(),
        Event::Rules(event) => event.encode(),
        Event::Audit(event) => event.encode(),
        Event::ApiKey(event) => event.encode(),
        Event::Unknown { .. } => Err(serde::ser::Error::custom("of an unknown type")),
    };
    bytes.map_err(|source| CodecError::NotWritable {
        event_type: event.event_type().to_owned(),
        source,
    })
}

/// Returns the event of stored bytes; [`Event::Unknown`] when this version does not know the type.
pub fn decode(event_type: &str, data: &[u8]) -> Result<Event, CodecError> {
    let known = MailboxEvent::decode(event_type, data)
        .map(|event| event.map(Event::from))
        .or_else(|| UserEvent::decode(event_type, data).map(|event| event.map(Event::from)))
        .or_else(|| NameEvent::decode(event_type, data).map(|event| event.map(Event::from)))
        .or_else(|| TouchEvent::decode(event_type, data).map(|event| event.map(Event::from)))
        .or_else(|| RulesEvent::decode(event_type, data).map(|event| event.map(Event::from)))
        .or_else(|| AuditEvent::decode(event_type, data).map(|event| event.map(Event::from)))
        .or_else(|| ApiKeyEvent::decode(event_type, data).map(|event| event.map(Event::from)));
    match known {
        Some(event) => event
            .map_err(|source| CodecError::Malformed { event_type: event_type.to_owned(), source }),
        None => Ok(Event::Unknown { event_type: event_type.to_owned() }),
    }
}

impl From<AttributionCapturedV1> for AttributionCaptured {
    fn from(old: AttributionCapturedV1) -> Self {
        let AttributionCapturedV1 {
            first_referrer_url,
            first_landing_page,
            utm_source,
            utm_medium,
            utm_campaign,
            utm_term,
            utm_content,
            click_ids,
            acquired_via_creator_id,
            registration_device,
            registration_country,
            touch_id,
            touched_at,
            consent,
            rules_version,
        } = old;
        Self {
            first_referrer_url,
            referrer_domain: None,
            first_landing_page,
            utm_source,
            utm_medium,
            utm_campaign,
            utm_term,
            utm_content,
            click_ids,
            acquired_via_creator_id,
            registration_device,
            registration_country,
            touch_id,
            touched_at,
            consent,
            rules_version,
            referrer_site: None,
            said_by_client: false,
        }
    }
}

impl From<TouchRecordedV1> for TouchRecorded {
    fn from(old: TouchRecordedV1) -> Self {
        let TouchRecordedV1 {
            code,
            code_status,
            owner,
            other_codes,
            landing_page,
            referrer_url,
            referrer_kind,
            utm,
            click_ids,
            creator_id,
            device_class,
            country,
            bot,
            bot_rules_version,
            consent,
            deduplicated,
            fetch_site,
        } = old;
        Self {
            code,
            code_status,
            owner,
            other_codes,
            landing_page,
            referrer_url,
            referrer_domain: None,
            referrer_kind,
            first_touch_id: None,
            utm,
            click_ids,
            creator_id,
            device_class,
            country,
            bot,
            bot_rules_version,
            consent,
            deduplicated,
            fetch_site,
            referrer_site: None,
            agent: None,
            said_by_client: false,
        }
    }
}

impl UserEvent {
    /// Returns the attribution snapshot in its newest version; `None` for any other event.
    #[must_use]
    pub fn snapshot(&self) -> Option<Cow<'_, AttributionCaptured>> {
        if let Self::AttributionCapturedV1(old) = self {
            Some(Cow::Owned(old.clone().into()))
        } else if let Self::AttributionCaptured(captured) = self {
            Some(Cow::Borrowed(captured))
        } else {
            None
        }
    }
}

impl TouchEvent {
    /// Returns the touch in its newest version.
    #[must_use]
    pub fn touch(&self) -> Cow<'_, TouchRecorded> {
        match self {
            Self::TouchRecordedV1(old) => Cow::Owned(old.clone().into()),
            Self::TouchRecorded(touch) => Cow::Borrowed(touch),
        }
    }
}

/// Returns every stored type that this version knows.
pub fn known_types() -> impl Iterator<Item = &'static str> {
    let families = [
        MailboxEvent::TYPES,
        UserEvent::TYPES,
        NameEvent::TYPES,
        TouchEvent::TYPES,
        RulesEvent::TYPES,
        AuditEvent::TYPES,
        ApiKeyEvent::TYPES,
    ];
    families.into_iter().flatten().copied()
}

/// Returns the JSON Schema of every stored type.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
    [
        MailboxEvent::schemas(),
        UserEvent::schemas(),
        NameEvent::schemas(),
        TouchEvent::schemas(),
        RulesEvent::schemas(),
        AuditEvent::schemas(),
        ApiKeyEvent::schemas(),
    ]
    .concat()
}
