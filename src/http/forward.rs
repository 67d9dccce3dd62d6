//! `GET /v1/auth/forward`: a proxy asks whether a request may pass, and as whom.
//!
//! The answer is 204 with the user in headers, or 401 (403 for a page of another site). It is what
//! `auth_request` of nginx, `forward_auth` of Caddy and `ForwardAuth` of Traefik take.

mod login_page;

use std::sync::Arc;

use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, LOCATION, ORIGIN, SET_COOKIE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::client::original::{OriginalRequest, ProxyKind};
use super::csrf::refuse_cross_site;
use super::error::Problem;
use super::extract::SignedIn;
use super::renewal::RenewedCookies;
use super::session_cookies;
use super::token::{BearerUser, bearer_token};
use crate::app::App;
use crate::app::sessions::Session;

/// The id of the user.
const USER: HeaderName = HeaderName::from_static("remote-user");
/// The e-mail address of the user.
const EMAIL: HeaderName = HeaderName::from_static("remote-email");
/// The id of the session.
const SESSION: HeaderName = HeaderName::from_static("remote-session");

/// The characters that a header cannot carry unchanged: with them `%`, so that every value can be decoded.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// Answers whether the request of a client may pass.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match find(&app, &mut parts).await {
        Ok(session) => pass(&app, &parts, &session),
        Err(problem @ (Problem::Unauthenticated | Problem::SeveralSessions)) => {
            refuse(&app, &parts, problem)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Returns the session of a request: that of its access token, or else that of its cookies. A bearer token
/// that is none of ours is the site's own, and does not keep the cookies from counting.
async fn find(app: &Arc<App>, parts: &mut Parts) -> Result<Arc<Session>, Problem> {
    if bearer_token(&parts.headers).is_some() {
        match BearerUser::from_request_parts(parts, app).await {
            Ok(BearerUser(session)) => return Ok(session),
            Err(Problem::InvalidCredentials | Problem::UserNotFound) => {}
            Err(problem) => return Err(problem),
        }
    }
    let SignedIn { session, .. } = SignedIn::from_request_parts(parts, app).await?;
    let original = OriginalRequest::of(parts, &app.config.listening);
    if may_change_something(original.as_ref(), &parts.headers)
        && !is_of_its_own_page(original.as_ref(), &parts.headers)
    {
        refuse_cross_site(&parts.headers, app)?;
    }
    Ok(session)
}

/// Returns whether the original request is of a kind that changes something. A proxy may leave its
/// method out; then one with an `Origin` counts as such. A WebSocket is opened by a GET.
fn may_change_something(original: Option<&OriginalRequest<'_>>, headers: &HeaderMap) -> bool {
    let changes = match original.and_then(|original| original.method) {
        Some(method) => !matches!(method, "GET" | "HEAD" | "OPTIONS"),
        None => headers.contains_key(ORIGIN),
    };
    changes || headers.contains_key("sec-websocket-key")
}

/// Returns whether an old browser, which sends nothing but `Origin`, names the very origin that is asked for.
fn is_of_its_own_page(original: Option<&OriginalRequest<'_>>, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
    !headers.contains_key("sec-fetch-site")
        && original
            .and_then(OriginalRequest::url)
            .is_some_and(|url| url.origin().ascii_serialization().as_bytes() == origin.as_bytes())
}

/// Lets a request pass. All three headers are always there, so that a proxy that copies them overwrites
/// what the client sent under these names.
fn pass(app: &App, parts: &Parts, session: &Session) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    let email = session.user.email.shown();
    headers.insert(USER, header_of(&session.user.user_id.to_string()));
    headers.insert(EMAIL, header_of(&email));
    headers.insert(SESSION, header_of(&session.session_id.to_string()));
    if let Some(renewed) = parts.extensions.get::<RenewedCookies>() {
        for line in renewed.lines() {
            headers.append(SET_COOKIE, line.clone());
        }
    }
    number_cookies(OriginalRequest::of(parts, &app.config.listening).as_ref(), headers);
    response
}

/// Returns a text as a header: percent-encoded UTF-8 where it is not visible ASCII.
fn header_of(text: &str) -> HeaderValue {
    let encoded = utf8_percent_encode(text, ENCODED).to_string();
    HeaderValue::from_str(&encoded).expect("what is encoded is visible ASCII")
}

/// Repeats each `Set-Cookie` of an answer to nginx in a header of its own: nginx copies headers by their
/// names, and of several lines of one name it takes the first, or joins them, which is no cookie.
pub(super) fn number_cookies(original: Option<&OriginalRequest<'_>>, headers: &mut HeaderMap) {
    if original.is_none_or(|original| original.proxy != ProxyKind::Subrequest) {
        return;
    }
    let lines: Vec<_> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    for (line, name) in lines.into_iter().zip(["x-set-cookie-1", "x-set-cookie-2"]) {
        headers.insert(HeaderName::from_static(name), line);
    }
}

/// Refuses a request: 401, or, for the page view of a browser behind a proxy that passes it on, a redirect
/// to the login page.
fn refuse(app: &App, parts: &Parts, problem: Problem) -> Response {
    let listening = &app.config.listening;
    let original = OriginalRequest::of(parts, listening);
    let login = login_page::of(app, parts, original.as_ref());
    let passes_on = original.is_some_and(|original| original.proxy == ProxyKind::PassingOn);
    let mut response = if passes_on && login.is_some() {
        StatusCode::FOUND.into_response()
    } else {
        let mut response = problem.into_response();
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge(&parts.headers)));
        response
    };
    let headers = response.headers_mut();
    if let Some(login) = login {
        headers.insert(LOCATION, login);
    }
    if problem == Problem::SeveralSessions
        && let Some(original) = original
    {
        // A browser puts the cookies into the place of the page that it asked for.
        for line in session_cookies::clear_everywhere(&app.config, original.path()) {
            headers.append(SET_COOKIE, line);
        }
    }
    response
}

/// Returns the challenge of a 401 (RFC 6750, section 3).
fn challenge(headers: &HeaderMap) -> &'static str {
    if headers.contains_key(AUTHORIZATION) && bearer_token(headers).is_some() {
        r#"Bearer realm="whence", error="invalid_token""#
    } else {
        r#"Bearer realm="whence""#
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_visible_ascii_and_can_be_decoded() {
        for (text, header) in [
            ("ada@example.com", "ada@example.com"),
            ("a%2Fb@example.com", "a%252Fb@example.com"),
            ("jürgen@müller.example", "j%C3%BCrgen@m%C3%BCller.example"),
            ("a\r\nX: y", "a%0D%0AX:%20y"),
        ] {
            let value = header_of(text);
            assert_eq!(value.to_str().unwrap(), header);
            let decoded = percent_encoding::percent_decode(value.as_bytes());
            assert_eq!(decoded.decode_utf8().unwrap(), text);
        }
    }
}
