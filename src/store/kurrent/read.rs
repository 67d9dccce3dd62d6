//! Reads the log in pages.

use std::sync::Arc;

use eventstore::{
    Client, Error, ReadAllOptions, ReadStream, ReadStreamOptions, ResolvedEvent, StreamPosition,
};
use whence_events::{EventId, Position, Recorded, StreamId, Version};

use super::Log;
use super::link::{CALL_TIMEOUT, CallError, Link};
use super::look::{PAGE_EVENTS, Since, at, drained, last_of_all, page_from, since};
use super::record;
use crate::store::{ForeignEvent, Page};

/// How long a page may take: the server looks at every event of other applications on its way, some
/// millions a second.
const SCAN_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(2);

/// What the server has of a stream.
pub(super) enum StreamPage {
    /// Consecutive events; none when there is no such stream, or nothing after the place.
    Events(Vec<ResolvedEvent>),
    /// The stream was deleted for good.
    Deleted,
}

/// Returns up to `limit` events of a stream from version `from` on. What whence did not write there is
/// left out, and noted.
pub(super) async fn stream(
    log: &Log,
    stream: &StreamId,
    from: Version,
    limit: usize,
) -> Result<Vec<Recorded>, CallError> {
    let name = log.names.of(stream);
    let note = |position, found: &str| {
        let found = found.to_owned();
        log.foreign.note(ForeignEvent { stream: stream.clone(), position, found });
    };
    let mut events = Vec::new();
    let mut next = from;
    while events.len() < limit {
        let count = (limit - events.len()).min(PAGE_EVENTS);
        let StreamPage::Events(page) = stream_page(&log.link, &name, next, count).await? else {
            note(0, "the stream was deleted for good");
            break;
        };
        let Some(last) = page.last() else { break };
        let first = page.first().map_or(next, |first| first.get_original_event().revision);
        if first > next {
            let position = page.first().and_then(record::position).unwrap_or(0);
            note(position, &format!("its events before number {first} were removed"));
        }
        let full = page.len() == count;
        next = last.get_original_event().revision.saturating_add(1);
        for event in page {
            match record::recorded(&log.names, &event) {
                Ok(event) => events.extend(event),
                Err(foreign) => log.foreign.note(foreign),
            }
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
) -> Result<StreamPage, CallError> {
    // The server counts in signed numbers and takes larger ones for something else.
    if i64::try_from(from).is_err() {
        return Ok(StreamPage::Events(vec![]));
    }
    let options = ReadStreamOptions::default().requires_leader(true).max_count(count);
    let options = &options.position(StreamPosition::Position(from));
    link.call(|client: Arc<Client>| async move {
        answered(client.read_stream(name, options).await).await
    })
    .await
}

/// Returns the number of events in a stream.
pub(super) async fn length(link: &Link, name: &str) -> Result<Version, CallError> {
    let options = ReadStreamOptions::default().requires_leader(true).max_count(1);
    let options = &options.position(StreamPosition::End).backwards();
    let last = link.call(|client: Arc<Client>| async move {
        answered(client.read_stream(name, options).await).await
    });
    Ok(match last.await? {
        StreamPage::Events(events) => {
            events.first().map_or(0, |last| last.get_original_event().revision + 1)
        }
        StreamPage::Deleted => Version::MAX,
    })
}

/// Returns up to `limit` events after position `after`.
pub(super) async fn all(
    log: &Log,
    after: Position,
    limit: usize,
) -> Result<Vec<Recorded>, CallError> {
    let mut events = Vec::new();
    let Some(mut place) = Place::after(log, after).await? else { return Ok(events) };
    while events.len() < limit {
        let count = (limit - events.len()).min(PAGE_EVENTS);
        let full = place.page(log, count, &mut events).await?;
        if !full {
            break;
        }
    }
    Ok(events)
}

/// Returns the events of [`all`] and how far the log was read for them.
pub(super) async fn page(log: &Log, after: Position, limit: usize) -> Result<Page, CallError> {
    let events = all(log, after, limit).await?;
    if let Some(last) = events.last() {
        let upto = last.position;
        return Ok(Page { events, upto });
    }
    // There was none. Asked again, there is none up to the end that the log had in between.
    let end = end(&log.link).await?;
    let events = all(log, after, limit).await?;
    let upto = events.last().map_or(end.max(after), |last| last.position);
    Ok(Page { events, upto })
}

/// A place in the log of the server, from which pages are read.
struct Place {
    from: StreamPosition<eventstore::Position>,
    /// The position of the last event that is known.
    after: Position,
}

impl Place {
    /// Returns the place after a position; `None` when nothing can be after it.
    async fn after(log: &Log, after: Position) -> Result<Option<Self>, CallError> {
        let beginning =
            if after == 0 { log.beginning.find(&log.link, &log.names).await? } else { None };
        let from = match (after, beginning) {
            // The log has not begun.
            (0, None) => return Ok(None),
            (0, Some(beginning)) => beginning,
            (after, _) => after,
        };
        Ok(i64::try_from(from).is_ok().then(|| Self { from: at(from), after }))
    }

    /// Reads the next `count` events at most, and returns whether there may be more.
    async fn page(
        &mut self,
        log: &Log,
        count: usize,
        events: &mut Vec<Recorded>,
    ) -> Result<bool, CallError> {
        let options = ReadAllOptions::default().requires_leader(true).filter(log.names.filter());
        // A read begins with the event at the position that it is given, which is known already.
        let options = &options.max_count(count + 1).position(self.from);
        let ask = |client: Arc<Client>| async move { page_from(&client, options).await };
        let mut page = log.link.call_within(SCAN_TIMEOUT, ask).await?;
        if page.is_none() {
            // The server may have been away for a moment, and back when it was asked something else.
            page = log.link.call_within(SCAN_TIMEOUT, ask).await?;
        }
        let page = page.ok_or(CallError::NoSuchPosition(self.after))?;
        let (mut full, limit) = (page.len() == count + 1, events.len() + count);
        for event in page {
            let Some(position) = record::position(&event).filter(|it| *it > self.after) else {
                continue;
            };
            if events.len() == limit {
                full = true;
                break;
            }
            (self.after, self.from) = (position, at(position));
            match record::recorded(&log.names, &event) {
                Ok(event) => events.extend(event),
                Err(foreign) => log.foreign.note(foreign),
            }
        }
        Ok(full)
    }
}

/// Returns the position of the last event of the server's log, of whichever application.
pub(super) async fn end(link: &Link) -> Result<Position, CallError> {
    let last = link.call(|client: Arc<Client>| async move { last_of_all(&client).await });
    Ok(last.await?.as_ref().and_then(record::position).unwrap_or(0))
}

/// Returns the position of the last event of this log, or one after it that holds nothing of this log.
pub(super) async fn head(log: &Log) -> Result<Position, CallError> {
    // In this order: what is published in between is found twice.
    let mut after = log.tail.covered();
    let mut head = log.tail.last();
    loop {
        let names = &log.names;
        let ask = |client: Arc<Client>| async move { since(&client, names, after).await };
        let Since { last, event, is_all } = log.link.call_within(CALL_TIMEOUT, ask).await?;
        head = event.unwrap_or(head);
        match last {
            Some(last) if !is_all => after = last,
            Some(_) | None => return Ok(head),
        }
    }
}

/// Returns the id of the event at a position, which may come from another log.
pub(super) async fn event_at(
    link: &Link,
    position: Position,
) -> Result<Option<EventId>, CallError> {
    let there = resolved_at(link, position).await?;
    Ok(there.map(|event| EventId(event.get_original_event().id)))
}

/// Returns the event of whence at a position.
pub(super) async fn read_at(log: &Log, position: Position) -> Result<Option<Recorded>, CallError> {
    let there = resolved_at(&log.link, position).await?;
    Ok(there.and_then(|event| record::recorded(&log.names, &event).ok().flatten()))
}

async fn resolved_at(link: &Link, position: Position) -> Result<Option<ResolvedEvent>, CallError> {
    if record::known(position).is_none() || position > end(link).await? {
        return Ok(None);
    }
    let options = ReadAllOptions::default().requires_leader(true).max_count(1);
    let options = &options.position(at(position));
    let ask = |client: Arc<Client>| async move { page_from(&client, options).await };
    let there = link.call(ask).await?.unwrap_or_default();
    Ok(there.into_iter().next().filter(|event| record::position(event) == Some(position)))
}

async fn answered(answer: Result<ReadStream, Error>) -> Result<StreamPage, Error> {
    match async { drained(answer?).await }.await {
        Ok(events) => Ok(StreamPage::Events(events)),
        Err(Error::ResourceNotFound) => Ok(StreamPage::Events(vec![])),
        Err(Error::ResourceDeleted) => Ok(StreamPage::Deleted),
        Err(error) => Err(error),
    }
}
