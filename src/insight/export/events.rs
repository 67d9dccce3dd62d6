//! Events on their way out: one side reads ahead, the other encodes.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Map, Value as Json};
use tokio::sync::{mpsc, oneshot};
use whence_events::{Position, Recorded};

use super::encoder::{Encoder, Format};
use super::event_row::{COLUMNS, EVENT_FIELDS, Row};
use super::sink::Rows;
use crate::engine::vault::Vault;
use crate::store::EventStore;

/// Events in a page: a few megabytes at most.
const PAGE: usize = 4096;

/// Pages that were read ahead of the one that is encoded.
const AHEAD: usize = 2;

/// Which events: those from one position up to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first position.
    pub from: Position,
    /// The last one.
    pub to: Position,
}

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How many events.
    pub events: u64,
    /// Position of the last one.
    pub last: Option<Position>,
}

/// Writes the events of a range to `out`. With a vault, personal fields are opened.
///
/// Reading and encoding run beside each other, some pages apart: the memory this takes does not
/// depend on how many events there are.
///
/// # Errors
/// When the log cannot be read, or `out` not be written: the cause is then an [`std::io::Error`].
pub async fn export_events(
    store: Arc<dyn EventStore>,
    vault: Option<Vault>,
    range: Range,
    format: Format,
    out: Box<dyn Write + Send>,
) -> anyhow::Result<Exported> {
    let (pages, incoming) = mpsc::channel(AHEAD);
    let (done, encoded) = oneshot::channel();
    // A thread of its own, which nobody waits for when the export is stopped: it may be stuck in a
    // pipe that nobody reads.
    std::thread::spawn(move || done.send(encode(incoming, format, out)));
    let read = read(&*store, vault.as_ref(), range, pages).await;
    let encoded = encoded.await.context("the export broke off")?;
    let exported = read?;
    encoded.map(|()| exported)
}

/// What the reading side hands over.
enum Page {
    Rows(Vec<Row>),
    /// All were handed over: without it, nothing is rounded off.
    End,
}

/// Reads the pages, until nobody wants them any more: the other side says why then.
async fn read(
    store: &dyn EventStore,
    vault: Option<&Vault>,
    range: Range,
    pages: mpsc::Sender<Page>,
) -> anyhow::Result<Exported> {
    let mut exported = Exported { events: 0, last: None };
    let mut after = range.from.saturating_sub(1);
    while after < range.to {
        let mut events = store.read_all(after, PAGE).await.context(super::UNREADABLE)?;
        events.retain(|event| event.position <= range.to);
        let Some(last) = events.last() else { break };
        after = last.position;
        exported = Exported { events: exported.events + events.len() as u64, last: Some(after) };
        if pages.send(Page::Rows(rows(events, vault).await?)).await.is_err() {
            return Ok(exported);
        }
    }
    let _ = pages.send(Page::End).await;
    Ok(exported)
}

async fn rows(events: Vec<Recorded>, vault: Option<&Vault>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let personal = match vault {
            Some(vault) => personal(vault, &event).await.context("a key cannot be read")?,
            None => None,
        };
        rows.push(Row { event, personal });
    }
    Ok(rows)
}

/// The personal fields of an event in clear: an object, `null` for what is erased. `None`: it has no
/// such fields.
async fn personal(vault: &Vault, recorded: &Recorded) -> anyhow::Result<Option<String>> {
    let mut event = recorded.event.clone();
    vault.open_event(&recorded.stream, recorded.version, &mut event).await?;
    let mut fields = Map::new();
    event.visit_pii(&mut |field, slot| {
        fields.insert(field.to_owned(), slot.clear_json().unwrap_or(Json::Null));
    });
    Ok((!fields.is_empty()).then(|| Json::Object(fields).to_string()))
}

fn encode(
    mut pages: mpsc::Receiver<Page>,
    format: Format,
    out: Box<dyn Write + Send>,
) -> anyhow::Result<()> {
    let mut encoder = Encoder::new(format, &EVENT_FIELDS, out)?;
    loop {
        match pages.blocking_recv() {
            Some(Page::Rows(rows)) => {
                rows.iter().try_for_each(Row::check)?;
                let value = |row: usize, column: usize| (COLUMNS[column].value)(&rows[row]);
                encoder.write(&Rows { number: rows.len(), value: &value })?;
            }
            Some(Page::End) => return Ok(encoder.finish()?),
            None => return Ok(()),
        }
    }
}
