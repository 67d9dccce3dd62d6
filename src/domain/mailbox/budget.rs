//! What may still be asked for and guessed at an address: by all unknown devices together, or by one
//! device that is known.

use std::time::Duration;

use whence_events::{Mac, RequestId, Timestamp};

/// The number of codes that unknown devices, or one known device, get within [`START_WINDOW`].
pub const MAX_STARTS: usize = 5;

/// The number of these that unknown devices in one network get.
pub const MAX_STARTS_OF_NETWORK: usize = 3;

/// The window in which codes are counted.
pub const START_WINDOW: Duration = Duration::from_hours(1);

/// The number of wrong codes in a row from which on there is a wait before the next code.
pub const FREE_GUESSES: u16 = 10;

/// The number of wrong codes in a row at which unknown devices are locked out, and a known device is
/// forgotten.
pub const MAX_GUESSES: u16 = 100;

/// The wait after [`FREE_GUESSES`] wrong codes, which doubles with each further one.
pub const FIRST_WAIT: Duration = Duration::from_mins(5);

/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// The most networks that are remembered for a wrong code.
const MAX_GUESSERS: usize = 128;

/// The codes of the last hour, and the wrong ones in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Budget {
    /// The last [`MAX_STARTS`] codes that count.
    starts: Vec<Start>,
    /// The end of the throttling that is already recorded.
    pub(super) throttled_until: Option<Timestamp>,
    /// The wrong codes since the last right one.
    wrong: u16,
    /// The time of the last wrong code.
    last_wrong: Option<Timestamp>,
    /// The networks that the wrong codes were asked for from.
    guessers: Vec<Mac>,
    /// The end of the lock.
    pub(super) locked_until: Option<Timestamp>,
}

/// A code that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) at: Timestamp,
    pub(super) request_id: RequestId,
    pub(super) network: Option<Mac>,
}

/// The logins of one budget on which no code was tried yet: each of them may try one, whatever is
/// tried elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Untried {
    /// The number of these logins.
    pub(super) count: u16,
    /// The time at which the last of them expires.
    pub(super) until: Option<Timestamp>,
}

impl Budget {
    /// Returns the time before which no login may be started; `None` when one may be now.
    pub(super) fn closed_until(
        &self,
        network: Option<Mac>,
        untried: Untried,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let blocks = [self.locked_until, self.waits_until(network, untried)];
        let latest = blocks.into_iter().flatten().max().filter(|until| *until > now);
        latest.or_else(|| self.starts_used_until(network, now))
    }

    /// Returns the end of the wait after the last wrong code. Where there is one, logins come one
    /// after the other, so that each has a code that may be tried.
    fn waits_until(&self, network: Option<Mac>, untried: Untried) -> Option<Timestamp> {
        let wait = wait_after(self.wrong)?;
        // Others are first: one network that guesses again and again does not keep them out.
        let guessed = network.is_some_and(|network| self.guessers.contains(&network));
        let end = self.last_wrong.map(|at| at + if guessed { wait * 2 } else { wait });
        end.max(untried.until)
    }

    /// Returns the time from which there are starts again, when those of the last hour are used up.
    pub(super) fn starts_used_until(
        &self,
        network: Option<Mac>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let recent = || self.starts.iter().filter(move |start| start.at + START_WINDOW > now);
        let of_network =
            || recent().filter(move |start| network.is_some() && start.network == network);
        let end = |first: Option<&Start>| first.map(|first| first.at + START_WINDOW);
        if recent().count() >= MAX_STARTS {
            end(recent().next())
        } else if of_network().count() >= MAX_STARTS_OF_NETWORK {
            end(of_network().next())
        } else {
            None
        }
    }

    /// Returns whether a login that has tried a wrong code may try another one. Each login of
    /// `untried` keeps the one that it may try.
    pub(super) fn another_guess(&self, untried: Untried) -> bool {
        self.wrong.saturating_add(untried.count) < FREE_GUESSES
    }

    /// Returns the number of wrong codes in a row after one more.
    pub(super) fn next_wrong(&self) -> u16 {
        self.wrong.saturating_add(1)
    }

    /// Returns the number of wrong codes in a row.
    pub(super) fn wrong(&self) -> u16 {
        self.wrong
    }

    /// Returns whether nothing was counted.
    pub(super) fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    /// Counts a start.
    pub(super) fn count(&mut self, start: Start) {
        if self.starts.len() >= MAX_STARTS {
            self.starts.remove(0);
        }
        self.starts.push(start);
    }

    /// Returns whether a start counts.
    pub(super) fn counts(&self, request_id: RequestId) -> bool {
        self.starts.iter().any(|start| start.request_id == request_id)
    }

    /// Takes a start out, which counts no more, and returns it.
    pub(super) fn give_back(&mut self, request_id: RequestId) -> Option<Start> {
        let place = self.starts.iter().position(|start| start.request_id == request_id)?;
        Some(self.starts.remove(place))
    }

    /// Counts a wrong code.
    pub(super) fn count_wrong(&mut self, network: Option<Mac>, at: Timestamp) {
        self.wrong = self.next_wrong();
        self.last_wrong = Some(at);
        if let Some(network) = network.filter(|network| !self.guessers.contains(network)) {
            if self.guessers.len() >= MAX_GUESSERS {
                self.guessers.remove(0);
            }
            self.guessers.push(network);
        }
    }

    /// Forgets the wrong codes, and what followed from them.
    pub(super) fn reset_guesses(&mut self) {
        (self.wrong, self.last_wrong, self.locked_until) = (0, None, None);
        self.guessers.clear();
    }
}

/// Returns the wait that follows so many wrong codes in a row, if any does.
fn wait_after(wrong: u16) -> Option<Duration> {
    let doublings = u32::from(wrong.checked_sub(FREE_GUESSES)?).min(16);
    Some((FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT))
}
