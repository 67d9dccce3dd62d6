//! Each kind of change as a statement over many rows.

mod api_keys;
mod attribution;
mod identity;
mod pending;

use std::borrow::Cow;

use postgres_types::ToSql;
use uuid::Uuid;
use whence_events::{EmailKey, ReferralCode, Sealed};

use crate::change::Change;
use crate::read_db::sql::Sql;

/// All values of a column.
pub(super) type BoundColumn<'a> = Box<dyn ToSql + Send + Sync + 'a>;

/// What is done with many rows of a table at once. Each of these statements is one static value: they
/// are told apart by their addresses.
pub(super) struct BulkStatement {
    /// The table that is written. Changes of different tables commute.
    pub(super) table: &'static str,
    pub(super) on_repeat: OnRepeat,
    sql: Sql,
    /// A text that is run after the first one, with the same columns.
    then: Option<Sql>,
    /// Makes the columns out of changes of the one kind that the statement is for.
    pub(super) columns: for<'a> fn(&'a [Change]) -> Vec<BoundColumn<'a>>,
}

impl BulkStatement {
    /// Returns the texts in the order they are to run in.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Sql> {
        [&self.sql].into_iter().chain(&self.then)
    }
}

/// What becomes of a second change of the same kind to the same row, with no other change in between.
pub(super) enum OnRepeat {
    /// It needs a statement of its own.
    Never,
    /// One statement takes both.
    Together,
    /// It replaces the first one.
    LastWins,
}

/// What tells rows of a table apart, or is coarser than that.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum RowKey {
    Id(Uuid),
    Code(Box<str>),
}

/// How a change is written.
pub(super) struct Part {
    /// A statement over any rows of another table that the change is part of first.
    pub(super) before: Option<&'static BulkStatement>,
    /// The statement that the change is part of.
    pub(super) statement: &'static BulkStatement,
    /// The row that it touches; `None` when it may touch any.
    pub(super) row: Option<RowKey>,
}

impl Part {
    fn of_row(statement: &'static BulkStatement, row: RowKey) -> Self {
        Self { before: None, statement, row: Some(row) }
    }

    fn of_any_row(statement: &'static BulkStatement) -> Self {
        Self { before: None, statement, row: None }
    }

    /// Returns how a change is written; `None` for a leaf of the tree, of which a run is added at once.
    pub(super) fn of(change: &Change) -> Option<Self> {
        match change {
            Change::Identity(change) => Some(identity::part(change)),
            Change::Attribution(change) => Some(attribution::part(change)),
            Change::Pending(change) => Some(pending::part(change)),
            Change::ApiKey(change) => Some(api_keys::part(change)),
            Change::LeafAdded(_) => None,
        }
    }
}

impl RowKey {
    fn code(code: &ReferralCode) -> Self {
        Self::Code(code.folded().as_str().into())
    }
}

impl From<&EmailKey> for RowKey {
    fn from(key: &EmailKey) -> Self {
        Self::Id(Uuid::from_bytes(key.0))
    }
}

/// Makes the columns of a statement out of one kind of change: for each column a field of the change,
/// and the value made of it.
macro_rules! columns {
    ($family:ident, $kind:ident::$change:ident { $($field:ident => $value:expr),+ $(,)? }) => {
        |changes| {
            vec![$(Box::new(
                changes
                    .iter()
                    .map(|change| {
                        let crate::change::Change::$family($kind::$change { $field, .. }) = change
                        else {
                            unreachable!("a statement has one kind of change");
                        };
                        $value
                    })
                    .collect::<Vec<_>>(),
            ) as crate::read_db::postgres::bulk::BoundColumn<'_>),+]
        }
    };
}
use columns;

/// Returns what Postgres can store of a text: all but the character U+0000, which is replaced.
fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn text_or_null(value: Option<&String>) -> Option<Cow<'_, str>> {
    value.map(|value| text(value))
}

fn bytes(sealed: Option<&Sealed>) -> Option<&[u8]> {
    sealed.map(|sealed| &*sealed.0)
}
