//! Protection against cross-site request forgery (CSRF).

use http::{HeaderMap, HeaderValue};

use super::error::Problem;
use crate::app::App;
use crate::infra::tokens::SessionToken;

/// Refuses a call that changes something unless the page that makes it knows the session's CSRF
/// token, and the browser does not say that another site makes it.
pub(super) fn check_csrf(
    headers: &HeaderMap,
    app: &App,
    token: &SessionToken,
) -> Result<(), Problem> {
    refuse_cross_site(headers)?;
    let sent = headers.get("x-csrf-token").ok_or(Problem::CsrfMissing)?;
    let sent = sent.to_str().map_err(|_| Problem::CsrfInvalid)?;
    if token.csrf_token(&app.engine.keys).matches(sent) {
        Ok(())
    } else {
        Err(Problem::CsrfInvalid)
    }
}

/// Refuses a call that the page of another site makes: browsers say so (W3C Fetch Metadata).
pub(super) fn refuse_cross_site(headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site == Some(b"cross-site") { Err(Problem::CsrfInvalid) } else { Ok(()) }
}
