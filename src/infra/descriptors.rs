//! The file descriptors that this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The descriptors that are kept for databases, mails, logs and other files.
const RESERVE: u64 = 256;

/// Raises the number of descriptors as far as the system lets this process, and returns how many of
/// them connections may have: a reserve is kept for files, at most half of all.
#[must_use]
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let current = current.unwrap_or(u64::MAX);
    usize::try_from(current - RESERVE.min(current / 2)).unwrap_or(usize::MAX)
}
