//! The events of an account: stream `user-{user_id}`.

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{
    ClickIds, Client, CodeKind, Consent, Country, DeliveryFailure, DeviceClass, EmailAddress,
    EmailKey, Handle, Hash, Mac, Pii, Provider, ReferralCode, Refusal, RevokeReason, SessionId,
    SessionKind, Signal, Timestamp, TouchId, UserId, Via,
};

stream_family! {
    /// The events of a user stream.
    UserEvent {
        UserRegistered = "UserRegistered.v1" [email, display_name?],
        AttributionCapturedV1 = "AttributionCaptured.v1" [first_referrer_url?],
        AttributionCaptured = "AttributionCaptured.v2" [first_referrer_url?],
        ReferralAttributed = "ReferralAttributed.v1" [],
        ReferralRefused = "ReferralRefused.v1" [],
        SessionOpened = "SessionOpened.v1" [device],
        SessionExtended = "SessionExtended.v1" [],
        RefreshRotated = "RefreshRotated.v1" [],
        SessionRevoked = "SessionRevoked.v1" [],
        ReferralCodeIssued = "ReferralCodeIssued.v1" [],
        ReferralCodeDisabled = "ReferralCodeDisabled.v1" [],
        SubscriptionProvisioned = "SubscriptionProvisioned.v1" [],
        WelcomeEmailSent = "WelcomeEmailSent.v1" [],
        WelcomeEmailFailed = "WelcomeEmailFailed.v1" [],
        ProfileUpdated = "ProfileUpdated.v1" [display_name?, avatar_url?],
        CreatorHandleClaimed = "CreatorHandleClaimed.v1" [],
        BillingCustomerLinked = "BillingCustomerLinked.v1" [],
        SessionsRevoked = "SessionsRevoked.v1" [reason],
        UserSuspended = "UserSuspended.v1" [reason],
        UserReinstated = "UserReinstated.v1" [reason],
        ReferralCodeBlocked = "ReferralCodeBlocked.v1" [reason],
        ReferralCodeUnblocked = "ReferralCodeUnblocked.v1" [reason],
        EmailChanged = "EmailChanged.v1" [email, reason?],
        EmailChangeUndone = "EmailChangeUndone.v1" [email],
        EmailChangeNoticed = "EmailChangeNoticed.v1" [],
        ErasureRequested = "ErasureRequested.v1" [],
        ErasureCancelled = "ErasureCancelled.v1" [],
        UserErased = "UserErased.v1" [],
        ErasureCompleted = "ErasureCompleted.v1" [],
    }
}

/// The user registered; this is the first event of the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserRegistered {
    /// The address that the user proved to own.
    pub email: Pii<EmailAddress>,
    /// The key that names the address in the log.
    pub email_key: EmailKey,
    /// The name that the user wants to be shown.
    pub display_name: Option<Pii<String>>,
    /// The way in which the user proved to own the address.
    pub provider: Provider,
}

/// The attribution snapshot was taken: once, in the same append as [`UserRegistered`]. Its fields
/// never change, `null`s included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttributionCaptured {
    /// The `Referer` of the first touch.
    pub first_referrer_url: Option<Pii<String>>,
    /// The registrable domain of that `Referer`, by the public suffix list, or the name of an app.
    /// It can be counted, while the address itself is personal.
    pub referrer_domain: Option<String>,
    /// The path of the first touch.
    pub first_landing_page: Option<String>,
    /// The parameter `utm_source` of the first touch.
    pub utm_source: Option<String>,
    /// The parameter `utm_medium` of the first touch.
    pub utm_medium: Option<String>,
    /// The parameter `utm_campaign` of the first touch.
    pub utm_campaign: Option<String>,
    /// The parameter `utm_term` of the first touch.
    pub utm_term: Option<String>,
    /// The parameter `utm_content` of the first touch.
    pub utm_content: Option<String>,
    /// The click ids of advertisers of the first touch.
    pub click_ids: ClickIds,
    /// The creator on whose page the first touch was.
    pub acquired_via_creator_id: Option<UserId>,
    /// The kind of device of the request that registered the user.
    pub registration_device: Option<DeviceClass>,
    /// The country of the request that registered the user.
    pub registration_country: Option<Country>,
    /// The id of the first touch.
    pub touch_id: Option<TouchId>,
    /// The time of the first touch.
    pub touched_at: Option<Timestamp>,
    /// The consent of the visitor at the first touch.
    pub consent: Consent,
    /// The version of the attribution rules.
    pub rules_version: u16,
    /// The entry of the source list that the host of the referrer falls under; none: no entry, or a
    /// log of before there were entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_site: Option<String>,
    /// Whether a native app said it at the start of a login, and no landing was seen here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub said_by_client: bool,
}

/// The attribution snapshot was taken, in the first version of the event: without a domain. It is
/// read as the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "AttributionCaptured")
)]
pub struct AttributionCapturedV1 {
    /// The `Referer` of the first touch.
    pub first_referrer_url: Option<Pii<String>>,
    /// The path of the first touch.
    pub first_landing_page: Option<String>,
    /// The parameter `utm_source` of the first touch.
    pub utm_source: Option<String>,
    /// The parameter `utm_medium` of the first touch.
    pub utm_medium: Option<String>,
    /// The parameter `utm_campaign` of the first touch.
    pub utm_campaign: Option<String>,
    /// The parameter `utm_term` of the first touch.
    pub utm_term: Option<String>,
    /// The parameter `utm_content` of the first touch.
    pub utm_content: Option<String>,
    /// The click ids of advertisers of the first touch.
    pub click_ids: ClickIds,
    /// The creator on whose page the first touch was.
    pub acquired_via_creator_id: Option<UserId>,
    /// The kind of device of the request that registered the user.
    pub registration_device: Option<DeviceClass>,
    /// The country of the request that registered the user.
    pub registration_country: Option<Country>,
    /// The id of the first touch.
    pub touch_id: Option<TouchId>,
    /// The time of the first touch.
    pub touched_at: Option<Timestamp>,
    /// The consent of the visitor at the first touch.
    pub consent: Consent,
    /// The version of the attribution rules.
    pub rules_version: u16,
}

/// The user was attributed to a referrer; this happens at most once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralAttributed {
    /// The owner of the code at the time of the touch.
    pub referrer_id: UserId,
    /// The code in the spelling in which it was issued.
    pub code: ReferralCode,
    /// The kind of the code.
    pub code_kind: CodeKind,
    /// The time at which the visitor got the code; `null`: the cookie was unsigned.
    pub touched_at: Option<Timestamp>,
    /// The touch, when the cookie names it.
    pub touch_id: Option<TouchId>,
    /// The call that made the decision.
    pub via: Via,
    /// The version of the attribution rules.
    pub rules_version: u16,
    /// The digest of the settings in force, which stream `rules-{digest}` holds.
    pub rules_digest: Mac,
    /// The signals that were noticed.
    pub signals: Vec<Signal>,
}

/// An attempt to attribute the user was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralRefused {
    /// The code of the attempt, when it was well-formed.
    pub code: Option<ReferralCode>,
    /// The first rule that refused it.
    pub reason: Refusal,
    /// The call that made the decision.
    pub via: Via,
    /// The version of the attribution rules.
    pub rules_version: u16,
    /// The digest of the settings in force, which stream `rules-{digest}` holds.
    pub rules_digest: Mac,
    /// The signals that were noticed.
    pub signals: Vec<Signal>,
    /// The facts that the refusal is based on.
    pub evidence: Evidence,
}

/// The facts that a refusal is based on; only known ones are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The owner of the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserId>,
    /// The id of the touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touch_id: Option<TouchId>,
    /// The time at which the visitor got the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched_at: Option<Timestamp>,
}

/// A session was opened with a verified code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionOpened {
    /// The id of the session, which is also the public half of its token.
    pub session_id: SessionId,
    /// The SHA-256 of the secret half of the token; of a refresh token, that of id and secret.
    pub token_hash: Hash,
    /// The kind of credential that carries the session.
    pub kind: SessionKind,
    /// The end of the session, unless it is extended.
    pub expires_at: Timestamp,
    /// The end of the session beyond which it cannot be extended.
    pub absolute_expires_at: Timestamp,
    /// The network client that opened the session.
    pub device: Pii<Client>,
    /// The kind of device.
    pub device_class: Option<DeviceClass>,
    /// The country of the IP address.
    pub country: Option<Country>,
}

/// A session was in use, which extends it unless it lasts as long as it can already. It is recorded
/// at most once for a session in each period that the settings name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionExtended {
    /// The id of the session.
    pub session_id: SessionId,
    /// The new end of the session, unless it is extended again.
    pub expires_at: Timestamp,
}

/// A refresh token was exchanged for its successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshRotated {
    /// The id of the session.
    pub session_id: SessionId,
    /// The SHA-256 of the successor.
    pub refresh_hash: Hash,
    /// The new end of the session.
    pub expires_at: Timestamp,
}

/// A session was ended before it expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionRevoked {
    /// The id of the session.
    pub session_id: SessionId,
    /// The reason for which it was ended.
    pub reason: RevokeReason,
}

/// A referral code was issued to the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralCodeIssued {
    /// The code in the spelling in which it was issued.
    pub code: ReferralCode,
    /// The kind of the code.
    pub kind: CodeKind,
}

/// A referral code was disabled: it attributes no touch from now on; its owner and history stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralCodeDisabled {
    /// The code in the spelling in which it was issued.
    pub code: ReferralCode,
    /// The reason for which it was disabled, as a keyword.
    pub reason: String,
}

/// A subscription was provisioned: onboarding gave the user a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubscriptionProvisioned {
    /// The name of the plan.
    pub plan: String,
}

/// The welcome mail was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WelcomeEmailSent {
    /// The number of the attempt that succeeded, from 1.
    pub attempt: u8,
}

/// An attempt to send the welcome mail failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WelcomeEmailFailed {
    /// The class of the failure.
    pub reason: DeliveryFailure,
    /// The number of the attempt that failed, from 1.
    pub attempt: u8,
}

impl WelcomeEmailFailed {
    /// The number of the last attempt. A read model is folded by it, so that changing it requires a
    /// new version of that read model.
    pub const LAST_ATTEMPT: u8 = 5;
}

/// The user changed their public profile. No command writes it yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProfileUpdated {
    /// The name that the user wants to be shown.
    pub display_name: Option<Pii<String>>,
    /// The address of the user's picture.
    pub avatar_url: Option<Pii<String>>,
}

/// A creator handle was claimed: `/creators/{handle}` is a landing page of this user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreatorHandleClaimed {
    /// The handle, in lower case.
    pub handle: Handle,
}

/// The user was linked to a customer of the platform's billing. No command writes it yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BillingCustomerLinked {
    /// The id of the customer in the billing system.
    pub billing_customer_id: String,
}

/// An operator ended sessions of the user, each of which has a [`SessionRevoked`] of its own after
/// this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionsRevoked {
    /// The number of sessions that were ended.
    pub count: u64,
    /// The reason, in the operator's words.
    pub reason: Pii<String>,
}

/// An operator suspended the user, who cannot log in or be credited until they are reinstated. A
/// [`SessionRevoked`] of each of their sessions follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserSuspended {
    /// The reason, in the operator's words.
    pub reason: Pii<String>,
}

/// An operator reinstated a suspended user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserReinstated {
    /// The reason, in the operator's words.
    pub reason: Pii<String>,
}

/// An operator disabled a referral code: it attributes nobody from now on, whenever they picked it
/// up, and its owner cannot take it up again. Its owner, its credits and its history stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralCodeBlocked {
    /// The code in the spelling in which it was issued.
    pub code: ReferralCode,
    /// The reason, in the operator's words.
    pub reason: Pii<String>,
}

/// An operator enabled a referral code again that an operator had disabled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralCodeUnblocked {
    /// The code in the spelling in which it was issued.
    pub code: ReferralCode,
    /// The reason, in the operator's words.
    pub reason: Pii<String>,
}

/// The user was erased: this is the last event, and the subject key is destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserErased {
    /// The party who requested the erasure.
    pub requested_by: String,
    /// The way in which the erasure was requested.
    pub mode: String,
}

/// The account moved to another e-mail address, which the user proved to own, or to which an operator
/// moved it. After an operator's move, a [`SessionRevoked`] of each session follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EmailChanged {
    /// The address of the account from now on.
    pub email: Pii<EmailAddress>,
    /// The key that names this address in the log.
    pub email_key: EmailKey,
    /// The key of the address until now.
    pub previous_key: EmailKey,
    /// The time until which the owner of the previous address may object.
    pub objection_until: Timestamp,
    /// The SHA-256 of the token that an objection needs; it was mailed to the previous address.
    pub objection_hash: Hash,
    /// The reason, in the words of the operator who moved it; none: the user did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Pii<String>>,
}

/// The owner of the previous address objected to a change, so that the account has that address
/// again. A [`SessionRevoked`] of each session follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EmailChangeUndone {
    /// The address that the account has again.
    pub email: Pii<EmailAddress>,
    /// The key that names this address in the log.
    pub email_key: EmailKey,
    /// The key of the address that the account had until now.
    pub voided_key: EmailKey,
}

/// The mail that tells the previous address of a change was sent, or was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EmailChangeNoticed {
    /// The key of the previous address.
    pub previous_key: EmailKey,
    /// The number of the attempt, from 1.
    pub attempt: u8,
    /// The class of the failure; `null`: the mail was sent.
    pub failed: Option<DeliveryFailure>,
    /// The time at which the change is looked at again: to send the mail, or to free the address.
    pub again_at: Timestamp,
}

/// The user asked to be erased, which happens once the grace time is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureRequested {
    /// The time from which the erasure is done.
    pub due_at: Timestamp,
}

/// The user withdrew the request to be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureCancelled {
    /// The time from which the erasure would have been done.
    pub due_at: Timestamp,
}

/// Everything that an erasure takes was taken: the keys of the user, of their address and of their
/// landings are destroyed, and the address is free. A [`UserErased`] comes before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureCompleted {
    /// The number of landings whose keys are destroyed.
    pub touches: u64,
}
