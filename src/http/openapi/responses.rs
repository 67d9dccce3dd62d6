//! The responses of an operation: the envelope of its family, and its errors.

use serde_json::{Map, Value, json};

use crate::http::error::Family;

/// The content type of bodies that have examples of their own.
const JSON: &str = "application/json";

/// Completes a response that a route names: its description, its headers, and the envelope of the portal
/// family around JSON.
pub(super) fn complete(status: &str, response: &mut Value, family: Family) {
    if response.get("description").is_none_or(|said| said == "") {
        response["description"] = match status {
            "204" => "Done; there is no body.",
            "302" => "Look there instead.",
            "304" => "It is still the same.",
            _ => "Done.",
        }
        .into();
    }
    set_header(response, "x-request-id");
    let content = response["content"].get_mut(JSON);
    if family == Family::Portal
        && let Some(content) = content
    {
        let data = content["schema"].take();
        content["schema"] = json!({
            "type": "object",
            "required": ["success", "data"],
            "properties": { "success": { "const": true }, "data": data },
        });
        for place in ["example"] {
            if let Some(example) = content.get_mut(place) {
                *example = json!({ "success": true, "data": example.take() });
            }
        }
        for example in content["examples"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            example["value"] = json!({ "success": true, "data": example["value"].take() });
        }
    }
    if response["content"].is_null()
        && let Some(response) = response.as_object_mut()
    {
        response.remove("content");
    }
    if let Some(content) = response["content"].get_mut(JSON)
        && content["examples"].is_null()
        && let Some(content) = content.as_object_mut()
    {
        content.remove("examples");
    }
    if response["content"].is_null()
        && let Some(response) = response.as_object_mut()
    {
        response.remove("content");
    }
}

/// Names a header of the components among those of a response.
fn set_header(response: &mut Value, name: &str) {
    response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
}

/// Adds the errors, by status.
pub(super) fn add_refusals(
    responses: &mut Map<String, Value>,
    refusals: &[&Value],
    family: Family,
) {
    let mut statuses: Vec<u64> =
        refusals.iter().filter_map(|refusal| refusal["status"].as_u64()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let of_status: Vec<&Value> =
            refusals.iter().copied().filter(|refusal| refusal["status"] == status).collect();
        let place = responses.entry(status.to_string()).or_insert_with(|| json!({}));
        add_status(place, &of_status, family);
    }
}

/// Adds the errors of one status to the response of that status.
fn add_status(response: &mut Value, refusals: &[&Value], family: Family) {
    let mut sentences = Vec::new();
    let mut codes: Vec<&Value> = Vec::new();
    let mut examples = Map::new();
    for refusal in refusals {
        let (code, message) = (&refusal["code"], refusal["message"].as_str().unwrap_or_default());
        let name = code.as_str().unwrap_or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
        if !message.is_empty() {
            sentences.push(format!("- `{name}`: {message}"));
        }
        let mut key = name.to_owned();
        for n in 2.. {
            if !examples.contains_key(&key) {
                break;
            }
            key = format!("{name}.{n}");
        }
        examples.insert(key, json!({ "summary": message, "value": refusal["body"] }));
        for header in refusal["headers"].as_array().into_iter().flatten() {
            set_header(response, header.as_str().unwrap_or_default());
        }
    }
    set_header(response, "x-request-id");
    let said = response["description"].as_str().map(str::to_owned);
    let said: Vec<_> = said.into_iter().chain(sentences).collect();
    response["description"] = said.join("\n").into();
    add_content(response, schema_of(&codes, family), examples);
}

/// Returns the schema of the errors with these codes.
fn schema_of(codes: &[&Value], family: Family) -> Value {
    let (name, narrow) = match family {
        Family::Console => ("Problem", json!({ "error": { "enum": codes } })),
        Family::Portal => {
            let error = json!({ "properties": { "i18nKey": { "enum": codes } } });
            ("PortalProblem", json!({ "error": error }))
        }
    };
    json!({ "allOf": [
        { "$ref": format!("#/components/schemas/{name}") },
        { "properties": narrow },
    ] })
}

/// Adds a JSON body to a response that may have one already.
fn add_content(response: &mut Value, schema: Value, mut examples: Map<String, Value>) {
    let content = &mut response["content"][JSON];
    let before = content["schema"].take();
    content["schema"] =
        if before.is_null() { schema } else { json!({ "anyOf": [before, schema] }) };
    if let Some(example) = content.as_object_mut().and_then(|content| content.remove("example")) {
        examples.insert("another".to_owned(), json!({ "value": example }));
    }
    match content["examples"].as_object_mut() {
        Some(own) => own.extend(examples),
        None => content["examples"] = examples.into(),
    }
}
