//! Whence a user came: the attribute call, and the snapshot.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{ETAG, IF_NONE_MATCH, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;
use whence_events::{
    Actor, Country, DeviceClass, Refusal, StreamId, Timestamp, UserEvent, UserId, Via,
};
use whence_projections::Snapshot;

use super::client::ClientFacts;
use super::error::Problem;
use super::extract::{RequestContext, session_token};
use super::login::clear_ref_code_cookie;
use super::token::BearerUser;
use crate::app::App;
use crate::app::attribution::{Candidate, LandingCookies};
use crate::app::sessions::Session;
use crate::domain::user::{ATTRIBUTION_VERSION, User, UserCommand, UserRejection};
use crate::engine::handler::HandleError;
use crate::http::landing::cookies::{read_first_touch, read_ref_code};
use crate::infra::errors::with_causes;
use crate::infra::hash::sha256;

/// `POST /v1/auth/attribute`: 200 with a reason, or 401, and nothing else. The body is not read.
pub(super) async fn attribute(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: RequestContext,
    facts: ClientFacts,
) -> Result<Response, Problem> {
    // On 401 the cookie stays: a stale session must not destroy a credit.
    let token = session_token(&headers, &app).ok_or(Problem::Unauthenticated)?;
    let decided = match app.sessions.get(&token, request.now).await {
        Ok(Some(session)) => decide(&app, &session, &headers, &request, &facts).await,
        Ok(None) => return Err(Problem::Unauthenticated),
        Err(error) => Err(Undecided::Failed(with_causes(&error))),
    };
    let (body, keep_cookie) = match decided {
        Ok(()) => (json!({ "attributed": true }), false),
        Err(Undecided::Refused(reason)) => (refused(reason), false),
        // Nothing is on record, so the visitor keeps what another try needs.
        Err(Undecided::Failed(error)) => {
            tracing::error!(%error, "a referral could not be decided");
            (refused(Refusal::InternalError), true)
        }
    };
    let mut response = Json(body).into_response();
    if !keep_cookie {
        response.headers_mut().append(SET_COOKIE, clear_ref_code_cookie(&app));
    }
    Ok(response)
}

fn refused(reason: Refusal) -> serde_json::Value {
    json!({ "attributed": false, "reason": reason })
}

enum Undecided {
    Refused(Refusal),
    Failed(String),
}

async fn decide(
    app: &App,
    session: &Session,
    headers: &HeaderMap,
    request: &RequestContext,
    facts: &ClientFacts,
) -> Result<(), Undecided> {
    let brought = LandingCookies {
        ref_code: read_ref_code(&app.engine.keys.cookie, headers),
        first_touch: read_first_touch(&app.engine.keys.cookie, headers),
    };
    let user_id = session.user.user_id;
    let candidate = Candidate {
        user_id,
        email: &session.user.email,
        client: &facts.client,
        country: facts.country,
    };
    let attempt = Box::new(app.attempt(candidate, &brought, Via::Attribute, request.now).await);
    let command = UserCommand::AttributeReferral { user_id, attempt };
    let context = request.context(Actor::Owner);
    let stream = StreamId::User(user_id);
    let done = match app.engine.handler.run::<User>(&stream, &command, &context).await {
        Ok(done) => done,
        // Undecided, and nothing new on record: perhaps nothing at all.
        Err(HandleError::Rejected(UserRejection::NotAttributed(Refusal::InternalError))) => {
            return Err(Undecided::Failed("it could not be looked up".to_owned()));
        }
        Err(HandleError::Rejected(UserRejection::NotAttributed(reason))) => {
            return Err(Undecided::Refused(reason));
        }
        Err(error) => return Err(Undecided::Failed(with_causes(&error))),
    };
    app.progress.wait_for(done.position).await;
    match done.events.first() {
        Some(UserEvent::ReferralAttributed(_)) => Ok(()),
        Some(UserEvent::ReferralRefused(refused)) => Err(Undecided::Refused(refused.reason)),
        _ => Err(Undecided::Failed("no decision".to_owned())),
    }
}

/// `GET /api/v1/users/attribution`
pub(super) async fn snapshot(
    State(app): State<Arc<App>>,
    BearerUser(session): BearerUser,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    let user_id = session.user.user_id;
    let snapshot = app.engine.read_db.snapshot(user_id).await?.ok_or(Problem::UserNotFound)?;
    let is_final = is_final(&app, &snapshot, request.now);
    let data = SnapshotBody::of(&app, user_id, snapshot).await?;
    let body = serde_json::to_vec(&json!({ "success": true, "data": data }))
        .map_err(|_| Problem::Internal)?;
    let mut response = if is_final { with_etag(&headers, body) } else { body.into_response() };
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}

/// Whether nothing in the snapshot can change any more: a referral is there, or would come too late
/// and none waits to be decided.
fn is_final(app: &App, snapshot: &Snapshot, now: Timestamp) -> bool {
    let grace = Duration::from_secs(app.config.referrals.rules.settings.grace_seconds);
    let late = now > snapshot.created_at + grace;
    snapshot.referred_by.is_some() || (late && !snapshot.undecided)
}

fn with_etag(headers: &HeaderMap, body: Vec<u8>) -> Response {
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&sha256(&body).0[..16]));
    let known = headers.get_all(IF_NONE_MATCH).into_iter().any(|line| {
        let tags = line.to_str().unwrap_or("").split(',');
        tags.map(|t| t.trim().trim_start_matches("W/")).any(|t| t == tag || t == "*")
    });
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The 13 fields of the snapshot, in the portal family's order and spelling.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SnapshotBody {
    referred_by: Option<UserId>,
    referral_code: Option<String>,
    first_referrer_url: Option<String>,
    first_landing_page: Option<String>,
    acquired_via_creator_id: Option<UserId>,
    utm_source: Option<String>,
    utm_medium: Option<String>,
    utm_campaign: Option<String>,
    utm_term: Option<String>,
    utm_content: Option<String>,
    registration_device: Option<DeviceClass>,
    registration_country: Option<Country>,
    created_at: String,
}

impl SnapshotBody {
    async fn of(app: &App, user_id: UserId, snapshot: Snapshot) -> Result<Self, Problem> {
        let stream = StreamId::User(user_id);
        let first_referrer_url = match &snapshot.first_referrer_url {
            Some(url) => {
                app.engine
                    .vault
                    .open(&stream, ATTRIBUTION_VERSION, "first_referrer_url", url)
                    .await?
            }
            None => None,
        };
        Ok(Self {
            referred_by: snapshot.referred_by,
            referral_code: snapshot.referral_code,
            first_referrer_url,
            first_landing_page: snapshot.first_landing_page,
            acquired_via_creator_id: snapshot.acquired_via_creator_id,
            utm_source: snapshot.utm_source,
            utm_medium: snapshot.utm_medium,
            utm_campaign: snapshot.utm_campaign,
            utm_term: snapshot.utm_term,
            utm_content: snapshot.utm_content,
            registration_device: snapshot.registration_device,
            registration_country: snapshot.registration_country,
            created_at: snapshot.created_at.to_rfc3339_millis(),
        })
    }
}
