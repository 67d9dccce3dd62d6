//! Reads the log in pages.

use std::sync::Arc;

use eventstore::{
    Client, Error, ReadAllOptions, ReadStream, ReadStreamOptions, ResolvedEvent, StreamPosition,
};
use whence_events::{EventId, Position, Recorded, StreamId, Version};

use super::link::{CallError, Link, last_event};
use super::record::{self, Unreadable};

/// The most events in one page: bounds how long the answer of the server takes.
const PAGE_EVENTS: usize = 1000;

/// Why events cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum KurrentReadError {
    #[error(transparent)]
    CallError(#[from] CallError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Returns up to `limit` events of a stream from version `from` on.
pub(super) async fn stream(
    link: &Link,
    stream: &StreamId,
    from: Version,
    limit: usize,
) -> Result<Vec<Recorded>, KurrentReadError> {
    let name = stream.to_string();
    let mut events = Vec::new();
    while events.len() < limit {
        let count = (limit - events.len()).min(PAGE_EVENTS);
        let page = stream_page(link, &name, from + events.len() as u64, count).await?;
        let full = page.len() == count;
        for event in page {
            events.extend(record::recorded(&event)?);
        }
        if !full {
            break;
        }
    }
    Ok(events)
}

/// Returns up to `count` events of a stream as the server gives them.
pub(super) async fn stream_page(
    link: &Link,
    name: &str,
    from: Version,
    count: usize,
) -> Result<Vec<ResolvedEvent>, CallError> {
    // The server counts in signed numbers and takes larger ones for something else.
    if i64::try_from(from).is_err() {
        return Ok(vec![]);
    }
    let options = ReadStreamOptions::default().requires_leader(true).max_count(count);
    let options = &options.position(StreamPosition::Position(from));
    link.call(|client: Arc<Client>| async move {
        no_stream_is_empty(async { drained(client.read_stream(name, options).await?).await }.await)
    })
    .await
}

/// Returns the number of events in a stream.
pub(super) async fn length(link: &Link, name: &str) -> Result<Version, CallError> {
    let options = ReadStreamOptions::default().requires_leader(true).max_count(1);
    let options = &options.position(StreamPosition::End).backwards();
    let last = link.call(|client: Arc<Client>| async move {
        no_stream_is_empty(async { drained(client.read_stream(name, options).await?).await }.await)
    });
    Ok(last.await?.first().map_or(0, |last| last.get_original_event().revision + 1))
}

/// Returns up to `limit` events after position `after`.
pub(super) async fn all(
    link: &Link,
    mut after: Position,
    limit: usize,
) -> Result<Vec<Recorded>, KurrentReadError> {
    let mut events = Vec::new();
    while events.len() < limit && i64::try_from(after).is_ok() {
        // A read begins with the event at the position that it is given, which is known already.
        let count = (limit - events.len()).min(PAGE_EVENTS) + 1;
        let page = all_page(link, after, count).await?;
        let full = page.len() == count;
        for event in page {
            let Some(position) = record::position(&event).filter(|position| *position > after)
            else {
                continue;
            };
            after = position;
            if events.len() < limit {
                events.extend(record::recorded(&event)?);
            }
        }
        if !full {
            break;
        }
    }
    Ok(events)
}

/// Returns the position of the last event; 0 when there is none.
pub(super) async fn head(link: &Link) -> Result<Position, CallError> {
    let last = link.call(|client: Arc<Client>| async move { last_event(&client).await });
    Ok(last.await?.as_ref().and_then(record::position).unwrap_or(0))
}

/// Returns the id of the event at a position, which may come from another log.
pub(super) async fn event_at(
    link: &Link,
    position: Position,
) -> Result<Option<EventId>, CallError> {
    if record::known(position).is_none() || position > head(link).await? {
        return Ok(None);
    }
    let options = ReadAllOptions::default().requires_leader(true).max_count(1);
    let at = eventstore::Position { commit: position, prepare: position };
    let options = &options.position(StreamPosition::Position(at));
    let there = link.call(|client: Arc<Client>| async move {
        match async { drained(client.read_all(options).await?).await }.await {
            // At a position where no record begins the server reads nonsense and reports a failure,
            // just as it does when it really failed. In that case the question that follows fails,
            // too.
            Err(Error::ServerError(_)) => last_event(&client).await.map(|_| vec![]),
            answer => answer,
        }
    });
    let there = there.await?;
    let there = there.first().filter(|event| record::position(event) == Some(position));
    Ok(there.map(|event| EventId(event.get_original_event().id)))
}

async fn all_page(
    link: &Link,
    after: Position,
    count: usize,
) -> Result<Vec<ResolvedEvent>, CallError> {
    let options = ReadAllOptions::default().requires_leader(true).filter(record::ours());
    let options = &options.max_count(count).position(match after {
        0 => StreamPosition::Start,
        commit => StreamPosition::Position(eventstore::Position { commit, prepare: commit }),
    });
    link.call(|client: Arc<Client>| async move { drained(client.read_all(options).await?).await })
        .await
}

async fn drained(mut stream: ReadStream) -> Result<Vec<ResolvedEvent>, Error> {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await? {
        events.push(event);
    }
    Ok(events)
}

fn no_stream_is_empty(
    answer: Result<Vec<ResolvedEvent>, Error>,
) -> Result<Vec<ResolvedEvent>, Error> {
    match answer {
        Err(Error::ResourceNotFound) => Ok(vec![]),
        answer => answer,
    }
}
