//! The tree over the log (RFC 6962): what `whence verify`, checkpoints and proofs stand on.

use std::collections::BTreeMap;

use whence_events::{Hash, Position, Recorded};

use crate::change::{Change, Leaf};
use crate::merkle::{self, Subtree, leaf_hash};
use crate::projector::Projector;
use crate::read_db::select::{Select, Value};
use crate::read_db::tiles::{EDGE, tile};
use crate::read_db::{QueryError, ReadDb};
use crate::schema::{RowSize, TableSchema, bytes, index, int};
use crate::tiles::{Edge, Tile, tile_of};

/// About how many bytes the leaf of an event has.
const LEAF_BYTES: usize = 1024;

static SCHEMA: [TableSchema; 1] = [TableSchema {
    name: "log_tiles",
    columns: &[
        int("level"),    // 0: hashes of events; n: of full tiles of level n - 1
        int("tile"),     // its number, from 0
        int("first"),    // position of the first event in it
        int("last"),     // position of the last event in it
        bytes("hashes"), // 32 bytes each
    ],
    key: &["level", "tile"],
    indexes: &[index("log_tiles_by_first", &["level", "first"])],
    rows: RowSize::Large,
}];

static AT: Select<Tile> = Select::new(
    "SELECT level, tile, first, last, hashes FROM {log_tiles} WHERE level = {1} AND tile = {2}",
    tile,
);

static HOLDING: Select<Tile> = Select::new(
    "SELECT level, tile, first, last, hashes FROM {log_tiles}
     WHERE level = 0 AND first <= {1} ORDER BY first DESC LIMIT 1",
    tile,
);

/// The projector of the tree over the log.
pub(crate) struct LogTree;

impl Projector for LogTree {
    fn name(&self) -> &'static str {
        "log-tree"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static [TableSchema] {
        &SCHEMA
    }

    fn project(&self, event: &Recorded, changes: &mut Vec<Change>) {
        let mut bytes = Vec::with_capacity(LEAF_BYTES);
        event.write_leaf(&mut bytes);
        changes.push(Change::LeafAdded(Leaf { hash: leaf_hash(&bytes), position: event.position }));
    }
}

/// The error of a part of the tree that is not there.
struct Missing;

/// Makes a root or a proof out of the hashes of subtrees.
type Make<'a, T> =
    dyn FnMut(&mut dyn FnMut(Subtree) -> Result<Hash, Missing>) -> Result<T, Missing> + Send + 'a;

impl ReadDb {
    /// Returns the last tiles of the log's tree, which tell its size.
    pub async fn tree_edge(&self) -> Result<Edge, QueryError> {
        Ok(Edge::new(self.all(&EDGE, &[]).await?))
    }

    /// Returns a tile of the log's tree; `None` when there is no such tile, as may be in the highest
    /// levels and at the end of each.
    pub async fn tile(&self, level: u8, number: u64) -> Result<Option<Tile>, QueryError> {
        self.first(&AT, &[Value::Int(level.into()), number.into()]).await
    }

    /// Returns the tile of leaves that an event at this position would be in.
    pub async fn tile_holding(&self, position: Position) -> Result<Option<Tile>, QueryError> {
        self.first(&HOLDING, &[position.into()]).await
    }

    /// Returns the root of the tree over the first `size` events; `None` when the log has fewer.
    pub async fn tree_root(&self, size: u64) -> Result<Option<Hash>, QueryError> {
        self.make(&mut |mut find| merkle::root(size, &mut find)).await
    }

    /// Returns the proof that the leaf `index` is in the tree over the first `size` events, from the
    /// leaf up; `None` when the log has fewer, or no such leaf.
    pub async fn tree_inclusion(
        &self,
        index: u64,
        size: u64,
    ) -> Result<Option<Vec<Hash>>, QueryError> {
        if index >= size {
            return Ok(None);
        }
        self.make(&mut |mut find| merkle::inclusion(index, size, &mut find)).await
    }

    /// Returns the proof that the tree over the first `old` events, at least one, is the beginning of
    /// the tree over the first `new`; `None` when the log has fewer.
    pub async fn tree_consistency(
        &self,
        old: u64,
        new: u64,
    ) -> Result<Option<Vec<Hash>>, QueryError> {
        if old == 0 || old > new {
            return Ok(None);
        }
        // The proof that a tree is its own beginning is empty, also of a tree that is not there.
        if old == new {
            return Ok((new <= self.tree_edge().await?.size()).then(Vec::new));
        }
        self.make(&mut |mut find| merkle::consistency(old, new, &mut find)).await
    }

    /// Runs `make` once to find out which tiles it needs, and again with them.
    async fn make<T>(&self, make: &mut Make<'_, T>) -> Result<Option<T>, QueryError> {
        let mut there: BTreeMap<(u8, u64), Option<Tile>> = BTreeMap::new();
        let _ = make(&mut |subtree| {
            there.insert(tile_of(subtree), None);
            Ok(Hash([0; 32]))
        });
        for ((level, number), found) in &mut there {
            *found = self.tile(*level, *number).await?;
        }
        let result = make(&mut |subtree| {
            let tile = there.get(&tile_of(subtree)).and_then(Option::as_ref);
            tile.and_then(|tile| tile.find(subtree)).ok_or(Missing)
        });
        Ok(result.ok())
    }
}
