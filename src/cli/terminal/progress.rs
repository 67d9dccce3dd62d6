//! The progress of a pass over a log: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use whence_events::Position;

use crate::cli::terminal::stderr::note;
use crate::engine::pass::PassStep;

/// The time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(3);

/// The progress of one pass over a log. Only its owner writes to stderr during the pass.
pub(crate) struct ProgressLine {
    what: &'static str,
    /// The last position of the log that is read: a position says how far it is read in every kind
    /// of store.
    head: Position,
    /// The position at which the pass began, which an earlier pass reached.
    from: Position,
    began: Instant,
    shown: Instant,
    bar: Option<ProgressBar>,
}

impl ProgressLine {
    pub(crate) fn new(what: &'static str, head: Position) -> Self {
        let began = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(head);
            let style = "{prefix:9} [{bar:30}] {percent:>3} %  {msg}, {eta} left";
            let style = ProgressStyle::with_template(style);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_prefix(what)
        });
        Self { what, head, from: 0, began, shown: began, bar }
    }

    /// Begins at `position`, which an earlier pass reached.
    pub(crate) fn from(mut self, position: Position) -> Self {
        self.from = position;
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            bar.reset_eta();
        }
        self
    }

    /// Shows that the event at `position`, the last of `events` in this pass, is done.
    pub(crate) fn at(&mut self, position: Position, events: u64) {
        let rate = rate(events, self.began.elapsed());
        let from = self.from;
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{events} events, {rate}/s"));
            bar.set_position(position);
        } else if self.shown.elapsed() >= LINE_INTERVAL {
            self.shown = Instant::now();
            let left = left(
                position - from.min(position),
                self.head - from.min(self.head),
                self.began.elapsed(),
            );
            let what = self.what;
            note(format_args!(
                "{what}: {events} events, {rate}/s, about {} s left",
                left.as_secs()
            ));
        }
    }

    /// Shows that the pass is over, with `events` done.
    pub(crate) fn end(self, events: u64) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let rate = rate(events, self.began.elapsed());
        note(format_args!("{}: {events} events, {rate}/s, done", self.what));
    }
}

/// The progress of several passes over logs, one after another, from their [`PassStep`]s.
#[derive(Default)]
pub(crate) struct ShownPass(Option<ProgressLine>);

impl ShownPass {
    pub(crate) fn show(&mut self, step: PassStep) {
        match step {
            PassStep::Begin { pass, head } => self.0 = Some(ProgressLine::new(pass, head)),
            PassStep::At { position, events } => {
                if let Some(line) = &mut self.0 {
                    line.at(position, events);
                }
            }
            PassStep::End { events } => {
                if let Some(line) = self.0.take() {
                    line.end(events);
                }
            }
        }
    }
}

fn rate(events: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    events.saturating_mul(1_000_000) / micros
}

/// Returns the time that is left when the rest takes as long as what is done.
fn left(done: Position, all: Position, time: Duration) -> Duration {
    let rest = u128::from(all.saturating_sub(done));
    let micros = time.as_micros().saturating_mul(rest) / u128::from(done.max(1));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_is_done() {
        let second = Duration::from_secs(1);
        assert_eq!(left(25, 100, second), 3 * second);
        assert_eq!(left(100, 100, second), Duration::ZERO);
        assert_eq!(left(0, 0, Duration::ZERO), Duration::ZERO);
        assert_eq!(rate(10, second * 2), 5);
        assert_eq!(rate(0, Duration::ZERO), 0);
    }
}
