//! The answers of the double as they come over the wire, next to those that a real server of version
//! 23.10.8 was seen to give.

use serde_json::{Value, json};
use whence_test_support::kurrentdb_double::Double;

use super::{told, told_at};

/// Fails unless each question has its answer.
fn check(told: &Value, expected: &[(&str, Value)]) {
    for (question, answer) in expected {
        assert_eq!(&told[question], answer, "{question}");
    }
}

fn success(revision: &str, told: &Value) -> Value {
    let position = &told["success"]["position"]["commit_position"];
    assert!(position.is_string(), "{told}");
    let position = json!({"commit_position": position, "prepare_position": position});
    json!({"success": {"current_revision": revision, "position": position}})
}

fn error(code: &str, message: &str, trailers: &Value) -> Value {
    json!({"code": code, "message": message, "trailers": trailers})
}

fn deleted(stream: &str) -> Value {
    let trailers = json!({"exception": "stream-deleted", "stream-name": stream});
    let message = format!("Event stream '{stream}' is deleted.");
    error("FAILED_PRECONDITION", &message, &trailers)
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_deletions_and_positions_are_answered_word_for_word() {
    let double = Double::single().await.unwrap();
    let told = told("python", "wire", &double, &[]).await;
    appends(&told);
    sizes(&told);
    soft_delete(&told);
    tombstone(&told);
    positions(&told);
}

fn appends(told: &Value) {
    let refused = json!({
        "current_revision_20_6_0": "1",
        "expected_revision_20_6_0": "18446744073709551615",
        "current_revision": "1",
        "expected_no_stream": {},
    });
    let refused_revision = json!({
        "current_revision_20_6_0": "2",
        "expected_revision_20_6_0": "9",
        "current_revision": "2",
        "expected_revision": "9",
    });
    let refused_none = json!({
        "no_stream_20_6_0": {},
        "expected_revision_20_6_0": "3",
        "current_no_stream": {},
        "expected_revision": "3",
    });
    check(
        told,
        &[
            ("append of 2", success("1", &told["append of 2"])),
            ("the same expectation again", json!({"wrong_expected_version": refused})),
            ("expecting revision 1", success("2", &told["expecting revision 1"])),
            ("expecting revision 9", json!({"wrong_expected_version": refused_revision})),
            ("expecting revision 3 of none", json!({"wrong_expected_version": refused_none})),
            // 90 bytes, the name of the stream, the type and the data.
            ("length of an event", json!(90 + 8 + 1 + 10)),
            ("last stream position", json!({"last_stream_position": "3"})),
            (
                "from beyond the end",
                json!({"end": "end", "items": [
                    {"first_stream_position": "4"},
                    {"last_stream_position": "3"},
                ]}),
            ),
        ],
    );
}

fn sizes(told: &Value) {
    let trailers = json!({
        "exception": "maximum-append-size-exceeded",
        "maximum-append-size": "1048576",
    });
    let message = "Maximum Append Size of 1048576 Exceeded.";
    let too_large = error("INVALID_ARGUMENT", message, &trailers);
    for (revision, size) in [("0", "900 KiB"), ("1", "1000 KiB"), ("2", "1020 KiB")] {
        assert_eq!(told[size], success(revision, &told[size]), "{size}");
    }
    for size in ["1024 KiB", "1030 KiB", "1100 KiB", "3000 KiB", "4200 KiB", "3 of 400 KiB"] {
        assert_eq!(told[size], too_large, "{size}");
    }
    let message = "Received message exceeds the maximum configured message size.";
    assert_eq!(told["17000 KiB"], error("RESOURCE_EXHAUSTED", message, &json!({})));
}

fn no_stream(told: &Value) {
    assert_eq!(told["end"], "end");
    assert_eq!(told["items"].as_array().map(Vec::len), Some(1));
    assert!(told["items"][0]["stream_not_found"]["stream_identifier"].is_object(), "{told}");
}

fn soft_delete(told: &Value) {
    let event = |stream: &str, revision: &str, data: &str| {
        let is_settings = stream.starts_with("$$");
        json!({
            "stream": stream,
            "revision": revision,
            "type": if is_settings { "$metadata" } else { "T" },
            "content_type":
                if is_settings { "application/json" } else { "application/octet-stream" },
            "data": data,
            "custom_metadata": "",
            "same_positions": true,
        })
    };
    no_stream(&told["read of it"]);
    no_stream(&told["read of none"]);
    let settings = event("$$wire-soft", "0", r#"{"$tb":9223372036854775807}"#);
    let later = event("$$wire-soft", "1", r#"{"$tb":3}"#);
    let last = event("wire-soft", "3", "aa");
    let refused = json!({
        "current_revision_20_6_0": "3",
        "expected_revision_20_6_0": "2",
        "current_revision": "3",
        "expected_revision": "2",
    });
    check(
        told,
        &[
            ("delete", json!(["position"])),
            ("last of all after it", settings),
            ("expecting none", json!("3")),
            ("settings", json!({"end": "end", "items": [later, {"last_stream_position": "1"}]})),
            ("expecting revision 2", json!({"wrong_expected_version": refused})),
            ("read again", json!({"end": "end", "items": [last, {"last_stream_position": "3"}]})),
        ],
    );
}

fn tombstone(told: &Value) {
    let last = json!({
        "stream": "wire-hard",
        "revision": "9223372036854775807",
        "type": "$streamDeleted",
        "content_type": "application/octet-stream",
        "data": "",
        "custom_metadata": "",
        "same_positions": true,
    });
    let gone = deleted("wire-hard");
    check(
        told,
        &[
            ("tombstone", json!(["position"])),
            ("last of all after that", last),
            ("read of a tombstone", json!({"end": gone, "items": []})),
            ("append to a tombstone", gone.clone()),
            ("delete of a tombstone", gone.clone()),
        ],
    );
}

fn positions(told: &Value) {
    let unknown = |message: &str| error("UNKNOWN", message, &json!({}));
    let kinds = |told: &Value| -> Vec<String> {
        let items = told["items"].as_array().expect("a list");
        items.iter().flat_map(|item| item.as_object().expect("one").keys().cloned()).collect()
    };
    let inside = unknown("Unexpected ReadAllResult: Error");
    let subscription_inside = unknown("Exception was thrown by handler.");
    check(
        told,
        &[
            ("read at", json!(true)),
            ("read inside", json!({"end": inside, "items": []})),
            ("subscription inside", json!({"end": subscription_inside, "items": []})),
        ],
    );
    for question in ["subscription beyond", "subscription to the end"] {
        assert_eq!(kinds(&told[question]), ["confirmation", "caught_up"], "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_its_version_and_what_it_can() {
    let double = Double::single().await.unwrap();
    let streams = "event_store.client.streams.streams";
    let methods = json!([
        [streams, "read", ["position", "events"]],
        [streams, "append", []],
        [streams, "delete", []],
        [streams, "tombstone", []],
        [streams, "batchappend", ["deadline_duration"]],
    ]);
    let said = told("node", "features", &double, &[]).await;
    assert_eq!(said, json!({"version": "23.10.8", "methods": methods}));
    // One from before there were batches.
    double.set_version("21.2.0");
    let said = told("node", "features", &double, &[]).await;
    assert_eq!(said["version"], "21.2.0");
    assert_eq!(said["methods"].as_array().map(Vec::len), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_so_word_for_word() {
    let double = Double::single().await.unwrap();
    double.add_user("admin", "changeit", &["$admins"]);
    double.add_user("ann", "secret", &[]);
    let unauthenticated = error("UNAUTHENTICATED", "Unauthenticated", &json!({}));
    let trailers = json!({"exception": "access-denied"});
    let denied = error("PERMISSION_DENIED", "Access Denied", &trailers);
    let rights = async |url: String| told_at(url, "python", "rights", &[]).await;
    let told = rights(double.url_as("admin", "wrong")).await;
    assert_eq!(told, json!({"read $all": unauthenticated, "append": unauthenticated}));
    let told = rights(double.url()).await;
    assert_eq!(told, json!({"read $all": denied, "append": denied}));
    let told = rights(double.url_as("ann", "secret")).await;
    assert_eq!(told["read $all"], denied);
    assert_eq!(told["append"]["success"]["current_revision"], "0");
    let told = rights(double.url_as("admin", "changeit")).await;
    assert_eq!(told["read $all"], "end");
    assert_eq!(told["append"]["success"]["current_revision"], "1");
}
