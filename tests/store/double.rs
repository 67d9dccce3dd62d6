//! The double of KurrentDB: that it answers as the real server was seen to answer.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails in them fails the test")]

mod access;
mod answers;
mod clients;
mod foreign;
mod live;
mod wire;

use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, Client, ClientSettings, EventData, ReadStream, ResolvedEvent,
    StreamPosition, StreamState, SubscriptionEvent, SubscriptionFilter, WriteResult,
};
use serde_json::Value;
use whence_test_support::kurrentdb_double::Double;
use whence_test_support::tool::script;

/// Far longer than anything here may take: reached, it is as good as never.
const LIMIT: Duration = Duration::from_mins(1);

/// Returns an official client.
fn client(url: &str) -> Client {
    Client::new(url.parse::<ClientSettings>().unwrap()).unwrap()
}

fn event(event_type: &str) -> EventData {
    EventData::json(event_type, &serde_json::json!({"x": "aaaaaaaaaa"})).unwrap()
}

/// Appends so many events, under an expected state of the stream.
async fn append(
    client: &Client,
    stream: &str,
    events: usize,
    state: StreamState,
) -> Result<WriteResult, eventstore::Error> {
    let options = AppendToStreamOptions::default().stream_state(state);
    let events: Vec<_> = (0..events).map(|_| event("T")).collect();
    client.append_to_stream(stream, &options, events).await
}

async fn drained(stream: ReadStream) -> Result<Vec<ResolvedEvent>, eventstore::Error> {
    let mut stream = stream;
    let mut events = Vec::new();
    while let Some(event) = stream.next().await? {
        events.push(event);
    }
    Ok(events)
}

/// Returns a position as the client wants it.
fn at(position: u64) -> StreamPosition<eventstore::Position> {
    StreamPosition::Position(eventstore::Position { commit: position, prepare: position })
}

fn ours() -> SubscriptionFilter {
    SubscriptionFilter::on_stream_name().add_prefix("ours-").max(1000)
}

/// Returns the kind of a message of a subscription, and the position that it carries.
fn kind(message: &SubscriptionEvent) -> (&'static str, u64) {
    match message {
        SubscriptionEvent::Confirmed(_) => ("confirmation", 0),
        SubscriptionEvent::EventAppeared(event) => {
            ("event", event.get_original_event().position.commit)
        }
        SubscriptionEvent::Checkpoint(position) => ("checkpoint", position.commit),
        SubscriptionEvent::CaughtUp(_) => ("caught_up", 0),
        SubscriptionEvent::FirstStreamPosition(_)
        | SubscriptionEvent::LastStreamPosition(_)
        | SubscriptionEvent::LastAllPosition(_)
        | SubscriptionEvent::FellBehind(_) => ("another", 0),
    }
}

/// Returns what an official client of another language prints for a task.
async fn told(language: &str, task: &str, double: &Double, rest: &[&str]) -> Value {
    told_at(double.url(), language, task, rest).await
}

/// The same with a connection string of one's own.
async fn told_at(url: String, language: &str, task: &str, rest: &[&str]) -> Value {
    let mut arguments = vec![language.to_owned(), task.to_owned(), url];
    arguments.extend(rest.iter().map(|&argument| argument.to_owned()));
    let said = tokio::task::spawn_blocking(move || {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        script("kurrentdb-client", &arguments)
    });
    serde_json::from_str(&said.await.unwrap()).unwrap()
}
