//! The responses of an operation: the envelope of its family, and its errors.

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Map, Value, json};

use crate::http::error::Family;

/// The content type of bodies that have a schema of their own.
const JSON: &str = "application/json";

/// Completes the responses that a route names: their descriptions, their headers, and the envelope of the
/// portal family around JSON.
pub(super) fn complete(responses: &mut Map<String, Value>, family: Family) {
    let has_tag = responses.contains_key("304");
    for (status, response) in responses.iter_mut() {
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = match status.as_str() {
                "204" => "It is done; there is no body.",
                "304" => "It is still the same.",
                "400" => "It is refused.",
                _ => "It is done.",
            }
            .into();
        }
        set_header(response, "x-request-id");
        match status.as_str() {
            "200" | "304" if has_tag => set_header(response, "etag"),
            "302" => set_header(response, "location"),
            _ => {}
        }
        let Some(content) = response.get_mut("content").and_then(|content| content.get_mut(JSON))
        else {
            continue;
        };
        if family == Family::Portal {
            let data = content["schema"].take();
            content["schema"] = json!({
                "type": "object",
                "required": ["success", "data"],
                "properties": { "success": { "const": true }, "data": data },
            });
        }
    }
}

/// Names a header of the components among those of a response.
fn set_header(response: &mut Value, name: &str) {
    response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
}

/// Returns a header of the components that only some of the answers have.
fn sometimes(name: &str) -> Value {
    let mut header = super::components::headers()[name].take();
    header["required"] = false.into();
    header
}

/// The errors of operations, whose examples many share.
#[derive(Default)]
pub(super) struct Refused {
    /// The examples, by the names that operations refer to.
    pub(super) examples: Map<String, Value>,
}

impl Refused {
    /// Adds the errors of an operation to its responses, by status. Browsers may get pages.
    pub(super) fn add_to(
        &mut self,
        responses: &mut Map<String, Value>,
        refusals: &[&Value],
        family: Family,
        pages: bool,
    ) {
        let mut statuses: Vec<u64> =
            refusals.iter().filter_map(|refusal| refusal["status"].as_u64()).collect();
        statuses.sort_unstable();
        statuses.dedup();
        for status in statuses {
            let of_status: Vec<&Value> =
                refusals.iter().copied().filter(|refusal| refusal["status"] == status).collect();
            let response = responses.entry(status.to_string()).or_insert_with(|| json!({}));
            self.add_status(response, &of_status, family);
            if pages {
                let page = json!({ "schema": { "type": "string" } });
                response["content"]["text/html; charset=utf-8"] = page;
            }
        }
    }

    /// Adds the errors of one status to the response of that status.
    fn add_status(&mut self, response: &mut Value, refusals: &[&Value], family: Family) {
        let mut sentences = Vec::new();
        let mut codes: Vec<&Value> = Vec::new();
        let mut examples = Map::new();
        for refusal in refusals {
            let (code, message) =
                (&refusal["code"], refusal["message"].as_str().unwrap_or_default());
            if !codes.contains(&code) {
                codes.push(code);
            }
            let code = code.as_str().unwrap_or_default();
            sentences.push(format!("- `{code}`: {message}"));
            let name = self.example(code, message, &refusal["body"]);
            let reference = json!({ "$ref": format!("#/components/examples/{name}") });
            examples.insert(name, reference);
        }
        for header in [RETRY_AFTER, WWW_AUTHENTICATE] {
            let header = header.as_str();
            let has = |refusal: &&&Value| {
                let headers = refusal["headers"].as_array();
                headers.is_some_and(|all| all.iter().any(|one| one == header))
            };
            match refusals.iter().filter(has).count() {
                0 => {}
                // A response of the handler's own may be without it, too.
                n if n == refusals.len() && response["description"].is_null() => {
                    set_header(response, header);
                }
                _ => response["headers"][header] = sometimes(header),
            }
        }
        set_header(response, "x-request-id");
        let said = response["description"].as_str().map(str::to_owned);
        let said: Vec<_> = said.into_iter().chain(sentences).collect();
        response["description"] = said.join("\n").into();
        add_content(response, schema_of(&codes, family), examples);
    }

    /// Returns the name of the example of an error, which is added when it is a new one.
    fn example(&mut self, code: &str, message: &str, body: &Value) -> String {
        let example = json!({ "summary": message, "value": body });
        let mut name = code.to_owned();
        for n in 2.. {
            match self.examples.get(&name) {
                Some(other) if *other != example => name = format!("{code}.{n}"),
                Some(_) | None => break,
            }
        }
        self.examples.insert(name.clone(), example);
        name
    }
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
        examples.insert("own".to_owned(), json!({ "value": example }));
    }
    content["examples"] = examples.into();
}
