//! What views answer, as files.

use serde_json::Value;
use tempfile::TempDir;
use whence::insight::export::{ExportFormat, export_table, fields_of};
use whence_projections::report::{Cell, Column, Kind, Table, View, Zone};

use crate::export::reader::read;
use crate::support::{Service, whence};

fn table() -> Table {
    let text = |text: &str| Cell::Text(text.to_owned());
    let column = Column::new;
    Table {
        name: "viral",
        title: "Viral",
        columns: vec![
            column("source", Kind::Text),
            column("day", Kind::Day),
            column("users", Kind::Count),
            column("k", Kind::Ratio),
            column("took", Kind::Seconds),
        ],
        rows: vec![
            vec![
                text("a,\"b\"\r\n"),
                Cell::Day(20_514),
                Cell::Count(1 << 60),
                Cell::Ratio(1.0 / 3.0),
                Cell::Seconds(0.1),
            ],
            vec![text(""), Cell::Day(-1), Cell::Count(0), Cell::Ratio(1.0), Cell::Seconds(1e12)],
            vec![Cell::Unknown, Cell::Unknown, Cell::Unknown, Cell::Unknown, Cell::Unknown],
        ],
        as_of: 7,
        bot_rules: None,
        zone: Zone::default(),
        note: None,
    }
}

/// Into a file in a directory: what an independent reader finds there.
fn exported(table: &Table, format: ExportFormat, name: &str) -> crate::export::reader::Read {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join(name);
    export_table(table, format, false, Box::new(std::fs::File::create(&file).unwrap())).unwrap();
    read(&file)
}

fn values(rows: &[[Option<&str>; 5]]) -> Vec<Vec<Value>> {
    rows.iter()
        .map(|row| row.iter().map(|value| value.map_or(Value::Null, Value::from)).collect())
        .collect()
}

#[test]
fn every_kind_of_cell_has_a_type_and_nothing_is_rounded() {
    let parquet = exported(&table(), ExportFormat::Parquet, "view.parquet");
    let types = ["VARCHAR", "DATE", "BIGINT", "DOUBLE", "DOUBLE"];
    let names = ["source", "day", "users", "k", "took"];
    assert_eq!(parquet.columns(), names.into_iter().zip(types).collect::<Vec<_>>());
    let third = "0.3333333333333333";
    let expected = [
        [
            Some("a,\"b\"\r\n"),
            Some("2026-03-02"),
            Some("1152921504606846976"),
            Some(third),
            Some("0.1"),
        ],
        [Some(""), Some("1969-12-31"), Some("0"), Some("1.0"), Some("1000000000000.0")],
        [None; 5],
    ];
    assert_eq!(parquet.rows, values(&expected));
    let lines = exported(&table(), ExportFormat::Jsonl, "view.jsonl");
    assert_eq!(lines.rows[0][3], 1.0 / 3.0);
    assert_eq!(lines.rows[0][2], 1_u64 << 60);
    assert_eq!(lines.rows[2], vec![Value::Null; 5]);
}

#[test]
fn csv_tells_an_empty_text_from_nothing() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("view.csv");
    export_table(
        &table(),
        ExportFormat::Csv,
        false,
        Box::new(std::fs::File::create(&file).unwrap()),
    )
    .unwrap();
    let expected = "source,day,users,k,took\r\n\
                    \"a,\"\"b\"\"\r\n\",2026-03-02,1152921504606846976,0.3333333333333333,0.1\r\n\
                    \"\",1969-12-31,0,1,1000000000000\r\n\
                    ,,,,\r\n";
    assert_eq!(std::fs::read_to_string(file).unwrap(), expected);
}

/// Of whatever views there are, by the program.
#[test]
fn each_view_is_a_file_with_its_columns() {
    let directory = TempDir::new().unwrap();
    assert_eq!(Service::start(directory.path(), &[]).stop().0, Some(0));
    for view in View::ALL {
        let file = format!("{}.parquet", view.name());
        let mut command = whence(directory.path());
        let output = command
            .args(["export", view.name(), "--format", "parquet", "--out", &file])
            .args(["--as-of", "1", "--timezone", "Europe/Vienna"])
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let found = read(&directory.path().join(&file));
        let columns: Vec<_> = view.default_by().iter().map(|by| by.column()).collect();
        let columns = [columns, view.measures().to_vec()].concat();
        let names: Vec<_> = fields_of(&columns).iter().map(|field| field.name).collect();
        let found: Vec<_> = found.columns().into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, names);
    }
}

#[test]
fn questions_that_cannot_be_asked() {
    let directory = TempDir::new().unwrap();
    assert_eq!(Service::start(directory.path(), &[]).stop().0, Some(0));
    for (arguments, sentence) in [
        (&["signup"][..], "there is no view \"signup\"; there are signups, "),
        (&["events", "--by", "day"], "--by is for a view, not for events"),
        (&["events", "--where", "a=b"], "--where is for a view, not for events"),
        (&["events", "--as-of", "1"], "--as-of is for a view, not for events"),
        (&["events", "--timezone", "UTC"], "--timezone is for a view, not for events"),
        (&["events", "--from", "today"], "--from today: not a position"),
        (
            &["funnel", "--open-personal-data"],
            "--open-personal-data is for events: no view has any",
        ),
        (&["funnel", "--by", "moon"], "funnel has no dimension \"moon\"; it has "),
        (&["funnel", "--as-of", "900"], "no report: there is no position 900: the log ends at 1"),
    ] {
        let mut command = whence(directory.path());
        let output = command.args(["export", "--format", "csv", "--out", "x.csv"]).args(arguments);
        let output = output.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(&format!("whence: {sentence}")), "{arguments:?}: {said}");
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(!directory.path().join("x.csv").exists(), "{arguments:?}");
    }
}
