//! Which schema the tables are in.

use std::borrow::Cow;

use crate::read_db::Purpose;

/// Statements are written for the live tables, in `read`; the same ones work on scratch tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    Live,
    Scratch(Purpose),
}

impl Schema {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Live => "read",
            Self::Scratch(Purpose::Rebuild) => "read_rebuild",
            Self::Scratch(Purpose::Check) => "read_check",
        }
    }

    /// A statement about tables of `read`, about those of this schema.
    pub(super) fn of(self, sql: &str) -> Cow<'_, str> {
        match self {
            Self::Live => sql.into(),
            Self::Scratch(_) => sql.replace("read.", &format!("{}.", self.name())).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_for_live_tables_are_statements_for_scratch_tables() {
        let sql = "INSERT INTO read.users SELECT * FROM read.others";
        assert_eq!(Schema::Live.of(sql), sql);
        let scratch = "INSERT INTO read_check.users SELECT * FROM read_check.others";
        assert_eq!(Schema::Scratch(Purpose::Check).of(sql), scratch);
    }
}
