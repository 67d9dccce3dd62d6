//! The errors of the API, as clients of either family get them: the only file that knows status
//! codes.
//!
//! A handler fails with a [`Problem`]. The response carries the problem as an extension; [`render`]
//! writes the body at the very end, when the path says which family it is for. Causes are logged
//! once, in `causes.rs`, and never sent.

mod addresses;
mod api_keys;
mod causes;
pub(super) mod described;
mod field;
mod handles;
mod portal;
mod waits;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use whence_events::CorrelationId;

use crate::http::limits::RETRY_AFTER_SECONDS;
use crate::infra::security::SecurityEvent;
pub(crate) use addresses::AddressProblem;
pub(crate) use api_keys::ApiKeyProblem;
pub(crate) use field::PortalField;
pub(crate) use handles::HandleProblem;

/// Every error that a response can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    InvalidJson,
    InvalidEmail,
    /// The name of the mailbox has letters outside of ASCII, and the mail server does not take it.
    EmailUnsupported,
    InvalidCode,
    InvalidRequest,
    /// The request names no host, several, or one that is none (RFC 9112, section 3.2).
    InvalidHost,
    RateLimited {
        retry_after_seconds: u64,
    },
    Unauthenticated,
    /// Several session cookies of the request are of sessions in use. The response takes all of them
    /// away.
    SeveralSessions,
    /// The call takes a login of the last minutes, and that of this session is older.
    LoginNotRecent,
    /// An operator suspended the user whose address the right code proved.
    Suspended,
    /// The operators' API is closed, because no token is configured.
    AdminTokenUnset,
    AdminTokenInvalid,
    CsrfMissing,
    CsrfInvalid,
    /// A page of another site makes the call.
    CrossSite,
    /// Something in the path or the query of an operator's call is invalid; the sentence says what.
    InvalidParameter(&'static str),
    NotFound,
    MethodNotAllowed,
    /// A query that cannot be answered; for reports, [`ProblemWithDetail`] says why.
    InvalidQuery,
    /// Another program than whence changed the stream that this is about.
    HistoryChanged,
    /// The log holds an event of a newer version.
    UnknownEvent,
    SlugInvalid,
    SlugReserved,
    SlugTaken,
    /// A handle cannot be claimed.
    Handle(HandleProblem),
    /// An account cannot have an address.
    Address(AddressProblem),
    /// Read models are rebuilt, or checked, one at a time.
    RebuildUnderWay,
    SessionIssueFailed,
    LogoutFailed,
    /// The store, or the read models, do not answer now. No change is known to have been made.
    Unavailable,
    /// No mail goes out now: the mail server defers or is down, or the mails of the hour are used up.
    MailUnavailable {
        retry_after_seconds: u64,
    },
    Internal,
    /// Portal family: the bearer token is missing or wrong, or its session has ended.
    InvalidCredentials,
    /// Portal family: the token is right, and its user was erased.
    UserNotFound,
    /// Portal family: the refresh token is missing or none, or its session is over.
    RefreshInvalid,
    /// Portal family: the refresh token had been exchanged before, so that its session was ended.
    RefreshReused,
    /// Portal family: a field of the body is not what it can be.
    InvalidField(PortalField),
    /// Operators: the code belongs to no user.
    CodeNotFound,
    /// A call with an API key, or about one, is refused.
    ApiKey(ApiKeyProblem),
}

const HISTORY_CHANGED: &str =
    "Another program changed what is on record here. An operator has to look at it.";

const SEVERAL_SESSIONS: &str =
    "There are several session cookies, and none of them counts. Log in again.";

const INVALID_JSON: &str = "The body is not the JSON that is expected.";

const INVALID_EMAIL: &str = "This is not an e-mail address.";

const EMAIL_UNSUPPORTED: &str = "This site cannot send mail to a mailbox whose name has letters other than a to z. Use another address.";

const INVALID_REQUEST: &str = "There is no such login to verify. Start again.";

const WRONG_METHOD: &str = "This cannot be done here.";

const UNDER_WAY: &str = "One at a time: wait for the one under way.";

const INVALID_HOST: &str = "Name one host, in one header Host.";

const LOGIN_NOT_RECENT: &str = "Log in again first: this takes a login of the last 15 minutes.";
const REFRESH_INVALID: &str = "There is no such refresh token, or its session is over. Log in.";

const REFRESH_REUSED: &str =
    "This refresh token had been exchanged before, so its session was ended. Log in.";

const ADMIN_TOKEN_UNSET: &str = "Start the service with --admin-token.";

const ADMIN_TOKEN_INVALID: &str = "Send an operator's token, X-Admin-Token.";

const CSRF_INVALID: &str = "The CSRF token is not that of this session.";

const CROSS_SITE: &str = "A page of another site may not do this.";

const SUSPENDED: &str = "This account is suspended. Ask the site why.";

const LOGOUT_FAILED: &str = "The session may go on. Try again.";

const UNKNOWN_EVENT: &str = "The log holds an event that this version does not know.";

impl Problem {
    /// Returns the status, the code, and a sentence for developers.
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidJson => (S::BAD_REQUEST, "invalid_json", INVALID_JSON),
            Self::InvalidEmail => (S::BAD_REQUEST, "invalid_email", INVALID_EMAIL),
            Self::EmailUnsupported => (S::BAD_REQUEST, "email_unsupported", EMAIL_UNSUPPORTED),
            Self::InvalidCode => (S::BAD_REQUEST, "invalid_code", "The code is not right."),
            // One answer for unknown, expired, locked and used: which it is helps only a guesser.
            Self::InvalidRequest => (S::BAD_REQUEST, "invalid_request", INVALID_REQUEST),
            Self::InvalidHost => (S::BAD_REQUEST, "invalid_host", INVALID_HOST),
            Self::RateLimited { .. } => {
                (S::TOO_MANY_REQUESTS, "rate_limited", "Too often. Try again later.")
            }
            Self::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "Log in first."),
            Self::SeveralSessions => (S::UNAUTHORIZED, "unauthenticated", SEVERAL_SESSIONS),
            Self::LoginNotRecent => (S::FORBIDDEN, "recent_login_required", LOGIN_NOT_RECENT),
            Self::Suspended => (S::FORBIDDEN, "account_suspended", SUSPENDED),
            Self::AdminTokenUnset => (S::UNAUTHORIZED, "admin_token_unset", ADMIN_TOKEN_UNSET),
            Self::AdminTokenInvalid => {
                (S::UNAUTHORIZED, "admin_token_invalid", ADMIN_TOKEN_INVALID)
            }
            Self::CsrfMissing => {
                (S::FORBIDDEN, "csrf_missing", "Echo the CSRF cookie in the X-CSRF-Token header.")
            }
            Self::CsrfInvalid => (S::FORBIDDEN, "csrf_invalid", CSRF_INVALID),
            Self::CrossSite => (S::FORBIDDEN, "csrf_invalid", CROSS_SITE),
            Self::InvalidParameter(message) => (S::BAD_REQUEST, "invalid_parameter", message),
            Self::NotFound => (S::NOT_FOUND, "not_found", "There is nothing here."),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method_not_allowed", WRONG_METHOD),
            Self::InvalidQuery => (S::BAD_REQUEST, "invalid_query", "This cannot be asked."),
            Self::HistoryChanged => (S::CONFLICT, "history_changed", HISTORY_CHANGED),
            Self::UnknownEvent => (S::INTERNAL_SERVER_ERROR, "unknown_event", UNKNOWN_EVENT),
            Self::SlugInvalid => {
                (S::BAD_REQUEST, "slug_invalid", "3 to 32 of a-z, 0-9 and -, not at the ends.")
            }
            Self::SlugReserved => (S::CONFLICT, "slug_reserved", "This one cannot be had."),
            Self::Handle(problem) => problem.parts(),
            Self::Address(problem) => problem.parts(),
            Self::ApiKey(problem) => problem.parts(),
            Self::SlugTaken => (S::CONFLICT, "slug_taken", "Somebody has this one."),
            Self::RebuildUnderWay => (S::CONFLICT, "rebuild_under_way", UNDER_WAY),
            Self::SessionIssueFailed => (
                S::INTERNAL_SERVER_ERROR,
                "session_issue_failed",
                "The code was right, but no session could be opened. Start again.",
            ),
            Self::LogoutFailed => (S::INTERNAL_SERVER_ERROR, "logout_failed", LOGOUT_FAILED),
            Self::Unavailable => {
                (S::SERVICE_UNAVAILABLE, "unavailable", "Not right now. Try again in a moment.")
            }
            Self::MailUnavailable { .. } => (
                S::SERVICE_UNAVAILABLE,
                "unavailable",
                "No mail goes out right now. Try again later.",
            ),
            Self::Internal => {
                (S::INTERNAL_SERVER_ERROR, "internal", "This went wrong on our side.")
            }
            Self::InvalidCredentials => (S::UNAUTHORIZED, "unauthenticated", "Invalid credentials"),
            Self::UserNotFound => (S::NOT_FOUND, "not_found", "User not found"),
            Self::RefreshInvalid => (S::UNAUTHORIZED, "invalid_token", REFRESH_INVALID),
            Self::RefreshReused => (S::UNAUTHORIZED, "token_reuse_detected", REFRESH_REUSED),
            Self::InvalidField(field) => (S::BAD_REQUEST, "invalid_field", field.why),
            Self::CodeNotFound => (S::NOT_FOUND, "not_found", "There is no such code."),
        }
    }

    /// Returns the status and the body of the answer of a family.
    fn answer(
        self,
        family: Family,
        message: &str,
        allow: Option<&str>,
        id: CorrelationId,
    ) -> (StatusCode, Value) {
        if family == Family::Portal {
            return (self.portal_status(), self.portal_body(message, allow, id));
        }
        let (status, code, _) = self.parts();
        (status, json!({ "error": code, "message": message, "request_id": id }))
    }

    /// Returns the `Retry-After` in seconds, where another try helps.
    fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_seconds }
            | Self::MailUnavailable { retry_after_seconds } => Some(retry_after_seconds),
            // The last two are 500 in the API that this one replaces.
            Self::Unavailable | Self::SessionIssueFailed | Self::LogoutFailed => {
                Some(RETRY_AFTER_SECONDS)
            }
            Self::InvalidJson
            | Self::InvalidEmail
            | Self::EmailUnsupported
            | Self::InvalidCode
            | Self::InvalidRequest
            | Self::InvalidHost
            | Self::Unauthenticated
            | Self::SeveralSessions
            | Self::LoginNotRecent
            | Self::Suspended
            | Self::AdminTokenUnset
            | Self::AdminTokenInvalid
            | Self::CsrfMissing
            | Self::CsrfInvalid
            | Self::CrossSite
            | Self::InvalidParameter(_)
            | Self::InvalidQuery
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::HistoryChanged
            | Self::UnknownEvent
            | Self::SlugInvalid
            | Self::SlugReserved
            | Self::SlugTaken
            | Self::Handle(_)
            | Self::Address(_)
            | Self::RebuildUnderWay
            | Self::Internal
            | Self::InvalidCredentials
            | Self::UserNotFound
            | Self::ApiKey(_)
            | Self::RefreshInvalid
            | Self::RefreshReused
            | Self::InvalidField(_)
            | Self::CodeNotFound => None,
        }
    }

    /// Returns the security event that an answer with this problem is. Those that are committed events,
    /// such as a wrong code, and limits are recorded where they are decided.
    pub(super) fn security_event(self) -> Option<SecurityEvent> {
        match self {
            Self::InvalidRequest => Some(SecurityEvent::LoginNotOpen),
            Self::SessionIssueFailed => Some(SecurityEvent::LoginFailed),
            Self::Suspended => Some(SecurityEvent::SuspendedLogin),
            Self::ApiKey(problem) => problem.security_event(),
            Self::CsrfMissing => Some(SecurityEvent::CsrfMissing),
            Self::CsrfInvalid | Self::CrossSite => Some(SecurityEvent::CsrfInvalid),
            Self::AdminTokenInvalid => Some(SecurityEvent::AdminTokenInvalid),
            Self::AdminTokenUnset => Some(SecurityEvent::AdminTokenUnset),
            Self::InvalidCredentials | Self::UserNotFound => Some(SecurityEvent::BearerRefused),
            Self::RefreshInvalid => Some(SecurityEvent::RefreshRefused),
            Self::RateLimited { .. }
            | Self::InvalidHost
            | Self::InvalidJson
            | Self::InvalidEmail
            | Self::EmailUnsupported
            | Self::InvalidCode
            | Self::Unauthenticated
            | Self::SeveralSessions
            | Self::LoginNotRecent
            | Self::MailUnavailable { .. }
            | Self::InvalidParameter(_)
            | Self::InvalidQuery
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::HistoryChanged
            | Self::UnknownEvent
            | Self::SlugInvalid
            | Self::SlugReserved
            | Self::SlugTaken
            | Self::Handle(_)
            | Self::Address(_)
            | Self::RebuildUnderWay
            | Self::LogoutFailed
            | Self::Unavailable
            | Self::Internal
            // The end of its session is one.
            | Self::RefreshReused
            | Self::InvalidField(_)
            | Self::CodeNotFound => None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.parts().0.into_response();
        if let Self::ApiKey(problem) = self
            && let Some(challenge) = problem.challenge()
        {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// A problem with a sentence about this very case, which replaces the general one in `message`.
#[derive(Clone, Debug)]
pub(crate) struct ProblemWithDetail {
    pub(crate) problem: Problem,
    pub(crate) detail: String,
}

impl ProblemWithDetail {
    /// Returns the problem with a sentence about this case.
    pub(crate) fn new(problem: Problem, detail: impl Into<String>) -> Self {
        Self { problem, detail: detail.into() }
    }
}

impl From<Problem> for ProblemWithDetail {
    /// Returns the problem with its general sentence.
    fn from(problem: Problem) -> Self {
        Self::new(problem, problem.parts().2)
    }
}

impl IntoResponse for ProblemWithDetail {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The family of an API path, which decides the shape of its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// The console family: `/v1/...`, and everything else.
    Console,
    /// The portal family: `/api/v1/...`.
    Portal,
}

impl Family {
    /// Returns the family of a path.
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with("/api/") { Self::Portal } else { Self::Console }
    }

    /// Returns the name of the family.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Portal => "portal",
        }
    }
}

/// Writes the body of a response that carries a problem.
pub(super) fn render(response: Response, family: Family, id: CorrelationId) -> Response {
    let carried = response.extensions().get::<Problem>().copied();
    // The router itself answers a wrong verb, and says in `Allow` which ones are right.
    let wrong_verb = response.status() == StatusCode::METHOD_NOT_ALLOWED;
    let Some(problem) = carried.or(wrong_verb.then_some(Problem::MethodNotAllowed)) else {
        return response;
    };
    let message = problem.parts().2;
    let with_detail = response.extensions().get::<ProblemWithDetail>();
    let message = with_detail.map_or(message, |with_detail| with_detail.detail.as_str());
    let allow = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok());
    let (status, body) = problem.answer(family, message, allow, id);
    let mut rendered = (status, body.to_string()).into_response();
    let headers = rendered.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // The other headers that the handler set, cookies above all, are kept.
    for (name, value) in response.headers() {
        if *name != CONTENT_TYPE && *name != http::header::CONTENT_LENGTH {
            headers.append(name.clone(), value.clone());
        }
    }
    if let Some(allow) = response.headers().get(ALLOW) {
        headers.insert(ALLOW, allow.clone());
    }
    if let Some(seconds) = problem.retry_after_seconds() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    rendered
}
