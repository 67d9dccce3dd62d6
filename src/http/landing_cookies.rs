//! The landing cookies of a request to the service.
//!
//! A handler takes [`LandingCookies`] as an argument and hands them to `App::attempt` and
//! `App::attribution_snapshot` (`app/attribution.rs`), which gather what a referral and a snapshot are decided
//! on.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::cookies::is_repeated;
use super::landing::cookies::{FIRST_TOUCH, REF_CODE, clear_ref_code, read_landing_cookies};
use super::stray_cookies::places;
use crate::app::App;
use crate::app::attribution::LandingCookies;
use crate::domain::touch::RefCode;

impl FromRequestParts<Arc<App>> for LandingCookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let mut cookies = read_landing_cookies(&app.engine.keys.cookie, &parts.headers);
        if let Some(first) = &cookies.first_touch
            && app.recorder.is_of_erased(first.touch_id).await
        {
            cookies.first_touch = None;
        }
        // The code is still worth its credit; the visit that brought it is not known any more.
        if let Some(RefCode::Signed(planted)) = &cookies.ref_code
            && app.recorder.is_of_erased(planted.touch_id).await
        {
            cookies.ref_code = Some(RefCode::Bare(planted.code.clone()));
        }
        Ok(cookies)
    }
}

/// Returns the `Set-Cookie` lines that take `ref_code` away once its decision is in the log. Of landing
/// cookies that the request for `path` had several of, they take all away.
pub(super) fn clear_landing_cookies(
    app: &App,
    headers: &HeaderMap,
    path: &str,
) -> Vec<HeaderValue> {
    let config = &app.config;
    let mut lines = vec![clear_ref_code(&config.landing_cookies(), config.listening.https())];
    for name in [REF_CODE, FIRST_TOUCH].into_iter().filter(|name| is_repeated(headers, name)) {
        let all = places(config, name, path);
        lines.extend(all.iter().filter_map(|c| HeaderValue::from_str(&c.to_string()).ok()));
    }
    lines
}
