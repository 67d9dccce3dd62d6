//! The bodies of the fuzz targets: each takes any bytes and fails when a promise is broken.
//!
//! `scripts/fuzz` runs them under libFuzzer; `cargo test` runs each over its corpus.

pub mod bundles;
pub mod checkpoints;
pub mod cookies;
pub mod events;
pub mod forwarded;
pub mod jwt;
pub mod queries;
pub mod typed;

use std::sync::LazyLock;

use whence::infra::keys::{Keys, MasterKey};

/// The keys that signed what the corpora hold.
static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    Keys::derive(&MasterKey::parse(&"07".repeat(32)).expect("64 hexadecimal digits"))
});

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// A fuzz target: its name, the body, and whether it accepts an input.
    type Target = (&'static str, fn(&[u8]), fn(&[u8]) -> bool);

    const TARGETS: [Target; 8] = [
        ("bundles", crate::bundles::run, crate::bundles::accepts),
        ("checkpoints", crate::checkpoints::run, crate::checkpoints::accepts),
        ("cookies", crate::cookies::run, crate::cookies::accepts),
        ("events", crate::events::run, crate::events::accepts),
        ("forwarded", crate::forwarded::run, crate::forwarded::accepts),
        ("jwt", crate::jwt::run, crate::jwt::accepts),
        ("queries", crate::queries::run, crate::queries::accepts),
        ("typed", crate::typed::run, crate::typed::accepts),
    ];

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let files = std::fs::read_dir(directory).expect("a corpus");
        files.map(|file| std::fs::read(file.expect("a file").path()).expect("its bytes")).collect()
    }

    #[test]
    fn every_corpus_passes_its_target() {
        for (name, run, _) in TARGETS {
            let corpus = corpus(name);
            assert!(corpus.len() > 2, "{name} has {} inputs", corpus.len());
            for input in corpus {
                run(&input);
            }
        }
    }

    #[test]
    fn the_corpora_hold_what_is_accepted() {
        for (name, _, accepts) in TARGETS {
            assert!(corpus(name).iter().any(|input| accepts(input)), "{name}");
        }
    }
}
