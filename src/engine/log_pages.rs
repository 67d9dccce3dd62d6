//! The log read in pages, each of which begins where the one before ended.

use std::sync::Arc;

use tokio::sync::mpsc;
use whence_events::{Position, Recorded};

use crate::store::{EventStore, StoreError};

/// The events of a page, where nothing asks for more or fewer.
pub(crate) const PAGE: usize = 1000;

/// A part of the log that is read page by page.
pub(crate) struct LogPages<'a> {
    store: &'a dyn EventStore,
    after: Position,
    last: Position,
    size: usize,
}

impl<'a> LogPages<'a> {
    /// Returns the pages after a position, of up to `size` events each, as far as the log goes.
    pub(crate) fn new(store: &'a dyn EventStore, after: Position, size: usize) -> Self {
        Self { store, after, last: Position::MAX, size }
    }

    /// Returns the same pages without the events after `last`.
    pub(crate) fn up_to(self, last: Position) -> Self {
        Self { last, ..self }
    }

    /// Returns the position that the next page begins after: that of the last event that was read.
    pub(crate) fn after(&self) -> Position {
        self.after
    }

    /// Reads the next page; `None` when there are no more events.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Recorded>>, StoreError> {
        if self.after >= self.last {
            return Ok(None);
        }
        let mut page = self.store.read_all(self.after, self.size).await?;
        // An embedded store answers without waiting, and would keep this thread from other tasks.
        tokio::task::yield_now().await;
        page.truncate(page.partition_point(|event| event.position <= self.last));
        let Some(last) = page.last() else { return Ok(None) };
        self.after = last.position;
        Ok(Some(page))
    }
}

/// Reads the pages after a position up to `last` in a task of its own, `ahead` of them before they are
/// taken.
///
/// The pages end after an error. The task ends with them, or when the receiver is dropped.
pub(crate) fn read_ahead(
    store: Arc<dyn EventStore>,
    after: Position,
    last: Position,
    size: usize,
    ahead: usize,
) -> mpsc::Receiver<Result<Vec<Recorded>, StoreError>> {
    let (send, pages) = mpsc::channel(ahead);
    tokio::spawn(async move {
        let mut pages = LogPages::new(&*store, after, size).up_to(last);
        while let Some(page) = pages.next().await.transpose() {
            let failed = page.is_err();
            if send.send(page).await.is_err() || failed {
                return;
            }
        }
    });
    pages
}
