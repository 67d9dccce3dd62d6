//! Logs to copy, and all that is in one.

use std::path::Path;
use std::sync::Arc;

use whence::app::config::Config;
use whence::infra::clock::Clock;
use whence::infra::keys::{Keys, MasterKey};
use whence::infra::random::{new_correlation_id, new_event_id, new_user_id};
use whence::store::{Append, Location, NewEvent, NewKey, Side, StoredKey, Transfer};
use whence_events::{Actor, Event, Metadata, Recorded, StreamId, Timestamp};

use crate::support::whence;

/// The master key of all logs here.
pub(crate) const KEY: &str = "abababababababababababababababababababababababababababababababab";

pub(crate) fn keys() -> Keys {
    Keys::derive(&MasterKey::parse(KEY).unwrap())
}

/// Whatever bytes a newer version may have written: spaces, order, a key twice, numbers, escapes.
const DATA: &str = r#"{ "b":1.0, "a" : 1e2, "a":"\u0000ü\u00fc" }"#;

/// An append of events of a type that this version does not know.
pub(crate) fn append(stream: &StreamId, expected_length: u64, events: usize) -> Append {
    let event = |n: usize| NewEvent {
        event_id: new_event_id(),
        event: Event::Unknown { event_type: format!("Strange{}.v9", n % 3) },
        data: DATA.replace("1.0", &format!("{n}.0")).into_bytes().into(),
        metadata: Metadata {
            occurred_at: Timestamp::from_micros(1_773_500_966_535_897),
            correlation_id: new_correlation_id(),
            causation_id: n.is_multiple_of(2).then(new_event_id),
            actor: Actor::Operator("Zoë: \"ops\"".into()),
        },
    };
    let events = (0..events).map(event).collect();
    Append { stream: stream.clone(), expected_length, events, new_key: None }
}

/// A SQLite log of so many streams, three events each, the last of which comes late; each stream has
/// a key, every fifth one has it destroyed, and every tenth a new one then.
pub(crate) async fn fill(directory: &Path, streams: usize) {
    let location = Location::Sqlite(directory.to_owned());
    std::fs::create_dir_all(directory).unwrap();
    let store = location.open(keys().fingerprint(), Clock::system()).await.unwrap();
    let names: Vec<_> = (0..streams).map(|_| StreamId::User(new_user_id())).collect();
    let key = |generation, n: usize| {
        Some(NewKey { generation, wrapped: format!("key {generation} of {n}").into_bytes() })
    };
    let first = names
        .iter()
        .enumerate()
        .map(|(n, name)| store.append(Append { new_key: key(0, n), ..append(name, 0, 2) }));
    for done in futures::future::join_all(first).await {
        done.unwrap();
    }
    for (n, name) in names.iter().enumerate().filter(|(n, _)| n % 50 == 0) {
        store.destroy_key(name, None).await.unwrap();
        if n % 100 == 0 {
            store.append(Append { new_key: key(1, n), ..append(name, 2, 1) }).await.unwrap();
        }
    }
    let late = names.iter().enumerate().filter(|(n, _)| n % 100 != 0);
    let late = late.map(|(_, name)| store.append(append(name, 2, 1)));
    for done in futures::future::join_all(late).await {
        done.unwrap();
    }
}

pub(crate) async fn open(store: &str, read_db: Option<&str>, side: Side) -> Arc<dyn Transfer> {
    let location = Location::parse(store, read_db).unwrap();
    location.open_for_copy(side, keys().fingerprint(), Clock::system()).await.unwrap()
}

/// All that a store holds, but for the positions, which are its own.
pub(crate) async fn everything(
    store: &str,
    read_db: Option<&str>,
) -> (Vec<Recorded>, Vec<StoredKey>) {
    let side = open(store, read_db, Side::Source).await;
    let mut events = vec![];
    let mut after = 0;
    loop {
        let page = side.log().read_all(after, 10_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.position;
        events.extend(page.into_iter().map(|event| Recorded { position: 0, ..event }));
    }
    (events, side.keys(None, 1_000_000).await.unwrap())
}

/// What the program says: stdout when it succeeds, else stderr.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = whence(directory).args(arguments).output().unwrap();
    let (said, wrong) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    match output.status.code() {
        Some(0) => Ok(said.unwrap()),
        Some(1) => Err(wrong.unwrap().lines().last().unwrap_or_default().to_owned()),
        other => panic!("{other:?}: {wrong:?}"),
    }
}

/// `whence copy` with the master key of all logs here.
pub(crate) fn copy(
    directory: &Path,
    from: &str,
    to: &str,
    more: &[&str],
) -> Result<String, String> {
    let mut arguments = vec!["copy", "--from", from, "--to", to, "--master-key", KEY];
    arguments.extend(more);
    run(directory, &arguments)
}

/// The settings of a service on a store.
pub(crate) fn config(store: &str) -> Config {
    Config::from_flags(["--store", store, "--master-key", KEY]).unwrap()
}
