//! What operators run beside the service: `whence copy`, `doctor`, `replay` and `report`, as the
//! real program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for its own events")]

mod api_keys;
mod before;
mod connections;
mod copy;
mod copy_broken_off;
mod copy_refused;
mod copy_served;
mod countries;
mod doctor;
mod doctor_postgres;
mod erase;
mod forward;
mod keys;
#[cfg(feature = "kurrentdb")]
mod kurrent_shared;
#[cfg(feature = "kurrentdb")]
mod kurrent_trouble;
mod logs;
mod measures;
mod pgbouncer;
mod proxies;
mod proxy_programs;
mod read_only;
mod replay;
mod report;
