//! The log of the double: what all its nodes share, in memory.

mod append;
mod scan;
mod scavenge;
mod stream;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use prost::bytes::Bytes;
use whence_events::Timestamp;

use super::wire::{self, Proposed};
pub(crate) use append::{Deletion, Outcome};
use stream::Stream;
pub(crate) use stream::{StreamPage, StreamRead};

/// The number of appends between statistics of the server itself, which the real one writes, too.
const STATISTICS_EVERY: u64 = 7;

/// The bytes of a record besides its names and data, as in the log of the real server.
const OVERHEAD: u64 = 90;

/// The type of the events that are written as runs.
const FOREIGN_TYPE: &str = "OrderPlaced";

/// The type of the events that hold what is set for a stream, in the stream of its name after `$$`.
pub(crate) const METADATA_TYPE: &str = "$metadata";

/// The type of the event that ends a stream for good.
const TOMBSTONE_TYPE: &str = "$streamDeleted";

/// The revision of a tombstone, and the number before which a soft-deleted stream is truncated.
pub(crate) const NEVER: u64 = i64::MAX.cast_unsigned();

/// One event in the log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) position: u64,
    /// The number of bytes up to the next record.
    pub(crate) size: u64,
    pub(crate) stream: String,
    pub(crate) revision: u64,
    pub(crate) id: u128,
    pub(crate) metadata: HashMap<String, String>,
    pub(crate) custom_metadata: Bytes,
    pub(crate) data: Bytes,
    /// Tenths of microseconds since 1970.
    pub(crate) created: i64,
}

/// Many events of another application in one stream, which differ in their numbers alone.
#[derive(Clone, Debug)]
struct Run {
    first: Record,
    count: u64,
}

/// What stands in the log, one after the other.
#[derive(Clone, Debug)]
enum Entry {
    One(Record),
    Run(Run),
}

/// Everything that was ever appended, but for what was scavenged.
pub(crate) struct Log {
    now: Box<dyn Fn() -> Timestamp + Send>,
    entries: Vec<Entry>,
    streams: HashMap<String, Stream>,
    /// Where records began that were scavenged.
    scavenged: HashSet<u64>,
    end: u64,
    appends: u64,
}

#[expect(clippy::disallowed_methods, reason = "the clock of another server")]
fn system_time() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since_1970.unwrap_or(Duration::ZERO).as_micros();
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

impl Record {
    pub(crate) fn event_type(&self) -> &str {
        self.metadata.get("type").map_or("", String::as_str)
    }

    fn end(&self) -> u64 {
        self.position + self.size
    }
}

impl Run {
    /// Returns one event of the run, counted from 0.
    fn record(&self, number: u64) -> Record {
        Record {
            position: self.first.position + number * self.first.size,
            revision: self.first.revision + number,
            id: self.first.id + u128::from(number),
            ..self.first.clone()
        }
    }

    /// Returns how many of its events begin before a position.
    fn before(&self, position: u64) -> u64 {
        position.saturating_sub(self.first.position).div_ceil(self.first.size).min(self.count)
    }

    fn end(&self) -> u64 {
        self.first.position + self.count * self.first.size
    }
}

impl Entry {
    fn first(&self) -> &Record {
        match self {
            Self::One(record) => record,
            Self::Run(run) => &run.first,
        }
    }

    fn end(&self) -> u64 {
        match self {
            Self::One(record) => record.end(),
            Self::Run(run) => run.end(),
        }
    }
}

impl Log {
    pub(crate) fn new() -> Self {
        let mut log = Self {
            now: Box::new(system_time),
            entries: Vec::new(),
            streams: HashMap::new(),
            scavenged: HashSet::new(),
            end: 1113,
            appends: 0,
        };
        log.write("$settings", METADATA_TYPE, "", "{}");
        log.write("$users", "$User", "", "{}");
        log
    }

    /// Sets the clock that records are stamped by. By the first one, what a new server writes itself is
    /// not from the future.
    pub(crate) fn tell_time(&mut self, now: Box<dyn Fn() -> Timestamp + Send>) {
        self.now = now;
        if self.appends > 0 {
            return;
        }
        let latest = (self.now)().as_micros() * 10;
        for entry in &mut self.entries {
            if let Entry::One(record) = entry {
                record.created = record.created.min(latest);
            }
        }
    }

    /// Returns the position that the next event will have.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Returns the single events in the order of the log, without the runs.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::One(record) => Some(record),
            Entry::Run(_) => None,
        })
    }

    /// Returns whether a reader may begin at a position: at an event, at one that was there before a
    /// scavenge, at the start, or behind the end.
    pub(crate) fn is_readable_at(&self, position: u64) -> bool {
        if position == 0 || position >= self.end || self.scavenged.contains(&position) {
            return true;
        }
        let after = self.entries.partition_point(|entry| entry.first().position <= position);
        after.checked_sub(1).is_some_and(|index| match &self.entries[index] {
            Entry::One(record) => record.position == position,
            Entry::Run(run) => {
                position < run.end()
                    && (position - run.first.position).is_multiple_of(run.first.size)
            }
        })
    }

    /// Writes one event at the end of a stream, whatever its length.
    pub(crate) fn write(&mut self, stream: &str, event_type: &str, beside: &str, data: &str) {
        let event = Proposed::json(u128::from(self.end), event_type, beside, data);
        let created = self.created();
        self.push(stream, event, created);
    }

    /// Writes many events of another application, of so many bytes of data each, as one run.
    pub(crate) fn write_foreign(&mut self, stream: &str, count: u64, bytes: usize) {
        if count == 0 {
            return;
        }
        let filling = "a".repeat(bytes.saturating_sub(r#"{"x":""}"#.len()));
        let data = format!(r#"{{"x":"{filling}"}}"#);
        let event = Proposed::json(u128::from(self.end), FOREIGN_TYPE, "{}", &data);
        let revision = self.streams.get(stream).map_or(0, Stream::length);
        let first = self.record(stream, revision, event, self.created());
        let position = first.position;
        self.streams.entry(stream.to_owned()).or_default().extend(position, count);
        let run = Run { first, count };
        self.end = run.end();
        self.entries.push(Entry::Run(run));
    }

    fn created(&self) -> i64 {
        (self.now)().as_micros() * 10
    }

    /// Returns an event at the end of the log, which is not in it yet.
    fn record(&self, stream: &str, revision: u64, event: Proposed, created: i64) -> Record {
        let names = stream.len() + event.event_type().len();
        let size = OVERHEAD + (names + event.data.len() + event.custom_metadata.len()) as u64;
        Record {
            position: self.end,
            size,
            stream: stream.to_owned(),
            revision,
            id: wire::number(event.id.as_ref()).unwrap_or(0),
            metadata: event.metadata,
            custom_metadata: event.custom_metadata,
            data: event.data,
            created,
        }
    }

    /// Writes an event at the end of a stream; returns its position.
    fn push(&mut self, stream: &str, event: Proposed, created: i64) -> u64 {
        let revision = self.streams.get(stream).map_or(0, Stream::length);
        let record = self.record(stream, revision, event, created);
        let position = record.position;
        self.streams.entry(stream.to_owned()).or_default().extend(position, 1);
        if let Some(described) = stream.strip_prefix("$$")
            && record.event_type() == METADATA_TYPE
        {
            self.streams.entry(described.to_owned()).or_default().describe(&record.data);
        }
        self.end = record.end();
        self.entries.push(Entry::One(record));
        position
    }
}
