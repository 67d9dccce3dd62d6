//! Proofs that the log is unaltered. They are public, because a hash holds nothing personal.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use whence_events::{Hash, Position};
use whence_projections::merkle::leaf_hash;

use super::client::ClientFacts;
use super::error::Problem;
use super::query::number;
use crate::app::App;
use crate::app::proof_turns::ProofRefusal;
use crate::engine::proof::checkpointer::CheckpointError;
use crate::infra::errors::with_causes;
use crate::infra::security::SecurityEvent;

/// `GET /v1/log/key`: answers the key that checkpoints are verified by.
pub(super) async fn key(State(app): State<Arc<App>>) -> Response {
    text(format!("{}\n", app.checkpointer.verifier()))
}

/// `GET /v1/log/keys`: answers the notes by which each earlier key of checkpoints names the one after it.
pub(super) async fn keys(State(app): State<Arc<App>>) -> Response {
    #[derive(Serialize)]
    struct CheckpointKeys {
        key: String,
        successions: Vec<String>,
    }
    let key = app.checkpointer.verifier().to_string();
    Json(CheckpointKeys { key, successions: app.checkpointer.successions() }).into_response()
}

/// `GET /v1/log/checkpoint`: answers a checkpoint, the signed number and root hash of all events.
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(text(app.checkpointer.checkpoint().await?.note))
}

/// `GET /v1/log/proof`: answers the hashes that prove an event to be in the log.
pub(super) async fn proof(
    State(app): State<Arc<App>>,
    facts: ClientFacts,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let position = number(&query, "position")?.ok_or(Problem::InvalidQuery)?;
    let size = number(&query, "size")?;
    in_turn(&app, &facts, async move |app| make_proof(app, position, size).await).await
}

async fn make_proof(app: &App, position: Position, size: Option<u64>) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Inclusion {
        position: Position,
        index: u64,
        leaf: String,
        size: u64,
        hashes: Vec<String>,
        /// The checkpoint of now, when the request names no size.
        #[serde(skip_serializing_if = "Option::is_none")]
        checkpoint: Option<String>,
    }
    let (index, leaf) = find_leaf(app, position).await?;
    let (size, checkpoint) = size_or_now(app, size).await?;
    let path = app.engine.read_db.tree_inclusion(index, size).await?.ok_or(Problem::NotFound)?;
    let (leaf, hashes) = (base64(&leaf), path.iter().map(base64).collect());
    Ok(Json(Inclusion { position, index, leaf, size, hashes, checkpoint }).into_response())
}

/// `GET /v1/log/consistency`: answers the hashes that prove one tree to be the beginning of
/// another.
pub(super) async fn consistency(
    State(app): State<Arc<App>>,
    facts: ClientFacts,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let from = number(&query, "from")?.filter(|from| *from > 0).ok_or(Problem::InvalidQuery)?;
    let to = number(&query, "to")?;
    in_turn(&app, &facts, async move |app| prove_consistency(app, from, to).await).await
}

async fn prove_consistency(app: &App, from: u64, to: Option<u64>) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Consistency {
        from: u64,
        to: u64,
        hashes: Vec<String>,
        /// The checkpoint of now, when the request names no end.
        #[serde(skip_serializing_if = "Option::is_none")]
        checkpoint: Option<String>,
    }
    let (to, checkpoint) = size_or_now(app, to).await?;
    if from > to {
        return Err(if checkpoint.is_some() { Problem::NotFound } else { Problem::InvalidQuery });
    }
    let path = app.engine.read_db.tree_consistency(from, to).await?.ok_or(Problem::NotFound)?;
    let hashes = path.iter().map(base64).collect();
    Ok(Json(Consistency { from, to, hashes, checkpoint }).into_response())
}

/// Returns the index and the hash of the leaf of the event at a position. Waits until the tree has
/// the event, as long as any request waits for the read models.
async fn find_leaf(app: &App, position: Position) -> Result<(u64, Hash), Problem> {
    // The event itself is read, and no other: its hash has to be the one in the tree.
    let event = app.engine.store.read_at(position).await?.ok_or(Problem::NotFound)?;
    let mut bytes = Vec::new();
    event.write_leaf(&mut bytes);
    let leaf = leaf_hash(&bytes);
    if !app.progress.wait_for(position).await {
        return Err(Problem::Unavailable);
    }
    let tile = app.engine.read_db.tile_holding(position).await?.ok_or(Problem::Unavailable)?;
    let index = tile.index_of(leaf).ok_or_else(|| {
        tracing::error!(position, "the tree knows another event: run whence verify");
        Problem::Internal
    })?;
    Ok((index, leaf))
}

/// Makes a proof when it is the turn of its request, off the threads that answer all others.
async fn in_turn(
    app: &Arc<App>,
    facts: &ClientFacts,
    prove: impl AsyncFnOnce(&App) -> Result<Response, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let turn = app.proof_turns.take(facts.address, now, &app.counters).await;
    let turn = turn.map_err(|refusal| {
        app.engine.security.record(SecurityEvent::ClientProofs, None, None);
        match refusal {
            ProofRefusal::TooOften { until } => Problem::rate_limited(now, until),
            ProofRefusal::TooMany => Problem::RateLimited { retry_after_seconds: 1 },
            ProofRefusal::Busy => Problem::Unavailable,
        }
    })?;
    let (app, runtime) = (app.clone(), tokio::runtime::Handle::current());
    let answer = tokio::task::spawn_blocking(move || {
        let answer = runtime.block_on(prove(&app));
        // Not before: a client that hangs up is not to have several made at a time.
        drop(turn);
        answer
    });
    answer.await.unwrap_or(Err(Problem::Internal))
}

/// Returns the size that the request names, or the size and the note of a checkpoint of now.
async fn size_or_now(app: &App, size: Option<u64>) -> Result<(u64, Option<String>), Problem> {
    if let Some(size) = size {
        return Ok((size, None));
    }
    let now = app.checkpointer.checkpoint().await?;
    Ok((now.checkpoint.size, Some(now.note)))
}

fn base64(hash: &Hash) -> String {
    STANDARD.encode(hash.0)
}

fn text(text: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

impl From<CheckpointError> for Problem {
    fn from(error: CheckpointError) -> Self {
        tracing::error!(error = %with_causes(&error), "no checkpoint of the log");
        match error {
            CheckpointError::Shorter { .. } | CheckpointError::ReadDb(_) => Self::Unavailable,
            CheckpointError::Contradiction(_)
            | CheckpointError::NotOurs { .. }
            | CheckpointError::File { .. } => Self::Internal,
        }
    }
}
