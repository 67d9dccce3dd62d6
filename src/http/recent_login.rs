//! The calls that are allowed only shortly after a login, so that a session which somebody else got
//! hold of does not take an account away or carry off all that is known about its user (OWASP ASVS
//! 5.0, 7.5.3).

use std::time::Duration;

use whence_events::Timestamp;

use super::error::Problem;
use crate::app::sessions::Session;

/// How long after a login these calls are allowed.
pub(super) const RECENT_LOGIN: Duration = Duration::from_mins(15);

/// Refuses a call in a session that was not opened a short time ago. To log in again opens a session
/// that is.
pub(super) fn check_recent_login(session: &Session, now: Timestamp) -> Result<(), Problem> {
    if now < session.opened_at + RECENT_LOGIN { Ok(()) } else { Err(Problem::LoginNotRecent) }
}
