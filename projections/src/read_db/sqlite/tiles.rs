//! The tree over the log in SQLite.

use rusqlite::{Transaction, params};

use super::query;
use crate::change::Leaf;
use crate::read_db::error::ProjectError;
use crate::read_db::tiles::EDGE;
use crate::tiles::{Edge, Tile};

/// Adds the leaves of a run that begins where the tree ends.
pub(super) fn grow(transaction: &Transaction<'_>, leaves: &[Leaf]) -> Result<(), ProjectError> {
    if leaves.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO log_tiles (level, tile, first, last, hashes) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (level, tile) DO UPDATE
                 SET last = excluded.last, hashes = excluded.hashes";
    let mut write = transaction.prepare_cached(sql)?;
    let mut edge = Edge::new(query::all(transaction, &EDGE, &[])?);
    for Tile { level, number, first, last, hashes } in edge.grow(leaves) {
        write.execute(params![level, number, first, last, hashes])?;
    }
    Ok(())
}
