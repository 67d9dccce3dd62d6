//! The positions of the projectors, and the rebuild of a read model.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use whence_projections::Purpose;

use super::operator::AuthenticatedOperator;
use crate::app::App;
use crate::engine::progress::{LastRebuild, Rebuilding};
use crate::engine::rebuild;
use crate::engine::rebuild::{BATCH, RebuildError, Replay};
use crate::http::error::Problem;
use crate::infra::errors::with_causes;

/// `GET /v1/admin/projections`: answers the position of each projector, and what this node
/// rebuilds.
pub(super) async fn list(
    _: AuthenticatedOperator,
    State(app): State<Arc<App>>,
) -> Result<Json<Value>, Problem> {
    let head = app.progress.last_event(app.engine.store.head().await?);
    let positions = app.engine.read_db.positions().await.map_err(|error| {
        tracing::error!(%error, "the read models do not answer");
        Problem::Unavailable
    })?;
    let projections: Vec<_> = positions
        .iter()
        .map(|at| {
            json!({
                "name": at.projector,
                "version": at.version,
                "position": at.position,
                "head": head,
                "lag": head.saturating_sub(at.position),
            })
        })
        .collect();
    Ok(Json(json!({
        "head": head,
        "projections": projections,
        "stopped": app.progress.stopped(),
        "rebuilding": app.progress.rebuilding().as_ref().map(under_way),
        "last_rebuild": app.progress.last_rebuild().as_ref().map(over),
    })))
}

/// Returns a rebuild that is under way, as JSON.
fn under_way(rebuilding: &Rebuilding) -> Value {
    let Rebuilding { projections, position, head, events } = rebuilding;
    json!({ "projections": projections, "position": position, "head": head, "events": events })
}

/// Returns the last rebuild that ended, as JSON.
fn over(last: &LastRebuild) -> Value {
    let LastRebuild { projections, error } = last;
    json!({ "projections": projections, "error": error })
}

/// `POST /v1/admin/projections/{name}/rebuild`: begins a rebuild on this node.
pub(super) async fn rebuild(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let names = rebuild::projectors_named(&[name]).map_err(|_| Problem::NotFound)?;
    let (begun, has_begun) = oneshot::channel();
    tracing::info!(operator = operator.name, "{}: a rebuild was asked for", names.join(", "));
    let answer = json!({ "rebuilding": names });
    tokio::spawn(run_rebuild(app, names, begun));
    match has_begun.await {
        Ok(Ok(())) => Ok((StatusCode::ACCEPTED, Json(answer))),
        Ok(Err(problem)) => Err(problem),
        Err(_) => Err(Problem::Internal),
    }
}

/// Begins a rebuild, reports over `begun` whether that succeeded, and completes the rebuild after
/// the response.
async fn run_rebuild(
    app: Arc<App>,
    names: Vec<&'static str>,
    begun: oneshot::Sender<Result<(), Problem>>,
) {
    let purpose = Purpose::Rebuild;
    let replay =
        match Replay::open(&app.engine.store, &app.engine.read_db, purpose, &names, BATCH).await {
            Ok(replay) => replay,
            Err(error) => {
                let _ = begun.send(Err(problem(&error)));
                return;
            }
        };
    let mut noted = app.progress.note_rebuild(&names);
    let _ = begun.send(Ok(()));
    let done = replay.rebuild(&mut |step| noted.at(step)).await;
    match &done {
        Ok(_) => tracing::info!("{}: the tables are rebuilt", names.join(", ")),
        Err(error) => tracing::error!(error = %with_causes(error), "a rebuild stopped"),
    }
    noted.ended(done.err().map(|error| error.to_string()));
}

/// Returns the problem of a rebuild that could not begin.
fn problem(error: &RebuildError) -> Problem {
    if let RebuildError::UnderWay(_) = error {
        return Problem::RebuildUnderWay;
    }
    tracing::error!(error = %with_causes(error), "a rebuild cannot begin");
    Problem::Unavailable
}
