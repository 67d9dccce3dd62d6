//! Evidence in a file.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use whence::engine::log_config::LogConfig;
use whence::engine::proof::{Checkpoint, Signer, Verifier, directory};
use whence::infra::clock::Clock;
use whence::infra::keys::{Keys, MasterKey};
use whence::insight::bundle;
use whence::insight::bundle::check_bytes;
use whence::store::Location;
use whence_events::Recorded;

use crate::proof::log::{KEY, ORIGIN, checkpoint, fold, keys, signer, sqlite};

/// The text of a bundle with these events of a fresh log.
async fn written(of: impl Fn(&[Recorded]) -> Vec<Recorded>) -> anyhow::Result<(TempDir, String)> {
    let log = sqlite().await;
    let location = Location::Sqlite(log.path().join("data"));
    let store = location.open_to_read(keys().fingerprint(), Clock::system()).await?;
    let reads = location.open_read_db().await?;
    let events = of(&fold(&*store, &reads).await);
    let over = checkpoint(&reads, 300).await;
    let told = json!({ "what": "Ada came by \u{201c}a link\u{201d}", "when": [1.5, 1e21, -0.0] });
    let text = bundle::write(&events, &reads, &over, &signer(), told).await?;
    Ok((log, text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_believed_by_whoever_has_the_key() {
    let some =
        |events: &[Recorded]| vec![events[0].clone(), events[256].clone(), events[299].clone()];
    let (log, text) = written(some).await.unwrap();
    let path = log.path().join("evidence.json");
    std::fs::write(&path, &text).unwrap();
    let key = signer().verifier();
    let report = bundle::check(&path, Some(&key)).unwrap();
    assert_eq!((report.events, report.checkpoint.size, report.key_was_given), (3, 300, true));
    assert_eq!(report.story["what"], "Ada came by \u{201c}a link\u{201d}");
    let alone = bundle::check(&path, None).unwrap();
    assert_eq!((alone.key, alone.key_was_given), (key, false));
    let nowhere = bundle::check(&log.path().join("none"), None).unwrap_err();
    assert!(nowhere.to_string().starts_with("the bundle "), "{nowhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_with_any_byte_altered_fails() {
    let (_log, text) = written(|events| vec![events[41].clone()]).await.unwrap();
    let bytes = text.into_bytes();
    assert!(check_bytes(&bytes, None).is_ok());
    for at in 0..bytes.len() {
        for bit in [1, 2, 4, 8, 16, 32, 64, 128] {
            let mut altered = bytes.clone();
            altered[at] ^= bit;
            assert!(check_bytes(&altered, None).is_err(), "bit {bit} of byte {at}");
        }
        let cut = [&bytes[..at], &bytes[at + 1..]].concat();
        assert!(check_bytes(&cut, None).is_err(), "without byte {at}");
        let longer = [&bytes[..at], b" ", &bytes[at..]].concat();
        assert!(check_bytes(&longer, None).is_err(), "a space before byte {at}");
    }
    assert!(check_bytes(&[&bytes[..], b"\n"].concat(), None).is_err());
    assert!(check_bytes(b"", None).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_somebody_elses_is_not_believed_with_the_key() {
    let (_log, text) = written(|events| vec![events[41].clone()]).await.unwrap();
    let stranger = Keys::derive(&MasterKey::generate());
    let stranger = Signer::new(&stranger, ORIGIN).unwrap();
    let no = check_bytes(text.as_bytes(), Some(&stranger.verifier())).unwrap_err();
    assert!(no.to_string().starts_with("it is of the key log.example.com/whence+"), "{no}");
    let renamed: Verifier = signer().verifier().named("other.example.com").unwrap();
    assert!(check_bytes(text.as_bytes(), Some(&renamed)).is_err());
}

/// What `whence audit --bundle` does.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_a_log_is_by_the_name_of_its_checkpoints_and_follows_from_them() {
    let log = sqlite().await;
    let config = LogConfig {
        store: Location::Sqlite(log.path().join("data")),
        master_key: MasterKey::parse(KEY).unwrap(),
    };
    let (store, reads) =
        (config.open_to_read().await.unwrap(), config.open_read_db().await.unwrap());
    let (reads, events) = (Arc::new(reads), store.read_all(40, 3).await.unwrap());
    let made = async || {
        let now = config.checkpointer(&keys(), reads.clone())?.checkpoint().await?;
        bundle::write(&events, &reads, &now.checkpoint, &config.signer(&keys())?, json!({})).await
    };
    let report = check_bytes(made().await.unwrap().as_bytes(), None).unwrap();
    assert_eq!((&report.key, report.events), (&signer().verifier(), 3));
    let said = report.to_string();
    assert!(
        said.starts_with("unaltered: 3 events, each proved to be in the log of 300, by "),
        "{said}"
    );
    assert!(said.ends_with("hold it against GET /v1/log/key"), "{said}");

    // A log that is shorter than what is signed.
    let path = log.path().join("data/checkpoints");
    let more = Checkpoint { size: 301, ..report.checkpoint };
    directory::store(&path, &more, &more.sign(&signer())).unwrap();
    let no = made().await.unwrap_err().to_string();
    assert_eq!(no, "the tree has 300 leaves, and a checkpoint over 301 is signed");
    let other = Checkpoint { size: 299, ..more };
    directory::store(&path, &other, &other.sign(&signer())).unwrap();
    let no = made().await.unwrap_err().to_string();
    assert!(no.starts_with("the log contradicts its own checkpoint over 299 events"), "{no}");
    std::fs::remove_dir_all(path).unwrap();
    let unnamed = check_bytes(made().await.unwrap().as_bytes(), None).unwrap();
    assert_eq!(unnamed.key.name(), "localhost/whence");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bundle_is_made_of_what_the_tree_does_not_hold() {
    let other = |events: &[Recorded]| vec![Recorded { version: 9, ..events[41].clone() }];
    let no = written(other).await.unwrap_err().to_string();
    assert_eq!(
        no,
        "event 42 is not in the tree of the read models: they are behind, or it was changed"
    );
    let beyond = |events: &[Recorded]| vec![Recorded { position: 301, ..events[299].clone() }];
    assert!(written(beyond).await.is_err());
}
