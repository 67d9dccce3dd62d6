//! The ceiling of mails an hour, over all recipients.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use whence_events::Timestamp;

/// The time in which mails are counted.
const WINDOW: Duration = Duration::from_hours(1);

/// Counts the mails of an hour in this process: login codes and welcome mails, whoever they are to.
///
/// The last tenth of the ceiling is kept for codes that known devices ask for, so that strangers who use
/// up the rest do not keep users out who have logged in before.
pub(crate) struct MailBudget {
    most: u32,
    hour: Mutex<Hour>,
    refused: AtomicU64,
}

/// The mails since the beginning of the hour.
#[derive(Default)]
struct Hour {
    since: Option<Timestamp>,
    mails: u32,
    /// Whether the log was told that most of the mails are used up, and that all are.
    warned: [bool; 2],
}

impl MailBudget {
    /// Returns a budget of `most` mails an hour; 0 is any number.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, hour: Mutex::default(), refused: AtomicU64::new(0) }
    }

    /// Takes one mail out of the budget; when there is none left, the error is the time at which there
    /// is again.
    pub(crate) fn take(&self, known_device: bool, now: Timestamp) -> Result<(), Timestamp> {
        let mut hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match hour.since {
            Some(since) if now < since + WINDOW => since,
            Some(_) | None => {
                *hour = Hour { since: Some(now), ..Hour::default() };
                now
            }
        };
        let kept = if known_device { 0 } else { self.most / 10 };
        if self.most > 0 && hour.mails >= self.most - kept {
            self.refused.fetch_add(1, Ordering::Relaxed);
            if !std::mem::replace(&mut hour.warned[1], true) {
                let (limit, mails) = (self.most, hour.mails);
                tracing::warn!(limit, mails, "the mails of this hour are used up: no more codes");
            }
            return Err(since + WINDOW);
        }
        hour.mails += 1;
        let nearly = self.most > 0 && u64::from(hour.mails) * 5 >= u64::from(self.most) * 4;
        if nearly && !std::mem::replace(&mut hour.warned[0], true) {
            let (limit, mails) = (self.most, hour.mails);
            tracing::warn!(limit, mails, "four fifths of the mails of this hour are used up");
        }
        Ok(())
    }

    /// Gives a mail back that certainly did not go out.
    pub(crate) fn give_back(&self) {
        let mut hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have been taken in the hour before.
        hour.mails = hour.mails.saturating_sub(1);
    }

    /// Returns how many mails of the hour under way are used up, for metrics.
    pub(crate) fn used(&self, now: Timestamp) -> u64 {
        let hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = hour.since.is_none_or(|since| since + WINDOW <= now);
        if is_over { 0 } else { hour.mails.into() }
    }

    /// Returns how many mails were refused since the start of the process, for metrics.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000) + Duration::from_secs(seconds)
    }

    #[test]
    fn the_last_tenth_of_an_hour_is_for_known_devices() {
        let budget = MailBudget::new(20);
        for second in 0..18 {
            assert_eq!(budget.take(false, at(second)), Ok(()));
        }
        assert_eq!(budget.take(false, at(20)), Err(at(3600)));
        for second in 21..23 {
            assert_eq!(budget.take(true, at(second)), Ok(()));
        }
        assert_eq!(budget.take(true, at(3599)), Err(at(3600)));
        assert_eq!(budget.take(false, at(3600)), Ok(()));
        assert_eq!((budget.used(at(3601)), budget.refused()), (1, 2));
        assert_eq!(budget.used(at(7200)), 0);
    }

    #[test]
    fn a_mail_that_did_not_go_out_does_not_count() {
        let budget = MailBudget::new(1);
        for _ in 0..100 {
            assert_eq!(budget.take(false, at(0)), Ok(()));
            budget.give_back();
        }
        assert_eq!(budget.take(false, at(1)), Ok(()));
        assert_eq!(budget.take(false, at(2)), Err(at(3600)));
        assert_eq!(budget.used(at(3)), 1);
    }

    #[test]
    fn no_ceiling_is_any_number() {
        let budget = MailBudget::new(0);
        assert!((0..10_000).all(|_| budget.take(false, at(0)).is_ok()));
    }
}
