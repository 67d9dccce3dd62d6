//! Changes as statements of SQLite.

mod api_keys;
mod attribution;
mod identity;
mod pending;

use rusqlite::{ToSql, Transaction};
use whence_events::Sealed;

use crate::change::{Change, Leaf};

/// Applies one change. A leaf of the tree is returned instead: the leaves of a run are added together.
pub(super) fn change(
    transaction: &Transaction<'_>,
    change: Change,
) -> rusqlite::Result<Option<Leaf>> {
    match change {
        Change::Identity(change) => identity::apply(transaction, change)?,
        Change::Attribution(change) => attribution::apply(transaction, change)?,
        Change::Pending(change) => pending::apply(transaction, change)?,
        Change::ApiKey(change) => api_keys::apply(transaction, change)?,
        Change::LeafAdded(leaf) => return Ok(Some(leaf)),
    }
    Ok(None)
}

fn run(transaction: &Transaction<'_>, sql: &str, values: &[&dyn ToSql]) -> rusqlite::Result<()> {
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

fn bytes(sealed: Option<&Sealed>) -> Option<&[u8]> {
    sealed.map(|sealed| &*sealed.0)
}
