//! Stored examples: what was written once stays readable.

use serde_json::Value;
use whence_events::codec::{decode, encode, known_types};

use crate::{golden_bytes, stems};

#[test]
fn every_type_has_a_stored_example_and_no_example_is_of_an_unknown_type() {
    let mut known: Vec<_> = known_types().collect();
    known.sort_unstable();
    assert_eq!(stems("tests/golden"), known);
}

#[test]
fn a_type_has_one_name() {
    let mut known: Vec<_> = known_types().collect();
    let all = known.len();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), all);
}

#[test]
fn stored_examples_are_read_and_written_as_the_same_bytes() {
    for event_type in stems("tests/golden") {
        let stored = golden_bytes(&event_type);
        let event = decode(&event_type, &stored).unwrap();
        assert_eq!(event.event_type(), event_type);
        let written = String::from_utf8(encode(&event).unwrap()).unwrap();
        assert_eq!(written, String::from_utf8(stored).unwrap(), "{event_type}");
    }
}

/// Fields that a type was given later: bytes that were stored before that stay readable, and are
/// written again as they were.
#[test]
fn bytes_from_before_a_field_are_read_and_written_as_the_same_bytes() {
    let later = [
        ("LoginStarted.v1", &["device_id", "network", "change_of", "touch_id"][..]),
        ("MailboxClaimed.v1", &["by_change", "email", "reason"]),
        ("EmailChanged.v1", &["reason"]),
        ("LoginThrottled.v1", &["device_id"]),
        ("CodeVerified.v1", &["device_id", "device_class"]),
        ("TouchRecorded.v2", &["referrer_site", "agent", "said_by_client"]),
        ("AttributionCaptured.v2", &["referrer_site", "said_by_client"]),
    ];
    for (event_type, fields) in later {
        let text = String::from_utf8(golden_bytes(event_type)).unwrap();
        // The later fields are the last ones.
        let end = text.find(&format!(",\"{}\"", fields[0])).unwrap();
        let before = format!("{}}}", &text[..end]);
        let event = decode(event_type, before.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(encode(&event).unwrap()).unwrap(), before, "{event_type}");
    }
}

/// An example without a field would not pin the spelling of that field.
#[test]
fn stored_examples_leave_nothing_out() {
    for (event_type, schema) in whence_events::codec::schemas() {
        let example: Value = serde_json::from_slice(&golden_bytes(event_type)).unwrap();
        let fields = schema.get("properties").and_then(Value::as_object).unwrap();
        for field in fields.keys() {
            assert!(example.get(field).is_some(), "{event_type}: no {field}");
        }
        assert_is_full(&example, event_type);
    }
}

#[track_caller]
fn assert_is_full(value: &Value, place: &str) {
    match value {
        Value::Null => panic!("{place} is null"),
        Value::Array(items) => {
            assert!(!items.is_empty(), "{place} is empty");
            for item in items {
                assert_is_full(item, place);
            }
        }
        Value::Object(fields) => {
            assert!(!fields.is_empty(), "{place} is empty");
            for (name, field) in fields {
                assert_is_full(field, &format!("{place}.{name}"));
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
