//! What a login is completed with, and what comes of it.

use http::HeaderValue;
use whence_events::{EmailAddress, Hash, Position, SessionId, SessionKind, Timestamp, UserId};

/// A code that is tried on a login.
pub(in crate::http) struct TriedCode<'a> {
    /// The token of the login as it was sent.
    pub(in crate::http) request_id: &'a str,
    /// The digits; `None` when what was sent is no code.
    pub(in crate::http) code: Option<[u8; 6]>,
}

/// What proves a session that is about to be opened.
#[derive(Clone, Copy)]
pub(in crate::http) struct Credential {
    pub(in crate::http) session_id: SessionId,
    /// The hash of its token.
    pub(in crate::http) hash: Hash,
    pub(in crate::http) kind: SessionKind,
}

impl Credential {
    /// Returns the path of the call that opens the session.
    pub(super) fn path(self) -> &'static str {
        match self.kind {
            SessionKind::Cookie => "/v1/auth/email/verify",
            SessionKind::Bearer => "/api/v1/auth/login",
        }
    }
}

/// A login whose session is open.
pub(in crate::http) struct CompletedLogin {
    pub(in crate::http) user_id: UserId,
    pub(in crate::http) session_id: SessionId,
    pub(in crate::http) email: EmailAddress,
    /// When the user registered, if that was by this login.
    pub(in crate::http) registered_at: Option<Timestamp>,
    /// The position of its last event.
    pub(in crate::http) position: Position,
    /// The cookies that a browser gets whatever proves its session.
    pub(in crate::http) set_cookies: Vec<HeaderValue>,
}
