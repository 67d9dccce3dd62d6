//! What `DuckDB` and Python find in a file.

use std::path::Path;

use serde_json::Value;
use whence_test_support::tool::script;

/// A table as an independent reader sees it.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Read {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Value>>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

impl Read {
    /// Names and types.
    pub(crate) fn columns(&self) -> Vec<(&str, &str)> {
        self.columns.iter().map(|column| (column.name.as_str(), column.kind.as_str())).collect()
    }
}

pub(crate) fn read(file: &Path) -> Read {
    found(&[file.to_str().unwrap()])
}

pub(crate) fn query(sql: &str) -> Read {
    found(&["--sql", sql])
}

fn found(arguments: &[&str]) -> Read {
    serde_json::from_str(&script("parquet-reader", arguments)).unwrap()
}
