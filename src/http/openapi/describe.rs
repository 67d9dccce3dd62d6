//! The specification out of what the routes say: what is the same for all of them is added here.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use super::components;
use super::groups::{GROUPS, group_of};
use super::refusals::{REFUSALS, of_every_route};
use super::responses::{add_refusals, complete};
use super::samples::sample;
use crate::http::error::Family;

/// Returns the specification of the routes that these paths and schemas are of.
pub(in crate::http) fn describe(routes: &OpenApi) -> Value {
    let routes = serde_json::to_value(routes).expect("a specification is JSON");
    let mut named = components::schemas();
    if let Some(schemas) = routes["components"]["schemas"].as_object() {
        named.extend(schemas.clone());
    }
    let common = of_every_route();
    let mut paths = Map::new();
    for (path, item) in routes["paths"].as_object().into_iter().flatten() {
        let path = path.replace("{*", "{");
        let mut item = item.clone();
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            describe_operation(operation, method, &path, &common, &named);
        }
        paths.insert(path, item);
    }
    paths.sort_keys();
    named.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": components::info(),
        "servers": [{ "url": "/" }],
        "tags": GROUPS.map(|group| json!({ "name": group.name, "description": group.about })),
        "paths": paths,
        "components": {
            "schemas": named,
            "headers": components::headers(),
            "securitySchemes": components::security_schemes(),
        },
    })
}

/// Completes an operation.
fn describe_operation(
    operation: &mut Value,
    method: &str,
    path: &str,
    common: &Value,
    named: &Map<String, Value>,
) {
    let family = Family::of(path);
    let responses = operation["responses"].as_object_mut();
    let own = responses.and_then(|responses| responses.remove(REFUSALS)).unwrap_or_default();
    let own = &own[REFUSALS];
    let refusals: Vec<&Value> = [own, common]
        .into_iter()
        .filter_map(|all| all[family.name()].as_array())
        .flatten()
        .collect();
    operation["operationId"] = operation_id(method, path).into();
    operation["tags"] = json!([group_of(path)]);
    let (summary, description) = words(operation);
    operation["summary"] = summary.into();
    if let Some(description) = description {
        operation["description"] = description.into();
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        for parameter in parameters {
            let example = sample(&parameter["schema"], named);
            give(parameter, "example", example);
        }
    }
    let body = &mut operation["requestBody"];
    if body.is_object() {
        with_examples(body, named);
    } else if let Some(operation) = operation.as_object_mut() {
        operation.remove("requestBody");
    }
    if let Some(responses) = operation["responses"].as_object_mut() {
        for (status, response) in responses.iter_mut() {
            complete(status, response, family);
            with_examples(response, named);
        }
        add_refusals(responses, &refusals, family);
        responses.sort_keys();
    }
    operation["security"] = own.get("security").cloned().unwrap_or_else(|| json!([]));
}

/// Gives each JSON content of a body an example, unless it has one.
fn with_examples(body: &mut Value, named: &Map<String, Value>) {
    for content in body["content"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if content.get("examples").is_none() && content.get("schema").is_some() {
            let example = sample(&content["schema"], named);
            give(content, "example", example);
        }
    }
}

/// Sets a field that is not there yet.
fn give(object: &mut Value, name: &str, value: Value) {
    if object.get(name).is_none_or(Value::is_null) && !value.is_null() {
        object[name] = value;
    }
}

/// Returns the summary and the description of an operation, out of the documentation of its handler,
/// which begins with the method and the path.
fn words(operation: &Value) -> (String, Option<String>) {
    let summary = operation["summary"].as_str().unwrap_or_default().replace('\n', " ");
    let said = match summary.split_once("`: ") {
        Some((_, said)) => said,
        None => &summary,
    };
    let (first, more) = match said.split_once(". ") {
        Some((first, more)) => (first, Some(more)),
        None => (said, None),
    };
    let mut letters = first.trim_end_matches('.').chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    let summary = first + letters.as_str();
    let rest = operation["description"].as_str().map(|text| text.replace('\n', " "));
    let description: Vec<_> = more.map(str::to_owned).into_iter().chain(rest).collect();
    let description = description.join("\n\n");
    (summary, (!description.is_empty()).then_some(description))
}

/// Returns the id of an operation, such as `post_auth_email_start`.
fn operation_id(method: &str, path: &str) -> String {
    let mut id = method.to_owned();
    for part in path.split(['/', '.', '-']).filter(|part| !part.is_empty() && *part != "v1") {
        let name = match part {
            "api" => "portal",
            part => part,
        };
        id.push('_');
        match name.strip_prefix('{') {
            Some(name) => id.extend(["by_", name.trim_end_matches('}')]),
            None => id.push_str(name),
        }
    }
    if path.ends_with('/') && path.len() > 1 {
        id.push_str("_slash");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_an_id_of_its_own() {
        for (path, id) in [
            ("/v1/auth/email/start", "post_auth_email_start"),
            ("/api/v1/auth/sessions/{id}", "post_portal_auth_sessions_by_id"),
            ("/.well-known/jwks.json", "post_well_known_jwks_json"),
            ("/r", "post_r"),
            ("/r/", "post_r_slash"),
            ("/r/{code}", "post_r_by_code"),
        ] {
            assert_eq!(operation_id("post", path), id);
        }
    }

    #[test]
    fn words_of_a_handler_become_those_of_an_operation() {
        let said =
            json!({ "summary": "`GET /a`: answers\nthis. And that.", "description": "More." });
        assert_eq!(
            words(&said),
            ("Answers this".to_owned(), Some("And that.\n\nMore.".to_owned()))
        );
        let said = json!({ "summary": "Answers this." });
        assert_eq!(words(&said), ("Answers this".to_owned(), None));
    }
}
