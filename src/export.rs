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

use anyhow::{Context as _, ensure};
use whence_events::Position;
use whence_projections::analytics::{AsOf, Query, View};

pub use self::encoder::Format;
pub use self::event_row::EVENT_FIELDS;
pub use self::events::{Exported, Range, export_events};
pub(crate) use self::output::Output;
pub use self::schema::{Field, FieldKind, Value};
pub use self::view::{export_table, fields_of};
use crate::config::{ExportConfig, LogConfig};
use crate::vault::Vault;

/// What is exported.
#[derive(Clone, Debug)]
pub enum What {
    /// Events of the log.
    Events {
        /// Which.
        range: EventRange,
        /// Whether personal data goes out in clear.
        open_personal_data: bool,
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
        What::Events { range, open_personal_data } => {
            events(&log, range, open_personal_data, format, &out).await
        }
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
    open_personal_data: bool,
    format: Format,
    out: &str,
) -> anyhow::Result<()> {
    let store = log.open_to_read().await?;
    let head = store.head().await.context(UNREADABLE)?;
    let range = existing(range, head)?;
    let output = Output::create(out, open_personal_data)?;
    let vault = open_personal_data.then(|| {
        eprintln!("whence: this export holds personal data in clear: keep it as you keep the log");
        Vault::new(store.clone(), log.keys().wrapping)
    });
    let done = export_events(store, vault, range, format, output.writer()?).await;
    let done = done.with_context(|| output.cannot_write())?;
    output.complete()?;
    eprintln!("whence: {}", summary(done, range));
    Ok(())
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
