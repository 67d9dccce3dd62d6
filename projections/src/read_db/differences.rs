//! How live tables differ from scratch tables.

mod cell;

pub(super) use cell::CellValue;

use crate::schema::TableSchema;

/// How many differences are kept as lines of text. The others are only counted.
const LINES: u64 = 20;

/// How many columns of a row are shown with their values. The others are only named.
const COLUMNS: usize = 3;

/// How live tables and a fold of the log differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// How many rows were compared.
    pub rows: u64,
    /// How many of them differ.
    pub count: u64,
    /// The first of those, each described in a line of text.
    pub first: Vec<String>,
}

impl Differences {
    /// Adds a row, of which at least one side has values.
    pub(super) fn add(&mut self, row: &ComparedRow<'_>) {
        self.count += 1;
        if self.count <= LINES {
            self.first.push(row.line());
        }
    }
}

/// A row of one key in the live tables and in the scratch tables. It has the values of all columns of
/// its table, or none where the row is missing.
pub(super) struct ComparedRow<'a> {
    pub(super) table: &'a TableSchema,
    pub(super) live: Option<Vec<CellValue<'a>>>,
    pub(super) rebuilt: Option<Vec<CellValue<'a>>>,
}

impl ComparedRow<'_> {
    fn line(&self) -> String {
        match (&self.live, &self.rebuilt) {
            (Some(live), Some(rebuilt)) => {
                format!("{}: {}", self.name(live), self.changed(live, rebuilt))
            }
            (Some(live), None) => format!("{} is in the tables and should not be", self.name(live)),
            (None, rebuilt) => {
                let name = self.name(rebuilt.as_deref().unwrap_or_default());
                format!("{name} is missing in the tables")
            }
        }
    }

    /// Returns the table and the key, which tell people which row it is.
    fn name(&self, row: &[CellValue<'_>]) -> String {
        let is_of_key = |name: &&str| self.table.key.contains(name);
        let names = self.table.columns.iter().map(|column| column.name);
        let key = names.zip(row).filter(|(name, _)| is_of_key(name));
        let key: Vec<_> = key.map(|(_, cell)| cell.as_key()).collect();
        format!("{} {}", self.table.name, key.join(" "))
    }

    /// Returns the columns that differ, the first of them with both values.
    fn changed(&self, live: &[CellValue<'_>], rebuilt: &[CellValue<'_>]) -> String {
        let names = self.table.columns.iter().map(|column| column.name);
        let both = names.zip(live.iter().zip(rebuilt));
        let changed: Vec<_> = both.filter(|(_, (live, rebuilt))| live != rebuilt).collect();
        let (first, rest) = changed.split_at(changed.len().min(COLUMNS));
        let first = first.iter().map(|(name, (live, rebuilt))| {
            let (live, rebuilt) = live.beside(rebuilt);
            format!("{name} is {live}, should be {rebuilt}")
        });
        let first = first.collect::<Vec<_>>().join("; ");
        if rest.is_empty() {
            return first;
        }
        let rest: Vec<_> = rest.iter().map(|(name, _)| *name).collect();
        format!("{first}; and these columns differ: {}", rest.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::schema::samples::{LARGE, SMALL};
    use crate::schema::{RowSize, int};

    fn lines(rows: &[ComparedRow<'_>]) -> Differences {
        let mut found = Differences::default();
        for row in rows {
            found.add(row);
        }
        found
    }

    fn code(kind: CellValue<'static>, at: i64) -> Vec<CellValue<'static>> {
        vec![CellValue::Uuid(Uuid::from_u128(7)), CellValue::Text("a b"), kind, CellValue::Int(at)]
    }

    #[test]
    fn a_row_is_named_by_its_key_and_each_column_has_both_values() {
        let (live, rebuilt) = (code(CellValue::Null, 1), code(CellValue::Text("null"), 2));
        let row = ComparedRow { table: &SMALL, live: Some(live), rebuilt: Some(rebuilt) };
        let expected = r#"codes 00000000-0000-0000-0000-000000000007 "a b": kind is null, should be "null"; at is 1, should be 2"#;
        assert_eq!(lines(&[row]).first, [expected]);
    }

    #[test]
    fn a_row_that_one_side_lacks_is_a_line() {
        let row = |live, rebuilt| ComparedRow { table: &SMALL, live, rebuilt };
        let there = || Some(code(CellValue::Null, 1));
        let name = r#"codes 00000000-0000-0000-0000-000000000007 "a b""#;
        assert_eq!(
            lines(&[row(None, there()), row(there(), None)]).first,
            [
                format!("{name} is missing in the tables"),
                format!("{name} is in the tables and should not be"),
            ]
        );
    }

    #[test]
    fn a_row_of_kilobytes_is_a_short_line() {
        let (live, rebuilt) = ([0; 8192], [1; 612]);
        let row = |hashes| Some(vec![CellValue::Int(3), CellValue::Bytes(hashes)]);
        let row = ComparedRow { table: &LARGE, live: row(&live), rebuilt: row(&rebuilt) };
        let expected =
            "tiles 3: hashes is 8192 bytes, sha256 9f1dcbc3..., should be 612 bytes, sha256 ";
        let found = lines(&[row]);
        assert!(found.first[0].starts_with(expected), "{found:?}");
        assert_eq!(found.first[0].len(), expected.len() + "9f2c41d0...".len());
    }

    #[test]
    fn columns_beyond_the_third_are_named() {
        let row =
            |number| Some([7, number, number, number, number, number].map(CellValue::Int).to_vec());
        let row = ComparedRow { table: &WIDE, live: row(1), rebuilt: row(2) };
        let expected = "wide 7: a is 1, should be 2; b is 1, should be 2; c is 1, should be 2; \
                        and these columns differ: d, e";
        assert_eq!(lines(&[row]).first, [expected]);
    }

    static WIDE: TableSchema = TableSchema {
        name: "wide",
        columns: &[int("id"), int("a"), int("b"), int("c"), int("d"), int("e")],
        key: &["id"],
        indexes: &[],
        rows: RowSize::Small,
    };
}
