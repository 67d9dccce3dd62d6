//! The sessions of a user for clients with bearer tokens: which there are, and the end of one or of all
//! others.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{Country, DeviceClass, SessionId, SessionKind};

use super::{Message, refresh_cookie, success};
use crate::app::App;
use crate::http::cookies::with_cookies;
use crate::http::error::Problem;
use crate::http::extract::RequestContext;
use crate::http::openapi::{Millis, Refusals, refused};
use crate::http::session_list::{end_one, end_others};
use crate::http::token::BearerUser;
use crate::insight::sessions::{SessionLine, sessions};

/// A session in the shape of the portal family.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionBody {
    id: SessionId,
    kind: SessionKind,
    device_class: Option<DeviceClass>,
    /// The network of the address that opened it.
    #[schema(example = "203.0.113.0/24")]
    ip: Option<String>,
    country: Option<Country>,
    current: bool,
    #[schema(value_type = Millis)]
    created_at: String,
    #[schema(value_type = Millis)]
    last_active_at: String,
}

impl From<SessionLine> for SessionBody {
    fn from(line: SessionLine) -> Self {
        Self {
            id: line.id,
            kind: line.kind,
            device_class: line.device_class,
            ip: line.ip,
            country: line.country,
            current: line.current.unwrap_or(false),
            created_at: line.created_at.to_rfc3339_millis(),
            last_active_at: line.last_active_at.to_rfc3339_millis(),
        }
    }
}

/// The sessions of a user.
#[derive(Serialize, ToSchema)]
struct PortalSessionList {
    items: Vec<SessionBody>,
}

/// The answer that other sessions are over.
#[derive(Serialize, ToSchema)]
struct RevokedSessions {
    /// How many there were.
    revoked: usize,
}

/// `GET /api/v1/auth/sessions`: answers the sessions of the user that are in use, the newest first.
#[utoipa::path(get, path = "/api/v1/auth/sessions",
    responses(
        (status = 200, body = PortalSessionList),
        Refusals<(BearerUser, refused::Command)>,
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    BearerUser(session): BearerUser,
    request: RequestContext,
) -> Result<Response, Problem> {
    let (user_id, asking) = (session.user.user_id, Some(session.session_id));
    let list = sessions(&app.engine, user_id, asking, request.now).await?;
    let items = list.items.into_iter().map(Into::into).collect();
    Ok(success(PortalSessionList { items }))
}

/// `DELETE /api/v1/auth/sessions/{id}`: ends a session of the user, be it this one.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}",
    params(("id" = SessionId, Path, description = "A session of the list.")),
    responses(
        (status = 200, body = Message),
        Refusals<(BearerUser, refused::NotFound, refused::Command)>,
    )
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    BearerUser(session): BearerUser,
    uri: Uri,
    headers: HeaderMap,
    request: RequestContext,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let session_id = id.parse().map_err(|_| Problem::NotFound)?;
    end_one(&app, session.user.user_id, session_id, &request).await?;
    let own = session_id == session.session_id;
    let lines = if own { refresh_cookie::clear(&app.config, &headers, uri.path()) } else { vec![] };
    Ok(with_cookies(success(Message { message: "The session is over." }), lines))
}

/// `POST /api/v1/auth/sessions/revoke-all`: ends all sessions of the user but this one.
#[utoipa::path(post, path = "/api/v1/auth/sessions/revoke-all",
    responses(
        (status = 200, body = RevokedSessions),
        Refusals<(BearerUser, refused::Command)>,
    )
)]
pub(super) async fn revoke_others(
    State(app): State<Arc<App>>,
    BearerUser(session): BearerUser,
    request: RequestContext,
) -> Result<Response, Problem> {
    let revoked = end_others(&app, session.user.user_id, session.session_id, &request).await?;
    Ok(success(RevokedSessions { revoked }))
}
