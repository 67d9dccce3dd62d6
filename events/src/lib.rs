//! The events that whence stores, and their bytes.
//!
//! The crate has one enum per stream family ([`MailboxEvent`], [`UserEvent`], [`NameEvent`],
//! [`TouchEvent`], [`RulesEvent`], [`AuditEvent`], [`ApiKeyEvent`]), joined in [`Event`]; the envelope that an event
//! is stored in ([`Recorded`]); the types that its fields are made of; and the [`codec`] between an
//! event and its stored bytes.
//!
//! It has no IO, no async, no clock and no randomness: everything here is a value.

mod api_key;
mod audit;
pub mod codec;
mod digits;
mod email;
mod event;
mod ids;
mod invisible;
mod leaf;
mod mailbox;
mod name;
mod pii;
mod recorded;
mod rules;
mod time;
mod touch;
mod user;
mod vocabulary;

pub use api_key::{
    ApiKeyEvent, ApiKeyGraceEnded, ApiKeyIssued, ApiKeyRevoked, ApiKeyRotated, ApiKeyUsed,
};
pub use audit::{AuditEvent, AuditRead};
pub use digits::{decimal_digit, six_digits};
pub use email::EmailAddress;
pub use event::Event;
pub use ids::{
    ApiKeyId, CorrelationId, DeviceId, EmailKey, EventId, Handle, Hash, InvalidId, Mac,
    ReferralCode, RequestId, SessionId, TouchId, UserId,
};
pub use invisible::is_invisible;
pub use leaf::Leaf;
pub use mailbox::{
    CodeDeliveryFailed, CodeRejected, CodeVerified, DeviceForgotten, LockCleared, LoginExpired,
    LoginLocked, LoginStarted, LoginThrottled, MailboxClaimed, MailboxEvent, MailboxForgotten,
    MailboxMoved, MailboxReclaimed, MailboxReleased, StartCounted, StartReturned,
};
pub use name::{NameEvent, NameReserved};
pub use pii::{Client, Personal, Pii, PiiSlot, Sealed};
pub use recorded::{Actor, Metadata, Position, Recorded, StreamId, Version};
pub use rules::{RuleSettings, RulesAdopted, RulesEvent};
pub use time::Timestamp;
pub use touch::{ClickIds, TouchEvent, TouchRecorded, TouchRecordedV1, Utm};
pub use user::{
    AttributionCaptured, AttributionCapturedV1, BillingCustomerLinked, CreatorHandleClaimed,
    EmailChangeNoticed, EmailChangeUndone, EmailChanged, ErasureCancelled, ErasureCompleted,
    ErasureRequested, Evidence, ProfileUpdated, ReferralAttributed, ReferralCodeBlocked,
    ReferralCodeDisabled, ReferralCodeIssued, ReferralCodeUnblocked, ReferralRefused,
    RefreshRotated, SessionExtended, SessionOpened, SessionRevoked, SessionsRevoked,
    SubscriptionProvisioned, UserErased, UserEvent, UserRegistered, UserReinstated, UserSuspended,
    WelcomeEmailFailed, WelcomeEmailSent,
};
pub use vocabulary::{
    ApiKeyScope, AuditSubject, CodeKind, CodeStatus, Consent, Country, DeliveryFailure,
    DeviceClass, FetchSite, Provider, ReferrerKind, Refusal, RevokeReason, SessionKind, Signal,
    Via,
};
