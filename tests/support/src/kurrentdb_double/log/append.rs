//! Appends and deletions.

use super::super::wire::{self, Expected, Proposed};
use super::stream::Stream;
use super::{Entry, Log, METADATA_TYPE, NEVER, STATISTICS_EVERY, TOMBSTONE_TYPE};

/// How many of the last events of a stream are compared with an append that expects no length.
const REMEMBERED: u64 = 1000;

/// The result of an append.
pub(crate) enum Outcome {
    /// The events are at the end of the stream, or were already; revision and position of the last.
    Written { revision: u64, position: u64, again: bool },
    /// The stream has another end.
    WrongExpectedVersion { current: Option<u64> },
    /// The stream was ended for good.
    Tombstoned,
}

/// The result of a deletion.
pub(crate) enum Deletion {
    /// The position of the event that says so.
    Written(u64),
    /// The stream has another end.
    WrongExpectedVersion { current: Option<u64> },
    /// The stream was ended for good before.
    Tombstoned,
}

impl Log {
    pub(crate) fn append(
        &mut self,
        stream: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Outcome {
        if self.is_tombstoned(stream) {
            return Outcome::Tombstoned;
        }
        let (length, is_soft_deleted) = self.state(stream);
        let begins = self.begins(stream, expected);
        if let Some(again) = self.again(stream, expected, begins, &events) {
            return again;
        }
        if begins != Some(length) {
            return Outcome::WrongExpectedVersion { current: length.checked_sub(1) };
        }
        let created = self.created();
        let mut position = self.entries.last().map_or(0, |entry| entry.first().position);
        for event in events {
            position = self.push(stream, event, created);
        }
        let revision = self.state(stream).0.wrapping_sub(1);
        if is_soft_deleted {
            // What was there before stays hidden.
            self.write_settings(stream, &format!(r#"{{"$tb":{length}}}"#));
        }
        self.appends += 1;
        if self.appends.is_multiple_of(STATISTICS_EVERY) {
            self.write("$stats-127.0.0.1:2113", "$statsCollected", "", "{}");
        }
        Outcome::Written { revision, position, again: false }
    }

    /// Writes what is set for a stream into the stream that describes it; returns its position.
    pub(crate) fn write_settings(&mut self, stream: &str, json: &str) -> u64 {
        let event = Proposed::json(u128::from(self.end), METADATA_TYPE, "", json);
        let created = self.created();
        self.push(&format!("$${stream}"), event, created)
    }

    /// Hides all events of a stream, which may be appended to again.
    pub(crate) fn delete(&mut self, stream: &str, expected: Expected) -> Deletion {
        if let Some(refused) = self.refused_deletion(stream, expected) {
            return refused;
        }
        Deletion::Written(self.write_settings(stream, &format!(r#"{{"$tb":{NEVER}}}"#)))
    }

    /// Ends a stream for good.
    pub(crate) fn tombstone(&mut self, stream: &str, expected: Expected) -> Deletion {
        if let Some(refused) = self.refused_deletion(stream, expected) {
            return refused;
        }
        let names = [("type", TOMBSTONE_TYPE), ("content-type", "application/octet-stream")];
        let metadata = names.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let id = Some(wire::id(u128::from(self.end)));
        let event = Proposed { id, metadata, ..Proposed::default() };
        let record = self.record(stream, NEVER, event, self.created());
        let position = record.position;
        self.end = record.end();
        self.entries.push(Entry::One(record));
        self.streams.entry(stream.to_owned()).or_default().is_tombstoned = true;
        Deletion::Written(position)
    }

    fn refused_deletion(&self, stream: &str, expected: Expected) -> Option<Deletion> {
        if self.is_tombstoned(stream) {
            return Some(Deletion::Tombstoned);
        }
        let (length, _) = self.state(stream);
        let current = length.checked_sub(1);
        let refused = self.begins(stream, expected) != Some(length);
        refused.then_some(Deletion::WrongExpectedVersion { current })
    }

    /// Returns the length of a stream, and whether it is soft-deleted.
    fn state(&self, stream: &str) -> (u64, bool) {
        let stream = self.streams.get(stream);
        (stream.map_or(0, Stream::length), stream.is_some_and(Stream::is_soft_deleted))
    }

    /// Returns the length that is expected.
    fn begins(&self, stream: &str, expected: Expected) -> Option<u64> {
        let (length, is_soft_deleted) = self.state(stream);
        match expected {
            Expected::NoStream(()) => Some(if is_soft_deleted { length } else { 0 }),
            // As signed numbers, of which the negative ones have a meaning of their own.
            Expected::Revision(revision) => match revision.cast_signed() {
                -2 => Some(length),
                -1 => Some(if is_soft_deleted { length } else { 0 }),
                _ => Some(revision + 1),
            },
            Expected::Any(()) => Some(length),
            Expected::Exists(()) => (length > 0 && !is_soft_deleted).then_some(length),
        }
    }

    /// Returns what an append answers whose events were all appended before, one after the other.
    fn again(
        &self,
        stream: &str,
        expected: Expected,
        begins: Option<u64>,
        events: &[Proposed],
    ) -> Option<Outcome> {
        let (length, _) = self.state(stream);
        let ids: Option<Vec<u128>> = events.iter().map(|e| wire::number(e.id.as_ref())).collect();
        let ids = ids?;
        let first = *ids.first()?;
        let is_there = |begins: u64| {
            ids.iter().zip(begins..).all(|(id, revision)| self.id(stream, revision) == Some(*id))
        };
        let exact = begins.filter(|begins| *begins < length && is_there(*begins));
        let begins = match expected {
            Expected::Any(()) | Expected::Exists(()) => {
                let remembered = length.saturating_sub(REMEMBERED)..length;
                remembered
                    .rev()
                    .find(|begins| self.id(stream, *begins) == Some(first) && is_there(*begins))
            }
            Expected::Revision(_) | Expected::NoStream(()) => exact,
        }?;
        let last = self.stream_record(stream, begins + ids.len() as u64 - 1)?;
        Some(Outcome::Written { revision: last.revision, position: last.position, again: true })
    }
}
