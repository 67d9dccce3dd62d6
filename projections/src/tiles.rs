//! The tiles that the tree over the log is kept in.
//!
//! A tile of level 0 has the hashes of up to 256 leaves, one of level 1 those of up to 256 full tiles
//! of level 0, and so on; so a proof about any of ten million events needs a dozen small reads.

use whence_events::{Hash, Position};

use crate::change::Leaf;
use crate::merkle::{Subtree, node_hash, root_of};

/// The binary logarithm of how many hashes a full tile holds.
const TILE_HEIGHT: u32 = 8;

/// How many hashes a full tile holds.
const FULL: usize = 1 << TILE_HEIGHT;

/// A tile: some hashes of one level of the tree.
#[derive(Clone, PartialEq, Eq)]
pub struct Tile {
    /// The level of the tile; 0 when its hashes are of leaves.
    pub level: u8,
    /// How many tiles of this level come before it.
    pub number: u64,
    /// The position of the first event in it.
    pub first: Position,
    /// The position of the last event in it.
    pub last: Position,
    /// The hashes, 1 to 256 of 32 bytes each.
    pub hashes: Vec<u8>,
}

impl Tile {
    /// Returns how many hashes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len() / 32
    }

    /// Returns whether it holds no hash, which is true of no stored tile.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Returns its hashes.
    #[must_use]
    pub fn to_hashes(&self) -> Vec<Hash> {
        let (hashes, _) = self.hashes.as_chunks::<32>();
        hashes.iter().copied().map(Hash).collect()
    }

    /// Returns how many leaves are below the end of this tile, of those that are in full tiles or in
    /// this one.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        let below = TILE_HEIGHT * u32::from(self.level);
        ((self.number << TILE_HEIGHT) + self.len() as u64) << below
    }

    /// Returns the index of the leaf that has this hash; `None` when it is not in this tile of leaves.
    #[must_use]
    pub fn index_of(&self, leaf: Hash) -> Option<u64> {
        let (hashes, _) = self.hashes.as_chunks::<32>();
        let place = hashes.iter().position(|hash| *hash == leaf.0)?;
        Some((self.number << TILE_HEIGHT) + place as u64)
    }

    /// Returns the hash of a complete subtree; `None` when this tile does not have all of it.
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

/// Returns the level and the number of the tile that has the hash of a complete subtree.
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
    /// Makes the edge out of the last tiles of each level, in any order.
    #[must_use]
    pub fn new(mut tiles: Vec<Tile>) -> Self {
        tiles.sort_unstable_by_key(|tile| tile.level);
        let there = (0..).zip(&tiles).take_while(|(level, tile)| *level == tile.level).count();
        tiles.truncate(there);
        Self(tiles)
    }

    /// Returns how many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.first().map_or(0, Tile::leaves)
    }

    /// Returns the last tile of each level, the lowest level first.
    #[must_use]
    pub fn tiles(&self) -> &[Tile] {
        &self.0
    }

    /// Returns the root of the tree.
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

    /// Adds leaves, and returns the tiles that changed by it, each as it is in the end.
    #[must_use]
    pub fn grow(&mut self, leaves: &[Leaf]) -> Vec<Tile> {
        let mut changed = Vec::new();
        for leaf in leaves {
            self.add(leaf.hash, leaf.position, &mut changed);
        }
        if !leaves.is_empty() {
            // A tile above the lowest changes only when one below it is full, and is added then.
            changed.extend(self.0.first().filter(|tile| tile.len() < FULL).cloned());
        }
        changed
    }

    /// Adds one leaf, and adds to `changed` each tile that is full by it and those above.
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

    /// Returns the tile of a level that has room, a new one when there is none.
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
