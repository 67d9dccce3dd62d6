//! Bundles of stories: a story and its events in a file that proves itself, for `--bundle` and
//! `whence audit check`.

use anyhow::Context as _;
use serde_json::Value;
use whence_events::{StreamId, Version};

use crate::engine::Engine;
use crate::engine::proof::Signer;
use crate::engine::proof::checkpointer::Checkpointer;
use crate::insight::bundle;

/// The stream of an event, and its version there. A position would not do: a log with gaps can be
/// read from after an event only.
pub type EventPlace = (StreamId, Version);

/// Returns the text of a bundle: a story, the events that it is told from, and what shows each of
/// them to be in the log, under a checkpoint that is signed now. It is an error when the read
/// models are behind.
pub async fn bundle(
    engine: &Engine,
    checkpointer: &Checkpointer,
    signer: &Signer,
    places: &[EventPlace],
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
