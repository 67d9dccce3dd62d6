//! The log of the double: what all its nodes share, in memory.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use whence_events::Timestamp;

use super::wire::{self, Expected, Proposed};

/// The number of appends between statistics of the server itself, which the real one writes, too.
const STATISTICS_EVERY: u64 = 7;

/// The bytes of a record besides its data, which make positions look like those of a real log.
const OVERHEAD: u64 = 71;

/// One event in the log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) position: u64,
    pub(crate) stream: String,
    pub(crate) revision: u64,
    pub(crate) id: u128,
    pub(crate) metadata: HashMap<String, String>,
    pub(crate) custom_metadata: Vec<u8>,
    pub(crate) data: Vec<u8>,
    /// Tenths of microseconds since 1970.
    pub(crate) created: i64,
}

/// Everything that was ever appended.
pub(crate) struct Log {
    now: Box<dyn Fn() -> Timestamp + Send>,
    records: Vec<Record>,
    /// Records of each stream.
    streams: HashMap<String, Vec<usize>>,
    end: u64,
    appends: u64,
}

/// The result of an append.
pub(crate) enum Outcome {
    /// The events are at the end of the stream, or were already; revision and position of the last.
    Written { revision: u64, position: u64, again: bool },
    /// The stream has another end.
    WrongExpectedVersion { current: Option<u64> },
}

#[expect(clippy::disallowed_methods, reason = "the clock of another server")]
fn system_time() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since_1970.unwrap_or(Duration::ZERO).as_micros();
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

impl Log {
    /// Sets the clock that records are stamped by.
    pub(crate) fn tell_time(&mut self, now: Box<dyn Fn() -> Timestamp + Send>) {
        self.now = now;
    }

    pub(crate) fn new() -> Self {
        let (records, streams) = (Vec::new(), HashMap::new());
        let now = Box::new(system_time);
        let mut log = Self { now, records, streams, end: 1113, appends: 0 };
        log.write("$settings", "$metadata", "", "{}");
        log.write("$users", "$User", "", "{}");
        log
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns the records of a stream in order, or `None` when there is no such stream.
    pub(crate) fn stream(&self, name: &str) -> Option<Vec<&Record>> {
        let places = self.streams.get(name)?;
        Some(places.iter().map(|place| &self.records[*place]).collect())
    }

    /// Returns the number of records before a position, and whether one begins there.
    pub(crate) fn place(&self, position: u64) -> (usize, bool) {
        let before = self.records.partition_point(|record| record.position < position);
        (before, self.records.get(before).is_some_and(|record| record.position == position))
    }

    pub(crate) fn append(
        &mut self,
        stream: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Outcome {
        let length = self.streams.get(stream).map_or(0, Vec::len) as u64;
        let begins = match expected {
            Expected::NoStream(()) => Some(0),
            // As signed numbers, of which the negative ones have a meaning of their own.
            Expected::Revision(revision) => match revision.cast_signed() {
                -2 => Some(length),
                -1 => Some(0),
                _ => Some(revision + 1),
            },
            Expected::Any(()) => Some(length),
            Expected::Exists(()) => (length > 0).then_some(length),
        };
        if begins != Some(length) {
            return self
                .again(stream, begins, &events)
                .unwrap_or(Outcome::WrongExpectedVersion { current: length.checked_sub(1) });
        }
        let created = (self.now)().as_micros() * 10;
        for event in events {
            self.push(stream, event, created);
        }
        self.appends += 1;
        let last = self.records.last().map_or(0, |record| record.position);
        let revision = self.streams.get(stream).map_or(0, Vec::len) as u64 - 1;
        if self.appends.is_multiple_of(STATISTICS_EVERY) {
            self.write("$stats-127.0.0.1:2113", "$statsCollected", "", "{}");
        }
        Outcome::Written { revision, position: last, again: false }
    }

    /// Returns whether exactly these events were appended there before.
    fn again(&self, stream: &str, begins: Option<u64>, events: &[Proposed]) -> Option<Outcome> {
        let begins = usize::try_from(begins?).ok()?;
        let there = self.stream(stream)?;
        let there = there.get(begins..begins.checked_add(events.len())?)?;
        let ids = events.iter().map(|event| wire::number(event.id.as_ref()));
        let last = there.last()?;
        there.iter().map(|record| Some(record.id)).eq(ids).then_some(Outcome::Written {
            revision: last.revision,
            position: last.position,
            again: true,
        })
    }

    /// Writes one event at the end of a stream, whatever its length.
    pub(crate) fn write(&mut self, stream: &str, event_type: &str, beside: &str, data: &str) {
        let metadata = [("type", event_type), ("content-type", "application/json")];
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let id = Some(wire::id(u128::from(self.end)));
        let (custom_metadata, data) = (beside.as_bytes().to_vec(), data.as_bytes().to_vec());
        let created = (self.now)().as_micros() * 10;
        self.push(stream, Proposed { id, metadata, custom_metadata, data }, created);
    }

    fn push(&mut self, stream: &str, event: Proposed, created: i64) {
        let places = self.streams.entry(stream.to_owned()).or_default();
        let revision = places.len() as u64;
        places.push(self.records.len());
        let bytes = stream.len() + event.data.len() + event.custom_metadata.len();
        self.records.push(Record {
            position: self.end,
            stream: stream.to_owned(),
            revision,
            id: wire::number(event.id.as_ref()).unwrap_or(0),
            metadata: event.metadata,
            custom_metadata: event.custom_metadata,
            data: event.data,
            created,
        });
        self.end += OVERHEAD + bytes as u64;
    }
}
