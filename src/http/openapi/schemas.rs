//! What derived schemas do not say exactly.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::operations::operations;

/// Makes the schemas of a specification exact.
pub(super) fn complete(whole: &mut Value) {
    inline(whole);
    large_numbers(whole);
    optional_bodies(whole);
    let sent = reachable(whole, "requestBody");
    let answered = reachable(whole, "responses");
    let Some(named) = whole["components"]["schemas"].as_object_mut() else { return };
    named.retain(|name, _| name != NUMBER && name != TYPED);
    for (name, schema) in named {
        any_of_types(schema);
        flatten_options(schema);
        if answered.contains(name) && !sent.contains(name) {
            require_nullable(schema);
        }
    }
}

/// The name of the schema of positions, which are numbers.
const NUMBER: &str = "u64";

/// The name of the schema of texts that can be sent as numbers.
const TYPED: &str = "TypedText";

/// Puts the schemas of numbers and of such texts into the places of references to them.
fn inline(value: &mut Value) {
    let name = value.get("$ref").and_then(Value::as_str);
    let schema = match name.and_then(|name| name.strip_prefix("#/components/schemas/")) {
        Some(NUMBER) => Some(json!({ "type": "integer", "minimum": 0 })),
        Some(TYPED) => Some(json!({ "type": ["string", "number"] })),
        Some(_) | None => None,
    };
    if let Some(mut schema) = schema {
        if let Some(description) = value.get("description") {
            schema["description"] = description.clone();
        }
        *value = schema;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(inline),
        Value::Array(items) => items.iter_mut().for_each(inline),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A number that is never negative can be larger than its format would let it.
fn large_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_sized = |format: &Value| format == "int64" || format == "int32";
            if fields.get("format").is_some_and(is_sized) && fields.contains_key("minimum") {
                fields.remove("format");
            }
            fields.values_mut().for_each(large_numbers);
        }
        Value::Array(items) => items.iter_mut().for_each(large_numbers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A body that may be missing is not null either.
fn optional_bodies(whole: &mut Value) {
    for operation in operations(whole) {
        let contents = operation.get_mut("requestBody").and_then(|body| body.get_mut("content"));
        for content in contents.and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
        {
            let choices = content["schema"]["oneOf"].as_array();
            let schema = choices.and_then(|all| all.iter().find(|one| one["type"] != "null"));
            if let Some(schema) = schema.cloned() {
                content["schema"] = schema;
            }
        }
    }
}

/// Returns the names of the schemas that a part of operations leads to.
fn reachable(whole: &mut Value, part: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for operation in operations(whole) {
        if let Some(part) = operation.get(part) {
            references(part, &mut names);
        }
    }
    let mut open: Vec<_> = names.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let mut more = BTreeSet::new();
        references(&whole["components"]["schemas"][&name], &mut more);
        open.extend(more.difference(&names).cloned());
        names.extend(more);
    }
    names
}

fn references(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str);
            names.extend(
                name.and_then(|name| name.strip_prefix("#/components/schemas/")).map(str::to_owned),
            );
            fields.values().for_each(|field| references(field, names));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A value can be of several types of a union.
fn any_of_types(schema: &mut Value) {
    let choices = schema.get("oneOf").and_then(Value::as_array);
    let is_union = choices.is_some_and(|all| all.iter().all(|one| one.get("$ref").is_some()));
    if let Some(union) = schema.as_object_mut().filter(|_| is_union)
        && let Some(choices) = union.remove("oneOf")
    {
        union.insert("anyOf".to_owned(), choices);
    }
}

/// The fields of a part that may be missing are there or not, and not null.
fn flatten_options(schema: &mut Value) {
    let parts = schema.get_mut("allOf").and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten() {
        if is_nullable(part) {
            let choices = part["oneOf"].as_array();
            let fields = choices.and_then(|all| all.iter().find(|one| one["type"] != "null"));
            let fields = fields.cloned().unwrap_or_default();
            *part = json!({ "anyOf": [fields, { "type": "object" }] });
        }
    }
}

/// A field of an answer that can be null is always there: those that may be missing are never null.
fn require_nullable(schema: &mut Value) {
    if let Some(parts) = schema.get_mut("allOf").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(require_nullable);
    }
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else { return };
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
    let all = fields.iter().filter(|(name, field)| is_required(name) || is_nullable(field));
    let all: Vec<_> = all.map(|(name, _)| name.clone()).collect();
    if all.is_empty() {
        return;
    }
    schema["required"] = all.into();
}

/// Returns the type of a value of a schema that is not null.
pub(in crate::http) fn type_of(schema: &Value) -> Option<&str> {
    let kinds = schema["type"].as_array().into_iter().flatten();
    let kinds = kinds.chain([&schema["type"]]).filter_map(Value::as_str);
    kinds.into_iter().find(|kind| *kind != "null")
}

/// Returns whether null is an example of a schema.
pub(in crate::http) fn is_nullable(schema: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    let kinds = schema.get("type").and_then(Value::as_array);
    let choices = schema.get("oneOf").and_then(Value::as_array);
    kinds.is_some_and(|kinds| kinds.iter().any(is_null))
        || choices.is_some_and(|all| all.iter().any(|one| one.get("type").is_some_and(is_null)))
}
