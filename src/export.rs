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

use std::io;
use std::sync::Arc;

use anyhow::{Context as _, ensure};

pub use self::encoder::Format;
pub use self::event_row::EVENT_FIELDS;
pub use self::events::{Exported, Range, export_events};
use self::output::Output;
pub use self::schema::{Field, FieldKind, Value};
use crate::config::ExportConfig;
use crate::store::EventStore;
use crate::vault::Vault;

/// Exports what was asked for, and says on stderr how to go on from there.
///
/// # Errors
/// One sentence. A reader that goes away is none.
pub async fn run(config: ExportConfig) -> anyhow::Result<()> {
    let store = config.log.open_to_read().await?;
    let head = store.head().await.context(UNREADABLE)?;
    let range = range(&config, head)?;
    let output = Output::create(&config.out, config.open_personal_data)?;
    let vault = config.open_personal_data.then(|| vault_of(&config, store.clone()));
    if vault.is_some() {
        eprintln!("whence: this export holds personal data in clear: keep it as you keep the log");
    }
    let writer = output.writer()?;
    let done = match export_events(store, vault, range, config.format, writer).await {
        Err(error) if is_gone(&error) => return Ok(()),
        done => done.with_context(|| output.cannot_write())?,
    };
    output.complete()?;
    eprintln!("whence: {}", summary(done, range));
    Ok(())
}

const UNREADABLE: &str = "the log cannot be read";

/// The positions that were asked for, as far as there are any.
fn range(config: &ExportConfig, head: u64) -> anyhow::Result<Range> {
    let from = config.from.unwrap_or(1).max(1);
    let next = head.saturating_add(1);
    ensure!(from <= next, "--from {from}: the log ends at {head}, so go on from {next} at most");
    let to = config.to.unwrap_or(head);
    ensure!(to <= head, "--to {to}: the log ends at {head}");
    ensure!(config.to.is_none_or(|to| from <= to), "--from {from} lies behind --to {to}");
    Ok(Range { from, to })
}

fn vault_of(config: &ExportConfig, store: Arc<dyn EventStore>) -> Vault {
    Vault::new(store, config.log.keys().wrapping)
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
fn is_gone(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
