//! Roots and proofs of the tree: what RFC 6962 says, the vectors of Certificate Transparency's reference
//! implementation, and another implementation that has to believe all of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests: no hashes, no test")]

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use sha2::Sha256;
use whence_events::Hash;
use whence_projections::merkle::{self, Subtree, leaf_hash, root_of};
use whence_projections::tiles::Edge;

/// The leaves of the reference implementation's tests.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

/// The roots of the trees over the first so many of them.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(digits).collect()
}

fn hash(hex: &str) -> Hash {
    Hash(bytes(hex).try_into().unwrap())
}

fn reference() -> Vec<Hash> {
    LEAVES.iter().map(|leaf| leaf_hash(&bytes(leaf))).collect()
}

/// A look-up in leaves that are all there.
fn find(leaves: &[Hash]) -> impl FnMut(Subtree) -> Result<Hash, ()> {
    |subtree| {
        let begin = usize::try_from(subtree.number << subtree.height).unwrap();
        leaves.get(begin..begin + (1 << subtree.height)).map(root_of).ok_or(())
    }
}

fn inclusion(leaves: &[Hash], index: u64, size: u64) -> Vec<Hash> {
    merkle::inclusion(index, size, &mut find(leaves)).unwrap()
}

fn consistency(leaves: &[Hash], old: u64, new: u64) -> Vec<Hash> {
    merkle::consistency(old, new, &mut find(leaves)).unwrap()
}

#[test]
fn the_roots_are_those_of_the_reference() {
    for (size, root) in (0..).zip(ROOTS) {
        assert_eq!(merkle::root(size, &mut find(&reference())), Ok(hash(root)), "{size}");
        assert_eq!(root_of(&reference()[..usize::try_from(size).unwrap()]), hash(root), "{size}");
    }
}

#[test]
fn the_audit_paths_are_those_of_the_reference() {
    let cases: [(u64, u64, &[&str]); 5] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            &[
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    for (index, size, path) in cases {
        let path: Vec<_> = path.iter().map(|node| hash(node)).collect();
        assert_eq!(inclusion(&reference(), index, size), path, "{index} of {size}");
    }
}

#[test]
fn the_consistency_proofs_are_those_of_the_reference() {
    let cases: [(u64, u64, &[&str]); 4] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    for (old, new, path) in cases {
        let path: Vec<_> = path.iter().map(|node| hash(node)).collect();
        assert_eq!(consistency(&reference(), old, new), path, "{old} to {new}");
    }
}

type Root = RootHash<Sha256>;

fn root(leaves: &[Hash]) -> Root {
    RootHash::new(root_of(leaves).0.into(), leaves.len() as u64)
}

fn believes_inclusion(root: &Root, leaf: &[u8], index: u64, path: &[Hash]) -> bool {
    let path = path.iter().flat_map(|node| node.0).collect();
    let proof = InclusionProof::try_from_bytes(path).unwrap();
    root.verify_inclusion(&leaf, index, &proof).is_ok()
}

fn believes_consistency(new: &Root, old: &Root, path: &[Hash]) -> bool {
    let path = path.iter().flat_map(|node| node.0).collect();
    let proof = ConsistencyProof::try_from_bytes(path).unwrap();
    new.verify_consistency(old, &proof).is_ok()
}

/// The tiles of a tree over these leaves, each in its last state, and a look-up in them.
fn tiles(leaves: &[Hash]) -> impl Fn(Subtree) -> Option<Hash> {
    let mut edge = Edge::default();
    let mut changed = Vec::new();
    for (leaf, position) in leaves.iter().zip(1..) {
        edge.add(*leaf, position, &mut changed);
        if position % 997 == 0 || position.is_multiple_of(256) && position < 2000 {
            let before = &leaves[..usize::try_from(position).unwrap()];
            assert_eq!(edge.root(), root_of(before), "{position}");
        }
    }
    changed.extend(edge.tiles().iter().cloned());
    assert_eq!(edge.size(), leaves.len() as u64);
    move |subtree| {
        let place = whence_projections::tiles::tile_of(subtree);
        let tile = changed.iter().rfind(|tile| (tile.level, tile.number) == place)?;
        tile.find(subtree)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_proof_is_believed_and_none_that_was_changed(
        size in 1_u64..700, index in any::<prop::sample::Index>(), old in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let bytes: Vec<_> = (0..size).map(u64::to_be_bytes).collect();
        let leaves: Vec<_> = bytes.iter().map(|leaf| leaf_hash(leaf)).collect();
        let root = self::root(&leaves);
        let index = index.index(leaves.len());
        let mut path = inclusion(&leaves, index as u64, size);
        prop_assert!(believes_inclusion(&root, &bytes[index], index as u64, &path));
        prop_assert!(!believes_inclusion(&root, b"another", index as u64, &path));
        if !path.is_empty() {
            let bit = bit.index(path.len() * 256);
            path[bit / 256].0[bit / 8 % 32] ^= 1 << (bit % 8);
            prop_assert!(!believes_inclusion(&root, &bytes[index], index as u64, &path));
        }
        let old = old.index(leaves.len()) + 1;
        let old_root = self::root(&leaves[..old]);
        let mut path = consistency(&leaves, old as u64, size);
        prop_assert!(believes_consistency(&root, &old_root, &path));
        let mut other = leaves[..old].to_vec();
        other[0].0[0] ^= 1;
        prop_assert!(!believes_consistency(&root, &self::root(&other), &path));
        if !path.is_empty() {
            let bit = bit.index(path.len() * 256);
            path[bit / 256].0[bit / 8 % 32] ^= 1 << (bit % 8);
            prop_assert!(!believes_consistency(&root, &old_root, &path));
        }
    }
}

#[test]
fn tiles_know_every_root_and_every_proof_of_every_smaller_tree() {
    let bytes: Vec<_> = (0..70_000_u64).map(u64::to_be_bytes).collect();
    let leaves: Vec<_> = bytes.iter().map(|leaf| leaf_hash(leaf)).collect();
    let tiles = tiles(&leaves);
    let mut find = |subtree| tiles(subtree).ok_or(());
    let whole = root(&leaves);
    for size in [1_u64, 2, 255, 256, 257, 511, 512, 4097, 65_535, 65_536, 65_537, 69_999, 70_000] {
        let before = &leaves[..usize::try_from(size).unwrap()];
        let root = root(before);
        assert_eq!(merkle::root(size, &mut find).unwrap().0, root.as_bytes()[..], "{size}");
        for index in [0, size / 3, size / 2, size - 1] {
            let path = merkle::inclusion(index, size, &mut find).unwrap();
            let leaf = &bytes[usize::try_from(index).unwrap()];
            assert!(believes_inclusion(&root, leaf, index, &path), "{index} of {size}");
        }
        let path = merkle::consistency(size, 70_000, &mut find).unwrap();
        assert!(believes_consistency(&whole, &root, &path), "{size} to 70000");
    }
    assert_eq!(merkle::root(70_001, &mut find), Err(()), "there is no such tree yet");
}

/// The reference crate makes the same tree from the same bytes.
#[test]
fn another_implementation_gives_the_same_roots() {
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut ours = Vec::new();
    for n in 0..600_u32 {
        let leaf = n.to_be_bytes().repeat(usize::try_from(n % 7).unwrap());
        ours.push(leaf_hash(&leaf));
        theirs.push(leaf);
        assert_eq!(theirs.root().as_bytes()[..], root_of(&ours).0, "{n}");
    }
}
