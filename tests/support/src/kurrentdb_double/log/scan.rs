//! The log, event by event in both directions, as far as a reader has to look.

use super::super::filter::Matcher;
use super::{Entry, Log, Record};

/// A part of the log.
pub(crate) struct Page {
    pub(crate) events: Vec<Record>,
    /// The number of events that were looked at.
    pub(crate) examined: u64,
    /// The position of the last of them.
    pub(crate) last: Option<u64>,
    /// Where the page began.
    pub(crate) from: u64,
    /// Where to go on.
    pub(crate) next: u64,
    /// Whether there was no more.
    pub(crate) is_end: bool,
}

impl Page {
    fn new(from: u64) -> Self {
        Self { events: Vec::new(), examined: 0, last: None, from, next: from, is_end: false }
    }

    fn look_at(&mut self, filter: Option<&Matcher>, record: &Record) {
        self.examined += 1;
        self.last = Some(record.position);
        if passes(filter, record) {
            self.events.push(record.clone());
        }
    }
}

fn passes(filter: Option<&Matcher>, record: &Record) -> bool {
    filter.is_none_or(|filter| filter.passes(&record.stream, record.event_type()))
}

impl Log {
    /// Looks at up to `window` events from a position on, for up to `most` that pass.
    pub(crate) fn forwards(
        &self,
        from: u64,
        filter: Option<&Matcher>,
        most: usize,
        window: u64,
    ) -> Page {
        let mut page = Page::new(from);
        let mut index = self.entries.partition_point(|entry| entry.end() <= from);
        while page.events.len() < most && page.examined < window {
            let Some(entry) = self.entries.get(index) else {
                page.is_end = true;
                page.next = from.max(self.end);
                break;
            };
            match entry {
                Entry::One(record) => page.look_at(filter, record),
                Entry::Run(run) => {
                    let seen = run.before(page.next);
                    if passes(filter, &run.first) {
                        page.look_at(filter, &run.record(seen));
                    } else {
                        let passed = (run.count - seen).min(window - page.examined);
                        page.examined += passed;
                        page.last = Some(run.record(seen + passed - 1).position);
                    }
                }
            }
            let size = entry.first().size;
            page.next = page.last.map_or(page.next, |last| last + size);
            if page.next >= entry.end() {
                index += 1;
            }
        }
        page
    }

    /// Looks at up to `window` events before a position, the latest first, for up to `most` that pass.
    pub(crate) fn backwards(
        &self,
        before: u64,
        filter: Option<&Matcher>,
        most: usize,
        window: u64,
    ) -> Page {
        let mut page = Page::new(before);
        let mut index = self.entries.partition_point(|entry| entry.first().position < before);
        while page.events.len() < most && page.examined < window {
            let Some(entry) = index.checked_sub(1).and_then(|last| self.entries.get(last)) else {
                page.is_end = true;
                break;
            };
            match entry {
                Entry::One(record) => page.look_at(filter, record),
                Entry::Run(run) => {
                    let left = run.before(page.next);
                    if passes(filter, &run.first) {
                        page.look_at(filter, &run.record(left - 1));
                    } else {
                        let passed = left.min(window - page.examined);
                        page.examined += passed;
                        page.last = Some(run.record(left - passed).position);
                    }
                }
            }
            page.next = page.last.unwrap_or(page.next);
            if page.next <= entry.first().position {
                index -= 1;
            }
        }
        page
    }

    /// Returns whether more than `most` events after a position pass.
    pub(crate) fn has_more_than(&self, most: u64, after: u64, filter: Option<&Matcher>) -> bool {
        let mut waiting = 0;
        let begin = self.entries.partition_point(|entry| entry.end() <= after);
        for entry in &self.entries[begin..] {
            if passes(filter, entry.first()) {
                waiting += match entry {
                    Entry::One(_) => 1,
                    Entry::Run(run) => run.count - run.before(after),
                };
                if waiting > most {
                    return true;
                }
            }
        }
        false
    }
}
