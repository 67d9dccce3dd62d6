//! Everything about who is logged in, to read and to take along.

mod page;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use whence_events::Actor;

use super::csrf::refuse_cross_site;
use super::error::Problem;
use super::extract::{RequestContext, SignedIn};
use super::recent_login::check_recent_login;
use crate::app::App;
use crate::insight::audit::{OwnData, own_data};

/// `GET /v1/auth/export`: answers everything about the user as JSON, to be saved in a file.
pub(super) async fn json(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    let data = read(&app, &signed_in, &headers, &request).await?;
    let text = serde_json::to_string_pretty(&data).map_err(|error| {
        tracing::error!(%error, "what is on record about a user cannot be written");
        Problem::Internal
    })?;
    let day = data.exported_at.to_string();
    let name = format!("attachment; filename=\"account-{}.json\"", day.get(..10).unwrap_or(""));
    let name = HeaderValue::from_str(&name).map_err(|_| Problem::Internal)?;
    let kind = HeaderValue::from_static("application/json");
    Ok(([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)], text).into_response())
}

/// `GET /v1/auth/export.html`: answers everything about the user as a page.
pub(super) async fn html(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    let data = read(&app, &signed_in, &headers, &request).await?;
    let text = page::render(&data).map_err(|error| {
        tracing::error!(%error, "the page about a user cannot be written");
        Problem::Internal
    })?;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let policy = page::POLICY.clone();
    Ok(([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, policy)], text).into_response())
}

/// Returns everything about the user, after it is recorded that they read it. A page of another site
/// cannot make a browser ask for it.
async fn read(
    app: &App,
    signed_in: &SignedIn,
    headers: &HeaderMap,
    request: &RequestContext,
) -> Result<OwnData, Problem> {
    refuse_cross_site(headers, app)?;
    check_recent_login(&signed_in.session, request.now)?;
    let user_id = signed_in.session.user.user_id;
    let turn = app.export_turns.take(user_id, request.now);
    let _turn = turn.map_err(|until| Problem::rate_limited(request.now, until))?;
    let context = request.context(Actor::Owner);
    let site = &app.config.mail.site;
    Ok(own_data(&app.engine, user_id, site, request.now, &context).await?)
}
