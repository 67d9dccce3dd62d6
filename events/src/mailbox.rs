//! The events of one e-mail address: stream `mailbox-{email_key}`.

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{
    Client, DeliveryFailure, DeviceClass, DeviceId, EmailAddress, Mac, Pii, RequestId, Timestamp,
    TouchId, UserId,
};

stream_family! {
    /// The events of a mailbox stream.
    MailboxEvent {
        LoginStarted = "LoginStarted.v1" [email, client],
        LoginThrottled = "LoginThrottled.v1" [],
        CodeDeliveryFailed = "CodeDeliveryFailed.v1" [],
        CodeRejected = "CodeRejected.v1" [],
        LoginLocked = "LoginLocked.v1" [],
        LoginExpired = "LoginExpired.v1" [],
        CodeVerified = "CodeVerified.v1" [],
        MailboxClaimed = "MailboxClaimed.v1" [email?, reason?],
        MailboxReleased = "MailboxReleased.v1" [],
        MailboxForgotten = "MailboxForgotten.v1" [],
        StartCounted = "StartCounted.v1" [],
        StartReturned = "StartReturned.v1" [],
        DeviceForgotten = "DeviceForgotten.v1" [],
        LockCleared = "LockCleared.v1" [reason?],
        MailboxMoved = "MailboxMoved.v1" [],
        MailboxReclaimed = "MailboxReclaimed.v1" [],
    }
}

/// A login was started and its code was generated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginStarted {
    /// The id of the login, which grants the right to try codes.
    pub request_id: RequestId,
    /// The address that the code was sent to.
    pub email: Pii<EmailAddress>,
    /// The HMAC over request id and code; the code itself is stored nowhere.
    pub code_mac: Mac,
    /// The time from which the code is no longer valid.
    pub expires_at: Timestamp,
    /// Whether the request came from a device that had logged in to this address before.
    pub known_device: bool,
    /// The network client that asked for the code.
    pub client: Pii<Client>,
    /// The known device that asked for the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The MAC of the network that an unknown device asked from; none for this machine itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Mac>,
    /// The user whose account the code moves to this address; none: the code logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_of: Option<UserId>,
    /// The landing that a native app said at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touch_id: Option<TouchId>,
}

/// Codes were requested too often; recorded at most once per window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginThrottled {
    /// The time from which the next code may be requested.
    pub until: Timestamp,
    /// The known device that asked too often; none: devices that are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
}

/// The mail with the code could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeDeliveryFailed {
    /// The login that the code was for.
    pub request_id: RequestId,
    /// The class of the failure.
    pub reason: DeliveryFailure,
}

/// A wrong code was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeRejected {
    /// The login that the code was tried on.
    pub request_id: RequestId,
    /// The number of this wrong code within the login, from 1.
    pub attempt: u8,
}

/// Codes are no longer compared, for one login or for the whole address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginLocked {
    /// The login with too many wrong codes; `null`: the address, for all unknown devices.
    pub request_id: Option<RequestId>,
    /// The end of the lock; `null`: it has no end.
    pub until: Option<Timestamp>,
}

/// A login was found to be expired. It is recorded once, so that a clock which is set back does not
/// reopen the login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginExpired {
    /// The id of the login.
    pub request_id: RequestId,
}

/// The right code was entered, and is consumed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeVerified {
    /// The id of the login.
    pub request_id: RequestId,
    /// The device that entered the code, and that is known to this address from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The class of that device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_class: Option<DeviceClass>,
}

/// The first login was verified, or an account moves here: the address belongs to this user from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailboxClaimed {
    /// The owner of the address.
    pub user_id: UserId,
    /// Whether an account moves to this address, rather than that a login proved it first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_change: bool,
    /// The address, when an operator moves the account: nobody has proven it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Pii<EmailAddress>>,
    /// The reason, in the words of that operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Pii<String>>,
}

/// The address no longer belongs to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailboxReleased {
    /// The owner of the address until now.
    pub user_id: UserId,
}

/// The address was not verified in time: the key that its logins were sealed under is destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailboxForgotten {
    /// The time at which a code was last requested.
    pub asked_at: Timestamp,
}

/// A code for another spelling of this address was counted here: this is the spelling without tags
/// and without dots that the provider ignores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StartCounted {
    /// The login that the code is for, in the stream of the other spelling.
    pub request_id: RequestId,
    /// The MAC of the network that an unknown device asked from; none for this machine itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Mac>,
}

/// A code for another spelling of this address counts no more: it did not go out, or its login
/// ended well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StartReturned {
    /// The login that the code was for.
    pub request_id: RequestId,
}

/// A device is no longer known to this address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceForgotten {
    /// The device.
    pub device_id: DeviceId,
}

/// An operator cleared what unknown devices had used up: wrong codes, waits, locks and codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LockCleared {
    /// The number of wrong codes in a row until then.
    pub wrong: u16,
    /// The reason, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Pii<String>>,
}

/// The account moved to another address. Until the end of the hold the address belongs to nobody
/// else, so that its owner can object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailboxMoved {
    /// The owner of the address until now.
    pub user_id: UserId,
    /// The end of the hold.
    pub held_until: Timestamp,
}

/// The account came back to this address, because its owner objected to the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MailboxReclaimed {
    /// The owner of the address.
    pub user_id: UserId,
}
