//! Errors in the shape of the portal family: which field is wrong and why, how long to wait.

use http::StatusCode;
use serde_json::{Map, Value, json};
use whence_events::CorrelationId;

use super::{ApiKeyProblem, Problem};

impl Problem {
    /// Returns the status in the portal family, where a wrong code is a wrong credential.
    pub(super) fn portal_status(self) -> StatusCode {
        if matches!(self, Self::InvalidCode | Self::InvalidRequest) {
            StatusCode::UNAUTHORIZED
        } else {
            self.parts().0
        }
    }

    /// Returns the body of the answer, with a sentence for developers.
    pub(super) fn portal_body(
        self,
        message: &str,
        allow: Option<&str>,
        id: CorrelationId,
    ) -> Value {
        let (code, i18n_key) = self.portal();
        let mut vars = Map::new();
        let mut detail = Map::new();
        if let Some(field) = self.field() {
            vars.insert("field".to_owned(), field.into());
            detail.insert("field".to_owned(), field.into());
            detail.insert("message".to_owned(), self.parts().2.into());
        }
        if let Some(seconds) = self.retry_after_seconds() {
            vars.insert("retryAfterSeconds".to_owned(), seconds.into());
            let why = format!("Another try helps in {seconds} seconds.");
            detail.insert("message".to_owned(), why.into());
        }
        if let Self::ApiKey(ApiKeyProblem::Scope(scope)) = self {
            vars.insert("missingScope".to_owned(), scope.as_str().into());
            detail.insert("missingScope".to_owned(), scope.as_str().into());
        }
        if let Some(allow) = allow {
            vars.insert("allow".to_owned(), allow.into());
            detail.insert("message".to_owned(), format!("Allowed here: {allow}.").into());
        }
        let details: Vec<_> = if detail.is_empty() { vec![] } else { vec![detail] };
        json!({
            "success": false,
            "error": {
                "code": code,
                "message": message,
                "i18nKey": i18n_key,
                "i18nVars": vars,
                "details": details,
                "correlationId": id,
            }
        })
    }

    /// Returns the part of the request that is wrong, as far as one alone is.
    fn field(self) -> Option<&'static str> {
        match self {
            Self::InvalidEmail | Self::EmailUnsupported => Some("email"),
            Self::InvalidCode => Some("code"),
            Self::InvalidRequest => Some("requestId"),
            Self::InvalidField(field) => Some(field.name),
            Self::InvalidJson => Some("body"),
            Self::InvalidQuery => Some("query"),
            Self::InvalidHost => Some("host"),
            Self::InvalidCredentials | Self::Unauthenticated => Some("authorization"),
            Self::SeveralSessions => Some("cookie"),
            Self::RefreshInvalid | Self::RefreshReused => Some("refreshToken"),
            Self::CrossSite => Some("origin"),
            Self::CsrfMissing | Self::CsrfInvalid => Some("x-csrf-token"),
            Self::RateLimited { .. }
            | Self::LoginNotRecent
            | Self::Suspended
            | Self::AdminTokenUnset
            | Self::AdminTokenInvalid
            | Self::InvalidParameter(_)
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
            | Self::SessionIssueFailed
            | Self::LogoutFailed
            | Self::Unavailable
            | Self::MailUnavailable { .. }
            | Self::Internal
            | Self::UserNotFound
            | Self::ApiKey(_)
            | Self::CodeNotFound => None,
        }
    }

    /// Returns the code and the i18n key.
    fn portal(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidCredentials
            | Self::Unauthenticated
            | Self::SeveralSessions
            | Self::InvalidCode
            | Self::InvalidRequest => ("AUTH_UNAUTHORIZED", "auth.login.invalid_credentials"),
            Self::RefreshInvalid => ("AUTH_UNAUTHORIZED", "auth.refresh.invalid_token"),
            Self::RefreshReused => ("AUTH_UNAUTHORIZED", "auth.refresh.token_reuse_detected"),
            Self::InvalidEmail => ("BAD_REQUEST", "auth.login.invalid_email"),
            Self::EmailUnsupported => ("BAD_REQUEST", "auth.login.email_unsupported"),
            Self::InvalidField(_) => ("BAD_REQUEST", "error.invalid_field"),
            Self::ApiKey(problem) => problem.portal(),
            Self::Suspended => ("ACCOUNT_SUSPENDED", "auth.login.suspended"),
            Self::UserNotFound => ("NOT_FOUND", "error.user.not_found"),
            Self::HistoryChanged => ("HISTORY_CHANGED", "error.history_changed"),
            Self::NotFound | Self::CodeNotFound => ("NOT_FOUND", "error.not_found"),
            Self::MethodNotAllowed => ("METHOD_NOT_ALLOWED", "error.method_not_allowed"),
            Self::RateLimited { .. } => ("RATE_LIMITED", "error.rate_limited"),
            Self::Unavailable | Self::MailUnavailable { .. } => {
                ("UNAVAILABLE", "error.unavailable")
            }
            Self::CsrfMissing | Self::CsrfInvalid | Self::CrossSite | Self::LoginNotRecent => {
                ("FORBIDDEN", "error.forbidden")
            }
            Self::InvalidJson
            | Self::InvalidHost
            | Self::AdminTokenUnset
            | Self::AdminTokenInvalid
            | Self::InvalidParameter(_)
            | Self::InvalidQuery
            | Self::SlugInvalid
            | Self::SlugReserved
            | Self::SlugTaken
            | Self::Handle(_)
            | Self::Address(_)
            | Self::RebuildUnderWay => ("BAD_REQUEST", "error.bad_request"),
            Self::SessionIssueFailed | Self::LogoutFailed | Self::UnknownEvent | Self::Internal => {
                ("INTERNAL", "error.internal")
            }
        }
    }
}
