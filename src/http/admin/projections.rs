//! The positions of the projectors, and the rebuild of a read model.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Serialize;
use tokio::sync::oneshot;
use utoipa::ToSchema;
use whence_projections::Purpose;

use super::operator::AuthenticatedOperator;
use crate::app::App;
use crate::engine::progress::{LastRebuild, Rebuilding};
use crate::engine::rebuild;
use crate::engine::rebuild::{BATCH, RebuildError, Replay};
use crate::http::error::Problem;
use crate::http::openapi::{Refusals, refused};
use crate::infra::errors::with_causes;

/// `GET /v1/admin/projections`: answers the position of each projector, and what this node
/// rebuilds.
#[utoipa::path(get, path = "/projections",
    responses(
        (status = 200, body = ProjectionList),
        Refusals<(AuthenticatedOperator, refused::Command)>,
    )
)]
pub(super) async fn list(
    _: AuthenticatedOperator,
    State(app): State<Arc<App>>,
) -> Result<Json<ProjectionList>, Problem> {
    let head = app.progress.last_event(app.engine.store.head().await?);
    let positions = app.engine.read_db.positions().await.map_err(|error| {
        tracing::error!(%error, "the read models do not answer");
        Problem::Unavailable
    })?;
    let projections = positions
        .into_iter()
        .map(|at| ProjectionLine {
            name: at.projector.to_owned(),
            version: at.version,
            position: at.position,
            head,
            lag: head.saturating_sub(at.position),
        })
        .collect();
    Ok(Json(ProjectionList {
        head,
        projections,
        stopped: app.progress.stopped(),
        rebuilding: app.progress.rebuilding().map(RebuildingBody::of),
        last_rebuild: app.progress.last_rebuild().map(LastRebuildBody::of),
    }))
}

/// How far the read models are.
#[derive(Serialize, ToSchema)]
pub(super) struct ProjectionList {
    /// The position of the last event of the log.
    head: u64,
    projections: Vec<ProjectionLine>,
    /// Why the read models do not move on.
    #[schema(example = json!(null))]
    stopped: Option<String>,
    rebuilding: Option<RebuildingBody>,
    last_rebuild: Option<LastRebuildBody>,
}

/// How far a read model is.
#[derive(Serialize, ToSchema)]
struct ProjectionLine {
    #[schema(example = "identity")]
    name: String,
    version: u32,
    position: u64,
    head: u64,
    /// In positions.
    lag: u64,
}

/// A rebuild that is under way on this node.
#[derive(Serialize, ToSchema)]
struct RebuildingBody {
    #[schema(value_type = Vec<String>, example = json!(["identity"]))]
    projections: Vec<&'static str>,
    position: u64,
    head: u64,
    /// How many were folded.
    events: u64,
}

impl RebuildingBody {
    fn of(rebuilding: Rebuilding) -> Self {
        let Rebuilding { projections, position, head, events } = rebuilding;
        Self { projections, position, head, events }
    }
}

/// The last rebuild that ended on this node.
#[derive(Serialize, ToSchema)]
struct LastRebuildBody {
    #[schema(value_type = Vec<String>, example = json!(["identity"]))]
    projections: Vec<&'static str>,
    /// Why it did not succeed.
    #[schema(example = json!(null))]
    error: Option<String>,
}

impl LastRebuildBody {
    fn of(last: LastRebuild) -> Self {
        let LastRebuild { projections, error } = last;
        Self { projections, error }
    }
}

/// The answer that a rebuild began.
#[derive(Serialize, ToSchema)]
pub(super) struct RebuildBegun {
    /// The read models that are rebuilt.
    #[schema(value_type = Vec<String>, example = json!(["identity"]))]
    rebuilding: Vec<&'static str>,
}

/// `POST /v1/admin/projections/{name}/rebuild`: begins a rebuild on this node.
#[utoipa::path(post, path = "/projections/{name}/rebuild",
    params(("name" = String, Path, description = "A read model of the list.")),
    responses(
        (status = 202, description = "The rebuild continues after the answer.", body = RebuildBegun),
        Refusals<(AuthenticatedOperator, refused::NotFound, refused::RebuildUnderWay, refused::Command)>,
    )
)]
pub(super) async fn rebuild(
    operator: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<RebuildBegun>), Problem> {
    let names = rebuild::projectors_named(&[name]).map_err(|_| Problem::NotFound)?;
    let (begun, has_begun) = oneshot::channel();
    tracing::info!(operator = operator.name, "{}: a rebuild was asked for", names.join(", "));
    let answer = RebuildBegun { rebuilding: names.clone() };
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
