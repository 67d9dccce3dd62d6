//! Answers that several calls give.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The answer that something is done.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    /// Always true.
    ok: bool,
}

impl Done {
    /// Returns the answer.
    pub(super) fn answer() -> Json<Self> {
        Json(Self { ok: true })
    }
}
