//! The bounds of connections.

use std::time::Duration;

/// The bounds of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// How many connections are open at a time.
    pub most: usize,
    /// How many of them one client network has: an IPv4 address, or an IPv6 /64. Peers that are
    /// trusted proxies have no such bound.
    pub per_client: usize,
    /// How long a connection waits for the next request. Load balancers have to close theirs
    /// first, and most do so after 60 seconds.
    pub keep_alive: Duration,
    /// The time in which a head has to be complete, from its first byte on; also the time in which
    /// a new connection has to send something.
    pub head: Duration,
    /// The time after which a client that takes nothing of an answer is given up.
    pub stalled_write: Duration,
    /// The bytes of a second, on average, that a client has to take of an answer that it does not
    /// take at once.
    pub least_rate: u64,
    /// The bytes of unfinished heads, over all connections.
    pub head_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            most: 10_000,
            per_client: 1_000,
            keep_alive: Duration::from_secs(75),
            head: Duration::from_secs(15),
            stalled_write: Duration::from_secs(15),
            least_rate: 1024,
            head_bytes: 16 * 1024 * 1024,
        }
    }
}
