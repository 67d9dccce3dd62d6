//! A log with an event of every type, some of people who were erased, and some of a newer version.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use tempfile::TempDir;
use whence::engine::vault::Vault;
use whence::infra::clock::Clock;
use whence::infra::keys::{Keys, MasterKey};
use whence::infra::random::{new_correlation_id, new_event_id};
use whence::store::{Append, EventStore, Location, NewEvent};
use whence_events::{Actor, EmailAddress, Event, Metadata, Recorded, StreamId, Timestamp, codec};

use crate::support::whence;

/// The master key of all logs here.
pub(crate) const KEY: &str = "abababababababababababababababababababababababababababababababab";

/// What a newer version may have written: spaces, order, a line break, numbers, escapes.
pub(crate) const STRANGE: &str = "{ \"b\":1.0,\n \"a\" : 1e2, \"c\":\"\\u0000ü, \\\"=1+1\" }";

/// A log, and the flags that name it.
pub(crate) struct Log {
    pub(crate) directory: TempDir,
    pub(crate) flags: Vec<String>,
    pub(crate) events: Vec<Recorded>,
}

impl Log {
    /// In files.
    pub(crate) async fn sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        Self::at(directory, "sqlite:data".to_owned(), None).await
    }

    /// Anywhere: filled, and read back.
    pub(crate) async fn at(directory: TempDir, store: String, read_db: Option<&str>) -> Self {
        let mut location = Location::parse(&store, read_db).unwrap();
        if let Location::Sqlite(path) = &mut location {
            *path = directory.path().join(&path);
        }
        let keys = keys();
        let log = location.open(keys.fingerprint(), Clock::system()).await.unwrap();
        fill(&log, &keys).await;
        let events = log.read_all(0, 10_000).await.unwrap();
        let mut flags = vec!["--store".to_owned(), store, "--master-key".into(), KEY.into()];
        flags.extend(read_db.into_iter().flat_map(|url| ["--read-db".to_owned(), url.to_owned()]));
        Self { directory, flags, events }
    }

    /// Makes a log in files longer than any pipe.
    pub(crate) async fn append_strange(&self, events: usize) {
        let location = Location::Sqlite(self.path("data"));
        let log = location.open(keys().fingerprint(), Clock::system()).await.unwrap();
        let vault = Vault::new(log.clone(), keys().wrapping);
        let strange = || Event::Unknown { event_type: "Strange.v9".to_owned() };
        let events = std::iter::repeat_with(strange).take(events).collect();
        append(&log, &vault, &"audit".parse().unwrap(), 1, events).await;
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `whence export events` with these arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = whence(self.directory.path());
        command.args(["export", "events"]).args(&self.flags).args(arguments).output().unwrap()
    }

    /// Exports into a file: which, and what was said on stderr.
    #[track_caller]
    pub(crate) fn export(&self, name: &str, more: &[&str]) -> (PathBuf, String) {
        let format = Path::new(name).extension().unwrap().to_str().unwrap();
        let output = self.run(&[&["--format", format, "--out", name], more].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{said}");
        (self.path(name), said)
    }

    /// Insists on a refusal in this one sentence.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str], sentence: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("whence: {sentence}\n"), "{arguments:?}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

pub(crate) fn keys() -> Keys {
    Keys::derive(&MasterKey::parse(KEY).unwrap())
}

/// The address of a person, and all else that is personal about them.
pub(crate) fn address(person: usize) -> String {
    format!("person{person}@private.example.com")
}

/// What a personal field holds in clear.
pub(crate) fn clear(field: &str, person: usize) -> String {
    match field {
        "email" => address(person),
        "client" | "device" => {
            format!(r#"{{"ip":"192.0.2.{person}","ua":"Browser of person{person}, \"x\""}}"#)
        }
        _ => format!("https://private.example.com/person{person}?q=\"a,b\""),
    }
}

/// Whose mailbox and account are erased.
pub(crate) const ERASED: usize = 2;

/// Three people with an event of every type each.
async fn fill(log: &Arc<dyn EventStore>, keys: &Keys) {
    let vault = Vault::new(log.clone(), keys.wrapping.clone());
    for person in 1..=3 {
        let mut by_stream = std::collections::BTreeMap::<String, Vec<Event>>::new();
        for event in golden() {
            let stream = stream_of(&event, person, keys);
            by_stream.entry(stream.to_string()).or_default().push(event);
        }
        for (stream, events) in by_stream {
            let stream: StreamId = stream.parse().unwrap();
            append(log, &vault, &stream, person, events).await;
            if person == ERASED {
                vault.destroy(&stream).await.unwrap();
            }
        }
    }
}

/// An event of every type that this version knows, and one that it does not.
fn golden() -> Vec<Event> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/tests/golden");
    let mut files: Vec<_> =
        directory.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    assert_eq!(files.len(), codec::known_types().count(), "one golden file of each type");
    let read = |file: &PathBuf| {
        let event_type = file.file_stem().unwrap().to_str().unwrap();
        codec::decode(event_type, &std::fs::read(file).unwrap()).unwrap()
    };
    let strange = Event::Unknown { event_type: "Strange.v9".to_owned() };
    files.iter().map(read).chain([strange]).collect()
}

fn stream_of(event: &Event, person: usize, keys: &Keys) -> StreamId {
    let id = format!("018f0000-0000-7000-8000-00000000000{person}");
    let name = match event {
        Event::Mailbox(_) => {
            let address = EmailAddress::parse(&address(person)).unwrap();
            return StreamId::Mailbox(keys.email_key(&address));
        }
        Event::User(_) | Event::Unknown { .. } => format!("user-{id}"),
        Event::Name(_) => format!("name-code-code{person}"),
        Event::Touch(touch) => format!("touch-{}{}", touch.event_type().len() % 2, &id[1..]),
        Event::Rules(_) => format!("rules-{}", "A".repeat(21) + ["A", "Q", "g"][person - 1]),
        Event::Audit(_) => "audit".to_owned(),
        Event::ApiKey(_) => format!("api-key-{id}"),
    };
    name.parse().unwrap()
}

/// Appends behind what is there, sealed as the command loop would.
async fn append(
    log: &Arc<dyn EventStore>,
    vault: &Vault,
    stream: &StreamId,
    person: usize,
    events: Vec<Event>,
) {
    let length = log.read_stream(stream, 0, 1000).await.unwrap().len() as u64;
    let (key, new_key) = vault.key_for_append(stream, length).await.unwrap();
    let mut causation_id = None;
    let mut new = vec![];
    for (version, mut event) in (length..).zip(events) {
        event.visit_pii(&mut |field, slot| slot.set_clear(clear(field, person).as_bytes()));
        key.seal(stream, version, &mut event);
        let metadata = Metadata {
            occurred_at: Timestamp::from_micros(1_773_500_966_535_897 + version.cast_signed()),
            correlation_id: new_correlation_id(),
            causation_id,
            actor: [Actor::Owner, Actor::Visitor, Actor::Operator("Zoë, \"ops\"".into())]
                [person - 1]
                .clone(),
        };
        let event_id = new_event_id();
        causation_id = Some(event_id);
        new.push(if let Event::Unknown { .. } = event {
            NewEvent { event_id, event, data: STRANGE.as_bytes().into(), metadata }
        } else {
            NewEvent::new(event_id, event, metadata).unwrap()
        });
    }
    let append = Append { stream: stream.clone(), expected_length: length, events: new, new_key };
    log.append(append).await.unwrap();
}
