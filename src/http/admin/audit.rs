//! Audits, as operators read them. Each look is on record before it is answered.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use whence_events::{Position, ReferralCode, StreamId};

use super::operator::Operator;
use super::users::user_id;
use crate::app::App;
use crate::engine::proof::Signer;
use crate::http::error::Problem;
use crate::http::extract::Asked;
use crate::insight::audit;
use crate::insight::audit::{
    AttributionStory, CodeStory, Decisions, EventLine, EventQuery, Show, UserStory,
};

/// Events of a page, unless asked otherwise, and at most.
const EVENTS: usize = 100;
/// See [`EVENTS`].
const MAX_EVENTS: usize = 1000;

/// How personal data is to be shown.
#[derive(Deserialize)]
pub(super) struct Eyes {
    #[serde(default)]
    open_personal_data: bool,
}

/// `GET /v1/admin/users/{id}`
pub(super) async fn user(
    operator: Operator,
    State(app): State<Arc<App>>,
    asked: Asked,
    Path(id): Path<String>,
    eyes: Result<Query<Eyes>, QueryRejection>,
) -> Result<Json<UserStory>, Problem> {
    story(&operator, &app, &asked, &id, eyes).await.map(Json)
}

/// `GET /v1/admin/users/{id}/timeline`
pub(super) async fn timeline(
    operator: Operator,
    State(app): State<Arc<App>>,
    asked: Asked,
    Path(id): Path<String>,
    eyes: Result<Query<Eyes>, QueryRejection>,
) -> Result<Json<Vec<EventLine>>, Problem> {
    Ok(Json(story(&operator, &app, &asked, &id, eyes).await?.timeline))
}

/// `GET /v1/admin/users/{id}/attribution`
pub(super) async fn attribution(
    operator: Operator,
    State(app): State<Arc<App>>,
    asked: Asked,
    Path(id): Path<String>,
    eyes: Result<Query<Eyes>, QueryRejection>,
) -> Result<Json<AttributionStory>, Problem> {
    Ok(Json(story(&operator, &app, &asked, &id, eyes).await?.attribution))
}

async fn story(
    operator: &Operator,
    app: &App,
    asked: &Asked,
    id: &str,
    eyes: Result<Query<Eyes>, QueryRejection>,
) -> Result<UserStory, Problem> {
    let user_id = user_id(id)?;
    let Query(eyes) =
        eyes.map_err(|_| Problem::InvalidParameter("open_personal_data is true or false."))?;
    let show = Show::open_if(eyes.open_personal_data);
    let context = asked.context(operator.actor());
    Ok(audit::user(&app.engine, user_id, show, &context).await?)
}

/// `GET /v1/admin/codes/{code}`
pub(super) async fn code(
    operator: Operator,
    State(app): State<Arc<App>>,
    asked: Asked,
    Path(code): Path<String>,
) -> Result<Json<CodeStory>, Problem> {
    let code: ReferralCode =
        code.parse().map_err(|_| Problem::InvalidParameter("This is not a referral code."))?;
    let context = asked.context(operator.actor());
    Ok(Json(audit::code(&app.engine, &code, asked.now, Show::Masked, &context).await?))
}

/// `GET /v1/admin/users/{id}/bundle`
pub(super) async fn user_bundle(
    operator: Operator,
    State(app): State<Arc<App>>,
    asked: Asked,
    Path(id): Path<String>,
    eyes: Result<Query<Eyes>, QueryRejection>,
) -> Result<Response, Problem> {
    let story = story(&operator, &app, &asked, &id, eyes).await?;
    bundle(&app, &story.places(), &story).await
}

/// `GET /v1/admin/codes/{code}/bundle`
pub(super) async fn code_bundle(
    operator: Operator,
    state: State<Arc<App>>,
    asked: Asked,
    path: Path<String>,
) -> Result<Response, Problem> {
    let app = state.0.clone();
    let Json(story) = code(operator, state, asked, path).await?;
    bundle(&app, &story.places(), &story).await
}

/// A story and its evidence, byte for byte as it is to be checked.
async fn bundle(
    app: &App,
    places: &[audit::EventPlace],
    story: &impl Serialize,
) -> Result<Response, Problem> {
    // Proofs come out of the tables.
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

/// A time, and how far it was read.
#[derive(Deserialize)]
pub(super) struct Time {
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    after: Position,
}

/// `GET /v1/admin/referrals`
pub(super) async fn referrals(
    operator: Operator,
    State(app): State<Arc<App>>,
    asked: Asked,
    time: Result<Query<Time>, QueryRejection>,
) -> Result<Json<Decisions>, Problem> {
    let Query(time) = time.map_err(|_| Problem::InvalidParameter("after is a position."))?;
    let range = audit::time_range(time.from.as_deref(), time.to.as_deref()).map_err(|_| {
        Problem::InvalidParameter("from and to are days or moments (RFC 3339), from before to.")
    })?;
    let context = asked.context(operator.actor());
    Ok(Json(audit::referrals(&app.engine, range, time.after, &context).await?))
}

/// Which events.
#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    after: Position,
    limit: Option<usize>,
    stream: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
}

/// `GET /v1/admin/events`
pub(super) async fn events(
    operator: Operator,
    State(app): State<Arc<App>>,
    asked: Asked,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<audit::EventPage>, Problem> {
    let Query(which) =
        which.map_err(|_| Problem::InvalidParameter("after and limit are whole numbers."))?;
    let limit = which.limit.unwrap_or(EVENTS);
    if !(1..=MAX_EVENTS).contains(&limit) {
        return Err(Problem::InvalidParameter("limit is 1 to 1000."));
    }
    let stream = which.stream.map(|stream| stream.parse::<StreamId>()).transpose();
    let stream = stream.map_err(|_| Problem::InvalidParameter("This is no stream of ours."))?;
    let wanted = EventQuery { after: which.after, limit, stream, event_type: which.event_type };
    let context = asked.context(operator.actor());
    Ok(Json(audit::events(&app.engine, &wanted, Show::Masked, &context).await?))
}
