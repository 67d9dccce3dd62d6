//! Verification: the log, read once more from its first byte, is compared with everything that was
//! ever stated about it.
//!
//! Two witnesses say what the log was: the tree in the read models, which knows every event but is
//! not signed, and signed checkpoints, each of which knows one root. Where a checkpoint signs the
//! tree, the tree says which event was changed. Nothing is written, and a service may run at the
//! same time.

mod comparison;
mod diff;
mod findings;
mod vault;

use std::path::PathBuf;

use anyhow::Context as _;

use self::comparison::{CheckpointFile, compare};
use self::findings::VerifyFindings;
use crate::engine::log_config::LogConfig;
use crate::engine::pass::{PassStep, Watch};
use crate::engine::proof::checkpointer::open_with_any;
use crate::engine::proof::{Checkpoint, NoteFile, Signer, Verifier, directory};
use crate::infra::clock::Clock;
use crate::infra::keys::Keys;

/// The log to verify, and the witnesses.
#[derive(Clone, Debug)]
pub struct VerifyConfig {
    /// The log to verify.
    pub log: LogConfig,
    /// Files with checkpoints, or directories of them.
    pub checkpoints: Vec<PathBuf>,
    /// The key that the checkpoints have to be signed by; `None`: the one of the master key.
    pub key: Option<Verifier>,
}

/// The result of a verification, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The log is what it was, with a summary.
    Unaltered(String),
    /// The log is not what it was, with one line for each finding.
    Altered(String),
}

/// Reads the log once more and compares it with the tree and the checkpoints.
pub async fn verify(config: &VerifyConfig, watch: Watch<'_>) -> anyhow::Result<Verdict> {
    let mut findings = VerifyFindings::default();
    let log = config.log.open_to_read().await?;
    let keys = config.log.load_keys(&*log, Clock::system().now()).await?;
    let signed = read_checkpoints(config, &keys, &mut findings)?;
    let read_db = config.log.open_read_db_to_read().await?;
    // Read before the log is: what the tree knows by now is in the log, or was in it.
    let known = read_db.tree_edge().await.context("the tree in the read models")?;
    let head = log.head().await.context("the log cannot be read")?;
    watch(PassStep::Begin { pass: "verifying", head });
    let dense = config.log.store.is_dense();
    let mut show = |position, events| watch(PassStep::At { position, events });
    let outcome = compare(&log, &read_db, known, &signed, dense, &mut show).await?;
    watch(PassStep::End { events: outcome.tree.size() });
    findings.add_all(&log, &read_db, &outcome, &signed).await?;
    // A log that was altered may not be readable event by event, and that was said by now.
    if findings.is_empty() {
        vault::compare(&*log, &mut findings).await?;
    }
    Ok(if findings.is_empty() {
        Verdict::Unaltered(findings::summary(&outcome, &signed))
    } else {
        Verdict::Altered(findings.to_string())
    })
}

/// Returns a key and those that took its place, as the directories of the checkpoints show it.
fn successors(config: &VerifyConfig, key: &Verifier) -> anyhow::Result<Vec<Verifier>> {
    let mut notes = Vec::new();
    for path in &config.checkpoints {
        let found = directory::successions(path);
        notes.extend(found.with_context(|| format!("the keys in {}", path.display()))?);
    }
    Ok(key.with_successors(&notes))
}

/// Returns the checkpoints whose signature is right, and adds a finding for each other one.
fn read_checkpoints(
    config: &VerifyConfig,
    keys: &Keys,
    findings: &mut VerifyFindings,
) -> anyhow::Result<Vec<CheckpointFile>> {
    let given = config.key.as_ref().map(|key| successors(config, key)).transpose()?;
    let mut signed = Vec::new();
    for path in &config.checkpoints {
        let files = directory::read(path);
        let files = files.with_context(|| format!("the checkpoint {}", path.display()))?;
        for NoteFile { path, note } in files {
            // The log may have had another name then: the key is the same.
            let verifiers = match &given {
                Some(keys) => Ok(keys.clone()),
                None => Signer::new(keys, Checkpoint::origin_of(&note).unwrap_or_default())
                    .map(|signer| signer.verifiers()),
            };
            // The newest first, which signed the newest ones.
            let opened =
                verifiers.and_then(|keys| open_with_any(&note, keys.into_iter().rev().map(Ok)));
            match opened {
                Ok(checkpoint) => signed.push(CheckpointFile { path, checkpoint }),
                Err(error) => findings.add(format!("checkpoint {}: {error}", path.display())),
            }
        }
    }
    // The newest checkpoint is in two files.
    signed.sort_by_key(|signed| signed.checkpoint.size);
    signed.dedup_by(|one, other| one.checkpoint == other.checkpoint);
    Ok(signed)
}
