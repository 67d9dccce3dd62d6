//! What happens to an e-mail address: stream `mailbox-{email_key}`.

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{Client, DeliveryFailure, EmailAddress, Mac, Pii, RequestId, Timestamp, UserId};

stream_family! {
    /// Facts about one e-mail address.
    MailboxEvent {
        LoginStarted = "LoginStarted.v1" [email, client],
        LoginThrottled = "LoginThrottled.v1" [],
        CodeDeliveryFailed = "CodeDeliveryFailed.v1" [],
        CodeRejected = "CodeRejected.v1" [],
        LoginLocked = "LoginLocked.v1" [],
        LoginExpired = "LoginExpired.v1" [],
        CodeVerified = "CodeVerified.v1" [],
        MailboxClaimed = "MailboxClaimed.v1" [],
        MailboxReleased = "MailboxReleased.v1" [],
        MailboxForgotten = "MailboxForgotten.v1" [],
    }
}

/// A code was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginStarted {
    /// The capability to try codes.
    pub request_id: RequestId,
    /// Where the code was sent.
    pub email: Pii<EmailAddress>,
    /// HMAC over request id and code; the code itself is stored nowhere.
    pub code_mac: Mac,
    /// From here on the code is worth nothing.
    pub expires_at: Timestamp,
    /// Whether a device that had logged in to this address before asked.
    pub known_device: bool,
    /// Who asked.
    pub client: Pii<Client>,
}

/// Codes were asked for too often; at most one a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginThrottled {
    /// When the next code may be asked for.
    pub until: Timestamp,
}

/// The mail with the code did not go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeDeliveryFailed {
    /// The login it was for.
    pub request_id: RequestId,
    /// In which way.
    pub reason: DeliveryFailure,
}

/// A wrong code was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeRejected {
    /// The login it was tried on.
    pub request_id: RequestId,
    /// Which wrong code of this login it was, from 1.
    pub attempt: u8,
}

/// No more codes are compared, for one login or for the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginLocked {
    /// The login with too many wrong codes; `null`: the whole address.
    pub request_id: Option<RequestId>,
    /// Until when; `null`: for ever, or until somebody unlocks it.
    pub until: Option<Timestamp>,
}

/// A login was seen to be too old. Written once, so that no clock that is set back reopens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginExpired {
    /// The login.
    pub request_id: RequestId,
}

/// The right code came; it is consumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeVerified {
    /// The login.
    pub request_id: RequestId,
}

/// First verified login: the address belongs to this user from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailboxClaimed {
    /// Its owner.
    pub user_id: UserId,
}

/// The address belongs to nobody again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailboxReleased {
    /// Its owner until now.
    pub user_id: UserId,
}

/// Nobody verified the address in time: the key that its logins were sealed under is destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailboxForgotten {
    /// When a code was last asked for.
    pub asked_at: Timestamp,
}
