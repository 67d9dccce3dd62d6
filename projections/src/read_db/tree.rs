//! Roots and proofs of the log's tree, out of its tiles.

use std::collections::BTreeMap;

use whence_events::{Hash, Position};

use super::sqlite::tiles;
use super::{QueryError, ReadDb};
use crate::log_tree::{Edge, Tile, tile_of};
use crate::merkle::{self, Subtree};

/// A part of the tree is not there.
struct Missing;

/// How a root or a proof is made, given the hashes of subtrees.
type Make<'a, T> =
    dyn FnMut(&mut dyn FnMut(Subtree) -> Result<Hash, Missing>) -> Result<T, Missing> + Send + 'a;

impl ReadDb {
    /// The last tiles of the log's tree, which tell its size.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tree_edge(&self) -> Result<Edge, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(tiles::edge)?),
            Self::Postgres(db) => db.tree_edge().await,
        }
    }

    /// A tile of the log's tree; a tile of the highest levels, or the last of one, may not be there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tile(&self, level: u8, number: u64) -> Result<Option<Tile>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| tiles::at(file, level, number))?),
            Self::Postgres(db) => db.tile(level, number).await,
        }
    }

    /// The tile of leaves that an event at this position would be in.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tile_holding(&self, position: Position) -> Result<Option<Tile>, QueryError> {
        match self {
            Self::Sqlite(db) => Ok(db.read(|file| tiles::holding(file, position))?),
            Self::Postgres(db) => db.tile_holding(position).await,
        }
    }

    /// The root of the tree over the first `size` events; `None` when it has fewer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tree_root(&self, size: u64) -> Result<Option<Hash>, QueryError> {
        self.make(&mut |mut find| merkle::root(size, &mut find)).await
    }

    /// What shows the leaf `index` to be in the tree over the first `size` events, from the leaf up;
    /// `None` when it has fewer, or no such leaf.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// What shows the tree over the first `old` events, at least one, to be the beginning of the tree
    /// over the first `new`; `None` when it has fewer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tree_consistency(
        &self,
        old: u64,
        new: u64,
    ) -> Result<Option<Vec<Hash>>, QueryError> {
        if old == 0 || old > new {
            return Ok(None);
        }
        self.make(&mut |mut find| merkle::consistency(old, new, &mut find)).await
    }

    /// Runs `make` once to learn which tiles it needs, and again with them.
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
