//! Repeated clicks: the same client on the same code within an hour counts once.

use std::time::Duration;

use quick_cache::sync::{Cache, EntryAction, EntryResult};
use whence_events::{Mac, ReferralCode, Timestamp};

use super::LandingClient;
use crate::infra::keys::MacKey;

/// The time in which landings of the same client with the same code are one click.
const CLICK_WINDOW: Duration = Duration::from_hours(1);

/// The number of clicks that are remembered: about 10 MB when full. A click that is evicted early
/// counts twice.
const MAX_CLICKS: usize = 100_000;

/// The clicks of the last hour, on this node. They hold no address, only a MAC under a key that is
/// made at start and never leaves the process.
pub(super) struct Clicks {
    key: MacKey,
    seen: Cache<Mac, Timestamp>,
}

impl Clicks {
    /// Returns an empty memory of clicks with a new key.
    pub(super) fn new() -> Self {
        Self { key: MacKey::generate(), seen: Cache::new(MAX_CLICKS) }
    }

    /// Returns whether this client clicked on this code within the hour; if not, its hour begins
    /// now. Later clicks do not extend the hour, so that a steady visitor counts once an hour.
    /// A bot repeats nothing, and nobody repeats a bot.
    pub(super) fn seen(&self, code: &ReferralCode, client: &LandingClient, now: Timestamp) -> bool {
        if client.visitor.bot {
            return false;
        }
        // Without an address all clients of one browser version would be one.
        let Some(ip) = client.address.ip() else {
            return false;
        };
        let agent = client.user_agent.as_deref().unwrap_or("");
        let click = self.key.sign("click", &format!("{}\n{ip}\n{agent}", code.folded()));
        // Atomic: of two clicks at once, one is the first.
        let entry = self.seen.entry(&click, None, |_, since| {
            let again = now.since(*since) < CLICK_WINDOW;
            if !again {
                *since = now;
            }
            EntryAction::Retain(again)
        });
        match entry {
            EntryResult::Retained(again) => again,
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => {
                let _ = guard.insert(now);
                false
            }
            EntryResult::Removed(..) | EntryResult::Timeout => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::client_address::ClientAddress;

    fn client(ip: &str, user_agent: &str) -> LandingClient {
        LandingClient {
            address: ip.parse().map_or(ClientAddress::Unknown, ClientAddress::Known),
            user_agent: Some(user_agent.to_owned()),
            ..LandingClient::default()
        }
    }

    fn code(code: &str) -> ReferralCode {
        code.parse().unwrap()
    }

    #[test]
    fn same_code_address_and_agent_within_the_hour_are_one_click() {
        let clicks = Clicks::new();
        let start = Timestamp::from_micros(1);
        let me = client("192.0.2.1", "a");
        assert!(!clicks.seen(&code("abc"), &me, start));
        assert!(clicks.seen(&code("ABC"), &me, start + Duration::from_secs(3599)));
        for (ip, agent, other) in
            [("192.0.2.2", "a", "abc"), ("192.0.2.1", "b", "abc"), ("192.0.2.1", "a", "abd")]
        {
            assert!(!clicks.seen(&code(other), &client(ip, agent), start));
        }
    }

    #[test]
    fn an_hour_after_the_first_click_the_next_one_counts() {
        let clicks = Clicks::new();
        let (me, abc) = (client("192.0.2.1", "a"), code("abc"));
        let minutes = |m| Timestamp::from_micros(1) + Duration::from_mins(m);
        let seen = [0, 40, 60, 70, 119, 120].map(|m| clicks.seen(&abc, &me, minutes(m)));
        assert_eq!(seen, [false, true, false, true, true, false]);
    }

    #[test]
    fn clients_without_an_address_are_never_taken_for_one() {
        let clicks = Clicks::new();
        let nobody = LandingClient::default();
        let now = Timestamp::from_micros(1);
        assert!(!clicks.seen(&code("abc"), &nobody, now));
        assert!(!clicks.seen(&code("abc"), &nobody, now));
    }

    #[test]
    fn of_many_clicks_at_once_one_counts() {
        let clicks = Clicks::new();
        let (me, abc) = (client("192.0.2.1", "a"), code("abc"));
        let first = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    if !clicks.seen(&abc, &me, Timestamp::from_micros(1)) {
                        first.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(first.into_inner(), 1);
    }
}
