//! Looks at the log of the server, each time with one call.

use eventstore::{Client, Error, ReadAllOptions, ReadStream, ResolvedEvent, StreamPosition};
use whence_events::Position;

use super::names::{Named, Names};
use super::record;

/// The most events in one page: bounds how much of an answer is in memory.
pub(super) const PAGE_EVENTS: usize = 4096;

/// Returns the last event of the server's log as the leader has it, of whichever application: one look,
/// however much others write.
pub(super) async fn last_of_all(client: &Client) -> Result<Option<ResolvedEvent>, Error> {
    let options = ReadAllOptions::default().requires_leader(true).max_count(1);
    let options = options.position(StreamPosition::End).backwards();
    client.read_all(&options).await?.next().await
}

/// What the log has after a position.
pub(super) struct Since {
    /// The position of the last record that the subscription sends, too.
    pub(super) last: Option<Position>,
    /// The position of the last event in a stream of this log.
    pub(super) event: Option<Position>,
    /// Whether there is no more.
    pub(super) is_all: bool,
}

/// Returns what the log has after a position up to which the tail knows it: little, as a rule.
pub(super) async fn since(client: &Client, names: &Names, after: Position) -> Result<Since, Error> {
    let options = ReadAllOptions::default().requires_leader(true).filter(names.filter());
    let options = options.max_count(PAGE_EVENTS).position(at(after));
    let events = drained(client.read_all(&options).await?).await?;
    let is_all = events.len() < PAGE_EVENTS;
    let position = |event: &ResolvedEvent| record::position(event).filter(|it| *it > after);
    let is_ours = |event: &&ResolvedEvent| {
        matches!(names.read(event.get_original_stream_id()), Some(Named::Stream(_)))
    };
    let event = events.iter().rev().find(is_ours).and_then(position);
    Ok(Since { last: events.last().and_then(position), event, is_all })
}

/// Reads events from a position; `None` when no record begins there.
///
/// There the server reads nonsense and reports a failure, just as it does when it really failed. In
/// that case the question that follows fails, too.
pub(super) async fn page_from(
    client: &Client,
    options: &ReadAllOptions,
) -> Result<Option<Vec<ResolvedEvent>>, Error> {
    match async { drained(client.read_all(options).await?).await }.await {
        Ok(events) => Ok(Some(events)),
        Err(Error::ServerError(_)) => last_of_all(client).await.map(|_| None),
        Err(error) => Err(error),
    }
}

pub(super) fn at(position: Position) -> StreamPosition<eventstore::Position> {
    match position {
        0 => StreamPosition::Start,
        commit => StreamPosition::Position(eventstore::Position { commit, prepare: commit }),
    }
}

/// Returns all events of an answer.
pub(super) async fn drained(mut stream: ReadStream) -> Result<Vec<ResolvedEvent>, Error> {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await? {
        events.push(event);
    }
    Ok(events)
}
