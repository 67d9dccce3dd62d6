//! `whence export`: the log, or what a view answers, as a file that analysts' tools read.
//!
//! Events go through in constant memory: this side reads ahead, page by page, a thread encodes and
//! writes. Neither decodes more than it has to, and the stored bytes come out as they are.

mod csv;
mod encoder;
mod event_row;
mod events;
mod jsonl;
mod output;
#[cfg(feature = "parquet")]
mod parquet;
mod schema;
mod view;

use std::io;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use whence_events::{Actor, AuditRead, AuditSubject, Position};
use whence_projections::report::{AsOf, Query, View};

pub(crate) use self::csv::quoted;
pub use self::encoder::Format;
pub use self::event_row::EVENT_FIELDS;
pub use self::events::{Exported, Range, export_events};
pub(crate) use self::output::Output;
pub use self::schema::{Field, FieldKind, Value};
pub use self::view::{export_table, fields_of};
use crate::app::App;
use crate::audit;
use crate::clock::Clock;
use crate::config::{ExportConfig, LogConfig};
use crate::handle::Handler;
use crate::secrets::new_correlation_id;
use crate::vault::Vault;

/// What is exported.
#[derive(Clone, Debug)]
pub enum What {
    /// Events of the log.
    Events {
        /// Which.
        range: EventRange,
        /// Who is shown personal data in clear; nobody: it stays sealed.
        opened_by: Option<String>,
    },
    /// The answer of a view.
    View {
        /// Which.
        view: View,
        /// What is asked of it.
        query: Query,
        /// Where the log ends.
        as_of: AsOf,
    },
}

/// The positions that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventRange {
    /// The first; `None`: the first there is.
    pub from: Option<Position>,
    /// The last; `None`: that of the log.
    pub to: Option<Position>,
}

/// Exports what was asked for.
///
/// # Errors
/// One sentence. A reader that goes away is none.
pub async fn run(config: ExportConfig) -> anyhow::Result<()> {
    let ExportConfig { what, format, out, log } = config;
    let done = match what {
        What::Events { range, opened_by } => events(&log, range, opened_by, format, &out).await,
        What::View { view, query, as_of } => {
            let store = log.open_to_read().await?;
            let table = crate::report::answer(&*store, view, query, as_of).await?;
            let output = Output::create(&out, false)?;
            let written = export_table(&table, format, output.writer()?);
            written.with_context(|| output.cannot_write()).and_then(|()| output.complete())
        }
    };
    match done {
        Err(error) if is_gone(&error) => Ok(()),
        done => done,
    }
}

const UNREADABLE: &str = "the log cannot be read";

/// Exports events, and says on stderr how to go on from there.
async fn events(
    log: &LogConfig,
    range: EventRange,
    opened_by: Option<String>,
    format: Format,
    out: &str,
) -> anyhow::Result<()> {
    let store = log.open_to_read().await?;
    let head = store.head().await.context(UNREADABLE)?;
    let range = existing(range, head)?;
    let output = Output::create(out, opened_by.is_some())?;
    let vault = match opened_by {
        None => None,
        Some(operator) => {
            put_on_record(log, operator).await?;
            let warning = "this export holds personal data in clear: keep it as you keep the log";
            eprintln!("whence: {warning}");
            Some(Vault::new(store.clone(), log.keys().wrapping))
        }
    };
    let done = export_events(store, vault, range, format, output.writer()?).await;
    let done = done.with_context(|| output.cannot_write())?;
    output.complete()?;
    eprintln!("whence: {}", summary(done, range));
    Ok(())
}

/// Says in the log that somebody is shown the personal data of it: before they are, or not at all.
async fn put_on_record(log: &LogConfig, operator: String) -> anyhow::Result<()> {
    let clock = Clock::system();
    let store = log.open(clock.clone()).await;
    let store = store.context("an export of personal data is put on record before it begins")?;
    let vault = Arc::new(Vault::new(store.clone(), log.keys().wrapping));
    let handler = Handler::new(store, vault, clock);
    let subject = AuditSubject::Events;
    let read = AuditRead { subject, user_id: None, code: None, personal_data: true };
    let context = App::context(new_correlation_id(), Actor::Operator(operator));
    audit::record(&handler, read, &context).await.map(drop).context("it cannot be put on record")
}

/// The positions that were asked for, as far as there are any.
fn existing(asked: EventRange, head: Position) -> anyhow::Result<Range> {
    let from = asked.from.unwrap_or(1).max(1);
    let next = head.saturating_add(1);
    ensure!(from <= next, "--from {from}: the log ends at {head}, so go on from {next} at most");
    let to = asked.to.unwrap_or(head);
    ensure!(to <= head, "--to {to}: the log ends at {head}");
    ensure!(asked.to.is_none_or(|to| from <= to), "--from {from} lies behind --to {to}");
    Ok(Range { from, to })
}

fn summary(done: Exported, range: Range) -> String {
    let Exported { events, last } = done;
    match last {
        Some(last) => {
            format!("{events} events, the last at position {last}; --from {} goes on", last + 1)
        }
        None => format!("no event at or behind position {0}; --from {0} goes on", range.from),
    }
}

/// Whether the reader has closed its end: `whence export ... | head` is no mistake.
pub(crate) fn is_gone(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
