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
use whence_events::ReferralCode;

use super::cookies::{MAX_SAME_NAME, cookie_values, is_repeated};
use super::landing::cookies::{
    FIRST_TOUCH, REF_CODE, bare_code, clear_ref_code, is_of_own_form, read_bare_codes,
    read_landing_cookies,
};
use super::stray_cookies::places;
use crate::app::App;
use crate::app::attribution::LandingCookies;
use crate::domain::touch::RefCode;
use crate::domain::touch::planting::CodeRecord;

impl FromRequestParts<Arc<App>> for LandingCookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let mut cookies = read_landing_cookies(&app.engine.keys.cookie, &parts.headers);
        if let Some(first) = &cookies.first_touch
            && app.recorder.is_of_erased(first.touch_id).await
        {
            cookies.first_touch = None;
        }
        // Other applications keep codes of theirs under this name.
        if let Some(RefCode::Bare(_)) = &cookies.ref_code {
            let bare = read_bare_codes(&parts.headers);
            if bare.len() > 1 {
                let issued = first_issued(app, &bare).await;
                cookies.ref_code = issued.cloned().map(RefCode::Bare).or(cookies.ref_code);
            }
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

/// Returns the first of some codes that was ever issued; `None` also when that cannot be looked up.
async fn first_issued<'a>(app: &App, codes: &'a [ReferralCode]) -> Option<&'a ReferralCode> {
    let records = app.recorder.records_of(codes).await;
    let issued = records.iter().position(|record| matches!(record, CodeRecord::Issued { .. }))?;
    codes.get(issued)
}

/// Returns the `Set-Cookie` lines that take `ref_code` away once its decision is in the log. Of landing
/// cookies that the request for `path` had several of, they take all away.
///
/// A cookie that another application keeps under this name stays: ours has our form, whoever signed it,
/// or is a bare code that was issued. Where cookies of both kinds came along, the one in the place where
/// this service sets its own is taken away, and no other.
pub(super) async fn clear_landing_cookies(
    app: &App,
    headers: &HeaderMap,
    path: &str,
) -> Vec<HeaderValue> {
    let config = &app.config;
    let (mut ours, mut others) = (false, false);
    for value in cookie_values(headers, REF_CODE).take(MAX_SAME_NAME) {
        let is_ours = is_of_own_form(value)
            || match bare_code(value) {
                Some(code) => first_issued(app, &[code]).await.is_some(),
                None => false,
            };
        ours |= is_ours;
        others |= !is_ours;
    }
    let mut lines = Vec::new();
    if ours {
        lines.push(clear_ref_code(&config.landing_cookies(), config.listening.https()));
    }
    let everywhere = [(REF_CODE, ours && !others), (FIRST_TOUCH, true)];
    for (name, _) in everywhere.iter().filter(|(name, clear)| *clear && is_repeated(headers, name))
    {
        let all = places(config, name, path);
        lines.extend(all.iter().filter_map(|c| HeaderValue::from_str(&c.to_string()).ok()));
    }
    lines
}
