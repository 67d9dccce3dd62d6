//! The operator whose token a request brings.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use whence_events::Actor;

use crate::app::App;
use crate::http::error::Problem;

/// Somebody whose token was right.
pub(super) struct Operator {
    pub(super) name: String,
}

impl Operator {
    /// How the log calls them.
    pub(super) fn actor(&self) -> Actor {
        Actor::Operator(self.name.clone())
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let operators = &app.config.operators;
        if operators.is_empty() {
            return Err(Problem::AdminTokenUnset);
        }
        let token = parts.headers.get("x-admin-token").ok_or(Problem::AdminTokenInvalid)?;
        let operator = operators.iter().find(|operator| operator.has(token.as_bytes()));
        let operator = operator.ok_or(Problem::AdminTokenInvalid)?;
        Ok(Self { name: operator.name.clone() })
    }
}
