//! The problems that are over at a time which the response tells.

use whence_events::{DeliveryFailure, Timestamp};

use super::Problem;
use crate::http::limits::MAIL_RETRY_AFTER_SECONDS;

impl Problem {
    /// Returns the problem of a caller over its limit, whose next call is allowed at `until`.
    #[must_use]
    pub(crate) fn rate_limited(now: Timestamp, until: Timestamp) -> Self {
        Self::RateLimited { retry_after_seconds: whole_seconds(now, until) }
    }

    /// Returns the problem of a mail beyond those of the hour; there are more at `until`.
    #[must_use]
    pub(crate) fn mails_used_up(now: Timestamp, until: Timestamp) -> Self {
        Self::MailUnavailable { retry_after_seconds: whole_seconds(now, until) }
    }

    /// Returns the problem of a mail that was not accepted. Another try helps only where nobody has to
    /// repair anything first.
    #[must_use]
    pub(crate) fn undelivered(reason: DeliveryFailure) -> Self {
        if reason == DeliveryFailure::Unsupported {
            Self::EmailUnsupported
        } else if reason.is_temporary() {
            Self::MailUnavailable { retry_after_seconds: MAIL_RETRY_AFTER_SECONDS }
        } else {
            Self::Internal
        }
    }
}

/// Returns the seconds from `now` to `until`, rounded up, at least one.
fn whole_seconds(now: Timestamp, until: Timestamp) -> u64 {
    let wait = until.since(now);
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}
