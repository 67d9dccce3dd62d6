//! The events of the single stream `audit`, which records who read the log.

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{AuditSubject, ReferralCode, UserId};

stream_family! {
    /// The events of the audit stream.
    AuditEvent {
        AuditRead = "AuditRead.v1" [],
    }
}

/// An audit was shown to the actor of this event, at the time of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditRead {
    /// The kind of subject that was asked for.
    pub subject: AuditSubject,
    /// The user that the audit was about.
    pub user_id: Option<UserId>,
    /// The code that the audit was about, in the spelling of the request.
    pub code: Option<ReferralCode>,
    /// Whether personal data was shown in the clear.
    pub personal_data: bool,
}
