//! One pass over the log: its tree is computed again, and compared with the one in the read models.

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

use super::diff::{Diff, Difference};
use crate::engine::proof::Checkpoint;
use crate::store::{EventStore, Leaves, StoreError};

/// How many events are in one page; a few pages are in memory at a time.
const EVENTS_PER_PAGE: usize = 4096;

/// A checkpoint whose signature is right, and the file it is in.
pub(super) struct CheckpointFile {
    pub(super) path: PathBuf,
    pub(super) checkpoint: Checkpoint,
}

/// The result of one pass over the log.
pub(super) struct VerifyOutcome {
    pub(super) tree: Edge,
    /// Root and last position of those prefixes of the log that a checkpoint is about, by their
    /// size.
    pub(super) roots: BTreeMap<u64, (Hash, Position)>,
    pub(super) last: Position,
    /// Whether positions have no gaps.
    pub(super) dense: bool,
    /// The number and the position of the first event where these differ, in a log without gaps.
    pub(super) gap: Option<(u64, Position)>,
    pub(super) differences: Vec<Difference>,
    /// How many leaves the tree in the read models has.
    pub(super) known: u64,
    pub(super) seconds: f64,
}

/// Reads the log in one task, and hashes and compares in this one.
pub(super) async fn compare(
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
