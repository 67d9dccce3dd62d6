//! The devices that are known to the address of who is logged in.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{Actor, DeviceClass, DeviceId, Timestamp};

use super::answers::Done;
use super::csrf::check_csrf;
use super::device_cookie::KnownBy;
use super::error::Problem;
use super::extract::{RequestContext, SignedIn};
use super::openapi::{Refusals, refused};
use crate::app::App;

/// A device in the shape of the console family.
#[derive(Serialize, ToSchema)]
struct DeviceBody {
    id: DeviceId,
    device: Option<DeviceClass>,
    first_login_at: Timestamp,
    last_login_at: Timestamp,
    current: bool,
}

/// The devices that are known.
#[derive(Serialize, ToSchema)]
struct DeviceList {
    devices: Vec<DeviceBody>,
}

/// `GET /v1/auth/devices`: lists the devices that are known, the one that logged in last first.
#[utoipa::path(get, path = "/v1/auth/devices",
    responses(
        (status = 200, body = DeviceList),
        Refusals<(SignedIn, refused::Command)>,
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    SignedIn { session, .. }: SignedIn,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let email = &session.user.email;
    let current = KnownBy::of(&headers, &app).for_address(app.engine.keys.email_key(email));
    let known = app.known_devices(session.user.user_id, email).await?;
    let devices = known.iter().map(|device| DeviceBody {
        id: device.id,
        device: device.class,
        first_login_at: device.first_login,
        last_login_at: device.last_login,
        current: current.contains(&device.id),
    });
    Ok(Json(DeviceList { devices: devices.collect() }).into_response())
}

/// `DELETE /v1/auth/devices/{id}`: forgets a device, which counts as unknown from then on.
#[utoipa::path(delete, path = "/v1/auth/devices/{id}",
    params(("id" = DeviceId, Path, description = "A device of the list.")),
    responses(
        (status = 200, body = Done),
        Refusals<(SignedIn, refused::Csrf, refused::NotFound, refused::Command)>,
    )
)]
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    request: RequestContext,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    let device_id: DeviceId = id.parse().map_err(|_| Problem::NotFound)?;
    let user = &session.user;
    let known = app.known_devices(user.user_id, &user.email).await?;
    if !known.iter().any(|device| device.id == device_id) {
        return Err(Problem::NotFound);
    }
    app.forget_device(&user.email, device_id, &request.context(Actor::Owner)).await?;
    Ok(Done::answer().into_response())
}
