//! Paths: the touches that led to an account, and those of visitors who made none.
//!
//! The touches of an account are its first one, the clicks that name that one as their visitor's first,
//! and the touch of each code that a decision was made on; those up to its registration, each once.

use std::collections::HashSet;

use whence_events::Timestamp;

use super::atom::Atom;
use super::channel::Channel;
use super::facts::{Evidence, Facts, Origin, Touch, User};
use super::query::Query;

/// A touch on a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathTouch {
    pub(super) at: Timestamp,
    /// The number of the touch, which may be unknown.
    number: Atom,
    pub(super) origin: Origin,
    pub(super) channel: Option<Channel>,
    pub(super) creator: Atom,
}

impl PathTouch {
    fn recorded(touch: &Touch) -> Self {
        let Touch { at, number, origin, channel, creator, .. } = *touch;
        Self { at, number, origin, channel, creator }
    }

    /// Returns a touch of which only the time is known, and perhaps that it brought a code.
    fn unknown(at: Timestamp, number: Atom, channel: Option<Channel>) -> Self {
        Self { at, number, origin: Origin::UNKNOWN, channel, creator: Atom::UNKNOWN }
    }
}

/// All paths of a log.
pub(super) struct Paths<'a> {
    facts: &'a Facts,
    /// The clicks of visitors who are known, by visitor and time.
    clicks: Vec<(Atom, PathTouch)>,
    /// The decisions about codes, by user and time.
    evidence: Vec<&'a Evidence>,
    /// The touches that brought a code of a user.
    with_code: HashSet<Atom>,
}

impl<'a> Paths<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        let of_visitors = |touch: &&Touch| touch.is_click() && touch.first != Atom::UNKNOWN;
        let clicks = facts.touches.iter().filter(of_visitors);
        let mut clicks: Vec<_> =
            clicks.map(|touch| (touch.first, PathTouch::recorded(touch))).collect();
        // Stable: of two at the same moment the later one in the log comes last.
        clicks.sort_by_key(|(first, touch)| (first.0, touch.at));
        let mut evidence: Vec<_> = facts.evidence.iter().collect();
        evidence.sort_by_key(|evidence| (evidence.user.0, evidence.at));
        let recorded = facts.touches.iter();
        let recorded = recorded.filter(|touch| touch.channel == Some(Channel::ReferralProgramme));
        let decided = facts.evidence.iter().map(|evidence| evidence.touch);
        let with_code = recorded.map(|touch| touch.number).chain(decided);
        let with_code = with_code.filter(|at| *at != Atom::UNKNOWN).collect();
        Self { facts, clicks, evidence, with_code }
    }

    /// Writes the path of each account that a query asks for into `path`, and calls `each`. A path has at
    /// least one touch: where none is known, an unknown one.
    pub(super) fn of_accounts(&self, query: &Query, mut each: impl FnMut(&[PathTouch])) {
        let mut path = Vec::new();
        for (atom, registered_at, user) in self.facts.users.registered() {
            if query.covers(registered_at) {
                self.fill(&mut path, atom, registered_at, user);
                each(&path);
            }
        }
    }

    fn fill(&self, path: &mut Vec<PathTouch>, atom: Atom, until: Timestamp, user: &User) {
        path.clear();
        if let Some(at) = user.touched_at {
            let with_code = self.with_code.contains(&user.touch);
            let channel = if with_code { Some(Channel::ReferralProgramme) } else { user.channel };
            let (number, origin, creator) = (user.touch, user.origin, user.creator);
            path.push(PathTouch { at, number, origin, channel, creator });
        }
        if user.touch != Atom::UNKNOWN {
            let begin = self.clicks.partition_point(|(first, _)| first.0 < user.touch.0);
            let of_visitor = self.clicks[begin..].iter().map_while(|(first, touch)| {
                (*first == user.touch && touch.at <= until).then_some(*touch)
            });
            path.extend(of_visitor.filter(|touch| touch.number != user.touch));
        }
        let begin = self.evidence.partition_point(|one| one.user.0 < atom.0);
        let decided = self.evidence[begin..].iter();
        for one in decided.take_while(|one| one.user == atom && one.at <= until) {
            decide(path, one);
        }
        path.retain(|touch| touch.at <= until);
        path.sort_by_key(|touch| touch.at);
        if path.is_empty() {
            path.push(PathTouch::unknown(until, Atom::UNKNOWN, None));
        }
    }

    /// Calls `each` for the path of each visitor who made no account, of which the last click is one that
    /// a query asks for.
    pub(super) fn of_visitors(&self, query: &Query, mut each: impl FnMut(&[PathTouch])) {
        let converted = self.converted();
        let mut path = Vec::new();
        for visitor in self.clicks.chunk_by(|(first, _), (next, _)| first == next) {
            let last = visitor.last().is_some_and(|(_, touch)| query.covers(touch.at));
            if last && !converted.contains(&visitor[0].0) {
                path.clear();
                path.extend(visitor.iter().map(|(_, touch)| *touch));
                each(&path);
            }
        }
    }

    /// Returns the visitors who made an account: by its first touch, or by the touch of its code.
    fn converted(&self) -> HashSet<Atom> {
        let registered = |user: Atom| self.facts.users.get(user).registered_at.is_some();
        let decided = self.evidence.iter().filter(|evidence| registered(evidence.user));
        // Of few touches, while there are many clicks.
        let touches: HashSet<Atom> = decided.map(|evidence| evidence.touch).collect();
        let clicks = self.clicks.iter().filter(|(_, touch)| touches.contains(&touch.number));
        let visitors = clicks.map(|(first, _)| *first);
        let own = self.facts.users.registered().map(|(_, _, user)| user.touch);
        own.chain(visitors).collect()
    }
}

/// Adds the touch of a decision to a path, unless it is there: then it is known to have brought a code.
fn decide(path: &mut Vec<PathTouch>, evidence: &Evidence) {
    let programme = Some(Channel::ReferralProgramme);
    let same = |touch: &&mut PathTouch| match evidence.touch {
        Atom::UNKNOWN => touch.at == evidence.at && touch.channel == programme,
        number => touch.number == number,
    };
    match path.iter_mut().find(same) {
        Some(touch) => touch.channel = programme,
        None => path.push(PathTouch::unknown(evidence.at, evidence.touch, programme)),
    }
}
