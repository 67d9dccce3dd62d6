//! Verification: the log, read once more from its first byte, is compared with everything that was
//! ever stated about it.
//!
//! Two witnesses say what the log was: the tree in the read models, which knows every event but is
//! not signed, and signed checkpoints, each of which knows one root. Where a checkpoint signs the
//! tree, the tree says which event was changed. Nothing is written, and a service may run at the
//! same time.

mod diff;
mod findings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use tokio::sync::mpsc;
use whence_events::{Hash, Position};
use whence_projections::ReadDb;
use whence_projections::merkle::leaf_hash;
use whence_projections::tiles::{Edge, Tile};

use crate::engine::log_config::LogConfig;
use crate::engine::pass::{PassStep, Watch};
use crate::engine::proof::{Checkpoint, NoteFile, Signer, Verifier, directory};
use crate::store::{EventStore, Leaves, StoreError};
use diff::{Diff, Difference};
use findings::VerifyFindings;

/// How many events are in one page; another page may wait while one is hashed.
const EVENTS_PER_PAGE: usize = 4096;

/// A checkpoint whose signature is right, and the file it is in.
struct CheckpointFile {
    path: PathBuf,
    checkpoint: Checkpoint,
}

/// The result of one pass over the log.
struct VerifyOutcome {
    tree: Edge,
    /// Root and last position of those prefixes of the log that a checkpoint is about, by their
    /// size.
    roots: BTreeMap<u64, (Hash, Position)>,
    last: Position,
    /// Whether positions have no gaps.
    dense: bool,
    /// The number and the position of the first event where these differ, in a log without gaps.
    gap: Option<(u64, Position)>,
    differences: Vec<Difference>,
    /// How many leaves the tree in the read models has.
    known: u64,
    seconds: f64,
}

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
    let signed = read_checkpoints(config, &mut findings)?;
    let log = config.log.open_to_read().await?;
    let read_db = config.log.open_read_db().await?;
    // Read before the log is: what the tree knows by now is in the log, or was in it.
    let known = read_db.tree_edge().await.context("the tree in the read models")?;
    let head = log.head().await.context("the log cannot be read")?;
    watch(PassStep::Begin { pass: "verifying", head });
    let dense = config.log.store.is_dense();
    let mut show = |position, events| watch(PassStep::At { position, events });
    let outcome = compare(&log, &read_db, known, &signed, dense, &mut show).await?;
    watch(PassStep::End { events: outcome.tree.size() });
    findings.add_all(&log, &read_db, &outcome, &signed).await?;
    Ok(if findings.is_empty() {
        Verdict::Unaltered(findings::summary(&outcome, &signed))
    } else {
        Verdict::Altered(findings.to_string())
    })
}

/// Returns the checkpoints whose signature is right, and adds a finding for each other one.
fn read_checkpoints(
    config: &VerifyConfig,
    findings: &mut VerifyFindings,
) -> anyhow::Result<Vec<CheckpointFile>> {
    let keys = config.log.keys();
    let mut signed = Vec::new();
    for path in &config.checkpoints {
        let files = directory::read(path);
        let files = files.with_context(|| format!("the checkpoint {}", path.display()))?;
        for NoteFile { path, note } in files {
            // The log may have had another name then: the key is the same.
            let verifier = match &config.key {
                Some(key) => Ok(key.clone()),
                None => Signer::new(&keys, Checkpoint::origin_of(&note).unwrap_or_default())
                    .map(|signer| signer.verifier().clone()),
            };
            let opened = verifier.and_then(|key: Verifier| Checkpoint::open(&note, &key));
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

/// Reads the log in one task, and hashes and compares in this one.
async fn compare(
    log: &Arc<dyn EventStore>,
    read_db: &ReadDb,
    known: Edge,
    signed: &[CheckpointFile],
    dense: bool,
    show: &mut (dyn FnMut(Position, u64) + Send),
) -> anyhow::Result<VerifyOutcome> {
    let (pages, mut queue) = mpsc::channel(2);
    let reading = tokio::spawn(read(log.clone(), pages));
    let began = Instant::now();
    let mut comparison = Comparison::new(known.size(), signed, dense);
    while let Some(page) = queue.recv().await {
        let page = page.context("the log cannot be read")?;
        tokio::task::block_in_place(|| comparison.see(&page));
        comparison.hold_against(read_db, false).await?;
        show(comparison.outcome.last, comparison.outcome.tree.size());
    }
    comparison.hold_against(read_db, true).await?;
    reading.await.context("the reader of the log")?;
    let Comparison { diff, mut outcome, .. } = comparison;
    outcome.differences = diff.differences();
    outcome.seconds = began.elapsed().as_secs_f64();
    Ok(outcome)
}

/// Reads the log up to the end that it has when that is reached.
async fn read(log: Arc<dyn EventStore>, pages: mpsc::Sender<Result<Leaves, StoreError>>) {
    let mut after = 0;
    loop {
        let page = log.read_leaves(after, EVENTS_PER_PAGE).await;
        let last = page.as_ref().ok().and_then(Leaves::last);
        let sent = last.is_none() && page.is_ok() || pages.send(page).await.is_err();
        match last {
            Some(last) if !sent => after = last,
            Some(_) | None => return,
        }
    }
}

/// One pass over the log and what it compared.
struct Comparison {
    diff: Diff,
    outcome: VerifyOutcome,
    /// The sizes that a checkpoint is about, the largest first.
    sizes: Vec<u64>,
    next_tile: u64,
    changed: Vec<Tile>,
}

impl Comparison {
    fn new(known: u64, signed: &[CheckpointFile], dense: bool) -> Self {
        let mut sizes: Vec<_> = signed.iter().map(|signed| signed.checkpoint.size).collect();
        sizes.dedup();
        sizes.reverse();
        let outcome = VerifyOutcome {
            tree: Edge::default(),
            roots: BTreeMap::new(),
            last: 0,
            dense,
            gap: None,
            differences: Vec::new(),
            known,
            seconds: 0.0,
        };
        let changed = Vec::new();
        let mut new = Self { diff: Diff::new(), outcome, sizes, next_tile: 0, changed };
        new.note_root(0);
        new
    }

    /// Hashes a page of the log.
    fn see(&mut self, page: &Leaves) {
        for (position, bytes) in page.iter() {
            let hash = leaf_hash(bytes);
            self.outcome.tree.add(hash, position, &mut self.changed);
            self.changed.clear();
            self.diff.see(position, hash);
            let size = self.outcome.tree.size();
            if self.outcome.dense && position != size && self.outcome.gap.is_none() {
                self.outcome.gap = Some((size, position));
            }
            self.outcome.last = position;
            if self.sizes.last() == Some(&size) {
                self.note_root(size);
            }
        }
    }

    fn note_root(&mut self, size: u64) {
        if self.sizes.last() == Some(&size) {
            self.sizes.pop();
            self.outcome.roots.insert(size, (self.outcome.tree.root(), self.outcome.last));
        }
    }

    /// Compares with the tree in the read models, up to the size that it had at the start.
    async fn hold_against(&mut self, read_db: &ReadDb, log_ends: bool) -> anyhow::Result<()> {
        loop {
            let tiles = self.outcome.known.div_ceil(256);
            while self.next_tile < tiles && self.diff.wants_more_of_the_tree(log_ends) {
                let tile =
                    read_db.tile(0, self.next_tile).await.context("the tree in the read models")?;
                let begin = self.next_tile * 256;
                let count = (self.outcome.known - begin).min(256);
                let hashes = tile.map(|tile| tile.to_hashes()).unwrap_or_default();
                // A tile that is gone or short was changed: no event has these hashes.
                let missing = std::iter::repeat(Hash([0; 32]));
                let count = usize::try_from(count)?;
                self.diff.expect(hashes.into_iter().chain(missing).take(count));
                self.next_tile += 1;
            }
            let tree_ends = self.next_tile >= tiles;
            self.diff.go_on(tree_ends, log_ends);
            if tree_ends || !self.diff.wants_more_of_the_tree(log_ends) {
                return Ok(());
            }
        }
    }
}
