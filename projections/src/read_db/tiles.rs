//! The last tiles of the tree over the log, which every database reads before it adds leaves.

use super::error::QueryError;
use super::select::{Row, Select};
use crate::tiles::Tile;

/// The last tile of each level: a tree of 2^64 leaves has eight levels.
pub(crate) static EDGE: Select<Tile> = Select::new(
    "WITH levels (level) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7))
     SELECT t.level, t.tile, t.first, t.last, t.hashes
     FROM levels l JOIN {log_tiles} t ON t.level = l.level
       AND t.tile = (SELECT max(m.tile) FROM {log_tiles} m WHERE m.level = l.level)",
    tile,
);

/// Makes a tile out of a row of all columns.
pub(crate) fn tile(row: &dyn Row) -> Result<Tile, QueryError> {
    Ok(Tile {
        level: row.number(0)?,
        number: row.number(1)?,
        first: row.number(2)?,
        last: row.number(3)?,
        hashes: row.bytes(4)?.to_owned(),
    })
}
