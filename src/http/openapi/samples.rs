//! An example of a schema, made of the examples of its parts.

use serde_json::{Map, Value, json};

/// Returns an example of a schema of the document, whose named schemas are `named`.
pub(super) fn sample(schema: &Value, named: &Map<String, Value>) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name);
        return named.get(name).map_or(Value::Null, |schema| sample(schema, named));
    }
    let given = schema.get("example").or_else(|| schema.get("const"));
    let listed = || schema["examples"].get(0).or_else(|| schema["enum"].get(0));
    if let Some(given) = given.or_else(listed).or_else(|| schema.get("default")) {
        return given.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return all(parts, named);
    }
    let choices = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    if let Some(choices) = choices {
        let choice = choices.iter().find(|choice| choice["type"] != "null");
        return choice.map_or(Value::Null, |choice| sample(choice, named));
    }
    of_type(schema, named)
}

/// Returns one object that is an example of all of these.
fn all(parts: &[Value], named: &Map<String, Value>) -> Value {
    let mut whole = Map::new();
    for part in parts {
        if let Value::Object(fields) = sample(part, named) {
            whole.extend(fields);
        }
    }
    whole.into()
}

fn of_type(schema: &Value, named: &Map<String, Value>) -> Value {
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    match kinds.into_iter().find(|kind| *kind != "null") {
        Some("object") => {
            let fields = schema["properties"].as_object();
            let fields = fields.into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), sample(field, named))).collect()
        }
        Some("array") => {
            schema.get("items").map_or(json!([]), |items| json!([sample(items, named)]))
        }
        Some("boolean") => json!(true),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("string") => match schema["format"].as_str() {
            Some("date-time") => json!("2026-11-29T08:15:30.123456Z"),
            Some("uuid") => json!("0192a7c4-3b5e-7d10-8c1f-6a2b9e4d5f01"),
            Some("uri") => json!("https://app.example.com/"),
            _ => json!("text"),
        },
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_made_of_those_of_the_parts() {
        let named = json!({ "Name": { "type": "string", "examples": ["Ada"] } });
        let named = named.as_object().unwrap();
        let schema = json!({ "allOf": [
            { "type": "object", "properties": {
                "name": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Name" }] },
                "when": { "type": ["string", "null"], "format": "date-time" },
            } },
            { "properties": { "n": { "type": "integer", "minimum": 3 } }, "type": "object" },
            { "type": "object", "properties": {
                "list": { "type": "array", "items": { "enum": ["b", "c"] } },
            } },
        ] });
        let expected = json!({
            "name": "Ada", "when": "2026-11-29T08:15:30.123456Z", "n": 3, "list": ["b"],
        });
        assert_eq!(sample(&schema, named), expected);
    }
}
