//! Where users came from, for back-ends.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use futures::{StreamExt as _, TryStreamExt as _};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use whence_events::UserId;

use super::{invalid_batch, user_id};
use crate::app::App;
use crate::http::api_key::{ReadAttribution, ScopedApiKey};
use crate::http::attribution::{SnapshotBody, answer_with};
use crate::http::error::{ApiKeyProblem, Problem, ProblemWithDetail};
use crate::http::extract::{LargeJsonBody, RequestContext};

/// The users whose attribution one call answers at most.
const MAX_BATCH: usize = 100;

/// The users of a batch that are looked up at the same time.
const LOOKUPS: usize = 8;

/// The body of a batch.
#[derive(Deserialize)]
pub(super) struct BatchBody {
    ids: Vec<String>,
}

/// A user of a batch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItem {
    user_id: UserId,
    /// Whether there is such a user.
    found: bool,
    attribution: Option<SnapshotBody>,
}

/// `GET /api/v1/users/{id}/attribution`: answers the attribution snapshot of a user.
pub(super) async fn of_user(
    _: ScopedApiKey<ReadAttribution>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    let user_id = user_id(&id)?;
    let snapshot = app.sessions.snapshot(user_id).await?;
    let snapshot = snapshot.ok_or(Problem::ApiKey(ApiKeyProblem::NoSuchUser))?;
    answer_with(&app, user_id, snapshot, &headers, request.now).await
}

/// `POST /api/v1/users/attribution/batch`: answers the attribution snapshots of users, in the order in
/// which they are asked for.
pub(super) async fn of_users(
    _: ScopedApiKey<ReadAttribution>,
    State(app): State<Arc<App>>,
    LargeJsonBody(body): LargeJsonBody<BatchBody>,
) -> Result<Json<Value>, ProblemWithDetail> {
    if body.ids.len() > MAX_BATCH {
        return Err(invalid_batch(format!("ids are {MAX_BATCH} at most.")));
    }
    let ids = body.ids.iter().enumerate().map(|(n, id)| {
        id.parse()
            .map_err(|_| invalid_batch(format!("ids[{n}] is no UUID, as the id of a user is.")))
    });
    let ids: Vec<UserId> = ids.collect::<Result<_, _>>()?;
    let lookups = ids.into_iter().map(|user_id| item(&app, user_id));
    let items: Vec<BatchItem> =
        futures::stream::iter(lookups).buffered(LOOKUPS).try_collect().await?;
    Ok(Json(json!({ "success": true, "data": { "items": items } })))
}

async fn item(app: &App, user_id: UserId) -> Result<BatchItem, Problem> {
    let attribution = match app.sessions.snapshot(user_id).await? {
        Some(snapshot) => Some(SnapshotBody::of(app, user_id, snapshot).await?),
        None => None,
    };
    Ok(BatchItem { user_id, found: attribution.is_some(), attribution })
}
