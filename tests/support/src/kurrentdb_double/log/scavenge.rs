//! A scavenge: what no reader of a stream sees any more leaves the log.

use std::collections::HashMap;

use super::stream::Stream;
use super::{Entry, Log};

/// What is kept of a stream.
struct Kept {
    /// The first revision that numbers do not hide.
    first: u64,
    /// The time before which events are hidden.
    oldest: i64,
    /// The last revision, which is kept in any case: the numbers go on after it.
    last: Option<u64>,
    is_tombstoned: bool,
}

impl Kept {
    fn of(name: &str, stream: &Stream, now: i64) -> Self {
        Self {
            first: stream.first_visible(name),
            oldest: stream.oldest(now),
            last: stream.length().checked_sub(1),
            is_tombstoned: stream.is_tombstoned,
        }
    }

    fn keeps(&self, revision: u64, created: i64) -> bool {
        if self.is_tombstoned {
            return false;
        }
        let is_visible = revision >= self.first && created >= self.oldest;
        is_visible || self.last == Some(revision)
    }
}

impl Log {
    /// Removes the events that truncations, limits and deletions hide. Of a stream that is not
    /// tombstoned the last event stays, as on the real server.
    pub(crate) fn scavenge(&mut self) {
        let now = self.created();
        let streams = self.streams.iter();
        let kept: HashMap<String, Kept> =
            streams.map(|(name, stream)| (name.clone(), Kept::of(name, stream, now))).collect();
        let keeps = |stream: &str, revision: u64, created: i64| {
            let described = stream.strip_prefix("$$").and_then(|name| kept.get(name));
            let is_described_gone = described.is_some_and(|described| described.is_tombstoned);
            !is_described_gone && kept.get(stream).is_none_or(|k| k.keeps(revision, created))
        };
        for entry in std::mem::take(&mut self.entries) {
            match entry {
                // A tombstone has a revision that no length reaches.
                Entry::One(record) if record.revision == super::NEVER => {
                    self.entries.push(Entry::One(record));
                }
                Entry::One(record) if keeps(&record.stream, record.revision, record.created) => {
                    self.entries.push(Entry::One(record));
                }
                Entry::One(record) => {
                    self.scavenged.insert(record.position);
                }
                Entry::Run(mut run) => {
                    let all = 0..run.count;
                    let gone = all.take_while(|number| {
                        let revision = run.first.revision + number;
                        !keeps(&run.first.stream, revision, run.first.created)
                    });
                    let gone = gone.count() as u64;
                    self.scavenged.extend((0..gone).map(|number| run.record(number).position));
                    run.first = run.record(gone);
                    run.count -= gone;
                    if run.count > 0 {
                        self.entries.push(Entry::Run(run));
                    }
                }
            }
        }
        self.find_pieces();
    }

    /// Finds again where the events of each stream are.
    fn find_pieces(&mut self) {
        for stream in self.streams.values_mut() {
            stream.pieces.clear();
        }
        for entry in &self.entries {
            let first = entry.first();
            let count = match entry {
                Entry::One(_) => 1,
                Entry::Run(run) => run.count,
            };
            if let Some(stream) = self.streams.get_mut(&first.stream)
                && first.revision != super::NEVER
            {
                stream.keep_piece(first.revision, count, first.position);
            }
        }
    }
}
