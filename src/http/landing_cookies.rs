//! The landing cookies of a request to the service.
//!
//! A handler takes [`LandingCookies`] as an argument and hands them to `App::attempt` and
//! `App::attribution_snapshot` (`app/attribution.rs`), which gather what a referral and a snapshot are decided
//! on.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderValue;
use http::request::Parts;

use super::landing::cookies::{clear_ref_code, read_landing_cookies};
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

/// Returns the `Set-Cookie` line that takes `ref_code` away once its decision is in the log.
pub(super) fn clear_ref_code_cookie(app: &App) -> HeaderValue {
    clear_ref_code(&app.config.landing_cookies(), app.config.listening.https())
}
