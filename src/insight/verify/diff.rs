//! What became of the events that a tree was made of: two lists of hashes held against each other.

use std::collections::{HashMap, VecDeque};

use whence_events::{Hash, Position};

/// How far is looked for a place from which on both are the same again.
pub(super) const WINDOW: usize = 1 << 16;

/// Differences that are told; what comes behind is not looked at.
const MOST: usize = 1000;

/// What is not as it was. A number is the place of an event in the log, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The event has other bytes.
    Altered { number: u64, position: Position },
    /// The event is gone; the one before it stands at `after`.
    Missing { number: u64, after: Position },
    /// Before what was the event `number`, there is one that was not.
    Inserted { number: u64, position: Position },
    /// The event stands elsewhere.
    Moved { number: u64, position: Position },
    /// From this event on to the end all are gone.
    Cut { number: u64, after: Position },
    /// From this event on nothing is found again, or there is too much to tell.
    Lost { number: u64, position: Position },
}

impl Difference {
    /// The event of the tree that it is about.
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

/// One place where the lists differ, before it is known what stands elsewhere.
enum Place {
    Changed { number: u64, was: Hash, position: Position, is: Hash },
    Gone { number: u64, was: Hash, after: Position },
    New { number: u64, position: Position, is: Hash },
    Rest(Difference),
}

/// Compares what the tree holds with what the log holds, in one pass and bounded memory.
pub(super) struct Diff {
    /// What is still to be found in the log; the first of them is the event `number`.
    expected: VecDeque<Hash>,
    number: u64,
    /// What is still to be found in the tree.
    actual: VecDeque<(Position, Hash)>,
    /// Position of the last event that was compared.
    after: Position,
    places: Vec<Place>,
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

    /// Whether it can go on only with more of the tree, if there is more. Where the log ends, it is to
    /// be known whether the tree does.
    pub(super) fn wants_more_of_the_tree(&self, log_ends: bool) -> bool {
        let least = self.actual.len().max(usize::from(log_ends));
        let wanted = if self.is_stuck() { WINDOW } else { least };
        !self.over && self.expected.len() < wanted
    }

    /// More of the tree.
    pub(super) fn expect(&mut self, hashes: impl IntoIterator<Item = Hash>) {
        self.expected.extend(hashes);
    }

    /// More of the log.
    pub(super) fn see(&mut self, position: Position, hash: Hash) {
        if !self.over {
            self.actual.push_back((position, hash));
        }
    }

    /// Compares as far as is possible now; `tree_ends` and `log_ends` when there is no more of it.
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
            // The tree is not as far as the log.
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

    /// Steps over what differs, as little of it as can be.
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
        if self.places.len() >= MOST {
            self.give_up(Difference::Lost { number: self.number, position });
        }
    }

    /// So many of the tree were replaced by so many of the log.
    fn step_over(&mut self, expected: usize, actual: usize) {
        let gone: Vec<_> = self.expected.drain(..expected).collect();
        let new: Vec<_> = self.actual.drain(..actual).collect();
        for step in 0..expected.max(actual) {
            let number = self.number;
            let place = match (gone.get(step), new.get(step)) {
                (Some(was), Some((position, is))) => {
                    Place::Changed { number, was: *was, position: *position, is: *is }
                }
                (Some(was), None) => Place::Gone { number, was: *was, after: self.after },
                (None, Some((position, is))) => Place::New { number, position: *position, is: *is },
                (None, None) => return,
            };
            self.number += u64::from(step < expected);
            self.after = new.get(step).map_or(self.after, |(position, _)| *position);
            self.places.push(place);
        }
    }

    fn give_up(&mut self, last: Difference) {
        self.places.push(Place::Rest(last));
        self.expected.clear();
        self.actual.clear();
        self.over = true;
    }

    /// What differs: what is gone at one place and new at another was moved.
    pub(super) fn differences(self) -> Vec<Difference> {
        let mut gone = HashMap::new();
        let mut new = HashMap::new();
        for place in &self.places {
            if let Place::Changed { number, was, .. } | Place::Gone { number, was, .. } = place {
                gone.insert(*was, *number);
            }
            if let Place::Changed { position, is, .. } | Place::New { position, is, .. } = place {
                new.insert(*is, *position);
            }
        }
        let moved_to = |was: &Hash| new.get(was).copied();
        let mut told = Vec::new();
        for place in &self.places {
            match *place {
                Place::Rest(difference) => told.push(difference),
                Place::Gone { number, was, after } => told.push(match moved_to(&was) {
                    Some(position) => Difference::Moved { number, position },
                    None => Difference::Missing { number, after },
                }),
                Place::New { is, .. } if gone.contains_key(&is) => {}
                Place::New { number, position, .. } => {
                    told.push(Difference::Inserted { number, position });
                }
                Place::Changed { number, was, position, is } => {
                    match (moved_to(&was), gone.contains_key(&is)) {
                        (Some(position), true) => told.push(Difference::Moved { number, position }),
                        (Some(elsewhere), false) => {
                            told.push(Difference::Moved { number, position: elsewhere });
                            told.push(Difference::Inserted { number, position });
                        }
                        (None, true) => told.push(Difference::Missing { number, after: position }),
                        (None, false) => told.push(Difference::Altered { number, position }),
                    }
                }
            }
        }
        told
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

    /// What is told when the tree was made of `was`, and the log holds `is` now, at positions 10, 20, ..
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
        for (is, told) in cases {
            assert_eq!(differences(&was, is), told, "{is:?}");
        }
    }

    #[test]
    fn several_things_are_told_apart() {
        let told = differences(&[1, 2, 3, 4, 5, 6, 7, 8], &[1, 9, 3, 5, 6, 10, 7]);
        let expected = [
            D::Altered { number: 2, position: 20 },
            D::Missing { number: 4, after: 30 },
            D::Inserted { number: 7, position: 60 },
            D::Cut { number: 8, after: 70 },
        ];
        assert_eq!(told, expected);
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
