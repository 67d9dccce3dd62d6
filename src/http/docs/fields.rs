//! The fields of a body, out of its schema.

use serde_json::Value;

use super::prose::prose;
use crate::http::openapi::{is_nullable, type_of};

/// How deep fields of fields are listed.
const DEPTH: usize = 2;

/// A field of a body, or a parameter.
pub(super) struct DocsField {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) about: String,
}

impl DocsField {
    /// Returns a parameter of a call.
    pub(super) fn of_parameter(whole: &Value, parameter: &Value) -> Self {
        let place = parameter["in"].as_str().unwrap_or_default();
        Self {
            name: parameter["name"].as_str().unwrap_or_default().to_owned(),
            kind: format!("{} in the {place}", kind(whole, &parameter["schema"])),
            required: parameter["required"] == true,
            about: prose(parameter["description"].as_str().unwrap_or_default()),
        }
    }
}

/// Returns the fields of a schema, with those of its fields.
pub(super) fn fields(whole: &Value, schema: &Value) -> Vec<DocsField> {
    let mut list = Vec::new();
    add(whole, schema, "", DEPTH, &mut list);
    list
}

fn add(whole: &Value, schema: &Value, before: &str, depth: usize, list: &mut Vec<DocsField>) {
    let schema = resolved(whole, schema);
    for parts in ["allOf", "anyOf"] {
        for part in schema[parts].as_array().into_iter().flatten() {
            add(whole, part, before, depth, list);
        }
    }
    if let Some(items) = schema.get("items") {
        add(whole, items, &format!("{before}[]"), depth, list);
        return;
    }
    let required = schema["required"].as_array();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if before.is_empty() { "" } else { "." };
        let path = format!("{before}{dot}{name}");
        if list.iter().any(|known| known.name == path) {
            continue;
        }
        let inner = not_null(whole, field);
        let about = field["description"].as_str().or_else(|| inner["description"].as_str());
        list.push(DocsField {
            name: path.clone(),
            kind: kind(whole, field),
            required: required.is_some_and(|all| all.iter().any(|one| one == name)),
            about: prose(&about.unwrap_or_default().replace('\n', " ")),
        });
        if depth > 0 {
            add(whole, inner, &path, depth - 1, list);
        }
    }
}

/// Returns what a reference leads to; anything else as it is.
pub(super) fn resolved<'a>(whole: &'a Value, value: &'a Value) -> &'a Value {
    let place = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    place.and_then(|place| whole.pointer(place)).unwrap_or(value)
}

/// Returns the schema of a value that is there.
fn not_null<'a>(whole: &'a Value, schema: &'a Value) -> &'a Value {
    let choices = schema["oneOf"].as_array();
    let there = choices.and_then(|all| all.iter().find(|one| one["type"] != "null"));
    resolved(whole, there.unwrap_or(schema))
}

/// Returns what a value is, in words.
fn kind(whole: &Value, schema: &Value) -> String {
    let inner = not_null(whole, schema);
    if let Some(words) = inner["enum"].as_array() {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        return format!("{}{}", words.join(" | "), or_null(schema));
    }
    if let Some(only) = inner.get("const") {
        return only.to_string();
    }
    let kind = match type_of(inner) {
        Some("array") => format!("list of {}", self::kind(whole, &inner["items"])),
        Some("string") => inner["format"].as_str().unwrap_or("text").to_owned(),
        Some(kind) => (*kind).to_owned(),
        None if inner.get("allOf").is_some() => "object".to_owned(),
        None => "any".to_owned(),
    };
    format!("{kind}{}", or_null(schema))
}

fn or_null(schema: &Value) -> &'static str {
    if is_nullable(schema) { " or null" } else { "" }
}
