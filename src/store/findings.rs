//! The findings of the doctor: one for each thing that it looks at.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use whence_events::{EventId, Position, Timestamp};
use whence_projections::ProjectorState;

use crate::infra::clock::{Clock, Span};
use crate::infra::keys::{Keys, MadeWith};

/// How often the doctor gives a running service a moment to bring its read models up to the log.
pub(super) const EXAMINE_TRIES: usize = 20;
pub(super) const EXAMINE_INTERVAL: Duration = Duration::from_millis(100);

/// How far the last event may be ahead of the clock of this machine without a word of advice.
const HARMLESS_LEAD: Duration = Duration::from_mins(1);

/// What to do when the log is ahead of the clock.
const LOG_AHEAD: &str = "a clock was wrong once: the service goes on from there, and all that \
                         expires still does; let this machine follow a time server";

/// What the doctor knows before it examines a store.
pub struct ExamineContext {
    /// The master key, when there is one yet.
    pub keys: Option<Keys>,
    /// The clock of this machine, which others are compared with.
    pub clock: Clock,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is as it should be.
    Ok,
    /// The service runs, and its operator should know of it.
    Warn,
    /// The service does not run, or does not keep what it promises.
    Fail,
}

/// One thing that was looked at, and what was found. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad the finding is.
    pub level: Level,
    /// The thing that was looked at, in a word or two.
    pub check: &'static str,
    /// A sentence that says what was found.
    pub found: String,
    /// A sentence that says what to do about it; `None` when nothing has to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Cow<'static, str>>,
}

/// All findings, in the order in which things were looked at.
#[derive(Clone, Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Adds a finding that is as it should be.
    pub fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.0.push(Finding { level: Level::Ok, check, found: found.into(), advice: None });
    }

    /// Adds a finding that is not as it should be, with advice.
    pub fn bad(
        &mut self,
        level: Level,
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) {
        let advice = Some(advice.into());
        self.0.push(Finding { level, check, found: found.into(), advice });
    }

    /// Returns the worst level among the findings.
    #[must_use]
    pub fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    /// Adds how far another clock is ahead of the one of this machine, in microseconds.
    pub fn clock(&mut self, whose: &str, ahead: i64) {
        let level = match ahead.unsigned_abs() {
            0..1_000_000 => Level::Ok,
            1_000_000..30_000_000 => Level::Warn,
            _ => Level::Fail,
        };
        let (sign, apart) = (if ahead < 0 { '-' } else { '+' }, ahead.unsigned_abs());
        let (seconds, millis) = (apart / 1_000_000, apart / 1_000 % 1_000);
        let found = format!("{whose} is {sign}{seconds}.{millis:03} s from the clock here");
        if level == Level::Ok {
            self.ok("clock", found);
        } else {
            self.bad(level, "clock", found, "let both machines follow the same time servers");
        }
    }

    /// Compares the time of the last event with the clock of this machine. Adds a finding only when the
    /// event is from the future: an old one says nothing about clocks.
    pub fn last_event(&mut self, recorded_at: Timestamp, now: Timestamp) {
        let ahead = recorded_at.since(now);
        if ahead.is_zero() {
            return;
        }
        let found = format!("the last event of the log is {} ahead of the clock here", Span(ahead));
        if ahead < HARMLESS_LEAD {
            self.ok("clock", found);
        } else {
            self.bad(Level::Warn, "clock", found, LOG_AHEAD);
        }
    }

    /// Adds what is wrong with the master keys that were given, and returns whether nothing is.
    pub fn master_key(&mut self, whose: &str, made_with: MadeWith) -> bool {
        let check = "master key";
        match made_with {
            MadeWith::Known => return true,
            MadeWith::Another => {
                let found = format!("the {whose} was made with another master key");
                self.bad(Level::Fail, check, found, "give the one that it was made with");
            }
            MadeWith::Rotating => {
                let found = format!("the master key of the {whose} is being rotated");
                let advice = "give the new key and the old one until whence keys rotate master \
                              says that it is done";
                self.bad(Level::Fail, check, found, advice);
            }
        }
        false
    }

    /// Adds how many keys of a sample out of a vault do not open. The fingerprint of the vault is
    /// already known to be that of the master key.
    pub fn subject_keys(&mut self, seen: usize, damaged: usize) {
        let check = "master key";
        if damaged == 0 {
            let found = format!("it is that of the vault, and opens {seen} of {seen} keys");
            self.ok(check, found);
        } else {
            let found =
                format!("it is that of the vault, but {damaged} of {seen} keys do not open");
            self.bad(Level::Fail, check, found, "restore the vault from a backup");
        }
    }

    /// Adds how many destroyed keys of users and addresses no event speaks of.
    pub fn destroyed_keys(&mut self, seen: usize, unsaid: usize) {
        let check = "destroyed keys";
        if seen == 0 {
            self.ok(check, "there are none");
        } else if unsaid == 0 {
            self.ok(check, format!("the log says why, of {seen} of {seen}"));
        } else {
            let found = format!("{unsaid} of {seen} were destroyed, and no event says so");
            let advice = "somebody changed the vault: restore it from a backup; whence verify names \
                          the keys";
            self.bad(Level::Fail, check, found, advice);
        }
    }

    /// Adds whether the end of a log has an event at each position.
    pub fn positions(&mut self, head: Position, last: Position, gaps: bool) {
        if head == last && !gaps {
            self.ok("positions", format!("the log ends at {head}, without a gap"));
        } else {
            let found = if gaps {
                format!("there is a gap among the last events before {last}")
            } else {
                format!("the head is said to be {head}, and the last event is {last}")
            };
            let advice = "somebody changed the log: stop the service and restore a backup";
            self.bad(Level::Fail, "positions", found, advice);
        }
    }

    /// Adds how far the read model of a projector is. `there` is the event that the log has at the
    /// position of the read model, `behind` the number of events after that.
    pub fn projector(&mut self, found: &ProjectorState, there: Option<EventId>, behind: u64) {
        let reached = &found.reached;
        let (name, position) = (reached.projector, reached.position);
        let check = "read models";
        if position > 0 && there != reached.event_id {
            let found = format!("{name} is of another log, or of events that this one lost");
            self.bad(Level::Warn, check, found, "serve makes the tables anew");
        } else if !found.current {
            let found = format!("{name} is of another version");
            self.bad(Level::Warn, check, found, "serve makes the tables anew");
        } else if behind > 0 {
            let found = format!("{name} is {behind} events behind the log, at {position}");
            let advice = "see /readyz and the log of the service; without one, start it";
            self.bad(Level::Warn, check, found, advice);
        } else {
            self.ok(check, format!("{name} is up with the log, at {position}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use whence_projections::ProjectorPosition;

    use super::*;

    #[track_caller]
    fn one(look: impl FnOnce(&mut Findings)) -> (Level, String) {
        let mut findings = Findings::default();
        look(&mut findings);
        let [finding] = &findings.0[..] else { panic!("{findings:?}") };
        assert_eq!(finding.advice.is_none(), finding.level == Level::Ok);
        (finding.level, finding.found.clone())
    }

    #[test]
    fn clocks_may_be_a_second_apart_and_never_thirty() {
        let second = 1_000_000;
        for sign in [1, -1] {
            for (apart, level) in [
                (0, Level::Ok),
                (second - 1, Level::Ok),
                (second, Level::Warn),
                (30 * second - 1, Level::Warn),
                (30 * second, Level::Fail),
            ] {
                let (found, said) = one(|findings| findings.clock("it", sign * apart));
                assert_eq!(found, level, "{said}");
            }
        }
        let (_, said) = one(|findings| findings.clock("the server", -1_250_000));
        assert_eq!(said, "the server is -1.250 s from the clock here");
    }

    #[test]
    fn a_log_from_the_future_is_told_and_an_old_one_is_not() {
        let at = Timestamp::from_micros;
        let (level, told) = one(|findings| findings.last_event(at(90_000_000), at(20_000_000)));
        assert_eq!(level, Level::Warn);
        assert_eq!(told, "the last event of the log is 1 min 10 s ahead of the clock here");
        let (level, _) = one(|findings| findings.last_event(at(90_000_000), at(80_000_000)));
        assert_eq!(level, Level::Ok);
        let mut findings = Findings::default();
        findings.last_event(at(1), at(90_000_000));
        assert!(findings.0.is_empty());
    }

    #[test]
    fn positions_have_no_gaps() {
        assert_eq!(one(|findings| findings.positions(7, 7, false)).0, Level::Ok);
        assert_eq!(one(|findings| findings.positions(8, 7, false)).0, Level::Fail);
        assert_eq!(one(|findings| findings.positions(7, 7, true)).0, Level::Fail);
    }

    #[test]
    fn tables_are_held_against_the_log() {
        let id = EventId(uuid::Uuid::from_u128(1));
        let reached = ProjectorPosition {
            projector: "identity",
            version: 1,
            position: 5,
            event_id: Some(id),
        };
        let found = ProjectorState { reached, current: true };
        let up = one(|findings| findings.projector(&found, Some(id), 0));
        assert_eq!(up, (Level::Ok, "identity is up with the log, at 5".into()));
        let behind = one(|findings| findings.projector(&found, Some(id), 3));
        assert_eq!(behind, (Level::Warn, "identity is 3 events behind the log, at 5".into()));
        let (level, said) = one(|findings| findings.projector(&found, None, 0));
        assert!(level == Level::Warn && said.contains("another log"), "{said}");
        let old = ProjectorState { current: false, ..found };
        let (level, said) = one(|findings| findings.projector(&old, Some(id), 0));
        assert!(level == Level::Warn && said.contains("another version"), "{said}");
    }
}
