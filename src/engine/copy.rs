//! Copies a log and its vault into another store without changing a byte.
//!
//! It is the same for every pair of stores: both logs are compared page by page, and what the
//! target lacks at its end is imported. So a copy that was killed is simply run again, and a target
//! that holds anything else is refused before anything is written into it. Afterwards both sides
//! are read once more, from the first byte to the last.

mod keys;
mod summary;

use anyhow::{Context as _, bail, ensure};
use whence_events::{Position, Recorded};

use crate::engine::log_pages::{LogPages, PAGE};
use crate::engine::pass::{PassStep, Watch};
use crate::store::{StoreError, Transfer};
pub use summary::{LogSummary, VaultSummary};

/// What a run of a copy did, and what both sides hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The summary of the log, the same on both sides.
    pub log: LogSummary,
    /// The summary of the vault, the same on both sides.
    pub vault: VaultSummary,
    /// The number of events that this run copied.
    pub events: u64,
    /// The number of events that the source got meanwhile, which another run copies.
    pub left: u64,
}

/// Copies a log and its vault, and verifies the copy from the first byte to the last.
pub async fn copy(
    source: &dyn Transfer,
    target: &dyn Transfer,
    watch: Watch<'_>,
) -> anyhow::Result<Copied> {
    // Later events are left for another run.
    let head = source.log().head().await.context("the source cannot be read")?;
    keys::compare(source, target).await?;
    let common = compare_events(source, target, head, watch).await?;
    // Nothing was written so far, and the target holds nothing but a beginning of the source. Keys
    // are written before the events that need them: a key without events does no harm, events without
    // their key are lost. A key is in its vault no later than its events are in their log, so all that
    // are needed up to `head` are there by now.
    keys::copy_service_keys(source, target).await?;
    keys::copy(source, target).await?;
    let events = import_events(source, target, head, common, watch).await?;
    // Once more, for the keys that were destroyed in the meantime.
    keys::copy(source, target).await?;
    let (log, vault) = verify(source, target, head, watch).await?;
    let left = count_after(source, head).await?;
    Ok(Copied { log, vault, events, left })
}

/// The beginning that source and target have in common.
struct Common {
    /// The position of its last event in the source.
    read: Position,
    /// The position of the same event in the target, whose last event it is.
    written: Position,
    /// The number of its events.
    events: u64,
}

/// Compares event by event until the target ends, and returns what both sides have in common.
async fn compare_events(
    source: &dyn Transfer,
    target: &dyn Transfer,
    head: Position,
    watch: Watch<'_>,
) -> anyhow::Result<Common> {
    watch(PassStep::Begin { pass: "comparing", head });
    let mut common = Common { read: 0, written: 0, events: 0 };
    let mut pages = LogPages::new(source.log(), 0, PAGE).up_to(head);
    loop {
        let page = pages.next().await.context(SOURCE)?.unwrap_or_default();
        let there = target.log().read_all(common.written, page.len().max(1)).await;
        let there = there.context(TARGET)?;
        for (number, (theirs, ours)) in (common.events + 1..).zip(there.iter().zip(&page)) {
            ensure_same(number, theirs, ours)?;
            common = Common { read: ours.position, written: theirs.position, events: number };
        }
        if let Some(more) = there.get(page.len()) {
            let number = common.events + 1;
            bail!("{ELSE}: event {number} is {}, and the source ends before it", named(more));
        }
        if page.is_empty() || there.len() < page.len() {
            break;
        }
        watch(PassStep::At { position: common.read, events: common.events });
    }
    if common.events > 0 {
        watch(PassStep::End { events: common.events });
    }
    Ok(common)
}

/// Imports the events after the common ones and returns how many there were.
async fn import_events(
    source: &dyn Transfer,
    target: &dyn Transfer,
    head: Position,
    common: Common,
    watch: Watch<'_>,
) -> anyhow::Result<u64> {
    watch(PassStep::Begin { pass: "copying", head });
    let Common { read, mut written, events } = common;
    let mut copied = 0;
    let mut pages = LogPages::new(source.log(), read, PAGE).up_to(head);
    while let Some(page) = pages.next().await.context(SOURCE)? {
        let imported = target.import(written, &page).await;
        written = imported.map_err(|error| refused(error, events + copied + 1))?;
        copied += page.len() as u64;
        watch(PassStep::At { position: pages.after(), events: copied });
    }
    watch(PassStep::End { events: copied });
    Ok(copied)
}

const SOURCE: &str = "the source cannot be read";
const TARGET: &str = "the target cannot be read";
const ELSE: &str = "the target holds something else";

/// Requires an event of the target to be that of the source, byte for byte.
fn ensure_same(number: u64, theirs: &Recorded, ours: &Recorded) -> anyhow::Result<()> {
    let place = (&theirs.stream, theirs.version, theirs.event_id, theirs.event.event_type());
    if place != (&ours.stream, ours.version, ours.event_id, ours.event.event_type()) {
        bail!("{ELSE}: event {number} is {}, and {} in the source", named(theirs), named(ours));
    }
    let same = theirs.data == ours.data
        && theirs.metadata == ours.metadata
        && theirs.recorded_at == ours.recorded_at;
    ensure!(same, "{ELSE}: event {number}, {}, has other bytes than in the source", named(ours));
    Ok(())
}

fn named(event: &Recorded) -> String {
    let Recorded { event: of, stream, version, .. } = event;
    format!("{} at place {version} of {stream}", of.event_type())
}

fn refused(error: StoreError, number: u64) -> anyhow::Error {
    match error {
        StoreError::Conflict { .. } => anyhow::anyhow!(
            "somebody else writes to the target: event {number} cannot be put where it belongs"
        ),
        StoreError::Foreign(_) | StoreError::TooLarge { .. } | StoreError::ClockAhead(_) => {
            anyhow::Error::new(error)
                .context(format!("event {number} cannot be written into the target"))
        }
        StoreError::Unavailable(_) => anyhow::Error::new(error).context(format!(
            "event {number} and those behind it could not be written; run it again to go on there"
        )),
    }
}

/// Reads both sides once more from the beginning, and requires them to be equal.
async fn verify(
    source: &dyn Transfer,
    target: &dyn Transfer,
    head: Position,
    watch: Watch<'_>,
) -> anyhow::Result<(LogSummary, VaultSummary)> {
    let ours = summary::log(source, head, watch).await.context(SOURCE)?;
    let end = target.log().head().await.context(TARGET)?;
    let theirs = summary::log(target, end, watch).await.context(TARGET)?;
    ensure!(
        ours == theirs,
        "the copy is not equal: {} events of {} streams with digest {} in the source, {} of {} with \
         {} in the target",
        ours.events,
        ours.streams,
        ours.digest,
        theirs.events,
        theirs.streams,
        theirs.digest
    );
    let quiet = source.log().head().await.context(SOURCE)? == head;
    let vault = keys::verify(source, target, quiet).await?;
    Ok((ours, vault))
}

/// Returns how many events there are after a position.
async fn count_after(source: &dyn Transfer, position: Position) -> anyhow::Result<u64> {
    let mut pages = LogPages::new(source.log(), position, PAGE);
    let mut count = 0;
    while let Some(page) = pages.next().await.context(SOURCE)? {
        count += page.len() as u64;
    }
    Ok(count)
}
