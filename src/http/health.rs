//! The health of the service: is the process alive, and is the service ready for requests?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::app::App;

/// `GET /healthz`: answers 200 as long as the process runs.
pub(super) async fn alive() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /readyz`: answers 200 when the store answers and the read models have caught up with the
/// log, or else 503 with the reason. Says how far time here is ahead of the clock of the machine, when
/// that is more than a minute, and whether the country database was replaced by one that cannot be
/// used.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let unavailable = |reason: String| {
        let body = json!({ "status": "unavailable", "reason": reason });
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
    let mut body = json!({ "status": "ok", "head": head, "projected": projected });
    if app.unnamed_proxy.seen_lately(app.clock.now()) {
        body["unnamed_proxy"] = json!(true);
    }
    if app.config.landing.geo.is_outdated() {
        body["country_database_outdated"] = json!(true);
    }
    if let Some(ahead) = app.clock.ahead_of_wall() {
        body["clock_ahead_seconds"] = ahead.as_secs().into();
    }
    Json(body).into_response()
}
