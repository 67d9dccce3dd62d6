//! Where a log begins on the server.
//!
//! The first event of a log is alone in a stream of its own. Nothing before it is of this log, so a
//! log that was just begun is read without a look at what other applications wrote before.

use std::sync::OnceLock;

use eventstore::EventData;
use whence_events::Position;

use super::append::{self, AppendAnswer};
use super::link::{CallError, Link};
use super::names::Names;
use super::{read, record};
use crate::infra::random::new_event_id;
use crate::store::{PostgresVault, StoreError};

/// The type of the first event.
const EVENT_TYPE: &str = "LogBegan";

/// Where a log begins, once that is known.
#[derive(Default)]
pub(super) struct Beginning(OnceLock<Position>);

/// The keys in the vault are of a log with another prefix.
#[derive(Debug, thiserror::Error)]
#[error(
    "there are keys in the vault and no events with this streamPrefix: the log has another one, \
     or none, which streamPrefix= in --store says"
)]
struct AnotherPrefix;

impl Beginning {
    /// Returns the position that the log begins at, 0 when that is the beginning of the server's own
    /// log; `None` when this log has no events yet.
    pub(super) async fn find(
        &self,
        link: &Link,
        names: &Names,
    ) -> Result<Option<Position>, CallError> {
        if let Some(known) = self.0.get() {
            return Ok(Some(*known));
        }
        let found = match names.beginning() {
            Some(name) => look(link, &name).await?,
            None => Some(0),
        };
        if let Some(found) = found {
            let _ = self.0.set(found);
        }
        Ok(found)
    }

    /// Begins the log unless it has begun.
    pub(super) async fn make(
        &self,
        link: &Link,
        names: &Names,
        vault: &PostgresVault,
    ) -> Result<(), StoreError> {
        if self.0.get().is_some() {
            return Ok(());
        }
        let Some(name) = names.beginning() else { return Ok(()) };
        let has_keys = !vault.keys(None, 1).await?.is_empty();
        // Asked after the vault: whoever else is about to begin the log puts no key before.
        if self.find(link, names).await.map_err(StoreError::unavailable)?.is_some() {
            return Ok(());
        }
        if has_keys {
            return Err(StoreError::unavailable(AnotherPrefix));
        }
        let event = EventData::json(EVENT_TYPE, &serde_json::json!({}));
        let event = event.map_err(StoreError::unavailable)?.id(new_event_id().0);
        match append::send(link, &name, 0, &[event]).await.map_err(StoreError::unavailable)? {
            // Of several appends one was the first; and a stream that was deleted says nothing.
            AppendAnswer::There(_) | AppendAnswer::OtherLength(_) | AppendAnswer::Deleted => {}
        }
        self.find(link, names).await.map_err(StoreError::unavailable)?;
        Ok(())
    }
}

/// Returns where a log begins by its first event. When somebody has removed that, the log is read
/// from the beginning of the server's.
async fn look(link: &Link, name: &str) -> Result<Option<Position>, CallError> {
    let first = match read::stream_page(link, name, 0, 1).await? {
        read::StreamPage::Events(events) => events.into_iter().next(),
        read::StreamPage::Deleted => return Ok(Some(0)),
    };
    if let Some(first) = first {
        let whole = first.get_original_event().revision == 0;
        return Ok(Some(record::position(&first).filter(|_| whole).unwrap_or(0)));
    }
    Ok(match read::stream_page(link, &Names::metadata_of(name), 0, 1).await {
        Ok(read::StreamPage::Events(events)) if events.is_empty() => None,
        Ok(read::StreamPage::Events(_) | read::StreamPage::Deleted) => Some(0),
        // A user who may not read metadata is told what a user without any is told.
        Err(CallError::Client(eventstore::Error::AccessDenied)) => None,
        Err(error) => return Err(error),
    })
}
