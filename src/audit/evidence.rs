//! A story and its events in a file that proves itself: `--bundle`, and `whence audit check`.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use whence_events::{StreamId, Version};

use super::{CodeStory, UserStory};
use crate::bundle::{self, Report};
use crate::proof::Signer;
use crate::proof::keeper::Keeper;
use crate::records::Records;
use crate::say::say;

/// Where an event stands. Not by its position: a log with gaps is read from behind an event only.
pub type Place = (StreamId, Version);

/// The text of a bundle: a story, the events that it is told from, and what shows each of them to be
/// in the log, under a checkpoint that is signed now.
///
/// # Errors
/// One clear sentence; above all when the tables are behind.
pub async fn bundle(
    records: Records<'_>,
    keeper: &Keeper,
    signer: &Signer,
    places: &[Place],
    story: Value,
) -> anyhow::Result<String> {
    let over = keeper.checkpoint().await?.checkpoint;
    let mut events = Vec::with_capacity(places.len());
    for (stream, version) in places {
        let event = records.store.read_stream(stream, *version, 1).await?.pop();
        events.push(event.with_context(|| format!("event {version} of {stream} is gone"))?);
    }
    events.sort_by_key(|event| event.position);
    bundle::write(&events, records.reads, &over, signer, story).await
}

/// Writes a bundle to a file that is not there yet: evidence replaces no evidence.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::File::create_new(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.with_context(|| format!("--bundle {}", path.display()))?;
    say(&format!("{} holds the story and the evidence\n", path.display()))
}

/// Says what is in a bundle, once all of it has been checked.
pub(super) fn check(path: &Path, key: Option<&str>) -> anyhow::Result<()> {
    let key = key.map(str::parse).transpose().context("--key")?;
    let report = bundle::check(path, key.as_ref())?;
    ensure!(report.events > 0, "the bundle {} holds no event", path.display());
    say(&words(path, &report))
}

fn words(path: &Path, report: &Report) -> String {
    let (events, over) = (report.events, report.checkpoint.size);
    let whose = if report.key_was_given { "the key that was given" } else { "the key in the file" };
    let mut text = format!(
        "{} is as it was written: {events} events, each shown to be in the log {} of {over} events,\n\
         signed by {whose}, {}\n",
        path.display(),
        report.checkpoint.origin,
        report.key
    );
    if !report.key_was_given {
        text += "Nobody says whose key that is: get it from the service and give it with --key.\n";
    }
    let story = &report.story;
    let user = serde_json::from_value::<UserStory>(story.clone()).map(|story| story.to_string());
    let code = || serde_json::from_value::<CodeStory>(story.clone()).map(|story| story.to_string());
    let story = user.or_else(|_| code()).unwrap_or_else(|_| format!("{story:#}"));
    format!("{text}\n{story}")
}
