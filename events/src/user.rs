//! What happens to an account: stream `user-{user_id}`.

use serde::{Deserialize, Serialize};

use crate::event::stream_family;
use crate::{
    ClickIds, Client, CodeKind, Consent, Country, DeliveryFailure, DeviceClass, EmailAddress,
    EmailKey, Handle, Hash, Mac, Pii, Provider, ReferralCode, Refusal, RevokeReason, SessionId,
    SessionKind, Signal, Timestamp, TouchId, UserId, Via,
};

stream_family! {
    /// Facts about one account.
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
        ProfileUpdated = "ProfileUpdated.v1" [display_name?],
        CreatorHandleClaimed = "CreatorHandleClaimed.v1" [],
        BillingCustomerLinked = "BillingCustomerLinked.v1" [],
        UserErased = "UserErased.v1" [],
    }
}

/// First event of the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserRegistered {
    /// The address they proved.
    pub email: Pii<EmailAddress>,
    /// The address's name in the log.
    pub email_key: EmailKey,
    /// How they want to be called.
    pub display_name: Option<Pii<String>>,
    /// How they proved it.
    pub provider: Provider,
}

/// Whence they came: once, in the same append as [`UserRegistered`], nulls included and frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttributionCaptured {
    /// `Referer` of the first touch.
    pub first_referrer_url: Option<Pii<String>>,
    /// Registrable domain of that `Referer`, by the public suffix list: what is counted, where the
    /// address itself is personal. Of an app, its name.
    pub referrer_domain: Option<String>,
    /// Path of the first touch.
    pub first_landing_page: Option<String>,
    /// Of the first touch.
    pub utm_source: Option<String>,
    /// Of the first touch.
    pub utm_medium: Option<String>,
    /// Of the first touch.
    pub utm_campaign: Option<String>,
    /// Of the first touch.
    pub utm_term: Option<String>,
    /// Of the first touch.
    pub utm_content: Option<String>,
    /// Advertisers' click ids of the first touch.
    pub click_ids: ClickIds,
    /// The creator on whose page the first touch was.
    pub acquired_via_creator_id: Option<UserId>,
    /// Kind of device of the request that registered.
    pub registration_device: Option<DeviceClass>,
    /// Country of the request that registered.
    pub registration_country: Option<Country>,
    /// The first touch.
    pub touch_id: Option<TouchId>,
    /// When it was.
    pub touched_at: Option<Timestamp>,
    /// What the visitor had agreed to.
    pub consent: Consent,
    /// Version of the rules.
    pub rules_version: u16,
}

/// Whence they came, as the first version wrote it: without a domain. It is read as the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "AttributionCaptured")
)]
pub struct AttributionCapturedV1 {
    /// `Referer` of the first touch.
    pub first_referrer_url: Option<Pii<String>>,
    /// Path of the first touch.
    pub first_landing_page: Option<String>,
    /// Of the first touch.
    pub utm_source: Option<String>,
    /// Of the first touch.
    pub utm_medium: Option<String>,
    /// Of the first touch.
    pub utm_campaign: Option<String>,
    /// Of the first touch.
    pub utm_term: Option<String>,
    /// Of the first touch.
    pub utm_content: Option<String>,
    /// Advertisers' click ids of the first touch.
    pub click_ids: ClickIds,
    /// The creator on whose page the first touch was.
    pub acquired_via_creator_id: Option<UserId>,
    /// Kind of device of the request that registered.
    pub registration_device: Option<DeviceClass>,
    /// Country of the request that registered.
    pub registration_country: Option<Country>,
    /// The first touch.
    pub touch_id: Option<TouchId>,
    /// When it was.
    pub touched_at: Option<Timestamp>,
    /// What the visitor had agreed to.
    pub consent: Consent,
    /// Version of the rules.
    pub rules_version: u16,
}

/// Who referred them: at most once, ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralAttributed {
    /// The owner of the code as of the touch.
    pub referrer_id: UserId,
    /// The code as issued.
    pub code: ReferralCode,
    /// Its kind.
    pub code_kind: CodeKind,
    /// When the code was picked up; `null`: an unsigned cookie does not say.
    pub touched_at: Option<Timestamp>,
    /// The landing, when the cookie names it.
    pub touch_id: Option<TouchId>,
    /// Where it was decided.
    pub via: Via,
    /// Version of the rules.
    pub rules_version: u16,
    /// The settings in force: stream `rules-{digest}`.
    pub rules_digest: Mac,
    /// What was noticed.
    pub signals: Vec<Signal>,
}

/// An attempt that did not attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralRefused {
    /// The code, when there was a well-formed one.
    pub code: Option<ReferralCode>,
    /// The first rule that said no.
    pub reason: Refusal,
    /// Where it was decided.
    pub via: Via,
    /// Version of the rules.
    pub rules_version: u16,
    /// The settings in force: stream `rules-{digest}`.
    pub rules_digest: Mac,
    /// What was noticed.
    pub signals: Vec<Signal>,
    /// What it was decided on.
    pub evidence: Evidence,
}

/// What a refusal was decided on; only what was known is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// Owner of the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserId>,
    /// The landing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touch_id: Option<TouchId>,
    /// When the code was picked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched_at: Option<Timestamp>,
}

/// A verified code opened a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionOpened {
    /// Its id, which is also the public half of its token.
    pub session_id: SessionId,
    /// SHA-256 of the secret half of its token.
    pub token_hash: Hash,
    /// What carries it.
    pub kind: SessionKind,
    /// End, unless extended.
    pub expires_at: Timestamp,
    /// End, whatever happens.
    pub absolute_expires_at: Timestamp,
    /// Who opened it.
    pub device: Pii<Client>,
    /// Kind of device.
    pub device_class: Option<DeviceClass>,
    /// Country of the address.
    pub country: Option<Country>,
}

/// Sliding renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionExtended {
    /// The session.
    pub session_id: SessionId,
    /// Its new end, unless extended again.
    pub expires_at: Timestamp,
}

/// A refresh token was exchanged for its successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshRotated {
    /// The session.
    pub session_id: SessionId,
    /// SHA-256 of the successor.
    pub refresh_hash: Hash,
    /// The session's new end.
    pub expires_at: Timestamp,
}

/// A session ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionRevoked {
    /// The session.
    pub session_id: SessionId,
    /// Why.
    pub reason: RevokeReason,
}

/// The user owns a referral code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralCodeIssued {
    /// As issued.
    pub code: ReferralCode,
    /// Its kind.
    pub kind: CodeKind,
}

/// The code attributes no touch after this moment; its owner and history stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReferralCodeDisabled {
    /// As issued.
    pub code: ReferralCode,
    /// Why, in a word.
    pub reason: String,
}

/// Onboarding gave the user a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubscriptionProvisioned {
    /// Its name.
    pub plan: String,
}

/// The welcome mail went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WelcomeEmailSent {
    /// Which attempt did it, from 1.
    pub attempt: u8,
}

/// The welcome mail did not go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WelcomeEmailFailed {
    /// In which way.
    pub reason: DeliveryFailure,
    /// Which attempt, from 1.
    pub attempt: u8,
}

impl WelcomeEmailFailed {
    /// The attempt after which no other is made. Tables are folded by it, so that a change of it is
    /// one of their version too.
    pub const LAST_ATTEMPT: u8 = 5;
}

/// The user changed how they are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProfileUpdated {
    /// How they want to be called.
    pub display_name: Option<Pii<String>>,
    /// Their picture.
    pub avatar_url: Option<String>,
}

/// `/creators/{handle}` is a landing page of this user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreatorHandleClaimed {
    /// Lower case.
    pub handle: Handle,
}

/// The platform's billing knows the user by this id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BillingCustomerLinked {
    /// The id there.
    pub billing_customer_id: String,
}

/// Last event: the subject key is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserErased {
    /// Who asked for it.
    pub requested_by: String,
    /// How it was asked for.
    pub mode: String,
}
