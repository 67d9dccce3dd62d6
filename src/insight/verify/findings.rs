//! The findings of a verification, in plain words.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use whence_events::{Leaf, Position};
use whence_projections::ReadDb;

use super::comparison::{CheckpointFile, VerifyOutcome};
use super::diff::Difference as D;
use crate::store::EventStore;

/// The findings, one sentence each.
#[derive(Default)]
pub(super) struct VerifyFindings(Vec<String>);

impl VerifyFindings {
    pub(super) fn add(&mut self, finding: String) {
        self.0.push(finding);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds everything that the outcome shows.
    pub(super) async fn add_all(
        &mut self,
        log: &Arc<dyn EventStore>,
        read_db: &ReadDb,
        outcome: &VerifyOutcome,
        signed: &[CheckpointFile],
    ) -> anyhow::Result<()> {
        let before = self.0.len();
        // Up to here the log is as it was signed, whatever the tree says.
        let good = signed.iter().filter(|signed| agrees(outcome, signed));
        let good = good.map(|signed| signed.checkpoint.size).max().unwrap_or(0);
        for difference in &outcome.differences {
            if difference.number() <= good {
                self.add(format!(
                    "tree: the read models say something else of event {}, but the log is as a \
                     checkpoint over {good} events signed it: the tree was changed, not the log",
                    difference.number()
                ));
            } else {
                self.add(describe_difference(log, outcome, *difference).await?);
            }
        }
        if let Some((number, position)) = outcome.gap {
            self.add_gap(number, position);
        }
        for foreign in log.foreign_events() {
            self.add(format!("not of whence: {foreign}"));
        }
        self.add_checkpoints(outcome, signed, good);
        if self.0.len() > before {
            self.add_witness(read_db, outcome, signed).await?;
        }
        Ok(())
    }

    fn add_gap(&mut self, number: u64, position: Position) {
        let gone = match position.checked_sub(1) {
            Some(last) if last > number => format!("positions {number} to {last}"),
            Some(_) | None => format!("position {number}"),
        };
        self.add(format!("missing: nothing stands at {gone} of the log"));
    }

    /// Adds the checkpoints that the log does not agree with.
    fn add_checkpoints(&mut self, outcome: &VerifyOutcome, signed: &[CheckpointFile], good: u64) {
        for CheckpointFile { path, checkpoint } in
            signed.iter().filter(|signed| !agrees(outcome, signed))
        {
            let (size, path) = (checkpoint.size, path.display());
            let Some((_, last)) = outcome.roots.get(&size) else {
                self.add(format!(
                    "truncated: the log ends with event {} at position {}, and {path} signs {size}",
                    outcome.tree.size(),
                    outcome.last
                ));
                continue;
            };
            let from = outcome.roots.get(&good).map_or(0, |(_, position)| *position);
            self.add(format!(
                "signed otherwise: the first {size} events are not those that {path} signs; what was \
                 changed is among events {} to {size}, behind position {from} and up to {last}",
                good + 1
            ));
        }
    }

    /// Adds whether the tree is to be believed.
    async fn add_witness(
        &mut self,
        read_db: &ReadDb,
        outcome: &VerifyOutcome,
        signed: &[CheckpointFile],
    ) -> anyhow::Result<()> {
        let mut believed = None;
        for CheckpointFile { checkpoint, .. } in
            signed.iter().filter(|s| s.checkpoint.size <= outcome.known)
        {
            let root = read_db.tree_root(checkpoint.size).await.context("the tree")?;
            believed = if root == Some(checkpoint.root) { Some(checkpoint.size) } else { believed };
        }
        self.add(match believed {
            Some(size) => format!(
                "witness: the tree in the read models, as a checkpoint over {size} events signed it"
            ),
            None => {
                "witness: no checkpoint signs the tree in the read models as it is now".to_owned()
            }
        });
        Ok(())
    }
}

impl fmt::Display for VerifyFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

/// Returns what is said of a log in which nothing was found.
pub(super) fn summary(outcome: &VerifyOutcome, signed: &[CheckpointFile]) -> String {
    let events = outcome.tree.size();
    let root = STANDARD.encode(outcome.tree.root().0);
    let known = outcome.known;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = (events as f64 / outcome.seconds.max(1e-6)).round();
    let checkpoints = match signed.last() {
        Some(last) => {
            format!("{} checkpoints, the last over {} events", signed.len(), last.checkpoint.size)
        }
        None => "no checkpoint, so nothing that is signed".to_owned(),
    };
    format!(
        "unaltered: {events} events, root {root}, a tree of {known} leaves, {checkpoints}; \
         {rate} events/s\n"
    )
}

fn agrees(outcome: &VerifyOutcome, signed: &CheckpointFile) -> bool {
    let root = outcome.roots.get(&signed.checkpoint.size);
    root.is_some_and(|(root, _)| *root == signed.checkpoint.root)
}

async fn describe_difference(
    log: &Arc<dyn EventStore>,
    outcome: &VerifyOutcome,
    difference: D,
) -> anyhow::Result<String> {
    Ok(match difference {
        D::Altered { number, position } => {
            let is = describe_event(log, position, outcome.dense).await?;
            format!("altered: event {number}, at position {position}, is not as it was: {is}")
        }
        D::Missing { number, after } => {
            format!("missing: event {number}, which stood behind position {after}, is gone")
        }
        D::Inserted { position, .. } => {
            let is = describe_event(log, position, outcome.dense).await?;
            format!("inserted: the event at position {position} was not in the log: {is}")
        }
        D::Moved { number, position } => {
            let is = describe_event(log, position, outcome.dense).await?;
            format!("reordered: what was event {number} stands at position {position}: {is}")
        }
        D::Cut { number, after } => {
            let end = outcome.known;
            format!(
                "truncated: the log ends at position {after}; events {number} to {end} are gone"
            )
        }
        D::Lost { number, position } => format!(
            "altered: from event {number} on, at position {position}, nothing is found again"
        ),
    })
}

/// Returns what is at a position now.
async fn describe_event(
    log: &Arc<dyn EventStore>,
    at: Position,
    dense: bool,
) -> anyhow::Result<String> {
    if !dense {
        // Such a log can be read from after an event only, and it is not known which one that is.
        let id = log.event_at(at).await.context("the log cannot be read")?;
        return Ok(id.map_or_else(|| "it is gone again".to_owned(), |id| format!("its id is {id}")));
    }
    let page = log.read_leaves(at.saturating_sub(1), 1).await;
    let page = page.context("the log cannot be read")?;
    let leaf = page.iter().find(|(there, _)| *there == at);
    Ok(match leaf.and_then(|(_, bytes)| Leaf::parse(bytes)) {
        Some(leaf) => format!("{} at place {} of {}", leaf.event_type, leaf.version, leaf.stream),
        None => "it cannot be read".to_owned(),
    })
}
