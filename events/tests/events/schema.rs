//! The published schemas equal those of the code, and stored events follow them.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};
use whence_events::codec::{known_types, schemas};

use crate::{folder, golden_bytes, stems};

/// A new schema is written next to the old one and never over it: the author of a change reviews the
/// new schema and renames the file.
#[test]
fn the_committed_schemas_are_those_of_the_code() {
    let mut stale = vec![];
    for (event_type, schema) in schemas() {
        let path = folder("schema").join(format!("{event_type}.json"));
        let aside = path.with_extension("json.new");
        let committed: Option<Value> =
            std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        // Compared as values: the order of keys depends on how serde_json was built.
        if committed.as_ref() == Some(schema.as_value()) {
            // Left by an earlier run, and taken back since.
            let _ = std::fs::remove_file(aside);
        } else {
            let generated = serde_json::to_string_pretty(&schema).unwrap();
            std::fs::write(aside, generated + "\n").unwrap();
            stale.push(event_type);
        }
    }
    assert!(
        stale.is_empty(),
        "not as in events/schema: {stale:?}; look at the .json.new files there and rename them"
    );
}

#[test]
fn every_type_has_a_schema_and_no_schema_is_of_an_unknown_type() {
    let mut known: Vec<_> = known_types().collect();
    known.sort_unstable();
    assert_eq!(stems("schema"), known);
}

#[test]
fn stored_examples_follow_their_schemas() {
    for event_type in known_types() {
        let example: Value = serde_json::from_slice(&golden_bytes(event_type)).unwrap();
        let (schemas, index) = compiled(event_type);
        if let Err(error) = schemas.validate(&example, index) {
            panic!("{event_type}: {error}");
        }
    }
}

/// Proves that the check above can fail.
#[test]
fn a_schema_refuses_what_is_not_its_event() {
    let example = |changed: &dyn Fn(&mut Value)| {
        let stored = golden_bytes("SessionOpened.v1");
        let mut value: Value = serde_json::from_slice(&stored).unwrap();
        changed(&mut value);
        value
    };
    let (schemas, index) = compiled("SessionOpened.v1");
    let follows = |value: &Value| schemas.validate(value, index).is_ok();
    assert!(follows(&example(&|_| {})));
    assert!(follows(&example(&|value| value["country"] = Value::Null)));
    assert!(!follows(&example(&|value| value["country"] = json!("Germany"))));
    assert!(!follows(&example(&|value| value["kind"] = json!("carrier pigeon"))));
    assert!(!follows(&example(&|value| value["expires_at"] = json!(1_773_500_966))));
    assert!(!follows(&example(&|value| {
        value.as_object_mut().unwrap().remove("token_hash");
    })));
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: no schema, no test")]
fn compiled(event_type: &str) -> (Schemas, SchemaIndex) {
    let text = std::fs::read(folder("schema").join(format!("{event_type}.json"))).unwrap();
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    let place = format!("events:{event_type}");
    compiler.add_resource(&place, serde_json::from_slice(&text).unwrap()).unwrap();
    let mut schemas = Schemas::new();
    let index = compiler.compile(&place, &mut schemas).unwrap();
    (schemas, index)
}
