//! The tree over the log: what `whence verify`, checkpoints and proofs go by.
//!
//! It is kept as tiles. One of level 0 has the hashes of up to 256 leaves, one of level 1 those of up to
//! 256 full tiles of level 0, and so on; so a proof about any of ten million events needs a dozen
//! small reads. Unlike other projectors this one folds whole runs: its table is written once a tile
//! and run, not once an event.

use whence_events::{Hash, Position, Recorded};

use crate::Projector;
use crate::change::Change;
use crate::merkle::{Subtree, leaf_hash, node_hash, root_of};

/// The binary logarithm of what a full tile holds.
const TILE_HEIGHT: u32 = 8;

/// Hashes of a full tile.
const FULL: usize = 1 << TILE_HEIGHT;

/// A row of the table.
#[derive(Clone, PartialEq, Eq)]
pub struct Tile {
    /// 0: its hashes are of leaves.
    pub level: u8,
    /// How many of this level are before it.
    pub number: u64,
    /// Position of the first event in it.
    pub first: Position,
    /// Position of the last event in it.
    pub last: Position,
    /// 1 to 256 hashes of 32 bytes.
    pub hashes: Vec<u8>,
}

impl Tile {
    /// How many hashes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len() / 32
    }

    /// Whether it holds none, as no stored tile does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Its hashes.
    #[must_use]
    pub fn to_hashes(&self) -> Vec<Hash> {
        let (hashes, _) = self.hashes.as_chunks::<32>();
        hashes.iter().copied().map(Hash).collect()
    }

    /// The leaves below it that are in full tiles, or in itself.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        let below = TILE_HEIGHT * u32::from(self.level);
        ((self.number << TILE_HEIGHT) + self.len() as u64) << below
    }

    /// Which leaf of the log has this hash, if it is in this tile of leaves.
    #[must_use]
    pub fn index_of(&self, leaf: Hash) -> Option<u64> {
        let (hashes, _) = self.hashes.as_chunks::<32>();
        let place = hashes.iter().position(|hash| *hash == leaf.0)?;
        Some((self.number << TILE_HEIGHT) + place as u64)
    }

    /// The hash of a complete subtree in it; `None` when it is not all there.
    #[must_use]
    pub fn find(&self, subtree: Subtree) -> Option<Hash> {
        let within = subtree.height.checked_sub(TILE_HEIGHT * u32::from(self.level))?;
        let begin = (subtree.number << within).checked_sub(self.number << TILE_HEIGHT)?;
        let begin = usize::try_from(begin).ok()?.checked_mul(32)?;
        let hashes = self.hashes.get(begin..begin + (32 << within))?;
        let (hashes, _) = hashes.as_chunks::<32>();
        Some(root_of(&hashes.iter().copied().map(Hash).collect::<Vec<_>>()))
    }
}

/// The level and number of the tile that has the hash of a complete subtree.
#[must_use]
pub fn tile_of(subtree: Subtree) -> (u8, u64) {
    let level = u8::try_from(subtree.height / TILE_HEIGHT).expect("a tree is not that high");
    let within = subtree.height % TILE_HEIGHT;
    (level, (subtree.number << within) >> TILE_HEIGHT)
}

/// The last tile of each level, lowest first: where a tree grows.
#[derive(Clone, Default)]
pub struct Edge(Vec<Tile>);

impl Edge {
    /// The last tiles as they are stored, in any order.
    #[must_use]
    pub fn new(mut tiles: Vec<Tile>) -> Self {
        tiles.sort_unstable_by_key(|tile| tile.level);
        let there = (0..).zip(&tiles).take_while(|(level, tile)| *level == tile.level).count();
        tiles.truncate(there);
        Self(tiles)
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.first().map_or(0, Tile::leaves)
    }

    /// They, lowest level first.
    #[must_use]
    pub fn tiles(&self) -> &[Tile] {
        &self.0
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        // Right to left, smallest subtree first. What a full tile holds is above it already.
        let mut root = None;
        for tile in self.0.iter().filter(|tile| tile.len() < FULL) {
            let hashes = tile.to_hashes();
            let mut end = hashes.len();
            while end > 0 {
                let begin = end - (1 << end.trailing_zeros());
                let subtree = root_of(&hashes[begin..end]);
                root = Some(root.map_or(subtree, |root| node_hash(subtree, root)));
                end = begin;
            }
        }
        root.unwrap_or_else(|| root_of(&[]))
    }

    /// Adds events. The tiles that changed by it, for each of them as it is in the end.
    #[must_use]
    pub fn grow(&mut self, events: &[Recorded]) -> Vec<Tile> {
        let mut changed = Vec::new();
        let mut bytes = Vec::new();
        for event in events {
            bytes.clear();
            event.write_leaf(&mut bytes);
            self.add(leaf_hash(&bytes), event.position, &mut changed);
        }
        if !events.is_empty() {
            // A tile above the lowest changes only when one below it is full, and is told then.
            changed.extend(self.0.first().filter(|tile| tile.len() < FULL).cloned());
        }
        changed
    }

    /// Adds one leaf, and tells of each tile that is full by it, and of those above.
    pub fn add(&mut self, leaf: Hash, position: Position, changed: &mut Vec<Tile>) {
        let (mut hash, mut first) = (leaf, position);
        for level in 0.. {
            let tile = self.open(level, first);
            tile.hashes.extend_from_slice(&hash.0);
            tile.last = position;
            let full = tile.len() == FULL;
            if level > 0 || full {
                changed.retain(|old| (old.level, old.number) != (tile.level, tile.number));
                changed.push(tile.clone());
            }
            if !full {
                return;
            }
            (hash, first) = (root_of(&tile.to_hashes()), tile.first);
        }
    }

    /// The tile of a level that has room, a new one when there is none.
    fn open(&mut self, level: u8, first: Position) -> &mut Tile {
        let place = usize::from(level);
        let new = |number| Tile { level, number, first, last: first, hashes: Vec::new() };
        if place == self.0.len() {
            self.0.push(new(0));
        }
        let tile = &mut self.0[place];
        if tile.len() == FULL {
            *tile = new(tile.number + 1);
        }
        tile
    }
}

/// The projector.
pub(crate) struct LogTree;

impl Projector for LogTree {
    fn name(&self) -> &'static str {
        "log-tree"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [&'static str] {
        &["log_tiles"]
    }

    fn project(&self, _: &Recorded, _: &mut Vec<Change>) {}

    fn is_log_tree(&self) -> bool {
        true
    }
}
