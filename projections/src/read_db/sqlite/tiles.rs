//! Tiles of the log's tree in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use whence_events::{Position, Recorded};

use crate::log_tree::{Edge, Tile};

const SELECT: &str = "SELECT level, tile, first, last, hashes FROM log_tiles";

/// Adds a run of events that begins where the tree ends.
pub(super) fn grow(transaction: &Transaction<'_>, events: &[Recorded]) -> rusqlite::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO log_tiles (level, tile, first, last, hashes) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (level, tile) DO UPDATE
                 SET last = excluded.last, hashes = excluded.hashes";
    let mut write = transaction.prepare_cached(sql)?;
    for Tile { level, number, first, last, hashes } in edge(transaction)?.grow(events) {
        write.execute(params![level, number, first, last, hashes])?;
    }
    Ok(())
}

/// The last tile of each level.
pub(in crate::read_db) fn edge(connection: &Connection) -> rusqlite::Result<Edge> {
    let sql = format!("{SELECT} WHERE level = ?1 ORDER BY tile DESC LIMIT 1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut tiles = Vec::new();
    for level in 0_u8.. {
        match statement.query_row([level], tile).optional()? {
            Some(tile) => tiles.push(tile),
            None => break,
        }
    }
    Ok(Edge::new(tiles))
}

/// A tile by its place.
pub(in crate::read_db) fn at(
    connection: &Connection,
    level: u8,
    number: u64,
) -> rusqlite::Result<Option<Tile>> {
    let sql = format!("{SELECT} WHERE level = ?1 AND tile = ?2");
    connection.prepare_cached(&sql)?.query_row(params![level, number], tile).optional()
}

/// The tile of leaves in which an event at this position would be.
pub(in crate::read_db) fn holding(
    connection: &Connection,
    position: Position,
) -> rusqlite::Result<Option<Tile>> {
    let sql = format!("{SELECT} WHERE level = 0 AND first <= ?1 ORDER BY first DESC LIMIT 1");
    let position = i64::try_from(position).unwrap_or(i64::MAX);
    connection.prepare_cached(&sql)?.query_row([position], tile).optional()
}

fn tile(row: &Row<'_>) -> rusqlite::Result<Tile> {
    Ok(Tile {
        level: row.get(0)?,
        number: row.get(1)?,
        first: row.get(2)?,
        last: row.get(3)?,
        hashes: row.get(4)?,
    })
}
