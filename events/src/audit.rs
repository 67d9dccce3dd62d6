//! Who looked into the log: the one stream `audit`.

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{AuditSubject, ReferralCode, UserId};

stream_family! {
    /// Facts about the audit itself.
    AuditEvent {
        AuditRead = "AuditRead.v1" [],
    }
}

/// Somebody was shown an audit. Who, is the event's actor; when, its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditRead {
    /// What was asked for.
    pub subject: AuditSubject,
    /// The user it was about.
    pub user_id: Option<UserId>,
    /// The code it was about, as it was asked for.
    pub code: Option<ReferralCode>,
    /// Whether personal data was shown in clear.
    pub personal_data: bool,
}
