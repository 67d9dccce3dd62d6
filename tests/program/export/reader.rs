//! What `DuckDB` and Python find in a file.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

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
    script(&[file.to_str().unwrap()])
}

pub(crate) fn query(sql: &str) -> Read {
    script(&["--sql", sql])
}

fn script(arguments: &[&str]) -> Read {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/parquet-reader");
    let output = Command::new(script).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}
