//! The facts that are kept of a log: a small record of each account, touch and login, and every text
//! only once.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use foldhash::fast::RandomState;
use whence_events::{
    RefreshRotated, RequestId, SessionExtended, SessionId, SessionOpened, Timestamp, TouchId,
    TouchRecorded, UserId,
};

use super::atom::Atom;
use super::channel::Channel;
use super::stage::Stage;

/// Things that have an id, each with a number.
#[derive(Debug)]
pub(super) struct Numbers<T> {
    numbers: HashMap<T, Atom, RandomState>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { numbers: HashMap::default() }
    }
}

impl<T: Hash + Eq> Numbers<T> {
    /// Returns the number of a thing, a new one when the thing is new.
    pub(super) fn of(&mut self, thing: T) -> Atom {
        let next = Atom::at(self.numbers.len());
        *self.numbers.entry(thing).or_insert(next)
    }

    pub(super) fn get(&self, thing: &T) -> Option<Atom> {
        self.numbers.get(thing).copied()
    }
}

/// Texts, each with a number.
#[derive(Debug, Default)]
pub(super) struct Texts {
    numbers: HashMap<Box<str>, Atom, RandomState>,
    texts: Vec<Box<str>>,
}

impl Texts {
    pub(super) fn of(&mut self, text: &str) -> Atom {
        if let Some(known) = self.numbers.get(text) {
            return *known;
        }
        let next = Atom::at(self.texts.len());
        self.numbers.insert(text.into(), next);
        self.texts.push(text.into());
        next
    }

    pub(super) fn of_maybe(&mut self, text: Option<&str>) -> Atom {
        text.map_or(Atom::UNKNOWN, |text| self.of(text))
    }

    pub(super) fn find(&self, text: &str) -> Option<Atom> {
        self.numbers.get(text).copied()
    }

    pub(super) fn name(&self, atom: Atom) -> &str {
        self.texts.get(atom.0 as usize).map_or("", |text| text)
    }

    pub(super) fn maybe(&self, atom: Atom) -> Option<&str> {
        self.texts.get(atom.0 as usize).map(|text| &**text)
    }
}

/// An account, or a user whom an event only names.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: UserId,
    /// When the account was registered; `None` when no event says so.
    pub(super) registered_at: Option<Timestamp>,
    /// When the first touch was.
    pub(super) touched_at: Option<Timestamp>,
    pub(super) touch: Atom,
    pub(super) origin: Origin,
    pub(super) referrer_domain: Atom,
    pub(super) country: Atom,
    pub(super) device: Atom,
    /// The channel of the first touch, whatever code it had.
    pub(super) channel: Option<Channel>,
    pub(super) on_creator_page: bool,
    pub(super) creator: Atom,
    /// The owner of a code that the user came with, whatever became of it.
    pub(super) came_with: Option<Atom>,
    pub(super) referrer: Option<Atom>,
    /// The attribution window in force at registration, in seconds; 0 when it is not known.
    pub(super) window_seconds: u64,
}

impl User {
    fn new(id: UserId) -> Self {
        Self {
            id,
            registered_at: None,
            touched_at: None,
            touch: Atom::UNKNOWN,
            origin: Origin::UNKNOWN,
            referrer_domain: Atom::UNKNOWN,
            country: Atom::UNKNOWN,
            device: Atom::UNKNOWN,
            channel: None,
            on_creator_page: false,
            creator: Atom::UNKNOWN,
            came_with: None,
            referrer: None,
            window_seconds: 0,
        }
    }

    /// Returns the channel that the account counts for.
    pub(super) fn credited_channel(&self) -> Option<Channel> {
        if self.referrer.is_some() { Some(Channel::ReferralProgramme) } else { self.channel }
    }
}

/// Accounts, each with a number.
#[derive(Debug, Default)]
pub(super) struct Users {
    numbers: Numbers<UserId>,
    users: Vec<User>,
}

impl Users {
    pub(super) fn of(&mut self, user_id: UserId) -> Atom {
        let atom = self.numbers.of(user_id);
        if atom.0 as usize == self.users.len() {
            self.users.push(User::new(user_id));
        }
        atom
    }

    pub(super) fn of_maybe(&mut self, user_id: Option<UserId>) -> Atom {
        user_id.map_or(Atom::UNKNOWN, |user_id| self.of(user_id))
    }

    pub(super) fn entry(&mut self, user_id: UserId) -> &mut User {
        let atom = self.of(user_id);
        &mut self.users[atom.0 as usize]
    }

    pub(super) fn get(&self, atom: Atom) -> &User {
        &self.users[atom.0 as usize]
    }

    pub(super) fn find(&self, user_id: UserId) -> Option<Atom> {
        self.numbers.get(&user_id)
    }

    pub(super) fn id(&self, atom: Atom) -> UserId {
        self.get(atom).id
    }

    /// Returns all users, registered or only named.
    pub(super) fn all(&self) -> &[User] {
        &self.users
    }

    /// Returns the accounts, with the moment of their registration.
    pub(super) fn registered(&self) -> impl Iterator<Item = (Atom, Timestamp, &User)> {
        let users = self.users.iter().enumerate();
        users.filter_map(|(at, user)| Some((Atom::at(at), user.registered_at?, user)))
    }
}

/// A recorded landing.
#[derive(Clone, Debug)]
pub(super) struct Touch {
    pub(super) at: Timestamp,
    pub(super) number: Atom,
    /// The first touch of the visitor.
    pub(super) first: Atom,
    pub(super) referrer_domain: Atom,
    pub(super) origin: Origin,
    /// Whether it came with something in the place of a code.
    pub(super) with_code: bool,
    pub(super) owner: Atom,
    pub(super) on_creator_page: bool,
    pub(super) creator: Atom,
    pub(super) channel: Option<Channel>,
    pub(super) kind: LandingKind,
}

/// What a landing counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LandingKind {
    /// The landing of a person, and no repetition.
    Click,
    /// The landing of a person who landed so within the hour before.
    Repetition,
    /// The landing of a program.
    Bot,
}

impl LandingKind {
    pub(super) fn of(touch: &TouchRecorded) -> Self {
        match (touch.bot, touch.deduplicated) {
            (true, _) => Self::Bot,
            (false, true) => Self::Repetition,
            (false, false) => Self::Click,
        }
    }
}

impl Touch {
    /// Returns whether it is a click.
    pub(super) fn is_click(&self) -> bool {
        self.kind == LandingKind::Click
    }
}

/// What a landing says of where it came from, in the words of the landing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) source: Atom,
    pub(super) medium: Atom,
    pub(super) campaign: Atom,
    pub(super) landing_page: Atom,
}

impl Origin {
    pub(super) const UNKNOWN: Self = Self {
        source: Atom::UNKNOWN,
        medium: Atom::UNKNOWN,
        campaign: Atom::UNKNOWN,
        landing_page: Atom::UNKNOWN,
    };
}

/// A touch with a code that only a decision about a referral names.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    pub(super) user: Atom,
    pub(super) at: Timestamp,
    pub(super) touch: Atom,
}

/// A minute in which a session was opened or extended. Offsets of time zones are whole minutes, so no
/// day and no week begins inside of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Activity {
    pub(super) user: Atom,
    pub(super) minute: u32,
}

impl Activity {
    pub(super) fn new(user: Atom, at: Timestamp) -> Self {
        Self { user, minute: u32::try_from(at.as_seconds().div_euclid(60)).unwrap_or(0) }
    }

    pub(super) fn at(self) -> Timestamp {
        Timestamp::from_micros(i64::from(self.minute) * 60_000_000)
    }
}

/// Since when the log has every use of a session, and not only those that extend it.
///
/// Until version 0.1 a use was recorded only when less than half of the idle time of a session was left.
/// The first record of any other use shows that all are recorded from then on.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) known_from: Option<Timestamp>,
    /// The end of each session, as long as no such use was found.
    ends: HashMap<SessionId, Timestamp>,
}

impl Uses {
    /// Half of the idle time of a session.
    const HALF_IDLE: Duration = Duration::from_hours(15 * 24);

    pub(super) fn opened(&mut self, session: &SessionOpened) {
        if self.known_from.is_none() {
            self.ends.insert(session.session_id, session.expires_at);
        }
    }

    pub(super) fn extended(&mut self, session: &SessionExtended, at: Timestamp) {
        if self.known_from.is_some() {
            return;
        }
        let before = self.ends.insert(session.session_id, session.expires_at);
        let early = |end: Timestamp| end.since(at) >= Self::HALF_IDLE || session.expires_at <= end;
        if before.is_some_and(early) {
            self.known_from = Some(at);
            self.ends = HashMap::new();
        }
    }

    /// Takes note of a use that is on record whatever else is.
    pub(super) fn rotated(&mut self, rotated: &RefreshRotated) {
        if self.known_from.is_none() {
            self.ends.insert(rotated.session_id, rotated.expires_at);
        }
    }

    pub(super) fn ended(&mut self, session_id: SessionId) {
        self.ends.remove(&session_id);
    }
}

/// All facts of a log.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) texts: Texts,
    pub(super) users: Users,
    pub(super) touch_ids: Numbers<TouchId>,
    pub(super) touches: Vec<Touch>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) activities: Vec<Activity>,
    pub(super) uses: Uses,
    /// The index in `requested` of each login that is open.
    pub(super) open_requests: HashMap<RequestId, usize>,
    /// When each code was requested, and whether its mail failed.
    pub(super) requested: Vec<(Timestamp, bool)>,
    /// The other stages of the funnel that are events of their own, and when they happened.
    pub(super) steps: Vec<(Stage, Timestamp)>,
    /// When the last event happened.
    pub(super) last_at: Option<Timestamp>,
}
