//! Proof that the log is unaltered, for anybody: there is nothing personal in a hash.

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

use super::error::Problem;
use crate::app::App;

/// `GET /v1/log/key`: the key that checkpoints are signed by.
pub(super) async fn key(State(app): State<Arc<App>>) -> Response {
    text(format!("{}\n", app.checkpointer.verifier()))
}

/// `GET /v1/log/checkpoint`: how many events there are, and what they come to, signed.
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(text(app.checkpointer.checkpoint().await?.note))
}

/// `GET /v1/log/proof`: what shows an event to be in the log.
pub(super) async fn proof(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Inclusion {
        position: Position,
        index: u64,
        leaf: String,
        size: u64,
        hashes: Vec<String>,
        /// Where no size was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        checkpoint: Option<String>,
    }
    let query = query.unwrap_or_default();
    let position = number(&query, "position")?.ok_or(Problem::InvalidQuery)?;
    let (index, leaf) = place(&app, position).await?;
    let (size, checkpoint) = size_or_now(&app, number(&query, "size")?).await?;
    let path = app.engine.read_db.tree_inclusion(index, size).await?.ok_or(Problem::NotFound)?;
    let (leaf, hashes) = (base64(&leaf), path.iter().map(base64).collect());
    Ok(Json(Inclusion { position, index, leaf, size, hashes, checkpoint }).into_response())
}

/// `GET /v1/log/consistency`: what shows one tree to be the beginning of another.
pub(super) async fn consistency(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Consistency {
        from: u64,
        to: u64,
        hashes: Vec<String>,
        /// Where no end was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        checkpoint: Option<String>,
    }
    let query = query.unwrap_or_default();
    let from = number(&query, "from")?.filter(|from| *from > 0).ok_or(Problem::InvalidQuery)?;
    let (to, checkpoint) = size_or_now(&app, number(&query, "to")?).await?;
    if from > to {
        return Err(if checkpoint.is_some() { Problem::NotFound } else { Problem::InvalidQuery });
    }
    let path = app.engine.read_db.tree_consistency(from, to).await?.ok_or(Problem::NotFound)?;
    let hashes = path.iter().map(base64).collect();
    Ok(Json(Consistency { from, to, hashes, checkpoint }).into_response())
}

/// Which leaf the event at a position is. Waits until the tree has it, as long as any answer waits.
async fn place(app: &App, position: Position) -> Result<(u64, Hash), Problem> {
    app.engine.store.event_at(position).await?.ok_or(Problem::NotFound)?;
    if !app.progress.wait_for(position).await {
        return Err(Problem::Unavailable);
    }
    let tile = app.engine.read_db.tile_holding(position).await?.ok_or(Problem::Unavailable)?;
    // A log is read from behind an event that is there: positions need not be dense.
    let before = match tile.number.checked_sub(1) {
        Some(before) => app.engine.read_db.tile(0, before).await?.ok_or(Problem::Unavailable)?.last,
        None => 0,
    };
    let events = app.engine.store.read_leaves(before, tile.len()).await?;
    let found = events.iter().find(|(there, _)| *there == position);
    let leaf = found.map(|(_, bytes)| leaf_hash(bytes));
    let index = leaf.and_then(|leaf| Some((tile.index_of(leaf)?, leaf)));
    index.ok_or_else(|| {
        tracing::error!(position, "the tree knows another event: run whence verify");
        Problem::Internal
    })
}

/// The size that was asked for, or that of a checkpoint of now.
async fn size_or_now(app: &App, size: Option<u64>) -> Result<(u64, Option<String>), Problem> {
    if let Some(size) = size {
        return Ok((size, None));
    }
    let now = app.checkpointer.checkpoint().await?;
    Ok((now.checkpoint.size, Some(now.note)))
}

/// A number in the query; none when it is not there.
fn number(query: &str, name: &str) -> Result<Option<u64>, Problem> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(key, _)| key == name);
    found.map(|(_, value)| value.parse().map_err(|_| Problem::InvalidQuery)).transpose()
}

fn base64(hash: &Hash) -> String {
    STANDARD.encode(hash.0)
}

fn text(text: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
