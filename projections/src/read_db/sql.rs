//! Texts of statements, written once for SQLite and for every schema of Postgres.

use std::sync::OnceLock;

use super::purpose::Purpose;

/// The text of a statement with placeholders in braces: `{users}` is the table `users` where the
/// statement runs, `{1}` its first parameter. Nothing else in the text is ever changed.
pub(crate) struct Sql {
    text: &'static str,
    sqlite: OnceLock<String>,
    /// One text for each [`SchemaName`].
    postgres: [OnceLock<String>; 3],
}

/// The schema of a Postgres database that tables are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SchemaName {
    Live,
    Rebuild,
    Check,
}

impl SchemaName {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Live => "read",
            Self::Rebuild => "read_rebuild",
            Self::Check => "read_check",
        }
    }

    /// Returns the name of a table with that of its schema.
    pub(super) fn table(self, table: &str) -> String {
        format!("{}.{table}", self.name())
    }
}

impl From<Purpose> for SchemaName {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Rebuild => Self::Rebuild,
            Purpose::Check => Self::Check,
        }
    }
}

impl Sql {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, sqlite: OnceLock::new(), postgres: [const { OnceLock::new() }; 3] }
    }

    /// Returns the statement as SQLite reads it.
    pub(super) fn for_sqlite(&self) -> &str {
        self.sqlite.get_or_init(|| fill(self.text, '?', str::to_owned))
    }

    /// Returns the statement as Postgres reads it, about the tables of a schema.
    pub(super) fn for_postgres(&self, schema: SchemaName) -> &str {
        self.postgres[schema as usize]
            .get_or_init(|| fill(self.text, '$', |table| schema.table(table)))
    }
}

/// Fills the placeholders of a text, given the sign before the number of a parameter and the names
/// of tables.
fn fill(text: &str, parameter: char, table: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) =
            after.split_once('}').expect("every placeholder of a statement is closed");
        filled.push_str(before);
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            filled.push(parameter);
            filled.push_str(name);
        } else {
            filled.push_str(&table(name));
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_parameters_are_those_of_where_a_statement_runs() {
        let sql = Sql::new("INSERT INTO {users} SELECT * FROM {others} WHERE a = {1} AND b = {12}");
        assert_eq!(
            sql.for_sqlite(),
            "INSERT INTO users SELECT * FROM others WHERE a = ?1 AND b = ?12"
        );
        assert_eq!(
            sql.for_postgres(SchemaName::Live),
            "INSERT INTO read.users SELECT * FROM read.others WHERE a = $1 AND b = $12"
        );
        assert_eq!(
            sql.for_postgres(SchemaName::from(Purpose::Check)),
            "INSERT INTO read_check.users SELECT * FROM read_check.others WHERE a = $1 AND b = $12"
        );
    }

    #[test]
    fn what_only_looks_like_a_table_or_a_parameter_is_left_alone() {
        let sql = Sql::new(
            "SELECT already_read.at, spread.read, 'read.users cost $1?' FROM {spread} already_read",
        );
        for schema in [SchemaName::Live, SchemaName::Rebuild, SchemaName::Check] {
            let expected = format!(
                "SELECT already_read.at, spread.read, 'read.users cost $1?' FROM {}.spread \
                 already_read",
                schema.name()
            );
            assert_eq!(sql.for_postgres(schema), expected);
        }
        let expected = "SELECT already_read.at, spread.read, 'read.users cost $1?' FROM spread \
                        already_read";
        assert_eq!(sql.for_sqlite(), expected);
    }
}
