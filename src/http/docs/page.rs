//! The page of the API: every call in its group, out of the specification.

use askama::Template;
use serde_json::{Map, Value};

use super::fields::{DocsField, fields, resolved};
use super::prose::prose;

/// The style of the page, to the byte that its policy names.
pub(super) const STYLE: &str = include_str!("page.css");

#[derive(Template)]
#[template(path = "docs/page.html")]
struct DocsPage<'a> {
    style: &'static str,
    title: &'a str,
    version: &'a str,
    about: Vec<String>,
    groups: Vec<DocsGroup<'a>>,
}

/// A group of calls.
struct DocsGroup<'a> {
    name: &'a str,
    id: String,
    about: &'a str,
    calls: Vec<Call<'a>>,
}

/// A call.
struct Call<'a> {
    id: &'a str,
    method: String,
    path: &'a str,
    summary: String,
    description: Option<String>,
    /// What the caller proves, one way in each line.
    needs: Vec<String>,
    parameters: Vec<DocsField>,
    body: Option<Content>,
    answers: Vec<CallAnswer>,
}

/// A body, with an example.
struct Content {
    kinds: String,
    fields: Vec<DocsField>,
    example: String,
}

/// The answers of one status.
struct CallAnswer {
    status: String,
    said: String,
    /// The errors, each with its code.
    errors: Vec<(String, String)>,
    content: Option<Content>,
}

/// Returns the page of a specification.
pub(super) fn render(whole: &Value) -> askama::Result<String> {
    let info = &whole["info"];
    let about = info["description"].as_str().unwrap_or_default();
    let groups = whole["tags"].as_array().into_iter().flatten().map(|tag| group(whole, tag));
    let page = DocsPage {
        style: STYLE,
        title: text(&info["title"]),
        version: text(&info["version"]),
        about: about.split("\n\n").map(prose).collect(),
        groups: groups.filter(|group| !group.calls.is_empty()).collect(),
    };
    page.render()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn group<'a>(whole: &'a Value, tag: &'a Value) -> DocsGroup<'a> {
    let name = text(&tag["name"]);
    let mut calls = Vec::new();
    for (path, item) in whole["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if operation["tags"][0] == name {
                calls.push(call(whole, path, method, operation));
            }
        }
    }
    DocsGroup { name, id: name.to_lowercase(), about: text(&tag["description"]), calls }
}

fn call<'a>(whole: &'a Value, path: &'a str, method: &str, operation: &'a Value) -> Call<'a> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let body = operation.get("requestBody").and_then(|body| content(whole, body));
    let answers = operation["responses"].as_object().into_iter().flatten();
    Call {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path,
        summary: prose(text(&operation["summary"])),
        description: operation["description"].as_str().map(prose),
        needs: needs(&operation["security"]),
        parameters: parameters.map(|parameter| DocsField::of_parameter(whole, parameter)).collect(),
        body,
        answers: answers.map(|(status, response)| answer(whole, status, response)).collect(),
    }
}

/// Returns what proves who calls, a line for each way.
fn needs(security: &Value) -> Vec<String> {
    let ways = security.as_array().into_iter().flatten();
    let names = |way: &Map<String, Value>| {
        let names: Vec<_> = way.keys().map(|scheme| scheme_in_words(scheme)).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") }
    };
    ways.filter_map(Value::as_object).map(names).collect()
}

fn scheme_in_words(scheme: &str) -> &str {
    match scheme {
        "session" => "the session cookie",
        "csrf" => "its CSRF token",
        "bearer" => "an access token",
        "operator" => "an operator’s token",
        "apiKey" => "an API key",
        "refresh" => "the refresh cookie",
        "metricsToken" => "the token of the metrics",
        other => other,
    }
}

fn answer(whole: &Value, status: &str, response: &Value) -> CallAnswer {
    let response = resolved(whole, response);
    let (mut said, mut errors) = (Vec::new(), Vec::new());
    for line in text(&response["description"]).lines() {
        match line.strip_prefix("- `").and_then(|line| line.split_once("`: ")) {
            Some((code, message)) => errors.push((code.to_owned(), message.to_owned())),
            None => said.push(line),
        }
    }
    // Errors have one shape, which the beginning of the page shows.
    let content = if errors.is_empty() { content(whole, response) } else { None };
    CallAnswer { status: status.to_owned(), said: prose(&said.join(" ")), errors, content }
}

fn content(whole: &Value, part: &Value) -> Option<Content> {
    let contents = part["content"].as_object()?;
    let kinds: Vec<_> = contents.keys().map(String::as_str).collect();
    let first = contents.get("application/json").or_else(|| contents.values().next())?;
    let example = match (first.get("example"), first["example"].as_str()) {
        (None, _) => String::new(),
        (Some(_), Some(text)) => text.to_owned(),
        (Some(json), None) => format!("{json:#}"),
    };
    // Of a text that nothing is known of, its kind says enough.
    let example = if example == "text" { String::new() } else { example };
    let fields = fields(whole, &first["schema"]);
    Some(Content { kinds: kinds.join(", "), fields, example })
}
