//! The specification of the API is served, is the one in `docs/`, and is right about itself.

use serde_json::{Value, json};

use crate::server::Server;
use crate::specification::{FILE, Specification, escaped, operation_ids};

/// The specification of a service with every route.
async fn served() -> (Server, Value) {
    let server = Server::bounded(&["--development"], |_| {}).await;
    let answer = server.browser().get("/openapi.json").await;
    let whole = answer.json();
    (server, whole)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not a setting of the service"
)]
fn updates() -> bool {
    std::env::var_os("WHENCE_UPDATE_DOCS").is_some_and(|value| !value.is_empty())
}

#[tokio::test]
async fn the_specification_is_the_one_in_the_documents() {
    let (_server, whole) = served().await;
    let text = format!("{whole:#}\n");
    if updates() {
        std::fs::write(FILE, &text).unwrap();
    }
    let there = std::fs::read_to_string(FILE).unwrap_or_default();
    for (number, (there, said)) in (1..).zip(there.lines().zip(text.lines())) {
        assert_eq!(there, said, "docs/openapi.json:{number}: WHENCE_UPDATE_DOCS=1 writes it");
    }
    assert!(there == text, "docs/openapi.json: WHENCE_UPDATE_DOCS=1 writes it");
}

#[tokio::test]
async fn a_client_that_holds_the_specification_is_not_sent_it_again() {
    let server = Server::bounded(&[], |_| {}).await;
    let mut browser = server.browser();
    for path in ["/openapi.json", "/docs"] {
        let first = browser.get(path).await;
        assert_eq!((first.status, first.text.is_empty()), (200, false));
        assert_eq!(first.header("cache-control").unwrap(), "public, max-age=300");
        let tag = first.header("etag").unwrap();
        let again = browser.request("GET", path).header("if-none-match", &tag);
        let again = browser.send(again).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        assert_eq!(again.header("etag").unwrap(), tag);
    }
    // What is for development alone is not in it.
    assert!(browser.get("/openapi.json").await.json()["paths"]["/dev/mail"].is_null());
}

#[tokio::test]
async fn every_example_is_one() {
    let (_server, whole) = served().await;
    let specification = Specification::of(whole.clone());
    let mut examples = 0;
    for place in contents(&whole) {
        let content = whole.pointer(&place).unwrap();
        let mut given: Vec<&Value> = content.get("example").into_iter().collect();
        for example in content["examples"].as_object().into_iter().flat_map(|all| all.values()) {
            let named = example["$ref"].as_str().map(|name| name.trim_start_matches('#'));
            let example = named.map_or(example, |name| whole.pointer(name).unwrap());
            given.push(&example["value"]);
        }
        assert!(!given.is_empty(), "{place} has no example");
        for example in given {
            let schema = format!("{place}/schema");
            if let Some(objections) = specification.objections(&schema, example) {
                panic!("{place}: {example} is no example: {objections}");
            }
            assert!(!is_placeholder(&place, example), "{place}: {example} says nothing");
            examples += 1;
        }
    }
    assert!(examples > 1000, "only {examples} examples were found");
}

/// Whether somewhere in an example there is the word that stands for any text.
fn is_placeholder(place: &str, example: &Value) -> bool {
    match example {
        // A whole page, or a file.
        Value::String(text) => text == "text" && place.contains("json"),
        Value::Array(items) => items.iter().any(|item| is_placeholder("json", item)),
        Value::Object(fields) => fields.values().any(|field| is_placeholder("json", field)),
        _ => false,
    }
}

/// The places of all parameters and bodies.
fn contents(whole: &Value) -> Vec<String> {
    let mut places = Vec::new();
    for (path, item) in whole["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let base = format!("/paths/{}/{method}", escaped(path));
            let parameters = operation["parameters"].as_array().map_or(0, Vec::len);
            places.extend((0..parameters).map(|n| format!("{base}/parameters/{n}")));
            let mut bodies = vec![format!("{base}/requestBody")];
            let responses = operation["responses"].as_object().unwrap().keys();
            bodies.extend(responses.map(|status| format!("{base}/responses/{status}")));
            for body in bodies {
                let body = match whole.pointer(&body).and_then(|body| body["$ref"].as_str()) {
                    Some(reference) => reference.trim_start_matches('#').to_owned(),
                    None => body,
                };
                let contents = whole.pointer(&body).and_then(|body| body["content"].as_object());
                for kind in contents.into_iter().flat_map(|contents| contents.keys()) {
                    places.push(format!("{body}/content/{}", escaped(kind)));
                }
            }
        }
    }
    places
}

#[tokio::test]
async fn every_operation_has_words_a_group_and_links_that_lead_somewhere() {
    let (_server, whole) = served().await;
    let ids = operation_ids(&whole);
    assert!(ids.len() > 90, "only {} operations were found", ids.len());
    let groups: Vec<_> = whole["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut links = 0;
    for (path, item) in whole["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
            assert!(groups.contains(&&operation["tags"][0]), "{method} {path}");
            let security = operation["security"].as_array().unwrap();
            for scheme in security.iter().flat_map(|way| way.as_object().unwrap().keys()) {
                let known = &whole["components"]["securitySchemes"][scheme];
                assert!(known.is_object(), "{method} {path}: {scheme}");
            }
            for response in operation["responses"].as_object().unwrap().values() {
                for link in response["links"].as_object().into_iter().flat_map(|all| all.values()) {
                    let target = link["operationId"].as_str().unwrap();
                    assert!(ids.contains(target), "{method} {path} leads to {target}");
                    links += 1;
                }
            }
        }
    }
    assert!(links > 50, "only {links} links were found");
}

#[tokio::test]
async fn the_page_shows_every_call_and_loads_nothing() {
    let (server, whole) = served().await;
    let answer = server.browser().get("/docs").await;
    assert_eq!(answer.header("content-type").unwrap(), "text/html; charset=utf-8");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for id in operation_ids(&whole) {
        assert!(answer.text.contains(&format!("<details id=\"{id}\"")), "{id} is missing");
    }
    for loads in ["<script", "<img", "<iframe", "src=", "@import", "url("] {
        assert!(!answer.text.contains(loads), "{loads}");
    }
    assert!(answer.text.len() < 500_000, "{} bytes", answer.text.len());
}

#[tokio::test]
async fn an_error_is_the_one_that_the_specification_shows() {
    let server = Server::bounded(&[], |_| {}).await;
    let answer = server.browser().get("/v1/auth/me").await;
    let (_development, whole) = served().await;
    let mut shown = whole["components"]["examples"]["unauthenticated"]["value"].clone();
    shown["request_id"] = json!(answer.header("x-request-id").unwrap());
    assert_eq!(answer.json(), shown);
}
