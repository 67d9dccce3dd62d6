//! Reports: what the log says to analysts. The log is read from its beginning and folded in
//! memory; nothing is kept, and nothing is written.

mod text;

use anyhow::Context as _;
use tokio::sync::mpsc;
use whence_events::{Position, Recorded};
use whence_projections::report::{
    AsOf, InvalidQuery, Query, ReportFold, Stopped, Table, View, Zone,
};

use crate::store::{EventStore, StoreError};

pub use text::{as_csv, as_text};

/// Events that are read at a time.
const PAGE: usize = 4096;

/// Pages between who reads and who folds.
const PAGES_AHEAD: usize = 4;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// What was asked cannot be answered.
    #[error(transparent)]
    Query(#[from] InvalidQuery),
    /// The log holds an event of a newer version.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The log does not answer.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
}

/// What a view answers.
///
/// # Errors
/// One clear sentence.
pub(crate) async fn answer(
    log: &dyn EventStore,
    view: View,
    query: Query,
    as_of: AsOf,
) -> anyhow::Result<Table> {
    let analytics = fold(log, &[view], as_of).await.context("no report")?;
    Ok(tokio::task::spawn_blocking(move || analytics.table(view, &query)).await?)
}

/// Where a report ends.
///
/// # Errors
/// One sentence.
pub fn as_of(text: Option<&str>, zone: Zone) -> Result<AsOf, InvalidQuery> {
    text.map_or(Ok(AsOf::Head), |text| AsOf::parse(text, zone))
}

/// Reads the log up to a place, or up to what is its end now, and folds it for these views.
///
/// Reading goes on here while another thread folds. When this future is dropped, the folding ends
/// with the page that it is at.
///
/// # Errors
/// Also when the place is behind the end of the log, and [`ReportError::Stopped`] at an event that
/// this version does not know.
pub async fn fold(
    log: &dyn EventStore,
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
    let mut analytics = ReportFold::new(views);
    let (pages, mut waiting) = mpsc::channel::<Vec<Recorded>>(PAGES_AHEAD);
    let folding = tokio::task::spawn_blocking(move || {
        while let Some(page) = waiting.blocking_recv() {
            analytics.apply(&page)?;
        }
        Ok::<_, Stopped>(analytics)
    });
    read(log, as_of, head, pages).await?;
    match folding.await {
        Ok(folded) => Ok(folded?),
        Err(panic) => Err(StoreError::unavailable(panic).into()),
    }
}

/// Reads until the place is reached, or nobody listens any more.
async fn read(
    log: &dyn EventStore,
    as_of: AsOf,
    head: Position,
    pages: mpsc::Sender<Vec<Recorded>>,
) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let mut page = log.read_all(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.position;
        let inside = page.iter().take_while(|event| is_before(event, as_of, head)).count();
        let ends = inside < page.len() || after >= head;
        page.truncate(inside);
        if pages.send(page).await.is_err() || ends {
            return Ok(());
        }
        // A store that never waits would keep this thread from everybody else.
        tokio::task::yield_now().await;
    }
}

fn is_before(event: &Recorded, as_of: AsOf, head: Position) -> bool {
    let inside = match as_of {
        AsOf::Head => true,
        AsOf::Position(position) => event.position <= position,
        AsOf::Time(at) => event.recorded_at <= at,
    };
    inside && event.position <= head
}
