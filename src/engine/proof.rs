//! Proves that the log is unaltered: signs statements of what it held, and checks them.
//!
//! The tree itself is in the read models (`whence_projections::tiles`). Here are the signatures: notes
//! and checkpoints as C2SP specifies them, so that other tools can read them.

mod checkpoint;
pub mod checkpointer;
pub mod directory;
mod note;

use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use whence_events::Hash;
use whence_projections::merkle;

pub use checkpoint::Checkpoint;
pub use directory::NoteFile;
pub use note::{NoteError, Signer, Verifier};

/// Returns whether `path` proves that a leaf with these bytes is the one at `index` of this tree.
#[must_use]
pub fn includes(tree: &Checkpoint, leaf: &[u8], index: u64, path: &[Hash]) -> bool {
    let path = path.iter().flat_map(|node| node.0).collect();
    index < tree.size
        && InclusionProof::try_from_bytes(path)
            .is_ok_and(|proof| root(tree).verify_inclusion(&leaf, index, &proof).is_ok())
}

/// Returns whether `path` proves that the old tree is the beginning of the new one.
#[must_use]
pub fn continues(new: &Checkpoint, old: &Checkpoint, path: &[Hash]) -> bool {
    if old.size == 0 {
        return old.root == merkle::root_of(&[]) && path.is_empty();
    }
    let path = path.iter().flat_map(|node| node.0).collect();
    ConsistencyProof::try_from_bytes(path)
        .is_ok_and(|proof| root(new).verify_consistency(&root(old), &proof).is_ok())
}

fn root(tree: &Checkpoint) -> RootHash<sha2::Sha256> {
    RootHash::new(tree.root.0.into(), tree.size)
}
