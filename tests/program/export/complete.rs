//! Every event comes out, in every format, of every store, with its exact bytes.

use serde_json::Value;
use tempfile::TempDir;
use whence::insight::export::{EVENT_FIELDS, FieldKind};

use crate::export::expected::{COLUMNS, json_row, text_row};
use crate::export::log::{Log, STRANGE};
use crate::export::reader::{query, read};
use whence_test_support::postgres::database;

/// All formats of a log, against the log itself.
fn everything_comes_out(log: &Log) {
    let as_text: Vec<_> = log.events.iter().map(text_row).collect();
    assert!(as_text.len() > 90 && as_text.iter().any(|row| row[13] == STRANGE));

    let parquet = read(&log.export("events.parquet", &[]).0);
    assert_eq!(parquet.columns(), COLUMNS);
    assert_eq!(parquet.rows, as_text);

    let csv = read(&log.export("events.csv", &[]).0);
    assert_eq!(csv.columns(), COLUMNS.map(|(name, _)| (name, "VARCHAR")));
    assert_eq!(csv.rows, as_text);

    let lines = read(&log.export("events.jsonl", &[]).0);
    assert_eq!(lines.columns(), COLUMNS.map(|(name, _)| (name, "JSON")));
    let as_json: Vec<_> = log.events.iter().map(json_row).collect();
    assert_eq!(lines.rows, as_json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_files() {
    everything_comes_out(&Log::sqlite().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_postgres() {
    let database = database().await;
    everything_comes_out(&Log::at(TempDir::new().unwrap(), database.url().to_owned(), None).await);
}

#[cfg(feature = "kurrentdb")]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_kurrentdb() {
    let double = whence_test_support::kurrentdb_double::Double::single().await.unwrap();
    // Somebody else writes to the same server, so there are gaps.
    double.write("others-1", "Other", "{}", "{}");
    let vault = database().await;
    let log = Log::at(TempDir::new().unwrap(), double.url(), Some(vault.url())).await;
    assert!(log.events[0].position > 1);
    everything_comes_out(&log);
}

/// Columns are only ever added, behind these: whoever reads them by place or by name goes on reading.
#[test]
fn the_schema_stays() {
    let text = |field: &whence::insight::export::Field| {
        let kind = match field.kind {
            FieldKind::Integer => "integer",
            FieldKind::Number => "number",
            FieldKind::Text => "text",
            FieldKind::Json => "json",
            FieldKind::Time => "time",
            FieldKind::Day => "day",
        };
        format!("{} {kind}{}", field.name, if field.optional { "?" } else { "" })
    };
    let fields: Vec<_> = EVENT_FIELDS.iter().map(text).collect();
    assert_eq!(
        fields[..15],
        [
            "position integer",
            "event_id text",
            "stream text",
            "family text",
            "version integer",
            "type text",
            "occurred_at time",
            "recorded_at time",
            "actor text",
            "correlation_id text",
            "causation_id text?",
            "user_id text?",
            "touch_id text?",
            "data json",
            "personal json?",
        ]
    );
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/analysts.md");
    let page = std::fs::read_to_string(page).unwrap();
    for field in EVENT_FIELDS {
        let row = format!("\n| `{}` | ", field.name);
        assert!(page.contains(&row), "the page has no row of the column {}", field.name);
    }
}

/// What is in the file itself, beyond what `DuckDB` makes of it: what other engines go by.
#[tokio::test(flavor = "multi_thread")]
async fn parquet_types_are_those_that_all_engines_know() {
    let log = Log::sqlite().await;
    let (file, _) = log.export("events.parquet", &[]);
    let file = file.display();
    let schema = query(&format!(
        "SELECT name, type, repetition_type, logical_type FROM parquet_schema('{file}')
         WHERE num_children IS NULL"
    ));
    let expected = COLUMNS.map(|(name, kind)| {
        let optional = ["causation_id", "user_id", "touch_id", "personal"].contains(&name);
        let (physical, logical) = match kind {
            "BIGINT" => ("INT64", Value::Null),
            "VARCHAR" => ("BYTE_ARRAY", "StringType()".into()),
            _ => ("INT64", "TimestampType(isAdjustedToUTC=1, unit=MICROS)".into()),
        };
        let repetition = if optional { "OPTIONAL" } else { "REQUIRED" };
        vec![name.into(), physical.into(), repetition.into(), logical]
    });
    let found: Vec<_> = schema
        .rows
        .into_iter()
        .map(|mut row| {
            if let Some(text) = row[3].as_str() {
                // The empty parts of a union say nothing.
                let unit = if text.contains("MICROS") { "MICROS" } else { "" };
                if text.starts_with("TimestampType(isAdjustedToUTC=1") {
                    row[3] = format!("TimestampType(isAdjustedToUTC=1, unit={unit})").into();
                }
            }
            row
        })
        .collect();
    assert_eq!(found, expected);
    let pages = query(&format!(
        "SELECT DISTINCT compression, path_in_schema IN ('family', 'version', 'type', 'actor')
           = contains(encodings, 'RLE_DICTIONARY') FROM parquet_metadata('{file}')"
    ));
    assert_eq!(pages.rows, [[Value::from("SNAPPY"), Value::from("true")]]);
}
