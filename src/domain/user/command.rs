//! What can be asked of an account, and why it says no.

use whence_events::{
    AttributionCaptured, Client, CodeKind, Country, DeliveryFailure, DeviceClass, EmailAddress,
    EmailKey, Handle, Hash, ReferralCode, Refusal, RevokeReason, SessionId, SessionKind, Timestamp,
    UserId,
};

use crate::referral::Attempt;

/// What can be asked of an account.
#[derive(Clone, Debug)]
pub enum UserCommand {
    /// Log in with a verified address; the first time, register.
    OpenSession(Box<OpenSession>),
    /// Try to attribute.
    AttributeReferral {
        /// Which user, for the decision.
        user_id: UserId,
        /// The attempt.
        attempt: Box<Attempt>,
    },
    /// End a session.
    RevokeSession {
        /// Which.
        session_id: SessionId,
        /// Why.
        reason: RevokeReason,
    },
    /// Renew a session that is in use.
    ExtendSession {
        /// Now.
        now: Timestamp,
        /// Which.
        session_id: SessionId,
    },
    /// A name that was reserved for the user becomes their code.
    IssueReferralCode {
        /// Now.
        now: Timestamp,
        /// The code.
        code: ReferralCode,
        /// Its kind.
        kind: CodeKind,
    },
    /// A code attributes nothing from now on.
    DisableReferralCode {
        /// The code.
        code: ReferralCode,
        /// Why, in a word.
        reason: String,
    },
    /// A name that was reserved for the user becomes their creator handle.
    ClaimHandle {
        /// The handle.
        handle: Handle,
    },
    /// Give the plan every account starts with.
    ProvisionSubscription {
        /// Its name.
        plan: String,
    },
    /// Record what became of the welcome mail.
    RecordWelcome(Result<(), DeliveryFailure>),
    /// Forget who it was.
    Erase {
        /// Who asked for it.
        requested_by: String,
        /// How.
        mode: String,
    },
}

/// Log in with a verified address.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// Now.
    pub now: Timestamp,
    /// The user whom the address belongs to.
    pub user_id: UserId,
    /// The address, for the first time.
    pub email: EmailAddress,
    /// Its name in the log.
    pub email_key: EmailKey,
    /// Whence they came, for the first time.
    pub origin: AttributionCaptured,
    /// A referral attempt that came along.
    pub attempt: Option<Attempt>,
    /// A fresh id.
    pub session_id: SessionId,
    /// Hash of the fresh secret.
    pub token_hash: Hash,
    /// What carries the session.
    pub kind: SessionKind,
    /// Who logs in.
    pub device: Client,
    /// With what.
    pub device_class: Option<DeviceClass>,
    /// From where.
    pub country: Option<Country>,
}

/// Why an account says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserRejection {
    /// Nobody registered under this id.
    #[error("there is no such user")]
    NotRegistered,
    /// They are gone.
    #[error("the user was erased")]
    Erased,
    /// No such session, or it is over.
    #[error("there is no such session")]
    NoSuchSession,
    /// No such code of theirs, or it is disabled.
    #[error("there is no such code")]
    NoSuchCode,
    /// Too many codes chosen lately.
    #[error("too many codes were chosen; the next one at {until}")]
    TooManyCodes {
        /// When the next one may be.
        until: Timestamp,
    },
    /// There was nothing to attribute by; nothing is recorded.
    #[error("not attributed: {0}")]
    NotAttributed(Refusal),
}
