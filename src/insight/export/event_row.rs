//! Events as rows of an export: the columns, and the value of each.

use std::fmt::Display;

use anyhow::{Context as _, ensure};
use serde_json::value::RawValue;
use whence_events::{
    AuditEvent, Event, MailboxEvent, NameEvent, Recorded, StreamId, TouchId, UserEvent, UserId,
};

use super::schema::{Field, FieldKind, Value};

/// The columns of an export of events. Others may be added after them; these stay as they are.
pub const EVENT_FIELDS: [Field; 15] = {
    let mut fields = [COLUMNS[0].field; 15];
    let mut at = 1;
    while at < fields.len() {
        fields[at] = COLUMNS[at].field;
        at += 1;
    }
    fields
};

/// An event that is exported.
pub(super) struct Row {
    pub(super) event: Recorded,
    /// Its personal fields in clear, as a JSON object.
    pub(super) personal: Option<String>,
}

/// A column, and how an event fills it.
pub(super) struct Column {
    field: Field,
    pub(super) value: fn(&Row) -> Value<'_>,
}

pub(super) const COLUMNS: [Column; 15] = [
    column(integer("position"), |row| whole(row.event.position)),
    column(text("event_id"), |row| shown(row.event.event_id)),
    column(text("stream"), |row| shown(&row.event.stream)),
    column(text("family").repetitive(), |row| Value::Text(family(&row.event.stream).into())),
    column(integer("version").repetitive(), |row| whole(row.event.version)),
    column(text("type").repetitive(), |row| Value::Text(row.event.event.event_type().into())),
    column(time("occurred_at"), |row| Value::Time(row.event.metadata.occurred_at)),
    column(time("recorded_at"), |row| Value::Time(row.event.recorded_at)),
    column(text("actor").repetitive(), |row| shown(&row.event.metadata.actor)),
    column(text("correlation_id"), |row| shown(row.event.metadata.correlation_id)),
    column(text("causation_id").optional(), |row| optional(row.event.metadata.causation_id)),
    column(text("user_id").optional(), |row| optional(user_id(&row.event))),
    column(text("touch_id").optional(), |row| optional(touch_id(&row.event))),
    column(json("data"), |row| row.data().map_or(Value::Missing, Value::Json)),
    column(json("personal").optional(), |row| {
        row.personal.as_deref().map_or(Value::Missing, Value::Json)
    }),
];

const fn column(field: Field, value: fn(&Row) -> Value<'_>) -> Column {
    Column { field, value }
}

const fn integer(name: &'static str) -> Field {
    Field::new(name, FieldKind::Integer)
}

const fn text(name: &'static str) -> Field {
    Field::new(name, FieldKind::Text)
}

const fn time(name: &'static str) -> Field {
    Field::new(name, FieldKind::Time)
}

const fn json(name: &'static str) -> Field {
    Field::new(name, FieldKind::Json)
}

impl Row {
    /// Refuses a row of which not every value can be written. What this version knows was read as
    /// JSON already; what a newer version or another program wrote need not be JSON.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Recorded { position, version, event, .. } = &self.event;
        let says = || format!("the event at position {position}");
        ensure!(
            i64::try_from(*position.max(version)).is_ok(),
            "{} has a place that does not fit into 63 bits",
            says()
        );
        let Some(data) = self.data() else { anyhow::bail!("{} holds no text", says()) };
        if let Event::Unknown { event_type } = event {
            let _: &RawValue = serde_json::from_str(data)
                .with_context(|| format!("{}, {event_type}, holds no JSON", says()))?;
        }
        Ok(())
    }

    /// Returns the stored bytes, which are JSON.
    fn data(&self) -> Option<&str> {
        std::str::from_utf8(&self.event.data).ok()
    }
}

/// Returns the value of a number that [`Row::check`] has checked.
fn whole(number: u64) -> Value<'static> {
    i64::try_from(number).map_or(Value::Missing, Value::Integer)
}

fn shown(value: impl Display) -> Value<'static> {
    Value::Text(value.to_string().into())
}

fn optional(value: Option<impl Display>) -> Value<'static> {
    value.map_or(Value::Missing, shown)
}

fn family(stream: &StreamId) -> &'static str {
    match stream {
        StreamId::Mailbox(_) => "mailbox",
        StreamId::User(_) => "user",
        StreamId::Code(_) | StreamId::Handle(_) => "name",
        StreamId::Touch(_) => "touch",
        StreamId::Rules(_) => "rules",
        StreamId::Audit => "audit",
        StreamId::ApiKey(_) => "api_key",
    }
}

/// Returns the account whose stream it is, or that a mailbox or a name was given to.
fn user_id(event: &Recorded) -> Option<UserId> {
    if let StreamId::User(id) = event.stream {
        return Some(id);
    }
    match &event.event {
        Event::Mailbox(MailboxEvent::MailboxClaimed(claimed)) => Some(claimed.user_id),
        Event::Mailbox(MailboxEvent::MailboxReleased(released)) => Some(released.user_id),
        Event::Mailbox(MailboxEvent::MailboxMoved(moved)) => Some(moved.user_id),
        Event::Name(NameEvent::NameReserved(reserved)) => Some(reserved.owner),
        Event::Audit(AuditEvent::AuditRead(read)) => read.user_id,
        Event::Mailbox(_)
        | Event::User(_)
        | Event::Touch(_)
        | Event::Rules(_)
        | Event::ApiKey(_)
        | Event::Unknown { .. } => None,
    }
}

/// Returns the landing that it is, or that the snapshot or the referrer of an account was taken
/// from.
fn touch_id(event: &Recorded) -> Option<TouchId> {
    if let StreamId::Touch(id) = event.stream {
        return Some(id);
    }
    let Event::User(event) = &event.event else { return None };
    if let UserEvent::ReferralAttributed(attributed) = &**event {
        attributed.touch_id
    } else if let UserEvent::AttributionCapturedV1(origin) = &**event {
        origin.touch_id
    } else if let UserEvent::AttributionCaptured(origin) = &**event {
        origin.touch_id
    } else {
        None
    }
}
