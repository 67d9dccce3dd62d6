//! The operator whose token a request carries.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use whence_events::{Actor, Timestamp};

use crate::app::App;
use crate::app::operator_tokens::TokenRefusal;
use crate::engine::handler::Context;
use crate::http::client::ClientFacts;
use crate::http::error::Problem;
use crate::http::extract::{RequestContext, correlation_id};
use crate::infra::security::SecurityEvent;

/// An operator who sent their token (`X-Admin-Token`) with the request.
pub(in crate::http) struct AuthenticatedOperator {
    pub(super) name: String,
}

impl AuthenticatedOperator {
    /// Returns the operator as the actor of events.
    pub(super) fn actor(&self) -> Actor {
        Actor::Operator(self.name.clone())
    }
}

impl FromRequestParts<Arc<App>> for AuthenticatedOperator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let operators = &app.config.operators;
        if operators.is_empty() {
            return Err(Problem::AdminTokenUnset);
        }
        let token = parts.headers.get("x-admin-token").ok_or(Problem::AdminTokenInvalid)?;
        let id = correlation_id(parts);
        let token = token.as_bytes().to_owned();
        let Ok(facts) = ClientFacts::from_request_parts(parts, app).await;
        let found = app.operator_tokens.find(&token, operators, facts.address, &app.counters);
        match found.await {
            Ok(operator) => {
                let name = operator.name.clone();
                let actor = Actor::Operator(name.clone());
                app.engine.security.record(SecurityEvent::OperatorCall, Some(&actor), Some(id));
                Ok(Self { name })
            }
            Err(TokenRefusal::Wrong { in_a_row: _ }) => Err(Problem::AdminTokenInvalid),
            Err(TokenRefusal::WrongAgain { delay }) => {
                app.engine.security.record(SecurityEvent::AdminTokenInvalid, None, Some(id));
                Err(Problem::RateLimited { retry_after_seconds: delay.as_secs().max(1) })
            }
        }
    }
}

/// A call of an operator: the service, and the context that what they do is recorded with.
pub(super) struct OperatorCall {
    pub(super) app: Arc<App>,
    pub(super) now: Timestamp,
    pub(super) context: Context,
}

impl FromRequestParts<Arc<App>> for OperatorCall {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let operator = AuthenticatedOperator::from_request_parts(parts, app).await?;
        let Ok(request) = RequestContext::from_request_parts(parts, app).await;
        let context = request.context(operator.actor());
        Ok(Self { app: app.clone(), now: request.now, context })
    }
}
