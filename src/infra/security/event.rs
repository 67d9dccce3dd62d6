//! The kinds of security events: the one list, from which the counters and the documentation come.

/// Whether what was asked for happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not.
    Refused,
}

impl Outcome {
    /// Returns the word of log lines and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
        }
    }
}

/// Defines the kinds, one a line: variant, event, outcome, reason, meaning.
macro_rules! security_events {
    ($($variant:ident = $event:literal $outcome:ident $reason:literal: $meaning:literal,)+) => {
        /// A kind of security event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum SecurityEvent {
            $(#[doc = $meaning] $variant,)+
        }

        impl SecurityEvent {
            /// Every kind, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the field `event`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $event,)+ }
            }

            /// Returns the field `outcome`.
            #[must_use]
            pub fn outcome(self) -> Outcome {
                match self { $(Self::$variant => Outcome::$outcome,)+ }
            }

            /// Returns the field `reason`.
            #[must_use]
            pub fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason,)+ }
            }

            /// Returns a sentence about it, for the documentation.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// Returns its place in [`Self::ALL`].
            pub(super) fn index(self) -> usize {
                self as usize
            }
        }
    };
}

security_events! {
    LoginStarted = "login_start" Ok "code": "A code was made for an address.",
    CodeUndelivered = "login_start" Refused "mail": "The mail with the code could not be sent.",
    UserRegistered = "registration" Ok "email": "An account was opened.",
    LoginSucceeded = "login" Ok "code": "A session was opened after a right code.",
    WrongCode = "login" Refused "wrong_code": "A well-formed code was compared and is wrong.",
    LoginNotOpen = "login" Refused "not_open": "A code was tried on a login that is unknown, expired, locked or used.",
    LoginFailed = "login" Refused "no_session": "The code was right, and no session could be opened.",
    LoginLocked = "lock" Ok "login": "A login was locked after too many wrong codes.",
    AddressLocked = "lock" Ok "address": "An address was locked after too many wrong codes.",
    LoggedOut = "session_end" Ok "logout": "A user logged out.",
    SessionRevoked = "session_end" Ok "revoked": "A session was ended from another one.",
    SessionsRevoked = "session_end" Ok "revoked_all": "A session ended because its user ended all of them.",
    TokenReused = "session_end" Ok "token_reuse": "A session ended because an old token of it was used again.",
    SessionReplaced = "session_end" Ok "replaced": "A session ended because the same browser logged in anew.",
    SessionErased = "session_end" Ok "erased": "A session ended because its user was erased.",
    SessionEndedByOperator = "session_end" Ok "admin": "An operator ended a session.",
    OperatorEndedSessions = "operator_action" Ok "sessions": "An operator ended one session of a user, or all.",
    UserSuspended = "operator_action" Ok "suspend": "An operator suspended a user.",
    UserMoved = "operator_action" Ok "email": "An operator moved an account to another address.",
    UserReinstated = "operator_action" Ok "reinstate": "An operator reinstated a user.",
    CodeBlocked = "operator_action" Ok "block_code": "An operator disabled a referral code.",
    CodeUnblocked = "operator_action" Ok "unblock_code": "An operator enabled a referral code again.",
    LockCleared = "operator_action" Ok "unlock": "An operator cleared the lock of an address.",
    DeviceForgotten = "device" Ok "forgotten": "A known device of an address was forgotten.",
    SuspendedLogin = "login" Refused "suspended": "A right code of a suspended user came.",
    BearerRefused = "bearer" Refused "invalid": "A bearer token is missing, wrong, expired or of an ended session.",
    RefreshRefused = "refresh" Refused "invalid": "A refresh token is missing, wrong or of an ended session.",
    CsrfMissing = "csrf" Refused "missing": "A call that changes something came without a CSRF token.",
    CsrfInvalid = "csrf" Refused "invalid": "A call came with another session's CSRF token, or from another site.",
    AdminTokenInvalid = "operator" Refused "wrong_token": "A call of the operators' API came without a right token.",
    AdminTokenUnset = "operator" Refused "closed": "A call of the operators' API came while no token is configured.",
    OperatorCall = "operator" Ok "call": "A call of the operators' API came with a right token.",
    RecordRead = "audit_read" Ok "masked": "Records were read with personal data masked.",
    RecordOpened = "audit_read" Ok "opened": "Records were read with personal data in clear.",
    OwnDataRead = "audit_read" Ok "own": "A user was shown everything that is on record about them.",
    KeyRotated = "key" Ok "rotated": "An operator began to use a new key.",
    ApiKeyIssued = "api_key" Ok "issued": "An operator issued an API key.",
    ApiKeyRotated = "api_key" Ok "rotated": "An operator gave an API key another secret.",
    ApiKeyGraceEnded = "api_key" Ok "grace_ended": "An operator ended the grace time of earlier secrets of an API key.",
    ApiKeyRevoked = "api_key" Ok "revoked": "An operator revoked an API key.",
    ApiKeyInvalid = "api_key" Refused "invalid": "A call came without an API key, or with none that there is.",
    ApiKeyReplaced = "api_key" Refused "replaced": "A call came with a secret of an API key whose grace time is over.",
    ApiKeyExpired = "api_key" Refused "expired": "A call came with an API key that has expired.",
    ApiKeyEnded = "api_key" Refused "revoked": "A call came with an API key that was revoked.",
    ApiKeyScope = "api_key" Refused "scope": "A call came with an API key that is not for it.",
    UserErased = "erasure" Ok "user": "A user was erased.",
    ErasureRequested = "erasure" Ok "requested": "A user asked to be erased after the grace time.",
    ErasureCancelled = "erasure" Ok "withdrawn": "A user withdrew the request to be erased.",
    AddressForgotten = "erasure" Ok "address": "An address without an owner was forgotten.",
    CodeDisabled = "code_disabled" Ok "referral": "A referral code was disabled.",
    AddressStarts = "limit" Refused "address_starts": "Codes were asked for too often for one address; once for each time that this is recorded.",
    ClientStarts = "limit" Refused "client_starts": "One client asked for too many codes.",
    ClientVerifies = "limit" Refused "client_verifies": "One client tried too many codes.",
    ClientTouches = "limit" Refused "client_touches": "A landing of one client was one too many to be recorded.",
    ClientConnections = "limit" Refused "connections": "A connection was closed as it came, because its network or all had too many.",
    ClientProofs = "limit" Refused "proofs": "A proof of the log was refused, to one client or to all.",
    MailCeiling = "limit" Refused "mails": "A code was not made, because the mails of the hour are used up.",
    MetricsRefused = "metrics" Refused "wrong_token": "The metrics were asked for without the right token.",
}
