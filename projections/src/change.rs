//! What projectors ask of the tables.

use whence_events::{
    AttributionCaptured, CodeKind, Country, DeviceClass, EmailKey, Hash, Position, Provider,
    ReferralCode, RequestId, Sealed, SessionId, SessionKind, Timestamp, TouchId, UserId, Version,
    Via,
};

/// One change to the tables, in terms of what it means; each backend knows its SQL.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named as the columns they fill")]
pub enum Change {
    /// A login can be verified.
    LoginOpened { request_id: RequestId, email_key: EmailKey, expires_at: Timestamp },
    /// A login cannot be verified any more.
    LoginClosed { request_id: RequestId },
    /// Logins that ended before this are forgotten.
    LoginsForgotten { before: Timestamp },
    /// Somebody registered.
    UserAdded {
        user_id: UserId,
        email: Option<Sealed>,
        display_name: Option<Sealed>,
        provider: Provider,
        at: Timestamp,
    },
    /// How somebody is shown.
    UserShownAs {
        user_id: UserId,
        display_name: Option<Sealed>,
        display_name_version: Version,
        avatar_url: Option<String>,
        at: Timestamp,
    },
    /// What billing calls somebody.
    UserBilledAs { user_id: UserId, billing_customer_id: String, at: Timestamp },
    /// Somebody is gone.
    UserRemoved { user_id: UserId },
    /// A session began.
    SessionAdded {
        session_id: SessionId,
        user_id: UserId,
        token_hash: Hash,
        kind: SessionKind,
        opened_at: Timestamp,
        expires_at: Timestamp,
        absolute_expires_at: Timestamp,
        device: Option<Sealed>,
        device_version: Version,
        device_class: Option<DeviceClass>,
        country: Option<Country>,
    },
    /// A session lasts longer.
    SessionExtended { session_id: SessionId, expires_at: Timestamp },
    /// A session ended.
    SessionRemoved { session_id: SessionId },
    /// Sessions that ended before this are forgotten.
    SessionsForgotten { before: Timestamp },
    /// Whence somebody came.
    OriginAdded { user_id: UserId, origin: Box<AttributionCaptured>, at: Timestamp },
    /// Who referred somebody.
    Referred { user_id: UserId, referrer_id: UserId, code: ReferralCode, at: Timestamp },
    /// Somebody's origin is forgotten; that they were referred stays.
    OriginRemoved { user_id: UserId },
    /// Somebody has a code.
    CodeAdded { code: ReferralCode, kind: CodeKind, owner: UserId, at: Timestamp },
    /// A code attributes nothing any more.
    CodeDisabled { code: ReferralCode, at: Timestamp },
    /// Somebody followed a referral link.
    Clicked { owner: UserId },
    /// A visitor who had landed before landed again.
    VisitorReturned { first_touch_id: TouchId, touch_id: TouchId },
    /// Somebody asked for a code.
    CodeAskedFor { email_key: EmailKey, at: Timestamp },
    /// An address belongs to somebody.
    MailboxOwned { email_key: EmailKey },
    /// An address belongs to nobody, and its key is destroyed.
    MailboxGone { email_key: EmailKey },
    /// Somebody is to be welcomed.
    OnboardingDue { user_id: UserId, at: Timestamp },
    /// A step of that is done; the bits of [`crate::Onboarding`].
    OnboardingStep { user_id: UserId, step: u8 },
    /// The welcome mail did not go out.
    WelcomeFailed { user_id: UserId, attempt: u8, at: Timestamp },
    /// Nothing is owed to somebody any more.
    OnboardingOver { user_id: UserId },
    /// A referral could not be decided.
    ReferralUndecided {
        user_id: UserId,
        code: ReferralCode,
        touched_at: Option<Timestamp>,
        touch_id: Option<TouchId>,
        via: Via,
        at: Timestamp,
    },
    /// A referral was decided after all.
    ReferralDecided { user_id: UserId, code: Option<ReferralCode> },
}

/// How many events lie between two rounds of forgetting what is over. By position, not by time: so
/// that the rows are the same however the log is batched.
pub(crate) const FORGET_EVERY: Position = 1024;
