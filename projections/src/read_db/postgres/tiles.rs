//! Tiles of the log's tree in Postgres.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use whence_events::Position;

use super::query::Values;
use super::sets::Column;
use super::{PostgresReadDb, ProjectError, QueryError};
use crate::log_tree::{Edge, Tile};

pub(super) const WRITE: &str = "INSERT INTO read.log_tiles (level, tile, first, last, hashes)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])
    ON CONFLICT (level, tile) DO UPDATE SET last = excluded.last, hashes = excluded.hashes";

/// The parameters of [`WRITE`].
pub(super) fn columns(tiles: &[Tile]) -> Vec<Column<'_>> {
    let numbers = |of: fn(&Tile) -> u64| -> Column<'_> {
        Box::new(tiles.iter().map(|tile| of(tile).cast_signed()).collect::<Vec<_>>())
    };
    vec![
        numbers(|tile| tile.level.into()),
        numbers(|tile| tile.number),
        numbers(|tile| tile.first),
        numbers(|tile| tile.last),
        Box::new(tiles.iter().map(|tile| tile.hashes.as_slice()).collect::<Vec<_>>()),
    ]
}

/// The last tile of each level: 64 bits of leaves have eight levels.
const EDGE: &str = "SELECT t.* FROM generate_series(0, 7) AS l (level), LATERAL (
      SELECT level, tile, first, last, hashes FROM read.log_tiles t
      WHERE t.level = l.level ORDER BY tile DESC LIMIT 1) t";

pub(super) async fn edge(client: &ClientWrapper) -> Result<Edge, ProjectError> {
    let rows = client.query(&client.prepare_cached(EDGE).await?, &[]).await?;
    Ok(Edge::new(rows.iter().map(tile).collect::<Result<_, _>>()?))
}

impl PostgresReadDb {
    pub(in crate::read_db) async fn tile(
        &self,
        level: u8,
        number: u64,
    ) -> Result<Option<Tile>, QueryError> {
        let sql = "SELECT level, tile, first, last, hashes FROM read.log_tiles
                   WHERE level = $1 AND tile = $2";
        self.one_tile(sql, &[&i64::from(level), &clamped(number)]).await
    }

    pub(in crate::read_db) async fn tile_holding(
        &self,
        position: Position,
    ) -> Result<Option<Tile>, QueryError> {
        let sql = "SELECT level, tile, first, last, hashes FROM read.log_tiles
                   WHERE level = 0 AND first <= $1 ORDER BY first DESC LIMIT 1";
        self.one_tile(sql, &[&clamped(position)]).await
    }

    pub(in crate::read_db) async fn tree_edge(&self) -> Result<Edge, QueryError> {
        let rows = self.rows(EDGE, &[]).await?;
        Ok(Edge::new(rows.iter().map(tile).collect::<Result<_, _>>()?))
    }

    async fn one_tile(&self, sql: &str, values: Values<'_>) -> Result<Option<Tile>, QueryError> {
        Ok(self.rows(sql, values).await?.first().map(tile).transpose()?)
    }
}

fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn tile(row: &Row) -> Result<Tile, tokio_postgres::Error> {
    Ok(Tile {
        // A level that is none finds no tile below it.
        level: u8::try_from(row.try_get::<_, i64>(0)?).unwrap_or(u8::MAX),
        number: row.try_get::<_, i64>(1)?.cast_unsigned(),
        first: row.try_get::<_, i64>(2)?.cast_unsigned(),
        last: row.try_get::<_, i64>(3)?.cast_unsigned(),
        hashes: row.try_get(4)?,
    })
}
