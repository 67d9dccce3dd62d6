//! The tree over a log: RFC 6962, section 2.1, with SHA-256.
//!
//! The functions here do not know where hashes are kept: the caller passes a function that looks up the
//! hash of a complete subtree, and each is looked up once. The proofs made here are verified, in the
//! program and in the tests, by the crate `ct-merkle`.

use sha2::{Digest as _, Sha256};
use whence_events::Hash;

/// A complete subtree: it holds 2^`height` leaves from `number` * 2^`height` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subtree {
    /// The height of the subtree; 0 for a leaf.
    pub height: u32,
    /// How many subtrees of this height are to the left of it.
    pub number: u64,
}

/// Returns the hash of a leaf with these bytes.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(bytes).finalize().into())
}

/// Returns the hash of the node that has these two below it.
#[must_use]
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

/// Returns the root of a tree over any number of leaves.
#[must_use]
pub fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash(Sha256::new().finalize().into()),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
            node_hash(root_of(left), root_of(right))
        }
    }
}

/// Returns the root of a tree of `size` leaves, or an error of the look-up.
pub fn root<E>(size: u64, find: &mut impl FnMut(Subtree) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 { Ok(root_of(&[])) } else { range(0, size, find) }
}

/// Returns the path that proves the leaf `index` to be in the tree of `size` leaves (2.1.1), from the
/// leaf up, or an error of the look-up. `index` is less than `size`.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    find: &mut impl FnMut(Subtree) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = begin + largest_power_below(end - begin);
        if index < middle {
            path.push(range(middle, end, find)?);
            end = middle;
        } else {
            path.push(range(begin, middle, find)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Returns the proof that the tree of `old` leaves is the beginning of the tree of `new` (2.1.2), or an
/// error of the look-up. `old` is not 0 and not more than `new`.
pub fn consistency<E>(
    old: u64,
    new: u64,
    find: &mut impl FnMut(Subtree) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut begin, mut end) = (0, new);
    let mut path = Vec::new();
    while old < end {
        let middle = begin + largest_power_below(end - begin);
        if old <= middle {
            path.push(range(middle, end, find)?);
            end = middle;
        } else {
            path.push(range(begin, middle, find)?);
            begin = middle;
        }
    }
    // The old tree ends where a subtree of the new one does. When that is the old tree itself, whoever
    // verifies knows its root already.
    if begin > 0 {
        path.push(range(begin, end, find)?);
    }
    path.reverse();
    Ok(path)
}

/// The hash over the leaves from `begin` to before `end`, which is a node of the tree.
fn range<E>(
    begin: u64,
    end: u64,
    find: &mut impl FnMut(Subtree) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let size = end - begin;
    if size.is_power_of_two() {
        let height = size.trailing_zeros();
        return find(Subtree { height, number: begin >> height });
    }
    let middle = begin + largest_power_below(size);
    Ok(node_hash(range(begin, middle, find)?, range(middle, end, find)?))
}

/// The largest power of two that is less than `size`, which is more than 1.
fn largest_power_below(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}
