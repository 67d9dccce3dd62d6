//! Every use of a session counts: it is recorded once in a period, and the browser gets its cookies
//! anew as often.

use std::sync::{Arc, OnceLock};

use axum::response::Response;
use http::HeaderValue;
use http::header::SET_COOKIE;
use http::request::Parts;
use whence_events::{CorrelationId, Timestamp};

use super::session_cookies;
use crate::app::App;
use crate::app::sessions::Session;
use crate::infra::tokens::SessionToken;

/// The place of a request where the cookies wait that its response is to set.
#[derive(Clone, Debug, Default)]
pub(super) struct RenewedCookies(Arc<OnceLock<[HeaderValue; 2]>>);

impl RenewedCookies {
    /// Returns the cookies that the response is going to set.
    pub(super) fn lines(&self) -> &[HeaderValue] {
        self.0.get().map_or(&[], |lines| lines)
    }

    /// Adds the cookies to the response, unless its handler has set or cleared them itself.
    pub(super) fn set_on(&self, response: &mut Response, app: &App) {
        let Some(renewed) = self.0.get() else { return };
        let name = session_cookies::session_name(&app.config).as_bytes();
        let lines = response.headers().get_all(SET_COOKIE);
        if !lines.iter().any(|line| line.as_bytes().starts_with(name)) {
            for cookie in renewed {
                response.headers_mut().append(SET_COOKIE, cookie.clone());
            }
        }
    }
}

/// Takes note that a request used a session by its cookie.
pub(super) fn used_by_cookie(
    parts: &Parts,
    app: &App,
    request_id: CorrelationId,
    (session, token): (&Arc<Session>, &SessionToken),
    now: Timestamp,
) {
    app.activity.used(session, now, request_id);
    if let Some(place) = parts.extensions.get::<RenewedCookies>()
        && let Some(until) = app.activity.renewed_cookies(session, now)
    {
        let _ = place.0.set(session_cookies::set(app, token, now, until));
    }
}
