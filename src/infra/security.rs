//! The security log: what happened that an operator may have to act on, as log lines of one shape and
//! as counters.
//!
//! A line holds the fields `event`, `outcome`, `reason`, `actor` and `request`, and nothing that leads
//! to a person: the request leads to the events on record, which an erasure reaches.

mod event;

use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use whence_events::{Actor, CorrelationId};

pub use event::{Outcome, SecurityEvent};

/// The target of the lines, by which `--log` and collectors choose them.
pub const TARGET: &str = "whence::security";

/// The time after which the lines of each kind are counted anew.
pub const WINDOW: Duration = Duration::from_mins(1);

/// The lines of one kind in a window about what was refused: strangers can cause any number of them.
pub const REFUSED_LINES: u64 = 10;

/// The lines of one kind in a window about anything else, which takes a right code or token.
pub const OTHER_LINES: u64 = 600;

/// The security events of a process, counted, and written with bounds.
#[derive(Debug)]
pub struct SecurityLog {
    counts: [EventCount; SecurityEvent::ALL.len()],
}

/// How often one kind of event happened.
#[derive(Debug, Default)]
struct EventCount {
    /// Since the process started.
    total: AtomicU64,
    /// In the window that is open.
    window: AtomicU64,
}

impl Default for SecurityLog {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| EventCount::default()) }
    }
}

impl SecurityLog {
    /// Counts an event, and writes its line while there are few of its kind.
    pub fn record(
        &self,
        event: SecurityEvent,
        actor: Option<&Actor>,
        request: Option<CorrelationId>,
    ) {
        let count = &self.counts[event.index()];
        count.total.fetch_add(1, Ordering::Relaxed);
        if count.window.fetch_add(1, Ordering::Relaxed) >= lines(event) {
            return;
        }
        let (name, outcome, reason) = (event.name(), event.outcome().as_str(), event.reason());
        let actor = actor.map_or("nobody", kind);
        let request = request.map(|id| id.to_string()).unwrap_or_default();
        match event.outcome() {
            Outcome::Ok => {
                tracing::info!(target: TARGET, event = name, outcome, reason, actor, request);
            }
            Outcome::Refused => {
                tracing::warn!(target: TARGET, event = name, outcome, reason, actor, request);
            }
        }
    }

    /// Returns how often each kind of event happened since the process started.
    pub fn totals(&self) -> impl Iterator<Item = (SecurityEvent, u64)> + '_ {
        let totals = self.counts.iter().map(|count| count.total.load(Ordering::Relaxed));
        SecurityEvent::ALL.iter().copied().zip(totals)
    }

    /// Ends a window: says in one line for each kind how many lines were left out, and counts anew.
    pub fn close_window(&self) {
        for (event, count) in SecurityEvent::ALL.iter().zip(&self.counts) {
            let left_out = count.window.swap(0, Ordering::Relaxed).saturating_sub(lines(*event));
            if left_out > 0 {
                let (name, outcome, reason) =
                    (event.name(), event.outcome().as_str(), event.reason());
                tracing::warn!(target: TARGET, event = name, outcome, reason, left_out);
            }
        }
    }

    /// Closes a window after the other, until the log is dropped.
    pub(crate) async fn work(log: Weak<Self>) {
        let mut tick = tokio::time::interval(WINDOW);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let Some(log) = log.upgrade() else { return };
            log.close_window();
        }
    }
}

impl Drop for SecurityLog {
    fn drop(&mut self) {
        self.close_window();
    }
}

/// Returns how many lines of a kind a window may have.
fn lines(event: SecurityEvent) -> u64 {
    match event.outcome() {
        Outcome::Ok => OTHER_LINES,
        Outcome::Refused => REFUSED_LINES,
    }
}

/// Returns the kind of an actor. The name of an operator stays in the log of events.
fn kind(actor: &Actor) -> &'static str {
    match actor {
        Actor::Visitor => "visitor",
        Actor::Owner => "owner",
        Actor::System => "system",
        Actor::Operator(_) => "operator",
        Actor::ApiKey(_) => "api_key",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// Returns the fields of each line that is written meanwhile.
    fn written(act: impl FnOnce()) -> Vec<serde_json::Value> {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).finish();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_the_documented_fields_and_no_name() {
        let log = SecurityLog::default();
        let id = CorrelationId(uuid::Uuid::from_u128(7));
        let operator = Actor::Operator("grace".into());
        let lines = written(|| {
            log.record(SecurityEvent::UserErased, Some(&operator), Some(id));
            log.record(SecurityEvent::WrongCode, None, None);
        });
        assert_eq!(lines[0]["target"], TARGET);
        assert_eq!(lines[0]["level"], "INFO");
        let expected = serde_json::json!({
            "event": "erasure", "outcome": "ok", "reason": "user", "actor": "operator",
            "request": id.to_string(),
        });
        assert_eq!(lines[0]["fields"], expected);
        assert_eq!(lines[1]["level"], "WARN");
        assert_eq!(lines[1]["fields"]["actor"], "nobody");
    }

    #[test]
    fn a_flood_is_counted_and_summed_up_in_one_line() {
        let log = SecurityLog::default();
        let flood = || (0..1000).for_each(|_| log.record(SecurityEvent::WrongCode, None, None));
        let lines = written(|| {
            flood();
            log.record(SecurityEvent::LoginSucceeded, None, None);
            log.close_window();
            log.close_window();
        });
        assert_eq!(lines.len() as u64, REFUSED_LINES + 2, "another kind has lines of its own");
        assert_eq!(lines.last().unwrap()["fields"]["left_out"], 1000 - REFUSED_LINES);
        assert_eq!(written(flood).len() as u64, REFUSED_LINES, "a new window");
        let total = log.totals().find(|(event, _)| *event == SecurityEvent::WrongCode);
        assert_eq!(total, Some((SecurityEvent::WrongCode, 2000)));
    }

    #[test]
    fn each_kind_has_a_name_of_its_own() {
        let all = SecurityEvent::ALL.iter();
        let names: BTreeSet<_> =
            all.map(|event| (event.name(), event.outcome().as_str(), event.reason())).collect();
        assert_eq!(names.len(), SecurityEvent::ALL.len());
        for (index, event) in SecurityEvent::ALL.iter().enumerate() {
            assert_eq!(event.index(), index);
        }
    }
}
