//! The commands on an account, and the reasons why it rejects them.

use std::time::Duration;

use whence_events::{
    AttributionCaptured, Client, CodeKind, Country, DeliveryFailure, DeviceClass, EmailAddress,
    EmailKey, Handle, Hash, ReferralCode, Refusal, RevokeReason, SessionId, SessionKind, Timestamp,
    UserId,
};

use super::MAX_HANDLES;
use super::activity::ActivityPeriod;
use super::address::{ChangeEmail, UndoEmailChange};
use super::measure::Measure;
use super::profile::UpdateProfile;
use super::refresh::RotateRefresh;
use crate::billing::BillingCustomerId;
use crate::referral::Attempt;

/// A command on an account.
#[derive(Clone, Debug)]
pub enum UserCommand {
    /// Opens a session with a verified address; the first time, registers the user.
    OpenSession(Box<OpenSession>),
    /// Tries to attribute the user to a referrer.
    AttributeReferral {
        /// The id of the user.
        user_id: UserId,
        /// The attempt with its facts.
        attempt: Box<Attempt>,
    },
    /// Ends a session.
    RevokeSession {
        /// The id of the session.
        session_id: SessionId,
        /// The reason for which it is ended.
        reason: RevokeReason,
    },
    /// Ends all sessions but the one in which the user asks for it.
    RevokeOtherSessions {
        /// The current time.
        now: Timestamp,
        /// The session that goes on.
        keep: SessionId,
    },
    /// Records that a session is in use, which extends it; once in a period.
    ExtendSession {
        /// The current time.
        now: Timestamp,
        /// The id of the session.
        session_id: SessionId,
        /// The period in which one use is recorded.
        period: ActivityPeriod,
    },
    /// Links the user to a customer of the billing system, or to none.
    LinkBilling {
        /// The customer; none: the user is none.
        customer: Option<BillingCustomerId>,
    },
    /// Exchanges a refresh token for its successor.
    RotateRefresh(RotateRefresh),
    /// Changes the name and the picture that the user is shown by.
    UpdateProfile(UpdateProfile),
    /// Moves the account to another address, which belongs to the user already.
    ChangeEmail(ChangeEmail),
    /// Records the outcome of an attempt to tell the previous address of a change.
    RecordChangeNotice {
        /// The current time.
        now: Timestamp,
        /// The key of the previous address.
        previous_key: EmailKey,
        /// Whether the mail was sent.
        outcome: Result<(), DeliveryFailure>,
    },
    /// Undoes a change of the address, as the owner of the previous one wants.
    UndoEmailChange(UndoEmailChange),
    /// Does what an operator decided about the user.
    Measure(Measure),
    /// Issues a referral code, whose name was reserved for the user.
    IssueReferralCode {
        /// The current time.
        now: Timestamp,
        /// The code to issue.
        code: ReferralCode,
        /// The kind of the code.
        kind: CodeKind,
    },
    /// Disables a referral code: it attributes no touch from now on.
    DisableReferralCode {
        /// The code to disable.
        code: ReferralCode,
        /// The reason for which it is disabled, as a keyword.
        reason: String,
    },
    /// Claims a creator handle, whose name was reserved for the user.
    ClaimHandle {
        /// The handle to claim.
        handle: Handle,
    },
    /// Gives the user the plan that every account starts with.
    ProvisionSubscription {
        /// The name of the plan.
        plan: String,
    },
    /// Records the outcome of an attempt to send the welcome mail.
    RecordWelcome(Result<(), DeliveryFailure>),
    /// Erases the user.
    Erase {
        /// The party who requested the erasure.
        requested_by: String,
        /// The way in which the erasure was requested.
        mode: String,
    },
    /// Asks for the erasure of the user, on their own behalf, after a grace time.
    RequestErasure {
        /// The current time.
        now: Timestamp,
        /// The time for which the request can be withdrawn.
        grace: Duration,
    },
    /// Withdraws the request to be erased.
    CancelErasure,
    /// Erases the user if they asked for it and the grace time is over.
    EraseIfDue {
        /// The current time.
        now: Timestamp,
    },
    /// Records that all steps of the erasure were taken.
    CompleteErasure {
        /// The number of landings whose keys are destroyed.
        touches: u64,
    },
}

/// The command that opens a session with a verified address.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// The current time.
    pub now: Timestamp,
    /// The user who owns the address.
    pub user_id: UserId,
    /// The address, for a registration.
    pub email: EmailAddress,
    /// The key that names the address in the log.
    pub email_key: EmailKey,
    /// Whether an operator gave the address to the user: it opens the account only once it is the
    /// account's.
    pub moved_by_operator: bool,
    /// The attribution snapshot, for a registration.
    pub snapshot: AttributionCaptured,
    /// The referral attempt that the request carried.
    pub attempt: Option<Attempt>,
    /// A fresh id for the session.
    pub session_id: SessionId,
    /// The hash of the token that proves the session.
    pub token_hash: Hash,
    /// The kind of credential that carries the session.
    pub kind: SessionKind,
    /// The network client that logs in.
    pub device: Client,
    /// The kind of device.
    pub device_class: Option<DeviceClass>,
    /// The country of the IP address.
    pub country: Option<Country>,
}

/// The reason why an account rejects a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserRejection {
    /// No user is registered under this id.
    #[error("there is no such user")]
    NotRegistered,
    /// The user was erased.
    #[error("the user was erased")]
    Erased,
    /// The user is suspended, and cannot log in.
    #[error("the user is suspended")]
    Suspended,
    /// The session does not exist, or has ended.
    #[error("there is no such session")]
    NoSuchSession,
    /// The refresh token of a session was exchanged too often lately.
    #[error("the refresh token was exchanged too often; the next time at {until}")]
    TooManyRotations {
        /// The time from which it may be exchanged again.
        until: Timestamp,
    },
    /// The profile was changed too often lately.
    #[error("the profile was changed too often; the next time at {until}")]
    TooManyUpdates {
        /// The time from which it may be changed again.
        until: Timestamp,
    },
    /// The address was changed too often lately.
    #[error("the address was changed too often; the next time at {until}")]
    TooManyChanges {
        /// The time from which it may be changed again.
        until: Timestamp,
    },
    /// The account has another address than the one that a login or a change is about.
    #[error("the account has another address")]
    AddressLeft,
    /// There can still be an objection to the last change of the address.
    #[error("the previous address can object to the last change until {until}")]
    ChangeOpen {
        /// The end of the time for objections.
        until: Timestamp,
    },
    /// The user asked to be erased.
    #[error("the user asked to be erased")]
    Leaving,
    /// There is no change that this token objects to, or the time for it is over.
    #[error("there is no such change of the address")]
    NoSuchChange,
    /// The user has no such code, or it is disabled.
    #[error("there is no such code")]
    NoSuchCode,
    /// An operator disabled the code, so that its owner cannot take it up again.
    #[error("an operator disabled the code")]
    CodeBlocked,
    /// The user chose too many codes lately.
    #[error("too many codes were chosen; the next one at {until}")]
    TooManyCodes {
        /// The time from which the next code may be chosen.
        until: Timestamp,
    },
    /// The user has as many handles as one may have.
    #[error("the user has {MAX_HANDLES} handles already")]
    TooManyHandles,
    /// The attempt was refused, and the refusal is not recorded.
    #[error("not attributed: {0}")]
    NotAttributed(Refusal),
}
