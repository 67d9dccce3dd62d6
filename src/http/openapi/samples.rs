//! An example of a schema, made of the examples of its parts.

use serde_json::{Map, Value, json};

use super::schemas::type_of;

/// Returns an example of a parameter.
pub(super) fn sample_parameter(parameter: &Value, named: &Map<String, Value>) -> Value {
    let name = match parameter["name"].as_str().unwrap_or_default() {
        // A code of a path is not that of a mail.
        "code" => "slug",
        name => name,
    };
    sample_field(name, &parameter["schema"], named)
}

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
    match type_of(schema) {
        Some("object") => {
            let fields = schema["properties"].as_object();
            let fields = fields.into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), sample_field(name, field, named))).collect()
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
            _ => json!(TEXT),
        },
        _ => Value::Null,
    }
}

/// The example of a text of which nothing is known.
const TEXT: &str = "text";

/// Returns an example of a field, by its name when its schema says nothing else.
fn sample_field(name: &str, schema: &Value, named: &Map<String, Value>) -> Value {
    let example = sample(schema, named);
    let by_name = || NAMED.iter().find(|(known, _)| *known == name).map(|(_, text)| json!(text));
    if example == TEXT {
        return by_name().unwrap_or(example);
    }
    if example.get(0).is_some_and(|item| item == TEXT) {
        return by_name().map_or(example, |text| json!([text]));
    }
    example
}

/// Examples of texts, by the names of their fields.
const NAMED: &[(&str, &str)] = &[
    ("actor", "operator:ada"),
    ("avatar_url", "https://img.example.com/ada.png"),
    ("billingCustomerId", "cus_1815"),
    ("billing_customer_id", "cus_1815"),
    ("by", "you"),
    ("campaign", "spring"),
    ("checkpoint", "login.example.com/log\n42\nn4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\n"),
    ("code", "042424"),
    ("content", "button"),
    ("creatorHandle", "ada.lovelace"),
    ("data", "{\"email_key\":\"9f2c4e6a8b0d1f3e5a7c9b1d3f5e7a90\"}"),
    ("date", "2026-11-29T08:15:30Z"),
    ("display_name", "Ada Lovelace"),
    ("email", "ada@example.com"),
    ("ended_because", "logged out"),
    ("erased_by", "operator:ada"),
    ("firstLandingPage", "/pricing"),
    ("firstReferrerUrl", "https://news.example.org/"),
    ("first_landing_page", "/pricing"),
    ("first_referrer_url", "https://news.example.org/"),
    ("from", "Example <login@example.com>"),
    ("handle", "ada.lovelace"),
    ("history_cut", "user-0192a7c4-3b5e-7d10-8c1f-6a2b9e4d5f01"),
    ("html", "<p>042424</p>"),
    ("id", "0192a7c4-3b60-7c33-8e1d-2d4f6a8b0c03"),
    ("inclusion", "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="),
    ("ip", "203.0.113.0/24"),
    ("issued_by", "operator:ada"),
    ("key", "whk_01a22153k1a2b3c4d5e6f7g8h9j0k1m2n3p4q5r6s7t8u9v0w1x2y3z4A5B6C7D8E9F0"),
    ("kid", "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"),
    ("landingPage", "/pricing?utm_source=news"),
    ("landing_page", "/pricing"),
    ("last_used_day", "2026-11-29"),
    ("master", "9f2c4e6a"),
    ("medium", "email"),
    ("name", "billing"),
    ("next_master", "8b0d1f3e"),
    ("plan", "free"),
    ("prefix", "whk_01a22153"),
    ("reason", "A report of abuse."),
    ("referralCode", "ada-1815"),
    ("referrerUrl", "https://news.example.org/"),
    ("referrer_domain", "news.example.org"),
    ("referrer_url", "https://news.example.org/"),
    ("refreshToken", "AZKnxDtffSKdDhw_W3qeAv8Q"),
    ("refused_because", "the code was given up"),
    ("seal", "login.example.com/log\nn4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\n"),
    ("site", "Example"),
    ("slug", "ada-1815"),
    ("source", "news"),
    ("stream", "user-0192a7c4-3b5e-7d10-8c1f-6a2b9e4d5f01"),
    ("subject", "user-0192a7c4-3b5e-7d10-8c1f-6a2b9e4d5f01"),
    ("successions", "login.example.com/log+1a2b3c4d+AQw6\n"),
    ("term", "analytics"),
    ("text", "The user registered."),
    ("to", "ada@example.com"),
    ("token", "AZKnxDtffSKdDhw_W3qeAv8Q"),
    ("type", "UserRegistered.v1"),
    ("use", "sig"),
    ("user_agent", "Mozilla/5.0"),
    ("utmCampaign", "spring"),
    ("utmContent", "button"),
    ("utmMedium", "email"),
    ("utmSource", "news"),
    ("utmTerm", "analytics"),
    ("utm_campaign", "spring"),
    ("utm_content", "button"),
    ("utm_medium", "email"),
    ("utm_source", "news"),
    ("utm_term", "analytics"),
    ("why", "It is the last landing before the registration."),
];

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
