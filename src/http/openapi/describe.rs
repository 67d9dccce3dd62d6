//! The specification out of what the routes say: what is the same for all of them is added here.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use super::components;
use super::groups::{GROUPS, group_of};
use super::links;
use super::operations::operations;
use super::refused::{REFUSALS, of_every_route};
use super::responses::{Refused, complete};
use super::samples::{sample, sample_parameter};
use super::schemas;
use super::shared::share_responses;
use crate::http::error::Family;

/// Returns the specification of the routes that these paths and schemas are of.
pub(crate) fn describe(routes: &OpenApi) -> Value {
    let mut routes = serde_json::to_value(routes).expect("a specification is JSON");
    let mut named = components::schemas();
    if let Value::Object(schemas) = routes["components"]["schemas"].take() {
        named.extend(schemas);
    }
    let mut describing = Describing { common: of_every_route(), refused: Refused::default() };
    let mut paths = Map::new();
    let Value::Object(items) = routes["paths"].take() else { return Value::Null };
    for (path, mut item) in items {
        let path = path.replace("{*", "{");
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            describing.operation(operation, method, &path);
        }
        paths.insert(path, item);
    }
    paths.sort_keys();
    let mut examples = describing.refused.examples;
    named.sort_keys();
    examples.sort_keys();
    let mut whole = json!({
        "openapi": "3.1.0",
        "info": components::info(),
        "servers": [{ "url": "/" }],
        "tags": GROUPS.map(|group| json!({ "name": group.name, "description": group.about })),
        "paths": paths,
        "components": {
            "schemas": named,
            "examples": examples,
            "headers": components::headers(),
            "securitySchemes": components::security_schemes(),
        },
    });
    schemas::complete(&mut whole);
    link(&mut whole);
    give_examples(&mut whole);
    share_responses(&mut whole);
    whole
}

/// What operations are described with, and what they add up to.
struct Describing {
    common: Value,
    refused: Refused,
}

impl Describing {
    /// Completes an operation.
    fn operation(&mut self, operation: &mut Value, method: &str, path: &str) {
        let family = Family::of(path);
        let responses = operation["responses"].as_object_mut();
        let own = responses.and_then(|responses| responses.remove(REFUSALS)).unwrap_or_default();
        let own = &own[REFUSALS];
        let refusals: Vec<&Value> = [own, &self.common]
            .into_iter()
            .filter_map(|all| all[family.name()].as_array())
            .flatten()
            .collect();
        let (summary, description) = words(operation);
        let responses = &mut operation["responses"];
        if let Some(responses) = responses.as_object_mut() {
            complete(responses, family);
            let pages = own["pages"] == true;
            self.refused.add_to(responses, &refusals, family, pages);
            responses.sort_keys();
        }
        let mut whole = Map::new();
        whole.insert("operationId".to_owned(), operation_id(method, path).into());
        whole.insert("tags".to_owned(), json!([group_of(path)]));
        whole.insert("summary".to_owned(), summary.into());
        whole.extend(description.map(|text| ("description".to_owned(), text.into())));
        for name in ["parameters", "requestBody", "responses"] {
            whole.extend(operation.get_mut(name).map(|part| (name.to_owned(), part.take())));
        }
        let security = own.get("security").cloned().unwrap_or_else(|| json!([]));
        whole.insert("security".to_owned(), security);
        *operation = whole.into();
    }
}

/// Adds what leads from one operation to another.
fn link(whole: &mut Value) {
    let exist: Vec<_> = operations(whole)
        .filter_map(|operation| operation["operationId"].as_str().map(str::to_owned))
        .collect();
    operations(whole).for_each(|operation| links::add_to(operation, &exist));
}

/// Gives an example to each parameter and each body that has none.
fn give_examples(whole: &mut Value) {
    let Value::Object(named) = whole["components"]["schemas"].take() else { return };
    for operation in operations(whole) {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let example = sample_parameter(parameter, &named);
            give(parameter, "example", example);
        }
        if let Some(body) = operation.get_mut("requestBody") {
            with_examples(body, &named);
        }
        let responses = operation["responses"].as_object_mut();
        for response in responses.into_iter().flat_map(Map::values_mut) {
            with_examples(response, &named);
        }
    }
    whole["components"]["schemas"] = named.into();
}

/// Gives each content of a body an example, unless it has one.
fn with_examples(body: &mut Value, named: &Map<String, Value>) {
    let Some(contents) = body.get_mut("content").and_then(Value::as_object_mut) else { return };
    for content in contents.values_mut() {
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
