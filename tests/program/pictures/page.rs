//! `whence report --html`: well-formed, complete, and loading nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use whence_projections::report::View;
use whence_test_support::tool::program;

use crate::pictures::story::Story;

/// A page in a file, and what Python's parser finds in it.
fn page(story: &Story, more: &[&str]) -> (PathBuf, Value) {
    let file = story.directory.path().join("page.html");
    assert_eq!(story.report(&[&["--html", "page.html"], more].concat()), "");
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/page-check.py");
    let output = program("python3").arg(check).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the page is not well-formed: {said}");
    (file, serde_json::from_slice(&output.stdout).unwrap())
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The rows of a view, as the page has to show them.
fn expected(story: &Story, arguments: &[&str]) -> Vec<Vec<String>> {
    let said = story.report(&[arguments, &["--format", "json"]].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    let rows = said["rows"].as_array().unwrap().iter();
    let dimensions = View::parse(arguments[0]).unwrap().dimensions().collect::<Vec<_>>();
    rows.map(|row| {
        let cells = row.as_object().unwrap().iter();
        cells
            .map(|(name, value)| match value {
                Value::Null if dimensions.iter().any(|by| by.name() == name) => "(unknown)".into(),
                Value::Null => "–".to_owned(),
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    value.to_string().trim_end_matches(".0").to_owned()
                }
            })
            .collect()
    })
    .collect()
}

/// The reader of JSON here may be off by the last bit of a number.
#[track_caller]
fn assert_same(found: &[Vec<String>], expected: &[Vec<String>]) {
    let same = |one: &String, other: &String| match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => (one - other).abs() <= 1e-12 * other.abs(),
        _ => one == other,
    };
    let rows = |one: &Vec<String>, other: &Vec<String>| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
    };
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(rows(found, expected), "{found:?} is not {expected:?}");
    }
}

fn found(table: &Value) -> Vec<Vec<String>> {
    let rows = table["rows"].as_array().unwrap().iter();
    rows.map(|row| strings(row).into_iter().map(str::to_owned).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_of_every_view_is_on_it() {
    let story = Story::of(300).await;
    let (_, page) = page(&story, &[]);
    let tables = page["tables"].as_array().unwrap();
    let views: BTreeSet<_> = tables.iter().map(|table| table["view"].as_str().unwrap()).collect();
    assert_eq!(views, View::ALL.iter().map(|view| view.name()).collect());
    let mut unknown = 0;
    for table in tables {
        let view = table["view"].as_str().unwrap();
        let by = strings(&table["columns"])[0].replace(' ', "_");
        let arguments = if view == "signups" { vec![view, "--by", &by] } else { vec![view] };
        let (found, expected) = (found(table), expected(&story, &arguments));
        assert!(!expected.is_empty(), "{view}");
        assert_same(&found, &expected);
        unknown += found.iter().filter(|row| row[0] == "(unknown)").count();
    }
    assert!(unknown >= 5, "unknown rows are shown");
    assert_eq!(tables.len(), View::ALL.len() + 7, "accounts stand there in eight ways");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_loads_nothing_and_each_picture_has_words() {
    let story = Story::of(60).await;
    let (_, page) = page(&story, &[]);
    let ids: Vec<_> = strings(&page["ids"]);
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "ids are unique");
    for address in strings(&page["loads"]) {
        let inside = address.strip_prefix('#').is_some_and(|id| ids.contains(&id));
        assert!(inside || address == "data:,", "{address}");
    }
    for element in ["script", "iframe", "object", "embed", "img", "form", "audio", "video"] {
        assert!(!strings(&page["elements"]).contains(&element), "{element}");
    }
    for table in page["tables"].as_array().unwrap() {
        let drawings = table["drawings"].as_array().unwrap();
        assert_eq!(drawings.len(), 1, "a picture beside each table: {}", table["caption"]);
        let drawing = &drawings[0];
        assert_eq!(drawing["role"], "img");
        assert_eq!(drawing["title"], table["caption"]);
        assert!(drawing["description"].as_str().unwrap().len() > 10, "{drawing}");
        assert!(strings(&drawing["labelled_by"]).iter().all(|id| ids.contains(id)), "{drawing}");
    }
}

/// Visitors choose some of the words.
#[tokio::test(flavor = "multi_thread")]
async fn words_of_visitors_are_words() {
    let story = Story::with_source(9, "</text><script>alert(1)</script>&amp;\"'").await;
    let (file, page) = page(&story, &[]);
    assert!(!strings(&page["elements"]).contains(&"script"));
    assert!(page.to_string().contains("</text><script>alert(1)</script>&amp;\\\"'"));
    assert!(!std::fs::read_to_string(file).unwrap().contains("<script"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_one_view_and_of_an_empty_log() {
    let story = Story::of(40).await;
    let (file, of_one) = page(&story, &["funnel", "--by", "week", "--where", "stage=landing"]);
    let tables = of_one["tables"].as_array().unwrap();
    let expected = expected(&story, &["funnel", "--by", "week", "--where", "stage=landing"]);
    assert_eq!((tables.len(), found(&tables[0])), (1, expected));
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("only stage=landing"), "it says what was asked");
    let (file, empty) = page(&story, &["--as-of", "0"]);
    assert!(
        empty["tables"]
            .as_array()
            .unwrap()
            .iter()
            .all(|table| table["drawings"] == Value::Array(vec![]) || !found(table).is_empty())
    );
    assert!(std::fs::read_to_string(file).unwrap().contains("Nothing to show."));
    let stdout = story.report(&["funnel", "--html", "-"]);
    assert!(stdout.starts_with("<!DOCTYPE html>") && stdout.ends_with("</html>\n"));
}
