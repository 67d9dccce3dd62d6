//! Every bound of the HTTP side in one place.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use whence_events::Timestamp;

use crate::config::Config;

/// Bytes of a request body.
pub const MAX_BODY: usize = 4096;

/// Bytes of a request's line and headers. Checked before each read, so what comes in one read past
/// it still passes: at most twice as much.
pub const MAX_HEAD: usize = 32 * 1024;

/// Header lines of a request.
pub const MAX_HEADERS: usize = 100;

/// For a client to send its headers, and between two requests on a connection.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// For a client to send its body once the headers are there.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// For a whole request: longer than a mail may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at a time; further clients wait in the listener's backlog.
pub const MAX_CONNECTIONS: usize = 10_000;

/// For open requests to end once the service is told to stop.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a `User-Agent` that are kept.
pub const MAX_USER_AGENT: usize = 512;

/// Items of a page, unless asked otherwise, and at most.
pub const PAGE: u64 = 50;
/// See [`PAGE`].
pub const MAX_PAGE: u64 = 200;

/// Furthest that a page may begin.
pub const MAX_OFFSET: u64 = 1_000_000;

/// Touches of one client address that are recorded in an hour. Cookies are planted past that too.
pub const TOUCHES_PER_CLIENT: u32 = 600;

/// Client networks whose requests are counted, at a time.
const CLIENTS: usize = 50_000;

/// The time in which they are counted.
const CLIENT_WINDOW: Duration = Duration::from_hours(1);

/// What one client address (IPv6: one /64) may do in an hour. In this process only: it slows a
/// flood down; the limits that must hold are decided on the streams.
pub struct ClientLimits {
    starts: Limit,
    verifies: Limit,
}

/// So many in an hour.
pub(super) struct Limit {
    most: u32,
    counts: Cache<IpAddr, Arc<Mutex<Count>>>,
}

struct Count {
    since: Timestamp,
    requests: u32,
}

impl ClientLimits {
    pub(crate) fn new(config: &Config) -> Self {
        let (starts, verifies) = (config.starts_per_client, config.verifies_per_client);
        Self { starts: Limit::new(starts), verifies: Limit::new(verifies) }
    }

    /// Counts a request for a code.
    ///
    /// # Errors
    /// When to ask again.
    pub(crate) fn start(&self, client: Option<IpAddr>, now: Timestamp) -> Result<(), Timestamp> {
        self.starts.count(client, now)
    }

    /// Counts a code that is tried.
    ///
    /// # Errors
    /// When to try again.
    pub(crate) fn verify(&self, client: Option<IpAddr>, now: Timestamp) -> Result<(), Timestamp> {
        self.verifies.count(client, now)
    }
}

impl Limit {
    /// At most so many; 0: any number.
    pub(super) fn new(most: u32) -> Self {
        Self { most, counts: Cache::new(CLIENTS) }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// When there is one more.
    pub(super) fn count(&self, client: Option<IpAddr>, now: Timestamp) -> Result<(), Timestamp> {
        // A client on this machine is a proxy that tells nobody's address, or the operator.
        let Some(client) = client.filter(|ip| !ip.is_loopback() && self.most > 0) else {
            return Ok(());
        };
        let count = Count { since: now, requests: 0 };
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(count)));
        let Ok(count) = self.counts.get_or_insert_with(&network(client), fresh);
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        if count.since + CLIENT_WINDOW <= now {
            *count = Count { since: now, requests: 0 };
        }
        if count.requests >= self.most {
            return Err(count.since + CLIENT_WINDOW);
        }
        count.requests += 1;
        Ok(())
    }
}

/// One subscriber has a whole /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_counted_for_an_hour() {
        let limit = Limit { most: 2, counts: Cache::new(10) };
        let at = |seconds| Timestamp::from_micros(1_000_000_000) + Duration::from_secs(seconds);
        let ip = |text: &str| Some(text.parse().unwrap());
        assert!(limit.count(ip("2001:db8::1"), at(0)).is_ok());
        assert!(limit.count(ip("2001:db8::2"), at(1)).is_ok());
        assert_eq!(limit.count(ip("2001:db8::3"), at(2)), Err(at(3600)));
        assert!(limit.count(ip("2001:db8:0:1::3"), at(2)).is_ok(), "another network");
        assert!(limit.count(ip("2001:db8::3"), at(3600)).is_ok(), "another hour");
        for _ in 0..5 {
            assert!(limit.count(ip("127.0.0.1"), at(0)).is_ok(), "this machine");
            assert!(limit.count(None, at(0)).is_ok(), "nobody");
        }
    }
}
