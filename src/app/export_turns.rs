//! Bounds how often, and how many at a time, users are shown everything about them: it reads every
//! event of theirs, and holds them in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use whence_events::{Timestamp, UserId};

/// The exports of one user in [`WINDOW`].
const MOST: u32 = 10;

/// The time in which the exports of a user are counted.
const WINDOW: Duration = Duration::from_hours(1);

/// The users whose exports are counted at a time.
const MAX_USERS: usize = 10_000;

/// The exports that are made at the same time; one more may be asked for again a moment later.
const MAX_CONCURRENT: usize = 4;

/// When an export may be asked for again that found too many under way.
const BUSY: Duration = Duration::from_secs(5);

/// The turns of exports, in this process.
pub(crate) struct ExportTurns {
    counts: Cache<UserId, Arc<Mutex<(Timestamp, u32)>>>,
    permits: Arc<Semaphore>,
}

impl Default for ExportTurns {
    fn default() -> Self {
        Self { counts: Cache::new(MAX_USERS), permits: Arc::new(Semaphore::new(MAX_CONCURRENT)) }
    }
}

impl ExportTurns {
    /// Takes a turn, which ends when it is dropped; the error is the time at which it may be asked for
    /// again.
    pub(crate) fn take(
        &self,
        user_id: UserId,
        now: Timestamp,
    ) -> Result<OwnedSemaphorePermit, Timestamp> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| now + BUSY)?;
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::default());
        let Ok(count) = self.counts.get_or_insert_with(&user_id, fresh);
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        if count.1 == 0 || count.0 + WINDOW <= now {
            *count = (now, 0);
        }
        if count.1 >= MOST {
            return Err(count.0 + WINDOW);
        }
        count.1 += 1;
        Ok(permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_some_turns_an_hour_and_all_have_some_at_a_time() {
        let turns = ExportTurns::default();
        let at = |seconds| Timestamp::from_micros(1_000_000_000) + Duration::from_secs(seconds);
        let user = |n| UserId(uuid::Uuid::from_u128(n));
        for second in 0..u64::from(MOST) {
            assert!(turns.take(user(1), at(second)).is_ok());
        }
        assert_eq!(turns.take(user(1), at(60)).err(), Some(at(3600)));
        assert!(turns.take(user(1), at(3600)).is_ok(), "another hour");
        let held: Vec<_> = (2..).map_while(|n| turns.take(user(n), at(0)).ok()).collect();
        assert_eq!(held.len(), MAX_CONCURRENT);
        assert_eq!(turns.take(user(99), at(0)).err(), Some(at(5)));
        drop(held);
        assert!(turns.take(user(99), at(0)).is_ok());
    }
}
