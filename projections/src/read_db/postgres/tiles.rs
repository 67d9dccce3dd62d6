//! The tree over the log in Postgres.

use deadpool_postgres::ClientWrapper;

use super::bulk::BoundColumn;
use crate::read_db::error::QueryError;
use crate::read_db::sql::{SchemaName, Sql};
use crate::read_db::tiles::EDGE;
use crate::tiles::{Edge, Tile};

pub(super) static WRITE: Sql = Sql::new(
    "INSERT INTO {log_tiles} (level, tile, first, last, hashes)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])
    ON CONFLICT (level, tile) DO UPDATE SET last = excluded.last, hashes = excluded.hashes",
);

/// Returns the parameters of [`WRITE`].
pub(super) fn columns(tiles: &[Tile]) -> Vec<BoundColumn<'_>> {
    let numbers = |of: fn(&Tile) -> u64| -> BoundColumn<'_> {
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

pub(super) async fn edge(client: &ClientWrapper, schema: SchemaName) -> Result<Edge, QueryError> {
    let statement = client.prepare_cached(EDGE.sql.for_postgres(schema)).await?;
    let rows = client.query(&statement, &[]).await?;
    Ok(Edge::new(rows.iter().map(|row| (EDGE.read)(row)).collect::<Result<_, _>>()?))
}
