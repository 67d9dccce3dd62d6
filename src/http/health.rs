//! The health of the service: is the process alive, and is the service ready for requests?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::Refusals;
use crate::app::App;

/// The answer of a process that runs.
#[derive(Serialize, ToSchema)]
struct Alive {
    #[schema(example = "ok")]
    status: &'static str,
}

/// The answer of a service that is ready.
#[derive(Serialize, ToSchema)]
struct Ready {
    #[schema(example = "ok")]
    status: &'static str,
    /// The position of the last event of the log.
    head: u64,
    /// The position that the read models have reached.
    projected: u64,
    /// Whether a proxy passes requests on that no `--trusted-proxy` names; absent when none does.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    unnamed_proxy: bool,
    /// Whether the country database was replaced by one that cannot be used; absent when it was not.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    country_database_outdated: bool,
    /// How far time here is ahead of the clock of the machine, when that is more than a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    clock_ahead_seconds: Option<u64>,
}

/// The answer of a service that is not ready.
#[derive(Serialize, ToSchema)]
struct NotReady {
    #[schema(example = "unavailable")]
    status: &'static str,
    #[schema(example = "the event store does not answer")]
    reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// `GET /healthz`: answers 200 as long as the process runs.
#[utoipa::path(get, path = "/healthz",
    responses(
        (status = 200, body = Alive),
        Refusals<()>,
    )
)]
pub(super) async fn alive() -> Response {
    Json(Alive { status: "ok" }).into_response()
}

/// `GET /readyz`: answers 200 when the store answers and the read models have caught up with the
/// log, or else 503 with the reason. Says how far time here is ahead of the clock of the machine, when
/// that is more than a minute, and whether the country database was replaced by one that cannot be
/// used.
#[utoipa::path(get, path = "/readyz",
    responses(
        (status = 200, body = Ready),
        (status = 503, description = "The store or the read models are not ready.", body = NotReady),
        Refusals<()>,
    )
)]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let unavailable = |reason: String| {
        let body = NotReady { status: "unavailable", reason };
        (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
    };
    let Ok(head) = app.engine.store.head().await else {
        return unavailable("the event store does not answer".to_owned());
    };
    if let Some(stopped) = app.progress.stopped() {
        let how_far = app.progress.rebuilding();
        let how_far = how_far.map(|it| format!(", at {} of {}", it.position, it.head));
        let how_far = how_far.unwrap_or_default();
        return unavailable(format!("the read models do not move on: {stopped}{how_far}"));
    }
    if let Err(ahead) = app.clock.check() {
        return unavailable(format!("{ahead}: nothing is appended"));
    }
    if !app.engine.store.is_current() {
        return unavailable("this node has lost touch with the log".to_owned());
    }
    // What was committed at the time of this request has to reach the read models within the time
    // that a request waits.
    let reached = app.progress.wait_for(head).await;
    let projected = app.progress.projected();
    if !reached {
        return unavailable(format!("the read models are at {projected} of {head}"));
    }
    let head = app.progress.last_event(head);
    let body = Ready {
        status: "ok",
        head,
        projected,
        unnamed_proxy: app.unnamed_proxy.seen_lately(app.clock.now()),
        country_database_outdated: app.config.landing.geo.is_outdated(),
        clock_ahead_seconds: app.clock.ahead_of_wall().map(|ahead| ahead.as_secs()),
    };
    Json(body).into_response()
}
