//! Errors that many operations answer alike, which stand once among the components.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operations::operations;

/// A response, and how many operations have it.
struct SharedResponse {
    response: Value,
    operations: usize,
}

/// Moves the errors that several operations answer alike to the components, to which these refer.
pub(super) fn share_responses(whole: &mut Value) {
    let mut found: BTreeMap<String, Vec<SharedResponse>> = BTreeMap::new();
    for_each_response(whole, |status, response| {
        let Some(name) = name_of(status, response) else { return };
        let alike = found.entry(name).or_default();
        match alike.iter_mut().find(|one| one.response == *response) {
            Some(one) => one.operations += 1,
            None => alike.push(SharedResponse { response: response.clone(), operations: 1 }),
        }
    });
    let shared: Map<String, Value> = found
        .into_iter()
        .filter_map(|(name, alike)| {
            let most = alike.into_iter().rev().max_by_key(|one| one.operations)?;
            (most.operations > 1).then_some((name, most.response))
        })
        .collect();
    for_each_response(whole, |status, response| {
        let Some(name) = name_of(status, response) else { return };
        if shared.get(&name) == Some(&*response) {
            *response = json!({ "$ref": format!("#/components/responses/{name}") });
        }
    });
    whole["components"]["responses"] = shared.into();
}

fn for_each_response(whole: &mut Value, mut act: impl FnMut(&str, &mut Value)) {
    for operation in operations(whole) {
        let responses = operation["responses"].as_object_mut();
        responses.into_iter().flatten().for_each(|(status, response)| act(status, response));
    }
}

/// Returns the name of a response that is of errors alone: its status and what they are called.
fn name_of(status: &str, response: &Value) -> Option<String> {
    let examples = response["content"]["application/json"]["examples"].as_object()?;
    if examples.values().any(|example| example.get("$ref").is_none()) {
        return None;
    }
    let names: Vec<_> = examples.keys().map(String::as_str).collect();
    Some(format!("{status}-{}", names.join("-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(description: &str) -> Value {
        let examples = json!({ "not_found": { "$ref": "#/components/examples/not_found" } });
        json!({
            "description": description,
            "content": { "application/json": { "examples": examples } },
        })
    }

    #[test]
    fn what_most_answer_is_shared_and_what_one_answers_stays() {
        let operation = |response: Value| json!({ "get": { "responses": { "404": response } } });
        let mut whole = json!({
            "paths": {
                "/a": operation(refused("Other.")),
                "/b": operation(refused("None.")),
                "/c": operation(refused("None.")),
            },
            "components": {},
        });
        share_responses(&mut whole);
        let of = |path: &str| whole["paths"][path]["get"]["responses"]["404"].clone();
        let reference = json!({ "$ref": "#/components/responses/404-not_found" });
        assert_eq!(
            [of("/a"), of("/b"), of("/c")],
            [refused("Other."), reference.clone(), reference]
        );
        assert_eq!(whole["components"]["responses"], json!({ "404-not_found": refused("None.") }));
    }
}
