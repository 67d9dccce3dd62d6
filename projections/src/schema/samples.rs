//! Tables for the tests of each database, which writes them in its own words.

use super::{IndexSchema, RowSize, TableSchema, bytes, bytewise_text, index, int, text, uuid};

pub(crate) static SMALL: TableSchema = TableSchema {
    name: "codes",
    columns: &[uuid("owner"), bytewise_text("code"), text("kind").or_null(), int("at")],
    key: &["owner", "code"],
    indexes: &[
        index("codes_by_end", &["at", "code"]),
        IndexSchema { only: Some("at > 0"), ..index("codes_in_use", &["at"]) },
    ],
    rows: RowSize::Small,
};

pub(crate) static LARGE: TableSchema = TableSchema {
    name: "tiles",
    columns: &[int("tile"), bytes("hashes")],
    key: &["tile"],
    indexes: &[],
    rows: RowSize::Large,
};
