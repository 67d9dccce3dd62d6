//! A stream: where its events are, and what is set for it.

use std::time::Duration;

use super::{Entry, Log, NEVER, Record};

/// What `$metadata` says of a stream.
#[derive(Clone, Default)]
pub(super) struct Settings {
    truncate_before: u64,
    max_count: Option<u64>,
    max_age: Option<Duration>,
    /// Names of users and groups that may read it, and write to it, when it has a list of its own.
    readers: Option<Vec<String>>,
    writers: Option<Vec<String>>,
}

/// Consecutive events of a stream that are consecutive in the log, too.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    revision: u64,
    count: u64,
    position: u64,
}

/// Where the events of a stream are.
#[derive(Clone, Default)]
pub(crate) struct Stream {
    length: u64,
    pub(super) pieces: Vec<Piece>,
    settings: Settings,
    pub(super) is_tombstoned: bool,
}

/// The answer to a read of a stream.
pub(crate) enum StreamRead {
    NoStream,
    Tombstoned,
    Page(StreamPage),
}

/// A part of a stream.
pub(crate) struct StreamPage {
    pub(crate) events: Vec<Record>,
    /// The revision to go on with.
    pub(crate) next: u64,
    pub(crate) is_end: bool,
    /// The last revision of the stream.
    pub(crate) last: u64,
}

impl Stream {
    /// Returns the number of events that were ever appended.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Adds events at the end.
    pub(super) fn extend(&mut self, position: u64, count: u64) {
        self.pieces.push(Piece { revision: self.length, count, position });
        self.length += count;
    }

    /// Adds events that a scavenge has left, with the revisions that they have.
    pub(super) fn keep_piece(&mut self, revision: u64, count: u64, position: u64) {
        self.pieces.push(Piece { revision, count, position });
    }

    /// Reads what was set; what is no object sets nothing.
    pub(super) fn describe(&mut self, data: &[u8]) {
        let json: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
        let number = |name: &str| json.get(name).and_then(serde_json::Value::as_u64);
        let names = |name: &str| match json.get("$acl").and_then(|acl| acl.get(name)) {
            Some(serde_json::Value::String(name)) => Some(vec![name.clone()]),
            Some(serde_json::Value::Array(all)) => {
                Some(all.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
            }
            _ => None,
        };
        self.settings = Settings {
            truncate_before: number("$tb").unwrap_or(0),
            max_count: number("$maxCount"),
            max_age: number("$maxAge").map(Duration::from_secs),
            readers: names("$r"),
            writers: names("$w"),
        };
    }

    pub(super) fn is_soft_deleted(&self) -> bool {
        self.settings.truncate_before >= NEVER
    }

    /// Returns the first revision that a reader sees, as far as numbers decide it.
    pub(super) fn first_visible(&self, name: &str) -> u64 {
        // The settings of a stream are one event: the last.
        let max_count = if name.starts_with("$$") { Some(1) } else { self.settings.max_count };
        let kept = max_count.map_or(0, |count| self.length.saturating_sub(count));
        self.settings.truncate_before.max(kept)
    }

    /// Returns the time, in tenths of microseconds since 1970, before which events are not shown.
    pub(super) fn oldest(&self, now: i64) -> i64 {
        let ticks = self.settings.max_age.map(|age| i64::try_from(age.as_micros() * 10));
        ticks.map_or(i64::MIN, |ticks| now.saturating_sub(ticks.unwrap_or(i64::MAX)))
    }

    /// Returns the position of the event with a revision, unless it was scavenged.
    fn piece(&self, revision: u64) -> Option<Piece> {
        let after = self.pieces.partition_point(|piece| piece.revision <= revision);
        let piece = *self.pieces.get(after.checked_sub(1)?)?;
        (revision < piece.revision + piece.count).then_some(piece)
    }
}

impl Log {
    /// Returns the names of the streams that have had events.
    pub(crate) fn names(&self) -> Vec<String> {
        let used = self.streams.iter().filter(|(_, stream)| stream.length > 0);
        let mut names: Vec<_> = used.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Returns the custom metadata of the last event of a stream.
    pub(crate) fn last_metadata(&self, name: &str) -> Option<String> {
        let last = self.streams.get(name)?.length.checked_sub(1)?;
        let record = self.stream_record(name, last)?;
        Some(String::from_utf8_lossy(&record.custom_metadata).into_owned())
    }

    /// Returns the names of those who may read a stream, when a list was set.
    pub(crate) fn readers(&self, name: &str) -> Option<Vec<String>> {
        self.streams.get(name)?.settings.readers.clone()
    }

    /// Returns the names of those who may write to a stream, when a list was set.
    pub(crate) fn writers(&self, name: &str) -> Option<Vec<String>> {
        self.streams.get(name)?.settings.writers.clone()
    }

    /// Returns whether a stream, or the one that it describes, was ended for good.
    pub(crate) fn is_tombstoned(&self, name: &str) -> bool {
        let described = name.strip_prefix("$$").unwrap_or(name);
        self.streams.get(described).is_some_and(|stream| stream.is_tombstoned)
    }

    /// Returns up to `most` events of a stream from a revision on, that one included.
    pub(crate) fn read_stream(
        &self,
        name: &str,
        from: u64,
        backwards: bool,
        most: usize,
    ) -> StreamRead {
        if self.is_tombstoned(name) {
            return StreamRead::Tombstoned;
        }
        let Some(stream) = self.streams.get(name) else { return StreamRead::NoStream };
        let Some(last) = stream.length.checked_sub(1) else { return StreamRead::NoStream };
        if stream.is_soft_deleted() {
            return StreamRead::NoStream;
        }
        let first = stream.first_visible(name);
        let oldest = stream.oldest(self.created());
        let mut page = StreamPage { events: Vec::new(), next: from, is_end: false, last };
        if backwards {
            let mut next = Some(from.min(last)).filter(|next| *next >= first);
            while let Some(revision) = next.filter(|_| page.events.len() < most) {
                page.events.extend(self.visible(name, revision, oldest));
                next = revision.checked_sub(1).filter(|next| *next >= first);
            }
            page.is_end = next.is_none();
            page.next = next.unwrap_or(0);
        } else {
            let mut next = from.max(first);
            while next <= last && page.events.len() < most {
                page.events.extend(self.visible(name, next, oldest));
                next += 1;
            }
            page.is_end = next > last;
            page.next = next.min(last + 1);
        }
        StreamRead::Page(page)
    }

    fn visible(&self, name: &str, revision: u64, oldest: i64) -> Option<Record> {
        self.stream_record(name, revision).filter(|record| record.created >= oldest)
    }

    /// Returns the event of a stream with a revision.
    pub(super) fn stream_record(&self, name: &str, revision: u64) -> Option<Record> {
        let (piece, entry) = self.entry(name, revision)?;
        Some(match entry {
            Entry::One(record) => record.clone(),
            Entry::Run(run) => run.record(revision - piece.revision),
        })
    }

    /// Returns the id of the event of a stream with a revision.
    pub(super) fn id(&self, name: &str, revision: u64) -> Option<u128> {
        let (piece, entry) = self.entry(name, revision)?;
        Some(entry.first().id + u128::from(revision - piece.revision))
    }

    fn entry(&self, name: &str, revision: u64) -> Option<(Piece, &Entry)> {
        let piece = self.streams.get(name)?.piece(revision)?;
        let index = self.entries.partition_point(|entry| entry.first().position < piece.position);
        Some((piece, self.entries.get(index)?))
    }
}
