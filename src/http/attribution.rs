//! Where a user came from: the attribute call, and the attribution snapshot.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use whence_events::{
    Actor, Country, DeviceClass, Refusal, StreamId, Timestamp, UserEvent, UserId, Via,
};
use whence_projections::Snapshot;

use super::client::ClientFacts;
use super::cookies::with_cookies;
use super::csrf::refuse_cross_site;
use super::error::Problem;
use super::etag::EntityTag;
use super::extract::{RequestContext, SignedIn};
use super::landing_cookies::clear_landing_cookies;
use super::openapi::Millis;
use super::openapi::{Refusals, refused};
use super::portal::user::PortalUser;
use crate::app::App;
use crate::app::attribution::{Candidate, LandingCookies};
use crate::app::sessions::Session;
use crate::domain::user::{ATTRIBUTION_VERSION, User, UserCommand, UserRejection};
use crate::engine::handler::HandleError;
use crate::infra::errors::with_causes;

/// `POST /v1/auth/attribute`: answers 200 with a reason, or 401, and nothing else. The body is not
/// read.
#[utoipa::path(post, path = "/v1/auth/attribute",
    responses(
        (status = 200, body = AttributeAnswer),
        Refusals<(SignedIn,)>,
    )
)]
pub(super) async fn attribute(
    State(app): State<Arc<App>>,
    signed_in: Result<SignedIn, Problem>,
    headers: HeaderMap,
    request: RequestContext,
    facts: ClientFacts,
    landing_cookies: LandingCookies,
) -> Result<Response, Problem> {
    // On 401 the cookie stays: a stale session must not destroy a credit. A page of another site is
    // answered as if its browser had kept the cookies to itself, as SameSite=Lax has it.
    refuse_cross_site(&headers, &app).map_err(|_| Problem::Unauthenticated)?;
    let decided = match signed_in {
        Ok(SignedIn { session, .. }) => {
            decide(&app, &session, &request, &facts, &landing_cookies).await
        }
        Err(problem @ (Problem::Unauthenticated | Problem::SeveralSessions)) => {
            return Err(problem);
        }
        Err(_) => Err(Unattributed::Failed("the session could not be looked up".to_owned())),
    };
    let (reason, keep_cookie) = match decided {
        Ok(()) => (None, false),
        Err(Unattributed::Refused(reason)) => (Some(reason), false),
        // Nothing is in the log, so the visitor keeps what another try needs.
        Err(Unattributed::Failed(error)) => {
            tracing::error!(%error, "a referral could not be decided");
            (Some(Refusal::InternalError), true)
        }
    };
    let body = AttributeAnswer { attributed: reason.is_none(), reason };
    let response = Json(body).into_response();
    if keep_cookie {
        return Ok(response);
    }
    let lines = clear_landing_cookies(&app, &headers, "/v1/auth/attribute").await;
    Ok(with_cookies(response, lines))
}

/// What became of a referral.
#[derive(Serialize, ToSchema)]
struct AttributeAnswer {
    attributed: bool,
    /// Why not; absent when it was attributed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<Refusal>,
}

/// Why a referral was not attributed.
enum Unattributed {
    /// It was decided, and refused.
    Refused(Refusal),
    /// It could not be decided; the text is for the diagnostic output.
    Failed(String),
}

/// Decides the referral of a user who is logged in.
///
/// `App::attempt` (`app/attribution.rs`) looks the code of `ref_code` up; the user's stream decides
/// on what it found.
async fn decide(
    app: &App,
    session: &Session,
    request: &RequestContext,
    facts: &ClientFacts,
    landing_cookies: &LandingCookies,
) -> Result<(), Unattributed> {
    let user_id = session.user.user_id;
    let candidate = Candidate {
        user_id,
        email: &session.user.email,
        client: &facts.client,
        country: facts.country,
    };
    let attempt = app.attempt(candidate, landing_cookies, Via::Attribute, request.now).await;
    let command = UserCommand::AttributeReferral { user_id, attempt: Box::new(attempt) };
    let context = request.context(Actor::Owner);
    let stream = StreamId::User(user_id);
    let done = match app.engine.handler.run::<User>(&stream, &command, &context).await {
        Ok(done) => done,
        // Undecided, and nothing new in the log: perhaps nothing at all.
        Err(HandleError::Rejected(UserRejection::NotAttributed(Refusal::InternalError))) => {
            return Err(Unattributed::Failed("it could not be looked up".to_owned()));
        }
        Err(HandleError::Rejected(UserRejection::NotAttributed(reason))) => {
            return Err(Unattributed::Refused(reason));
        }
        Err(error) => return Err(Unattributed::Failed(with_causes(&error))),
    };
    app.progress.wait_for(done.position).await;
    match done.events.first() {
        Some(UserEvent::ReferralAttributed(_)) => Ok(()),
        Some(UserEvent::ReferralRefused(refused)) => Err(Unattributed::Refused(refused.reason)),
        _ => Err(Unattributed::Failed("no decision".to_owned())),
    }
}

/// `GET /api/v1/users/attribution`: answers the user's attribution snapshot. Browsers may keep it, and
/// ask each time whether it is still the same.
#[utoipa::path(get, path = "/api/v1/users/attribution",
    responses(
        (status = 200, body = SnapshotBody),
        (status = 304),
        Refusals<(PortalUser, refused::Command)>,
    )
)]
pub(super) async fn snapshot(
    State(app): State<Arc<App>>,
    PortalUser(session): PortalUser,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    let user_id = session.user.user_id;
    let snapshot = app.engine.read_db.snapshot(user_id).await?.ok_or(Problem::UserNotFound)?;
    answer_with(&app, user_id, snapshot, &headers, request.now).await
}

/// Answers the attribution snapshot of a user: with an entity tag once it is final.
pub(super) async fn answer_with(
    app: &App,
    user_id: UserId,
    snapshot: Snapshot,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, Problem> {
    let is_final = is_final(app, &snapshot, now);
    let data = SnapshotBody::of(app, user_id, snapshot).await?;
    let body = serde_json::to_vec(&json!({ "success": true, "data": data }))
        .map_err(|_| Problem::Internal)?;
    let mut response = if is_final { with_etag(headers, body) } else { body.into_response() };
    let set = response.headers_mut();
    set.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    set.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    set.append(VARY, HeaderValue::from_static("authorization, cookie"));
    Ok(response)
}

/// Returns whether nothing in the snapshot can change any more: it has a referrer, or a referral
/// would come too late and none waits to be decided.
fn is_final(app: &App, snapshot: &Snapshot, now: Timestamp) -> bool {
    let grace = Duration::from_secs(app.config.referrals.rules.settings.grace_seconds);
    let late = now > snapshot.created_at + grace;
    snapshot.referred_by.is_some() || (late && !snapshot.undecided)
}

/// Answers with the body and its entity tag, or with 304 when the client holds this very body.
fn with_etag(headers: &HeaderMap, body: Vec<u8>) -> Response {
    let tag = EntityTag::of(&body);
    let mut response = if tag.is_held(headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body.into_response()
    };
    response.headers_mut().insert(ETAG, tag.to_header());
    response
}

/// The 13 fields of an attribution snapshot, in the order and spelling of the portal family.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SnapshotBody {
    referred_by: Option<UserId>,
    #[schema(example = "ada-1815")]
    referral_code: Option<String>,
    #[schema(example = "https://news.example.org/")]
    first_referrer_url: Option<String>,
    #[schema(example = "/pricing")]
    first_landing_page: Option<String>,
    acquired_via_creator_id: Option<UserId>,
    #[schema(example = "news")]
    utm_source: Option<String>,
    #[schema(example = "email")]
    utm_medium: Option<String>,
    #[schema(example = "spring")]
    utm_campaign: Option<String>,
    #[schema(example = "analytics")]
    utm_term: Option<String>,
    #[schema(example = "button")]
    utm_content: Option<String>,
    registration_device: Option<DeviceClass>,
    registration_country: Option<Country>,
    #[schema(value_type = Millis)]
    created_at: String,
}

impl SnapshotBody {
    /// Returns the fields of a user as the read models hold them.
    pub(super) async fn of(
        app: &App,
        user_id: UserId,
        snapshot: Snapshot,
    ) -> Result<Self, Problem> {
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
