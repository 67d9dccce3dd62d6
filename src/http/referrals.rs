//! The referrals of a user: their code, and the users who registered by it.

pub(super) mod slug;

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use whence_events::{StreamId, Timestamp, UserId};

use super::error::Problem;
use super::extract::SignedIn;
use super::limits::{MAX_OFFSET, MAX_PAGE_ITEMS, PAGE_ITEMS};
use super::openapi::{Refusals, refused};
use super::query::{LenientNumber, number};
use crate::app::App;

/// The referrals of a user.
#[derive(Serialize, ToSchema)]
struct Overview {
    /// The code that every user has.
    #[schema(example = "N0PBPWQK")]
    primary_code: Option<String>,
    /// The code of the user's own choice.
    #[schema(example = "ada-1815")]
    custom_slug: Option<String>,
    #[schema(example = "https://login.example.com/r/ada-1815")]
    link: Option<String>,
    /// How many users registered by it.
    invitees: u64,
    clicks: u64,
    /// The name of who referred this user.
    #[schema(example = "Charles")]
    inviter_display: Option<String>,
    attributed_at: Option<Timestamp>,
    /// The codes that operators disabled; absent when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["old-code"]), required = false)]
    disabled_codes: Vec<String>,
}

/// The users who registered by the codes of a user.
#[derive(Serialize, ToSchema)]
struct InviteeList {
    items: Vec<InviteeBody>,
}

/// A user who registered by a code.
#[derive(Serialize, ToSchema)]
struct InviteeBody {
    user_id: UserId,
    #[schema(example = "Grace")]
    display_name: Option<String>,
    signed_at: Timestamp,
}

/// Which of the users are asked for. What is no number in bounds counts as missing.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "says what may be asked; the numbers are read one by one")]
struct InviteesQuery {
    /// How many, 1 to 200; 50 when it is missing.
    #[param(inline, value_type = LenientNumber, required = false)]
    limit: u64,
    /// How many are passed over; none when it is missing.
    #[param(inline, value_type = LenientNumber, required = false)]
    offset: u64,
}

/// `GET /v1/referrals/me`: answers the codes of the user, their counts, and their own referrer.
#[utoipa::path(get, path = "/v1/referrals/me",
    responses(
        (status = 200, body = Overview),
        Refusals<(SignedIn, refused::Command)>,
    )
)]
pub(super) async fn me(
    State(app): State<Arc<App>>,
    SignedIn { session, .. }: SignedIn,
) -> Result<Response, Problem> {
    let overview = app.engine.read_db.referral_overview(session.user.user_id).await?;
    let inviter_display = match overview.inviter {
        Some(inviter) => display_name(&app, inviter).await?,
        None => None,
    };
    let code = overview.custom_slug.as_ref().or(overview.primary_code.as_ref());
    Ok(Json(Overview {
        link: code.map(|code| app.link(code)),
        primary_code: overview.primary_code,
        custom_slug: overview.custom_slug,
        invitees: overview.invitees,
        clicks: overview.clicks,
        inviter_display,
        attributed_at: overview.attributed_at,
        disabled_codes: overview.blocked_codes,
    })
    .into_response())
}

/// `GET /v1/referrals/invitees`: answers a page of the users that this user referred.
#[utoipa::path(get, path = "/v1/referrals/invitees",
    params(InviteesQuery),
    responses(
        (status = 200, body = InviteeList),
        Refusals<(SignedIn, refused::Command)>,
    )
)]
pub(super) async fn invitees(
    State(app): State<Arc<App>>,
    SignedIn { session, .. }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    // What is no number in bounds falls back to the default, as in the API that this one replaces.
    let limit = number(&query, "limit").unwrap_or_default();
    let limit = limit.filter(|n| (1..=MAX_PAGE_ITEMS).contains(n)).unwrap_or(PAGE_ITEMS);
    let offset = number(&query, "offset").unwrap_or_default();
    let offset = offset.filter(|n| *n <= MAX_OFFSET).unwrap_or(0);
    let mut items = Vec::new();
    for invitee in app.engine.read_db.invitees(session.user.user_id, limit, offset).await? {
        let display_name = match &invitee.display_name {
            Some((name, version)) => {
                let stream = StreamId::User(invitee.user_id);
                app.engine.vault.open(&stream, *version, "display_name", name).await?
            }
            None => None,
        };
        items.push(InviteeBody {
            user_id: invitee.user_id,
            display_name,
            signed_at: invitee.signed_at,
        });
    }
    Ok(Json(InviteeList { items }).into_response())
}

/// Returns the name that a user goes by; `None` when they have none or were erased.
async fn display_name(app: &App, user_id: UserId) -> Result<Option<String>, Problem> {
    let Some(user) = app.engine.read_db.user(user_id).await? else { return Ok(None) };
    let Some(name) = &user.display_name else { return Ok(None) };
    let stream = StreamId::User(user_id);
    Ok(app.engine.vault.open(&stream, user.profile_version, "display_name", name).await?)
}
