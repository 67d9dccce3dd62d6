//! The specification, held against every answer that a browser of these tests gets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "the modules of one binary")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

use crate::server::Answer;

/// Where the specification lies.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

static SPECIFICATION: LazyLock<Specification> = LazyLock::new(|| {
    Specification::of(serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap())
});

/// A specification whose schemas are compiled when they are needed.
pub struct Specification {
    pub whole: Value,
    known: Mutex<BTreeMap<String, (Schemas, SchemaIndex)>>,
}

impl Specification {
    pub fn of(whole: Value) -> Self {
        Self { whole, known: Mutex::default() }
    }

    /// What the schema at a place has against a value.
    pub fn objections(&self, place: &str, value: &Value) -> Option<String> {
        let mut known = self.known.lock().unwrap();
        let compiled = known.entry(place.to_owned()).or_insert_with(|| self.compile(place));
        let result = compiled.0.validate(value, compiled.1);
        result.err().map(|error| format!("{error:#}"))
    }

    fn compile(&self, place: &str) -> (Schemas, SchemaIndex) {
        let schema = self.whole.pointer(place).unwrap();
        let named = &self.whole["components"]["schemas"];
        let document = json!({ "schema": schema, "components": { "schemas": named } });
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.enable_format_assertions();
        compiler.add_resource("api.json", document).unwrap();
        let index = compiler.compile("api.json#/schema", &mut schemas).unwrap();
        (schemas, index)
    }

    /// The template of a path, in which names count before parameters.
    fn template(&self, path: &str) -> Option<&str> {
        let paths = self.whole["paths"].as_object().unwrap().keys();
        let fitting = paths.filter(|template| fits(template, path));
        fitting.min_by_key(|template| template.matches('{').count()).map(String::as_str)
    }

    /// What is wrong with an answer.
    fn check(&self, method: &str, path: &str, answer: &Answer) -> Result<(), String> {
        // Paths that are none of the API are answered, too.
        let Some(template) = self.template(path) else { return Ok(()) };
        let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
        let Some(operation) = self.whole["paths"][template].get(&method) else { return Ok(()) };
        let status = answer.status.to_string();
        let response = operation["responses"].get(&status);
        let response = response.ok_or("a status that is not documented")?;
        let response_place = match response["$ref"].as_str() {
            Some(reference) => reference.trim_start_matches('#').to_owned(),
            None => format!("/paths/{}/{method}/responses/{status}", escaped(template)),
        };
        let response = self.resolved(response);
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let header = self.resolved(header);
            if header["required"] == true && answer.header(name).is_none() {
                return Err(format!("no {name}"));
            }
        }
        let contents = response.get("content").and_then(Value::as_object);
        let Some(contents) = contents else {
            return if answer.text.is_empty() { Ok(()) } else { Err("a body".to_owned()) };
        };
        let kind = answer.header("content-type").unwrap_or_default();
        let essence = |kind: &str| kind.split(';').next().unwrap().trim().to_owned();
        let named = contents.keys().find(|named| essence(named) == essence(&kind));
        let named = named.ok_or_else(|| format!("the type {kind:?}"))?;
        if essence(&kind) != "application/json" || answer.text.is_empty() {
            return Ok(());
        }
        let body = answer.json();
        let place = format!("{response_place}/content/{}/schema", escaped(named));
        if let Some(objections) = self.objections(&place, &body) {
            return Err(objections);
        }
        match self.unknown(&contents[named]["schema"], &body) {
            Some(field) => Err(format!("the field {field}")),
            None => Ok(()),
        }
    }

    /// What a reference leads to; anything else as it is.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.whole.pointer(reference.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    /// A field of a value of which its schema says nothing.
    fn unknown(&self, schema: &Value, value: &Value) -> Option<String> {
        if let Value::Array(items) = value {
            let all = self.parts(schema);
            let items_of: Vec<_> = all.iter().filter_map(|part| part.get("items")).collect();
            let schema = items_of.first()?;
            return items.iter().find_map(|item| self.unknown(schema, item));
        }
        let value = value.as_object()?;
        let parts = self.parts(schema);
        if parts.iter().any(|part| part.get("additionalProperties").is_some())
            || parts.iter().all(|part| part.get("properties").is_none())
        {
            return None;
        }
        value.iter().find_map(|(name, field)| {
            let of_field = parts.iter().map(|part| &part["properties"][name]);
            let of_field: Vec<_> = of_field.filter(|schema| !schema.is_null()).collect();
            if of_field.is_empty() {
                return Some(name.clone());
            }
            let inner = json!({ "allOf": of_field });
            self.unknown(&inner, field).map(|field| format!("{name}.{field}"))
        })
    }

    /// The schemas that a schema is made of.
    fn parts<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        let mut parts = vec![schema];
        for list in ["allOf", "anyOf", "oneOf"] {
            for part in schema[list].as_array().into_iter().flatten() {
                parts.extend(self.parts(part));
            }
        }
        parts
    }
}

/// A name as a part of a place in a document (RFC 6901).
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Whether a path is one of a template.
fn fits(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            // What is after a code is part of it.
            (Some("{code}"), Some(_)) if template.clone().next().is_none() => return true,
            (Some(name), Some(part)) if name == part => {}
            (Some(name), Some(part)) if name.starts_with('{') && !part.is_empty() => {}
            _ => return false,
        }
    }
}

/// Fails unless the specification says that a call can be answered so.
pub fn check(method: &str, path: &str, answer: &Answer) {
    if let Err(problem) = SPECIFICATION.check(method, path, answer) {
        panic!("{method} {path}: {problem} is not in the specification: {answer:?}");
    }
}

/// The ids of all operations of a specification.
pub fn operation_ids(whole: &Value) -> BTreeSet<&str> {
    let items = whole["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let mut ids = BTreeSet::new();
    for operation in operations {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "two operations are {id}");
    }
    ids
}
