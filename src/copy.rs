//! `whence copy`: a log and its vault, moved into another store without a byte being changed.
//!
//! The same for every pair of stores: page through both logs side by side and compare, and where the
//! target ends go on by importing. So a copy that was killed is simply run again, and a target that
//! holds anything else is refused before anything is written into it. Afterwards both sides are read
//! once more, from the first byte to the last.

mod keys;
mod progress;
mod summary;

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use whence_events::{Position, Recorded};

use crate::clock::Clock;
use crate::config::CopyConfig;
use crate::secrets::Keys;
use crate::store::{Side, StoreError, Transfer};
pub(crate) use progress::Progress;
use summary::{LogSummary, VaultSummary};

/// Events, or keys, in memory at a time, of each side.
const PAGE: usize = 1000;

/// Copies, verifies, and says on stdout what was verified.
///
/// # Errors
/// One sentence: what cannot be opened, what the target holds, what differs.
pub async fn run(config: CopyConfig) -> anyhow::Result<()> {
    let (source, target) = open(&config).await?;
    let (source, target) = (&*source, &*target);
    // What comes later is left for another run.
    let head = source.log().head().await.context("the source cannot be read")?;
    keys::compare(source, target).await?;
    let common = compare_events(source, target, head).await?;
    // Nothing was written so far, and the target holds nothing but a beginning of the source. Keys
    // come before the events that need them: a key without events harms nobody, events without their
    // key are lost. A key is in its vault no later than its events are in their log, so all that are
    // needed up to `head` are there by now.
    keys::copy(source, target).await?;
    let copied = import_events(source, target, head, common).await?;
    // Those that were destroyed in the meantime.
    keys::copy(source, target).await?;
    let (log, vault) = verify(source, target, head).await?;
    println!(
        "log    {} events of {} streams, {copied} of them copied now",
        log.events, log.streams
    );
    println!("       sha256 {}", log.digest);
    println!("vault  {} keys, {} of them destroyed", vault.keys, vault.destroyed);
    println!("       sha256 {}", vault.digest);
    println!("{} holds all of this, byte for byte as {} does", config.to, config.from);
    let left = behind(source, head).await?;
    if left > 0 {
        println!("{left} events came meanwhile: run it again");
    }
    Ok(())
}

async fn open(config: &CopyConfig) -> anyhow::Result<(Arc<dyn Transfer>, Arc<dyn Transfer>)> {
    let fingerprint = Keys::derive(&config.master_key).fingerprint();
    let open = async |location: &crate::store::Location, side| {
        // A clock of its own: what the source says of the time is nothing to the target.
        location.open_for_copy(side, fingerprint, Clock::system()).await
    };
    let source = open(&config.from, Side::Source).await?;
    config.make_target()?;
    let target = open(&config.to, Side::Target).await?;
    config.keep_key()?;
    Ok((source, target))
}

/// How far source and target are the same.
struct Common {
    /// The last such event in the source.
    read: Position,
    /// The same event in the target, which is its last.
    written: Position,
    /// How many there are.
    events: u64,
}

/// Compares event by event, until the target ends.
async fn compare_events(
    source: &dyn Transfer,
    target: &dyn Transfer,
    head: Position,
) -> anyhow::Result<Common> {
    let mut progress = Progress::new("comparing", head);
    let mut common = Common { read: 0, written: 0, events: 0 };
    loop {
        let mut page = source.log().read_all(common.read, PAGE).await.context(SOURCE)?;
        page.retain(|event| event.position <= head);
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
        progress.at(common.read, common.events);
    }
    if common.events > 0 {
        progress.end(common.events);
    }
    Ok(common)
}

/// Imports what lies behind. How many events that were.
async fn import_events(
    source: &dyn Transfer,
    target: &dyn Transfer,
    head: Position,
    common: Common,
) -> anyhow::Result<u64> {
    let mut progress = Progress::new("copying", head);
    let Common { mut read, mut written, events } = common;
    let mut copied = 0;
    loop {
        let mut page = source.log().read_all(read, PAGE).await.context(SOURCE)?;
        page.retain(|event| event.position <= head);
        let Some(last) = page.last() else { break };
        let imported = target.import(written, &page).await;
        written = imported.map_err(|error| refused(error, events + copied + 1))?;
        read = last.position;
        copied += page.len() as u64;
        progress.at(read, copied);
    }
    progress.end(copied);
    Ok(copied)
}

const SOURCE: &str = "the source cannot be read";
const TARGET: &str = "the target cannot be read";
const ELSE: &str = "the target holds something else";

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
        StoreError::Unavailable(_) => anyhow::Error::new(error).context(format!(
            "event {number} and those behind it could not be written; run it again to go on there"
        )),
    }
}

/// Reads both sides once more, from the beginning.
async fn verify(
    source: &dyn Transfer,
    target: &dyn Transfer,
    head: Position,
) -> anyhow::Result<(LogSummary, VaultSummary)> {
    let mut progress = Progress::new("verifying", head);
    let ours = summary::log(source, head, &mut progress).await.context(SOURCE)?;
    progress.end(ours.events);
    let end = target.log().head().await.context(TARGET)?;
    let mut progress = Progress::new("verifying", end);
    let theirs = summary::log(target, end, &mut progress).await.context(TARGET)?;
    progress.end(theirs.events);
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

/// How many events there are behind a position.
async fn behind(source: &dyn Transfer, head: Position) -> anyhow::Result<u64> {
    let (mut after, mut count) = (head, 0);
    loop {
        let page = source.log().read_all(after, PAGE).await.context(SOURCE)?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.position;
        count += page.len() as u64;
    }
}
