//! The flags of `whence serve` about limits.

use std::time::Duration;

use clap::{Args, value_parser};

use crate::app::config::{ConnectionLimits, LimitConfig};

/// Flags about limits.
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitArgs {
    /// Sessions kept in memory, some 300 bytes each
    #[arg(long, env = "WHENCE_SESSION_CACHE", default_value_t = 100_000, value_name = "N")]
    pub(super) session_cache: usize,

    /// Codes one client address may ask for in an hour; 0: any number
    #[arg(long, env = "WHENCE_STARTS_PER_CLIENT", default_value_t = 60, value_name = "N")]
    pub(super) starts_per_client: u32,

    /// Codes one client address may try in an hour; 0: any number
    #[arg(long, env = "WHENCE_VERIFIES_PER_CLIENT", default_value_t = 600, value_name = "N")]
    pub(super) verifies_per_client: u32,

    /// Proofs about the log one client address may ask for in an hour; 0: any number
    #[arg(long, env = "WHENCE_PROOFS_PER_CLIENT", default_value_t = 3600, value_name = "N")]
    pub(super) proofs_per_client: u32,

    /// Open connections, fewer where descriptors are short
    #[arg(long, env = "WHENCE_CONNECTIONS", default_value_t = 10_000, value_name = "N",
          value_parser = value_parser!(u32).range(1..))]
    pub(super) connections: u32,

    /// Open connections of one client address that is no trusted proxy
    #[arg(long, env = "WHENCE_CONNECTIONS_PER_CLIENT", default_value_t = 1000, value_name = "N",
          value_parser = value_parser!(u32).range(1..))]
    pub(super) connections_per_client: u32,

    /// Seconds that a connection waits for its next request, longer than a load balancer's
    #[arg(long, env = "WHENCE_KEEP_ALIVE", default_value_t = 75, value_name = "SECONDS",
          value_parser = value_parser!(u64).range(1..=3600))]
    pub(super) keep_alive: u64,

    /// Days for which 100 wrong codes in a row lock unknown devices out of an address; 0: until a
    /// right code or an operator
    #[arg(
        long,
        env = "WHENCE_GUESS_LOCK_DAYS",
        default_value_t = 30,
        value_name = "N",
        value_parser = value_parser!(u16).range(0..=3650)
    )]
    pub(super) guess_lock_days: u16,
}

impl LimitArgs {
    pub(super) fn into_config(self) -> LimitConfig {
        let days = self.guess_lock_days;
        let lock = Duration::from_hours(24 * u64::from(days));
        LimitConfig {
            session_cache: self.session_cache,
            starts_per_client: self.starts_per_client,
            verifies_per_client: self.verifies_per_client,
            proofs_per_client: self.proofs_per_client,
            connections: ConnectionLimits {
                most: self.connections as usize,
                per_client: self.connections_per_client as usize,
                keep_alive: Duration::from_secs(self.keep_alive),
                ..ConnectionLimits::default()
            },
            guess_lock: (days > 0).then_some(lock),
        }
    }
}
