//! How far the read models are, and rebuilding them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use whence_projections::Purpose;

use super::operator::Operator;
use crate::app::App;
use crate::engine::progress::{LastRebuild, Rebuilding};
use crate::engine::rebuild;
use crate::engine::rebuild::{BATCH, RebuildError, Replay};
use crate::http::error::Problem;
use crate::infra::errors::with_causes;

/// `GET /v1/admin/projections`: how far each projector is, and what is rebuilt by this node.
pub(super) async fn list(_: Operator, State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let head = app.engine.store.head().await?;
    let checkpoints = app.engine.read_db.positions().await.map_err(|error| {
        tracing::error!(%error, "the read models do not answer");
        Problem::Unavailable
    })?;
    let projections: Vec<_> = checkpoints
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

fn under_way(rebuilding: &Rebuilding) -> Value {
    let Rebuilding { projections, position, head, events } = rebuilding;
    json!({ "projections": projections, "position": position, "head": head, "events": events })
}

fn over(last: &LastRebuild) -> Value {
    let LastRebuild { projections, error } = last;
    json!({ "projections": projections, "error": error })
}

/// `POST /v1/admin/projections/{name}/rebuild`: begins it on this node.
pub(super) async fn rebuild(
    operator: Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let names = rebuild::projectors_named(&[name]).map_err(|_| Problem::NotFound)?;
    let (begun, whether) = oneshot::channel();
    tracing::info!(operator = operator.name, "{}: a rebuild was asked for", names.join(", "));
    let answer = json!({ "rebuilding": names });
    tokio::spawn(work(app, names, begun));
    match whether.await {
        Ok(Ok(())) => Ok((StatusCode::ACCEPTED, Json(answer))),
        Ok(Err(problem)) => Err(problem),
        Err(_) => Err(Problem::Internal),
    }
}

/// Tells whether it has begun, and goes on behind the answer.
async fn work(
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

fn problem(error: &RebuildError) -> Problem {
    if let RebuildError::UnderWay(_) = error {
        return Problem::RebuildUnderWay;
    }
    tracing::error!(error = %with_causes(error), "a rebuild cannot begin");
    Problem::Unavailable
}
