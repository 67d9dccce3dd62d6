//! The user of a request for what is known of them: by bearer, or by the session cookie.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::app::App;
use crate::app::sessions::Session;
use crate::http::csrf::refuse_cross_site;
use crate::http::error::Problem;
use crate::http::extract::{SignedIn, session_tokens};
use crate::http::token::BearerUser;

/// The session of a request that only reads.
///
/// A request with an `Authorization` header is taken at that alone. Without one the session cookie
/// counts, for pages of this site and of allowed origins.
pub(in crate::http) struct PortalUser(pub(in crate::http) Arc<Session>);

impl FromRequestParts<Arc<App>> for PortalUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if parts.headers.contains_key(AUTHORIZATION) {
            let BearerUser(session) = BearerUser::from_request_parts(parts, app).await?;
            return Ok(Self(session));
        }
        if session_tokens(&parts.headers, app)?.is_empty() {
            return Err(Problem::InvalidCredentials);
        }
        refuse_cross_site(&parts.headers, app)?;
        let SignedIn { session, .. } = SignedIn::from_request_parts(parts, app).await?;
        Ok(Self(session))
    }
}
