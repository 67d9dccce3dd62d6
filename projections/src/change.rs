//! What projectors ask of the tables.

use whence_events::{
    ApiKeyId, AttributionCaptured, CodeKind, Country, DeviceClass, EmailKey, Hash, Position,
    Provider, ReferralCode, RequestId, Sealed, SessionId, SessionKind, Timestamp, TouchId, UserId,
    Version, Via,
};

/// One change to the tables, in terms of what it means; each database has its own statements for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A change to the tables of identity.
    Identity(IdentityChange),
    /// A change to the tables of attribution.
    Attribution(AttributionChange),
    /// A change to the tables of pending work.
    Pending(PendingChange),
    /// A change to the keys of back-ends.
    ApiKey(ApiKeyChange),
    /// A leaf that is added to the tree over the log. The leaves of a run are added together.
    LeafAdded(Leaf),
}

/// A change to login requests, users or sessions.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named as the columns they fill")]
pub enum IdentityChange {
    /// A login can be verified.
    LoginOpened { request_id: RequestId, email_key: EmailKey, expires_at: Timestamp },
    /// A login can no longer be verified.
    LoginClosed { request_id: RequestId },
    /// Logins that ended before this moment are forgotten.
    LoginsForgotten { before: Timestamp },
    /// A user registered.
    UserAdded {
        user_id: UserId,
        email: Option<Sealed>,
        display_name: Option<Sealed>,
        provider: Provider,
        at: Timestamp,
    },
    /// The display name and the avatar of a user changed.
    UserShownAs {
        user_id: UserId,
        display_name: Option<Sealed>,
        avatar_url: Option<Sealed>,
        version: Version,
        at: Timestamp,
    },
    /// A user has this address from now on.
    UserMovedTo { user_id: UserId, email: Option<Sealed>, version: Version, at: Timestamp },
    /// A user has this id in the billing system.
    UserBilledAs { user_id: UserId, billing_customer_id: String, at: Timestamp },
    /// A user was erased.
    UserRemoved { user_id: UserId },
    /// A session began.
    SessionAdded { session: Box<NewSession> },
    /// A session was used, and lasts longer.
    SessionExtended { session_id: SessionId, expires_at: Timestamp, at: Timestamp },
    /// A session ended.
    SessionRemoved { session_id: SessionId },
    /// Sessions that ended before this moment are forgotten.
    SessionsForgotten { before: Timestamp },
}

/// A session that began.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named as the columns they fill")]
pub struct NewSession {
    pub session_id: SessionId,
    pub user_id: UserId,
    pub token_hash: Hash,
    pub kind: SessionKind,
    pub opened_at: Timestamp,
    pub expires_at: Timestamp,
    pub absolute_expires_at: Timestamp,
    pub device: Option<Sealed>,
    pub device_version: Version,
    pub device_class: Option<DeviceClass>,
    pub country: Option<Country>,
}

/// A change to attribution snapshots, referral codes, clicks or later touches.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named as the columns they fill")]
pub enum AttributionChange {
    /// The attribution snapshot of a user was captured.
    SnapshotAdded { user_id: UserId, snapshot: Box<AttributionCaptured>, at: Timestamp },
    /// A user was attributed to a referrer.
    Referred { user_id: UserId, referrer_id: UserId, code: ReferralCode, at: Timestamp },
    /// The snapshot of a user is forgotten; that they were referred stays.
    SnapshotRemoved { user_id: UserId },
    /// A user has a referral code.
    CodeAdded { code: ReferralCode, kind: CodeKind, owner: UserId, at: Timestamp },
    /// A code no longer attributes anything.
    CodeDisabled { code: ReferralCode, at: Timestamp },
    /// An operator disabled a code at this time, or enabled it again.
    CodeBlocked { code: ReferralCode, at: Option<Timestamp> },
    /// A referral link of this user was followed.
    Clicked { owner: UserId },
    /// A visitor who had landed before landed again.
    VisitorReturned { first_touch_id: TouchId, touch_id: TouchId },
}

/// A change to work that is due: onboarding, undecided referrals, unverified addresses, erasures.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named as the columns they fill")]
pub enum PendingChange {
    /// A code was requested for an address.
    CodeAskedFor { email_key: EmailKey, at: Timestamp },
    /// An address belongs to a user.
    MailboxOwned { email_key: EmailKey },
    /// An address belongs to no user, and its key is destroyed.
    MailboxGone { email_key: EmailKey },
    /// The change of an address has to be looked at, at this time.
    AddressDue { email_key: EmailKey, user_id: UserId, due_at: Timestamp },
    /// An address has an owner for good, or none.
    AddressSettled { email_key: EmailKey },
    /// The onboarding of a user is due.
    OnboardingDue { user_id: UserId, at: Timestamp },
    /// A step of an onboarding is done.
    OnboardingStep { user_id: UserId, step: OnboardingStep },
    /// The welcome mail did not go out.
    WelcomeFailed { user_id: UserId, attempt: u8, at: Timestamp },
    /// The onboarding of a user is cancelled.
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
    /// A referral was decided after all; without a code, all of the user are.
    ReferralDecided { user_id: UserId, code: Option<ReferralCode> },
    /// A user is to be erased at this time, or their erasure is to be completed by then.
    ErasureDue { user_id: UserId, due_at: Timestamp },
    /// An erasure was withdrawn, or is complete.
    ErasureOver { user_id: UserId },
}

/// A change to the keys of back-ends.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named as the columns they fill")]
pub enum ApiKeyChange {
    /// A key was issued.
    Issued { api_key_id: ApiKeyId, key: Box<NewApiKey>, at: Timestamp },
    /// A key got another secret.
    Rotated { api_key_id: ApiKeyId, previous_until: Timestamp, at: Timestamp },
    /// No earlier secret of a key counts from this time on.
    GraceEnded { api_key_id: ApiKeyId, previous_until: Timestamp },
    /// A key was revoked.
    Revoked { api_key_id: ApiKeyId, at: Timestamp },
    /// A key was used on this day.
    Used { api_key_id: ApiKeyId, day: String },
}

/// A key that was issued.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named as the columns they fill")]
pub struct NewApiKey {
    pub name: String,
    pub scopes: String,
    pub issued_by: String,
    pub expires_at: Option<Timestamp>,
}

/// A step of an onboarding, as a bit of the column `steps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OnboardingStep {
    /// The user has a primary code.
    Code = 1,
    /// The user has a plan.
    Plan = 2,
    /// The welcome mail went out, or was given up.
    Welcome = 4,
}

impl OnboardingStep {
    /// The bits of all steps.
    pub const ALL: u8 = Self::Code.bit() | Self::Plan.bit() | Self::Welcome.bit();

    /// Returns the bit of this step.
    #[must_use]
    pub const fn bit(self) -> u8 {
        self as u8
    }
}

/// A leaf of the tree over the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The hash of the event.
    pub hash: Hash,
    /// The position of the event.
    pub position: Position,
}

impl From<IdentityChange> for Change {
    fn from(change: IdentityChange) -> Self {
        Self::Identity(change)
    }
}

impl From<AttributionChange> for Change {
    fn from(change: AttributionChange) -> Self {
        Self::Attribution(change)
    }
}

impl From<PendingChange> for Change {
    fn from(change: PendingChange) -> Self {
        Self::Pending(change)
    }
}

impl From<ApiKeyChange> for Change {
    fn from(change: ApiKeyChange) -> Self {
        Self::ApiKey(change)
    }
}
