//! Rows as text, in the same words for each database.

/// A value of a row.
pub(super) enum Dumped<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// Returns a row of a table as a line of text.
pub(super) fn line(table: &str, values: &[Dumped<'_>]) -> String {
    let text = |value: &Dumped<'_>| match value {
        Dumped::Null => "null".to_owned(),
        Dumped::Integer(number) => number.to_string(),
        Dumped::Text(text) => format!("{text:?}"),
        Dumped::Blob(bytes) => {
            bytes.iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
        }
    };
    let values: Vec<_> = values.iter().map(text).collect();
    format!("{table}: {}", values.join(", "))
}
