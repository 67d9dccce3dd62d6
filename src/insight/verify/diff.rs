//! The difference between the events that a tree was made of and those of the log: two lists of
//! hashes are compared.

use std::collections::{HashMap, VecDeque};

use whence_events::{Hash, Position};

/// How far the comparison looks for a place from which on both lists are the same again.
pub(super) const WINDOW: usize = 1 << 16;

/// How many differences are reported; what comes after them is not examined.
const MAX_DIFFERENCES: usize = 1000;

/// A difference between tree and log. A number is the place of an event in the log, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The event has other bytes.
    Altered { number: u64, position: Position },
    /// The event is gone; the one before it is at `after`.
    Missing { number: u64, after: Position },
    /// Before the event that was `number`, there is one that was not in the log.
    Inserted { number: u64, position: Position },
    /// The event is at another place.
    Moved { number: u64, position: Position },
    /// All events from this one on are gone.
    Cut { number: u64, after: Position },
    /// From this event on nothing is found again, or there are too many differences.
    Lost { number: u64, position: Position },
}

impl Difference {
    /// Returns the number of the event of the tree that the difference is about.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Altered { number, .. }
            | Self::Missing { number, .. }
            | Self::Inserted { number, .. }
            | Self::Moved { number, .. }
            | Self::Cut { number, .. }
            | Self::Lost { number, .. } => number,
        }
    }
}

/// A place where the lists differ, before it is known what is at other places.
enum Divergence {
    Changed { number: u64, was: Hash, position: Position, is: Hash },
    Gone { number: u64, was: Hash, after: Position },
    New { number: u64, position: Position, is: Hash },
    Rest(Difference),
}

/// A comparison of the tree with the log, in one pass and bounded memory.
pub(super) struct Diff {
    /// The hashes that are still to be found in the log; the first is that of the event `number`.
    expected: VecDeque<Hash>,
    number: u64,
    /// The hashes that are still to be found in the tree.
    actual: VecDeque<(Position, Hash)>,
    /// The position of the last event that was compared.
    after: Position,
    places: Vec<Divergence>,
    over: bool,
}

impl Diff {
    pub(super) fn new() -> Self {
        Self {
            expected: VecDeque::new(),
            number: 1,
            actual: VecDeque::new(),
            after: 0,
            places: Vec::new(),
            over: false,
        }
    }

    /// Returns whether the comparison needs more of the tree to continue, if there is more. Where
    /// the log ends, it has to learn whether the tree does.
    pub(super) fn wants_more_of_the_tree(&self, log_ends: bool) -> bool {
        let least = self.actual.len().max(usize::from(log_ends));
        let wanted = if self.is_stuck() { WINDOW } else { least };
        !self.over && self.expected.len() < wanted
    }

    /// Adds more of the tree.
    pub(super) fn expect(&mut self, hashes: impl IntoIterator<Item = Hash>) {
        self.expected.extend(hashes);
    }

    /// Adds one event of the log.
    pub(super) fn see(&mut self, position: Position, hash: Hash) {
        if !self.over {
            self.actual.push_back((position, hash));
        }
    }

    /// Compares as far as is possible now; `tree_ends` and `log_ends` say that there is no more of
    /// it.
    pub(super) fn go_on(&mut self, tree_ends: bool, log_ends: bool) {
        while !self.over && !self.expected.is_empty() && !self.actual.is_empty() {
            if !self.is_stuck() {
                self.step();
                continue;
            }
            let more_tree = !tree_ends && self.expected.len() < WINDOW;
            let more_log = !log_ends && self.actual.len() < WINDOW;
            if more_tree || more_log {
                return;
            }
            self.find_again(tree_ends && log_ends);
        }
        if tree_ends && self.expected.is_empty() {
            // The tree covers less than the log.
            self.actual.clear();
        }
        if log_ends && !self.over && !self.expected.is_empty() {
            let cut = Difference::Cut { number: self.number, after: self.after };
            self.give_up(cut);
        }
    }

    fn is_stuck(&self) -> bool {
        match (self.expected.front(), self.actual.front()) {
            (Some(was), Some((_, is))) => was != is,
            (None, _) | (_, None) => false,
        }
    }

    fn step(&mut self) {
        self.expected.pop_front();
        self.number += 1;
        self.after = self.actual.pop_front().map_or(self.after, |(position, _)| position);
    }

    /// Steps over what differs, as little of it as possible.
    fn find_again(&mut self, to_the_end: bool) {
        let mut places = HashMap::with_capacity(self.expected.len().min(WINDOW));
        for (place, hash) in self.expected.iter().take(WINDOW).enumerate() {
            places.entry(*hash).or_insert(place);
        }
        let pairs = self.actual.iter().take(WINDOW).enumerate();
        let pairs = pairs.filter_map(|(there, (_, hash))| Some((*places.get(hash)?, there)));
        let nearest = pairs.min_by_key(|(here, there)| (here + there, here.abs_diff(*there)));
        let position = self.actual.front().map_or(self.after, |(position, _)| *position);
        match nearest {
            Some((here, there)) => self.step_over(here, there),
            None if to_the_end => self.step_over(self.expected.len(), self.actual.len()),
            None => self.give_up(Difference::Lost { number: self.number, position }),
        }
        if self.places.len() >= MAX_DIFFERENCES {
            self.give_up(Difference::Lost { number: self.number, position });
        }
    }

    /// Notes that the next `expected` events of the tree were replaced by the next `actual` ones of
    /// the log.
    fn step_over(&mut self, expected: usize, actual: usize) {
        let gone: Vec<_> = self.expected.drain(..expected).collect();
        let new: Vec<_> = self.actual.drain(..actual).collect();
        for step in 0..expected.max(actual) {
            let number = self.number;
            let place = match (gone.get(step), new.get(step)) {
                (Some(was), Some((position, is))) => {
                    Divergence::Changed { number, was: *was, position: *position, is: *is }
                }
                (Some(was), None) => Divergence::Gone { number, was: *was, after: self.after },
                (None, Some((position, is))) => {
                    Divergence::New { number, position: *position, is: *is }
                }
                (None, None) => return,
            };
            self.number += u64::from(step < expected);
            self.after = new.get(step).map_or(self.after, |(position, _)| *position);
            self.places.push(place);
        }
    }

    fn give_up(&mut self, last: Difference) {
        self.places.push(Divergence::Rest(last));
        self.expected.clear();
        self.actual.clear();
        self.over = true;
    }

    /// Returns the differences: an event that is gone at one place and new at another was moved.
    pub(super) fn differences(self) -> Vec<Difference> {
        let mut gone = HashMap::new();
        let mut new = HashMap::new();
        for place in &self.places {
            if let Divergence::Changed { number, was, .. } | Divergence::Gone { number, was, .. } =
                place
            {
                gone.insert(*was, *number);
            }
            if let Divergence::Changed { position, is, .. } | Divergence::New { position, is, .. } =
                place
            {
                new.insert(*is, *position);
            }
        }
        let moved_to = |was: &Hash| new.get(was).copied();
        let mut differences = Vec::new();
        for place in &self.places {
            match *place {
                Divergence::Rest(difference) => differences.push(difference),
                Divergence::Gone { number, was, after } => differences.push(match moved_to(&was) {
                    Some(position) => Difference::Moved { number, position },
                    None => Difference::Missing { number, after },
                }),
                Divergence::New { is, .. } if gone.contains_key(&is) => {}
                Divergence::New { number, position, .. } => {
                    differences.push(Difference::Inserted { number, position });
                }
                Divergence::Changed { number, was, position, is } => {
                    match (moved_to(&was), gone.contains_key(&is)) {
                        (Some(position), true) => {
                            differences.push(Difference::Moved { number, position });
                        }
                        (Some(elsewhere), false) => {
                            differences.push(Difference::Moved { number, position: elsewhere });
                            differences.push(Difference::Inserted { number, position });
                        }
                        (None, true) => {
                            differences.push(Difference::Missing { number, after: position });
                        }
                        (None, false) => differences.push(Difference::Altered { number, position }),
                    }
                }
            }
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Difference as D;
    use proptest::prelude::*;

    fn hash(n: u8) -> Hash {
        Hash([n; 32])
    }

    /// Returns the differences when the tree was made of `was`, and the log holds `is` now, at
    /// positions 10, 20, ..
    fn differences(was: &[u8], is: &[u8]) -> Vec<Difference> {
        let mut diff = Diff::new();
        diff.expect(was.iter().copied().map(hash));
        for (n, position) in is.iter().zip(1..) {
            diff.see(position * 10, hash(*n));
            diff.go_on(true, false);
        }
        diff.go_on(true, true);
        diff.differences()
    }

    #[test]
    fn what_was_done_to_a_log_is_named() {
        let was = [1, 2, 3, 4, 5, 6];
        let cases: [(&[u8], Vec<Difference>); 12] = [
            (&[1, 2, 3, 4, 5, 6], vec![]),
            (&[1, 2, 3, 4, 5, 6, 7], vec![]),
            (&[1, 2, 9, 4, 5, 6], vec![D::Altered { number: 3, position: 30 }]),
            (&[1, 2, 3, 4, 5, 9], vec![D::Altered { number: 6, position: 60 }]),
            (&[9, 2, 3, 4, 5, 6], vec![D::Altered { number: 1, position: 10 }]),
            (&[1, 2, 4, 5, 6], vec![D::Missing { number: 3, after: 20 }]),
            (&[2, 3, 4, 5, 6], vec![D::Missing { number: 1, after: 0 }]),
            (&[1, 2, 9, 3, 4, 5, 6], vec![D::Inserted { number: 3, position: 30 }]),
            (&[1, 3, 2, 4, 5, 6], vec![D::Moved { number: 2, position: 30 }]),
            (
                &[1, 5, 3, 4, 2, 6],
                vec![D::Moved { number: 2, position: 50 }, D::Moved { number: 5, position: 20 }],
            ),
            (&[1, 2, 3, 4], vec![D::Cut { number: 5, after: 40 }]),
            (&[], vec![D::Cut { number: 1, after: 0 }]),
        ];
        for (is, expected) in cases {
            assert_eq!(differences(&was, is), expected, "{is:?}");
        }
    }

    #[test]
    fn several_things_are_told_apart() {
        let found = differences(&[1, 2, 3, 4, 5, 6, 7, 8], &[1, 9, 3, 5, 6, 10, 7]);
        let expected = [
            D::Altered { number: 2, position: 20 },
            D::Missing { number: 4, after: 30 },
            D::Inserted { number: 7, position: 60 },
            D::Cut { number: 8, after: 70 },
        ];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn no_change_goes_unnoticed(was in prop::collection::vec(any::<u8>(), 1..40),
                                    is in prop::collection::vec(any::<u8>(), 0..40)) {
            let begins = is.starts_with(&was);
            prop_assert_eq!(differences(&was, &is).is_empty(), begins);
        }
    }
}
