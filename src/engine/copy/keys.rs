//! Compares, copies and verifies the keys of a vault.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};

use super::summary::{Bytes, VaultSummary};
use super::{ELSE, SOURCE, TARGET};
use crate::store::{KeyPlace, StoredKey, Transfer, VaultChange};

/// The keys of each side that are in memory at a time.
const PAGE: usize = 1000;

/// The keys of both sides between two places, those of the target by their place.
struct KeyPage {
    source: Vec<StoredKey>,
    target: BTreeMap<KeyPlace, StoredKey>,
    /// The place that the next page begins after; `None` on the last one.
    end: Option<KeyPlace>,
}

/// Reads the keys of both sides after a place.
async fn page(
    source: &dyn Transfer,
    target: &dyn Transfer,
    after: Option<&KeyPlace>,
) -> anyhow::Result<KeyPage> {
    let source = source.keys(after, PAGE).await.context(SOURCE)?;
    let end = source.last().map(StoredKey::place);
    // One more: a target that holds more keys here than the source holds a foreign one.
    let there = target.keys(after, source.len() + 1).await.context(TARGET)?;
    let there = there.into_iter().map(|key| (key.place(), key));
    let target = there.filter(|(place, _)| end.as_ref().is_none_or(|end| place <= end)).collect();
    Ok(KeyPage { source, target, end })
}

/// Requires the vault of the target to hold nothing but keys of the source.
pub(super) async fn compare(source: &dyn Transfer, target: &dyn Transfer) -> anyhow::Result<()> {
    step_through(source, target, false).await
}

/// Brings the vault of the target up to date. Keys that were destroyed in the source are destroyed
/// there, too.
pub(super) async fn copy(source: &dyn Transfer, target: &dyn Transfer) -> anyhow::Result<()> {
    step_through(source, target, true).await
}

/// Brings the service keys of the target up to date. Both vaults have to be under one master key.
pub(super) async fn copy_service_keys(
    source: &dyn Transfer,
    target: &dyn Transfer,
) -> anyhow::Result<()> {
    let ours = source.log().vault_state().await.context(SOURCE)?;
    let theirs = target.log().vault_state().await.context(TARGET)?;
    ensure!(
        ours.next.is_none() && theirs.next.is_none(),
        "a master key is being rotated: run whence keys rotate master to its end, then copy"
    );
    ensure!(
        ours.master == theirs.master,
        "the source and the target are under different master keys: give the one of the source alone"
    );
    if let Some(other) = theirs.keys.iter().find(|key| !ours.keys.contains(key)) {
        bail!("{ELSE}: {other:?}, which is not in the source");
    }
    let change = VaultChange::AddServiceKeys(ours.keys);
    target.log().change_vault(change).await.context("the service keys could not be written")
}

/// Compares both vaults page by page and, when `write` is set, imports what the target lacks.
async fn step_through(
    source: &dyn Transfer,
    target: &dyn Transfer,
    write: bool,
) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let KeyPage { source, target: mut there, end } =
            page(source, target, after.as_ref()).await?;
        let mut missing = Vec::new();
        for key in source {
            let theirs = there.remove(&key.place());
            if is_to_be_copied(&key, theirs.as_ref())? {
                missing.push(key);
            }
        }
        if let Some(place) = there.keys().next() {
            bail!("{ELSE}: {place}, which is not in the source");
        }
        if write && !missing.is_empty() {
            target.import_keys(&missing).await.context("the keys could not be written")?;
        }
        if end.is_none() {
            return Ok(());
        }
        after = end;
    }
}

/// Returns whether the target lacks a key, or has one that is destroyed in the source.
fn is_to_be_copied(ours: &StoredKey, theirs: Option<&StoredKey>) -> anyhow::Result<bool> {
    let Some(theirs) = theirs else { return Ok(true) };
    if ours == theirs {
        return Ok(false);
    }
    let place = ours.place();
    ensure!(ours.created_at == theirs.created_at, "{ELSE}: another {place}");
    match (&ours.wrapped, &theirs.wrapped) {
        (None, Some(_)) => Ok(true),
        (Some(_), None) => bail!("{ELSE}: {place} is destroyed in it, and not in the source"),
        (None, None) | (Some(_), Some(_)) => bail!("{ELSE}: another {place}"),
    }
}

/// Requires the vaults to be equal and returns their summary. Only when the source was written to
/// meanwhile, so that it is not `quiet`, may it hold more keys.
pub(super) async fn verify(
    source: &dyn Transfer,
    target: &dyn Transfer,
    quiet: bool,
) -> anyhow::Result<VaultSummary> {
    let mut bytes = [Bytes::new(), Bytes::new()];
    let (mut keys, mut destroyed, mut after) = (0, 0, None);
    loop {
        let KeyPage { source, target: mut there, end } =
            page(source, target, after.as_ref()).await?;
        for key in source {
            let place = key.place();
            let Some(theirs) = there.remove(&place) else {
                ensure!(!quiet, "the copy is not equal: {place} is not in the target");
                continue;
            };
            keys += 1;
            destroyed += u64::from(key.wrapped.is_none());
            bytes[0].key(&key);
            bytes[1].key(&theirs);
        }
        if let Some(place) = there.keys().next() {
            bail!("the copy is not equal: {place} is not in the source");
        }
        if end.is_none() {
            break;
        }
        after = end;
    }
    let [ours, theirs] = bytes.map(Bytes::digest);
    ensure!(ours == theirs, "the copy is not equal: other keys in the target");
    Ok(VaultSummary { keys, destroyed, digest: ours })
}
