//! Audits, as operators read them. Each access is recorded in the log before it is answered.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use whence_events::{Position, ReferralCode, StreamId, UserId};

use super::operator::AuthenticatedOperator;
use super::users::user_id;
use crate::app::App;
use crate::engine::proof::Signer;
use crate::http::error::Problem;
use crate::http::extract::RequestContext;
use crate::http::openapi::{Refusals, refused};
use crate::insight::audit;
use crate::insight::audit::{
    AttributionStory, CodeStory, Decisions, EventLine, EventQuery, Show, UserStory,
};
use crate::insight::bundle::SealedBundle;

/// The events of a page when the request does not say how many.
const PAGE_EVENTS: usize = 100;

/// The most events that a request can ask of a page.
const MAX_PAGE_EVENTS: usize = 1000;

/// The query of an audit of one user: how personal data is to be shown.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PersonalDataQuery {
    /// Whether personal data is shown as it is, which is on record.
    #[serde(default)]
    #[param(required = false)]
    open_personal_data: bool,
}

/// `GET /v1/admin/users/{id}`: answers the whole story of a user.
#[utoipa::path(get, path = "/users/{id}",
    params(("id" = UserId, Path, description = "The id of a user."), PersonalDataQuery),
    responses(
        (status = 200, body = UserStory),
        Refusals<(AuthenticatedOperator, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn user(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(id): Path<String>,
    personal_data: Result<Query<PersonalDataQuery>, QueryRejection>,
) -> Result<Json<UserStory>, Problem> {
    story(&operator, &app, &request, &id, personal_data).await.map(Json)
}

/// `GET /v1/admin/users/{id}/timeline`: answers the events of a user, in order.
#[utoipa::path(get, path = "/users/{id}/timeline",
    params(("id" = UserId, Path, description = "The id of a user."), PersonalDataQuery),
    responses(
        (status = 200, body = Vec<EventLine>),
        Refusals<(AuthenticatedOperator, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn timeline(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(id): Path<String>,
    personal_data: Result<Query<PersonalDataQuery>, QueryRejection>,
) -> Result<Json<Vec<EventLine>>, Problem> {
    Ok(Json(story(&operator, &app, &request, &id, personal_data).await?.timeline))
}

/// `GET /v1/admin/users/{id}/attribution`: answers where a user came from, and why that was
/// decided.
#[utoipa::path(get, path = "/users/{id}/attribution",
    params(("id" = UserId, Path, description = "The id of a user."), PersonalDataQuery),
    responses(
        (status = 200, body = AttributionStory),
        Refusals<(AuthenticatedOperator, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn attribution(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(id): Path<String>,
    personal_data: Result<Query<PersonalDataQuery>, QueryRejection>,
) -> Result<Json<AttributionStory>, Problem> {
    Ok(Json(story(&operator, &app, &request, &id, personal_data).await?.attribution))
}

/// Returns the story of a user, after the access is recorded.
async fn story(
    operator: &AuthenticatedOperator,
    app: &App,
    request: &RequestContext,
    id: &str,
    personal_data: Result<Query<PersonalDataQuery>, QueryRejection>,
) -> Result<UserStory, Problem> {
    let user_id = user_id(id)?;
    let Query(personal_data) = personal_data
        .map_err(|_| Problem::InvalidParameter("open_personal_data is true or false."))?;
    let show = Show::open_if(personal_data.open_personal_data);
    let context = request.context(operator.actor());
    Ok(audit::user(&app.engine, user_id, show, &context).await?)
}

/// `GET /v1/admin/codes/{code}`: answers the story of a code.
#[utoipa::path(get, path = "/codes/{code}",
    params(("code" = ReferralCode, Path, description = "A referral code.")),
    responses(
        (status = 200, body = CodeStory),
        Refusals<(AuthenticatedOperator, refused::InvalidParameter, refused::CodeNotFound, refused::Command)>,
    )
)]
pub(super) async fn code(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(code): Path<String>,
) -> Result<Json<CodeStory>, Problem> {
    let code: ReferralCode =
        code.parse().map_err(|_| Problem::InvalidParameter("This is not a referral code."))?;
    let context = request.context(operator.actor());
    Ok(Json(audit::code(&app.engine, &code, request.now, Show::Masked, &context).await?))
}

/// `GET /v1/admin/users/{id}/bundle`: answers the evidence bundle of a user.
#[utoipa::path(get, path = "/users/{id}/bundle",
    params(("id" = UserId, Path, description = "The id of a user."), PersonalDataQuery),
    responses(
        (status = 200, body = SealedBundle),
        Refusals<(AuthenticatedOperator, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn user_bundle(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(id): Path<String>,
    personal_data: Result<Query<PersonalDataQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let story = story(&operator, &app, &request, &id, personal_data).await?;
    bundle(&app, &story.places(), &story).await
}

/// `GET /v1/admin/codes/{code}/bundle`: answers the evidence bundle of a code.
#[utoipa::path(get, path = "/codes/{code}/bundle",
    params(("code" = ReferralCode, Path, description = "A referral code.")),
    responses(
        (status = 200, body = SealedBundle),
        Refusals<(AuthenticatedOperator, refused::InvalidParameter, refused::CodeNotFound, refused::Command)>,
    )
)]
pub(super) async fn code_bundle(
    operator: AuthenticatedOperator,
    state: State<Arc<App>>,
    request: RequestContext,
    path: Path<String>,
) -> Result<Response, Problem> {
    let app = state.0.clone();
    let Json(story) = code(operator, state, request, path).await?;
    bundle(&app, &story.places(), &story).await
}

/// Returns the evidence bundle of a story, byte for byte as it is to be checked.
async fn bundle(
    app: &App,
    places: &[audit::EventPlace],
    story: &impl Serialize,
) -> Result<Response, Problem> {
    // Proofs are read from the read models.
    app.progress.wait_for(app.engine.store.head().await?).await;
    let failed = |error: anyhow::Error| {
        tracing::error!(error = format!("{error:#}"), "no bundle of a story");
        Problem::Unavailable
    };
    let signer = Signer::new(&app.engine.keys, &app.config.checkpoints.log_origin)
        .map_err(|e| failed(e.into()))?;
    let story = serde_json::to_value(story).map_err(|error| failed(error.into()))?;
    let text = audit::bundle(&app.engine, &app.checkpointer, &signer, places, story).await;
    Ok(([(CONTENT_TYPE, "application/json")], text.map_err(failed)?).into_response())
}

/// The query of a page of decisions: a range of time, and the position after which the page begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DecisionsQuery {
    /// The first day, or moment (RFC 3339).
    #[param(example = "2026-01-01")]
    from: Option<String>,
    /// The first day, or moment, that no longer counts.
    #[param(example = "2026-12-01")]
    to: Option<String>,
    /// The position after which the page begins: `next` of the page before.
    #[serde(default)]
    #[param(value_type = u64, required = false, example = 0)]
    after: Position,
}

/// `GET /v1/admin/referrals`: answers a page of referral decisions.
#[utoipa::path(get, path = "/referrals",
    params(DecisionsQuery),
    responses(
        (status = 200, body = Decisions),
        Refusals<(AuthenticatedOperator, refused::InvalidParameter, refused::Command)>,
    )
)]
pub(super) async fn referrals(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    query: Result<Query<DecisionsQuery>, QueryRejection>,
) -> Result<Json<Decisions>, Problem> {
    let Query(query) = query.map_err(|_| Problem::InvalidParameter("after is a position."))?;
    let range = audit::time_range(query.from.as_deref(), query.to.as_deref()).map_err(|_| {
        Problem::InvalidParameter("from and to are days or moments (RFC 3339), from before to.")
    })?;
    let context = request.context(operator.actor());
    Ok(Json(audit::referrals(&app.engine, range, query.after, &context).await?))
}

/// The query of a page of events: which events, and the position after which the page begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// The position after which the page begins: `next` of the page before.
    #[serde(default)]
    #[param(value_type = u64, required = false, example = 0)]
    after: Position,
    /// How many; 100 when it is missing.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only the events of this stream.
    #[param(example = "user-0192a7c4-3b5e-7d10-8c1f-6a2b9e4d5f01")]
    stream: Option<String>,
    /// Only the events of this stored type.
    #[param(example = "UserRegistered.v1")]
    #[serde(rename = "type")]
    event_type: Option<String>,
}

/// `GET /v1/admin/events`: answers a page of events of the log.
#[utoipa::path(get, path = "/events",
    params(EventsQuery),
    responses(
        (status = 200, body = audit::EventPage),
        Refusals<(AuthenticatedOperator, refused::InvalidParameter, refused::Command)>,
    )
)]
pub(super) async fn events(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    request: RequestContext,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Json<audit::EventPage>, Problem> {
    let Query(query) =
        query.map_err(|_| Problem::InvalidParameter("after and limit are whole numbers."))?;
    let limit = query.limit.unwrap_or(PAGE_EVENTS);
    if !(1..=MAX_PAGE_EVENTS).contains(&limit) {
        return Err(Problem::InvalidParameter("limit is 1 to 1000."));
    }
    let stream = query.stream.map(|stream| stream.parse::<StreamId>()).transpose();
    let stream = stream.map_err(|_| Problem::InvalidParameter("This is no stream of ours."))?;
    let wanted = EventQuery { after: query.after, limit, stream, event_type: query.event_type };
    let context = request.context(operator.actor());
    Ok(Json(audit::events(&app.engine, &wanted, Show::Masked, &context).await?))
}
