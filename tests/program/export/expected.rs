//! What an export has to hold, by a plain loop over the events.

use serde_json::{Value, json};
use whence_events::Recorded;

/// The columns, and what `DuckDB` takes them for.
pub(crate) const COLUMNS: [(&str, &str); 15] = [
    ("position", "BIGINT"),
    ("event_id", "VARCHAR"),
    ("stream", "VARCHAR"),
    ("family", "VARCHAR"),
    ("version", "BIGINT"),
    ("type", "VARCHAR"),
    ("occurred_at", "TIMESTAMP WITH TIME ZONE"),
    ("recorded_at", "TIMESTAMP WITH TIME ZONE"),
    ("actor", "VARCHAR"),
    ("correlation_id", "VARCHAR"),
    ("causation_id", "VARCHAR"),
    ("user_id", "VARCHAR"),
    ("touch_id", "VARCHAR"),
    ("data", "VARCHAR"),
    ("personal", "VARCHAR"),
];

/// The values of an event; what is personal stays sealed.
pub(crate) fn row(event: &Recorded) -> Vec<Value> {
    let data = std::str::from_utf8(&event.data).unwrap();
    let fields: Value = serde_json::from_str(data).unwrap();
    let stream = event.stream.to_string();
    let first = stream.split('-').next().unwrap();
    let family = if first == "api" { "api_key" } else { first };
    let own = |prefix: &str| stream.strip_prefix(prefix).map(|id| json!(id));
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let user = match event.event.event_type().split('.').next().unwrap() {
        "MailboxClaimed" | "MailboxReleased" | "MailboxMoved" | "AuditRead" => field("user_id"),
        "NameReserved" => field("owner"),
        _ => own("user-").unwrap_or_default(),
    };
    let touch = match event.event.event_type().split('.').next().unwrap() {
        "AttributionCaptured" | "ReferralAttributed" => field("touch_id"),
        _ => own("touch-").unwrap_or_default(),
    };
    let metadata = &event.metadata;
    vec![
        json!(event.position),
        json!(event.event_id.to_string()),
        json!(stream),
        json!(family),
        json!(event.version),
        json!(event.event.event_type()),
        json!(metadata.occurred_at.to_string()),
        json!(event.recorded_at.to_string()),
        json!(metadata.actor.to_string()),
        json!(metadata.correlation_id.to_string()),
        metadata.causation_id.map_or(Value::Null, |id| json!(id.to_string())),
        user,
        touch,
        json!(data),
        Value::Null,
    ]
}

/// The same, as a reader of text gives it.
pub(crate) fn text_row(event: &Recorded) -> Vec<Value> {
    let text = |value: Value| if value.is_number() { json!(value.to_string()) } else { value };
    row(event).into_iter().map(text).collect()
}

/// The same, as a reader of JSON gives it.
pub(crate) fn json_row(event: &Recorded) -> Vec<Value> {
    let mut row = row(event);
    row[13] = serde_json::from_slice(&event.data).unwrap();
    row
}
