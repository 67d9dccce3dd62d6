//! Reports: what the log says to analysts. The log is read from its beginning and folded in memory;
//! nothing is kept, and nothing is written.

mod rejudge;
mod text;

use anyhow::Context as _;
use tokio::sync::mpsc;
use whence_events::{Position, Recorded};
use whence_projections::report::{
    AsOf, InvalidQuery, Query, ReportFold, Stopped, Table, View, Zone,
};

use crate::domain::bots::BOT_RULES_VERSION;
use crate::engine::log_pages::LogPages;
use crate::engine::vault::Vault;
use crate::store::{EventStore, StoreError};

pub(crate) use text::{UNKNOWN, zone_of};
pub use text::{as_csv, as_text};

/// How many events are read at a time.
const EVENTS_PER_PAGE: usize = 4096;

/// How many pages may wait between the reader and the fold.
const PAGES_AHEAD: usize = 4;

/// The reasons why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The question cannot be answered.
    #[error(transparent)]
    Query(#[from] InvalidQuery),
    /// The log holds an event of a newer version.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The log does not answer.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
}

/// Returns the answer of a view. With a vault, bots are those of the rules of today.
pub(crate) async fn answer(
    log: &dyn EventStore,
    vault: Option<&Vault>,
    view: View,
    query: Query,
    as_of: AsOf,
) -> anyhow::Result<Table> {
    let report_fold = fold(log, vault, &[view], as_of).await.context("no report")?;
    Ok(tokio::task::spawn_blocking(move || report_fold.table(view, &query)).await?)
}

/// Parses the end of a report: a position, a day or a time; without one, it is the end of the log.
pub fn parse_as_of(text: Option<&str>, zone: &Zone) -> Result<AsOf, InvalidQuery> {
    text.map_or(Ok(AsOf::Head), |text| AsOf::parse(text, zone))
}

/// Reads the log up to a place, or up to its present end, and folds it for these views.
///
/// With a vault, whether a visitor was a bot is judged again by the rules of today, as far as the log
/// keeps the agent; without one, the verdict of its day counts.
///
/// This task reads while another thread folds. When this future is dropped, the folding ends with
/// the page that it is at. A place after the end of the log is an error, and so is an event that
/// this version does not know ([`ReportError::Stopped`]).
pub async fn fold(
    log: &dyn EventStore,
    vault: Option<&Vault>,
    views: &[View],
    as_of: AsOf,
) -> Result<ReportFold, ReportError> {
    let head = log.head().await?;
    if let AsOf::Position(position) = as_of
        && position > head
    {
        return Err(InvalidQuery(format!(
            "there is no position {position}: the log ends at {head}"
        ))
        .into());
    }
    let mut report_fold = ReportFold::new(views);
    if vault.is_some() {
        report_fold.judged_again_by(BOT_RULES_VERSION);
    }
    let (pages, mut waiting) = mpsc::channel::<Vec<Recorded>>(PAGES_AHEAD);
    let folding = tokio::task::spawn_blocking(move || {
        while let Some(page) = waiting.blocking_recv() {
            report_fold.apply(&page)?;
        }
        Ok::<_, Stopped>(report_fold)
    });
    read(log, vault, as_of, head, pages).await?;
    match folding.await {
        Ok(folded) => Ok(folded?),
        Err(panic) => Err(StoreError::unavailable(panic).into()),
    }
}

/// Reads until the place is reached, or until the fold takes no more pages.
async fn read(
    log: &dyn EventStore,
    vault: Option<&Vault>,
    as_of: AsOf,
    head: Position,
    pages: mpsc::Sender<Vec<Recorded>>,
) -> Result<(), StoreError> {
    let last = if let AsOf::Position(position) = as_of { position } else { head };
    let mut events = LogPages::new(log, 0, EVENTS_PER_PAGE).up_to(last);
    while let Some(mut page) = events.next().await? {
        let inside = match as_of {
            AsOf::Head | AsOf::Position(_) => page.len(),
            AsOf::Time(at) => page.iter().take_while(|event| event.recorded_at <= at).count(),
        };
        let ends = inside < page.len();
        page.truncate(inside);
        if let Some(vault) = vault {
            rejudge::rejudge(vault, &mut page).await?;
        }
        if pages.send(page).await.is_err() || ends {
            return Ok(());
        }
    }
    Ok(())
}
