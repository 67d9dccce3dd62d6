//! The export of events: one side reads ahead, the other encodes.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Map, Value as Json};
use tokio::sync::{mpsc, oneshot};
use whence_events::{Position, Recorded};

use super::encoder::{Encoder, ExportFormat};
use super::event_row::{COLUMNS, EVENT_FIELDS, Row};
use super::sink::Rows;
use crate::engine::log_pages::LogPages;
use crate::engine::vault::Vault;
use crate::store::EventStore;

/// How many events are in a page: a few megabytes at most.
const EVENTS_PER_PAGE: usize = 4096;

/// How many pages are read ahead of the one that is encoded.
const PAGES_AHEAD: usize = 2;

/// The context of an error in reading the log.
pub(crate) const UNREADABLE: &str = "the log cannot be read";

/// The positions of the events that are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionRange {
    /// The first position.
    pub from: Position,
    /// The last position, which is included.
    pub to: Position,
}

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How many events were exported.
    pub events: u64,
    /// The position of the last one.
    pub last: Option<Position>,
}

/// Writes the events of a range to `out`. With a vault, personal fields are opened. The second part of
/// the format says whether texts of a CSV are defused that a spreadsheet would take for formulas.
///
/// Reading and encoding run at the same time, some pages apart: the memory this takes does not
/// depend on how many events there are. When `out` cannot be written, the cause of the error is an
/// [`std::io::Error`].
pub async fn export_events(
    store: Arc<dyn EventStore>,
    vault: Option<Vault>,
    range: PositionRange,
    (format, csv_safe): (ExportFormat, bool),
    out: Box<dyn Write + Send>,
) -> anyhow::Result<Exported> {
    let (pages, incoming) = mpsc::channel(PAGES_AHEAD);
    let (done, encoded) = oneshot::channel();
    // The encoder has its own thread, which is not waited for when the export is stopped: it may be
    // stuck in a pipe that nobody reads from.
    std::thread::spawn(move || done.send(encode(incoming, format, csv_safe, out)));
    let read = read(&*store, vault.as_ref(), range, pages).await;
    let encoded = encoded.await.context("the export broke off")?;
    let exported = read?;
    encoded.map(|()| exported)
}

/// A message of the reading side to the encoder.
enum RowMessage {
    Rows(Vec<Row>),
    /// Everything was handed over: without this message, the file is not completed.
    End,
}

/// Reads the pages, until the encoder takes no more of them: it says why then.
async fn read(
    store: &dyn EventStore,
    vault: Option<&Vault>,
    range: PositionRange,
    pages: mpsc::Sender<RowMessage>,
) -> anyhow::Result<Exported> {
    let mut exported = Exported { events: 0, last: None };
    let after = range.from.saturating_sub(1);
    let mut log = LogPages::new(store, after, EVENTS_PER_PAGE).up_to(range.to);
    while let Some(events) = log.next().await.context(UNREADABLE)? {
        let events_so_far = exported.events + events.len() as u64;
        exported = Exported { events: events_so_far, last: Some(log.after()) };
        if pages.send(RowMessage::Rows(rows(events, vault).await?)).await.is_err() {
            return Ok(exported);
        }
    }
    let _ = pages.send(RowMessage::End).await;
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

/// Returns the personal fields of an event in clear, as an object with `null` for what is erased;
/// `None`: it has no such fields.
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
    mut pages: mpsc::Receiver<RowMessage>,
    format: ExportFormat,
    csv_safe: bool,
    out: Box<dyn Write + Send>,
) -> anyhow::Result<()> {
    let mut encoder = Encoder::new(format, &EVENT_FIELDS, csv_safe, out)?;
    loop {
        match pages.blocking_recv() {
            Some(RowMessage::Rows(rows)) => {
                rows.iter().try_for_each(Row::check)?;
                let value = |row: usize, column: usize| (COLUMNS[column].value)(&rows[row]);
                encoder.write(&Rows { number: rows.len(), value: &value })?;
            }
            Some(RowMessage::End) => return Ok(encoder.finish()?),
            None => return Ok(()),
        }
    }
}
