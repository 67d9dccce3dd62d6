//! Limits how much one client address may ask for.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use whence_events::Timestamp;

use crate::app::client_address::{ClientAddress, network};
use crate::app::config::LimitConfig;

/// The most client networks whose requests are counted at a time.
const MAX_CLIENTS: usize = 50_000;

/// The time in which the requests of a client are counted.
const CLIENT_WINDOW: Duration = Duration::from_hours(1);

/// The limits of what one client address (IPv6: one /64) may do in an hour; all clients whose address
/// is not known are one. They hold in this process only and slow a flood down; the limits that must hold are decided on the streams.
pub(crate) struct RateLimits {
    starts: Limit,
    verifies: Limit,
}

/// A number of requests that one client may make in an hour.
pub(crate) struct Limit {
    most: u32,
    counts: Cache<IpAddr, Arc<Mutex<Count>>>,
    unknown: Mutex<Count>,
}

/// The requests of one client since the beginning of its hour.
#[derive(Default)]
struct Count {
    since: Timestamp,
    requests: u32,
}

impl RateLimits {
    /// Returns the limits of a service by its settings.
    pub(crate) fn new(limits: &LimitConfig) -> Self {
        let (starts, verifies) = (limits.starts_per_client, limits.verifies_per_client);
        Self { starts: Limit::new(starts), verifies: Limit::new(verifies) }
    }

    /// Counts a request for a code; the error is the time at which the client may ask again.
    pub(crate) fn start(&self, client: ClientAddress, now: Timestamp) -> Result<(), Timestamp> {
        self.starts.count(client, now)
    }

    /// Counts a code that is tried; the error is the time at which the client may try again.
    pub(crate) fn verify(&self, client: ClientAddress, now: Timestamp) -> Result<(), Timestamp> {
        self.verifies.count(client, now)
    }
}

impl Limit {
    /// Returns a limit of `most` requests; 0 is any number.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, counts: Cache::new(MAX_CLIENTS), unknown: Mutex::default() }
    }

    /// Counts a request; when it is one too many, the error is the time at which it may be repeated.
    pub(crate) fn count(&self, client: ClientAddress, now: Timestamp) -> Result<(), Timestamp> {
        let ip = match client {
            _ if self.most == 0 => return Ok(()),
            ClientAddress::Local(_) => return Ok(()),
            ClientAddress::Unknown => return one_more(&self.unknown, self.most, now),
            ClientAddress::Known(ip) => ip,
        };
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::default());
        let Ok(count) = self.counts.get_or_insert_with(&network(ip), fresh);
        one_more(&count, self.most, now)
    }
}

/// Counts a request of one client.
fn one_more(count: &Mutex<Count>, most: u32, now: Timestamp) -> Result<(), Timestamp> {
    let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
    if count.requests == 0 || count.since + CLIENT_WINDOW <= now {
        *count = Count { since: now, requests: 0 };
    }
    if count.requests >= most {
        return Err(count.since + CLIENT_WINDOW);
    }
    count.requests += 1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_counted_for_an_hour() {
        let limit = Limit::new(2);
        let at = |seconds| Timestamp::from_micros(1_000_000_000) + Duration::from_secs(seconds);
        let known = |text: &str| ClientAddress::Known(text.parse().unwrap());
        assert!(limit.count(known("2001:db8::1"), at(0)).is_ok());
        assert!(limit.count(known("2001:db8::2"), at(1)).is_ok());
        assert_eq!(limit.count(known("2001:db8::3"), at(2)), Err(at(3600)));
        assert!(limit.count(known("2001:db8:0:1::3"), at(2)).is_ok(), "another network");
        assert!(limit.count(known("2001:db8::3"), at(3600)).is_ok(), "another hour");
    }

    #[test]
    fn only_a_client_that_is_known_to_be_local_is_not_counted() {
        let limit = Limit::new(2);
        let at = Timestamp::from_micros(1_000_000_000);
        let local = "127.0.0.1".parse().unwrap();
        for _ in 0..5 {
            assert!(limit.count(ClientAddress::Local(local), at).is_ok());
        }
        for client in [ClientAddress::Unknown, ClientAddress::Known(local)] {
            assert!(limit.count(client, at).is_ok() && limit.count(client, at).is_ok());
            assert_eq!(limit.count(client, at), Err(at + CLIENT_WINDOW));
        }
    }
}
