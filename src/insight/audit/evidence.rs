//! A story and its events in a file that proves itself: `--bundle`, and `whence audit check`.

use anyhow::Context as _;
use serde_json::Value;
use whence_events::{StreamId, Version};

use crate::engine::Engine;
use crate::engine::proof::Signer;
use crate::engine::proof::checkpointer::Checkpointer;
use crate::insight::bundle;

/// Where an event stands. Not by its position: a log with gaps is read from behind an event only.
pub type Place = (StreamId, Version);

/// The text of a bundle: a story, the events that it is told from, and what shows each of them to be
/// in the log, under a checkpoint that is signed now.
///
/// # Errors
/// One clear sentence; above all when the tables are behind.
pub async fn bundle(
    engine: &Engine,
    checkpointer: &Checkpointer,
    signer: &Signer,
    places: &[Place],
    story: Value,
) -> anyhow::Result<String> {
    let over = checkpointer.checkpoint().await?.checkpoint;
    let mut events = Vec::with_capacity(places.len());
    for (stream, version) in places {
        let event = engine.store.read_stream(stream, *version, 1).await?.pop();
        events.push(event.with_context(|| format!("event {version} of {stream} is gone"))?);
    }
    events.sort_by_key(|event| event.position);
    bundle::write(&events, &engine.read_db, &over, signer, story).await
}
