//! The referral code that a user chooses.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{Actor, CodeKind, ReferralCode, StreamId};

use crate::app::App;
use crate::app::commands::reserve;
use crate::domain::name::NameTaken;
use crate::domain::reserved;
use crate::domain::user::{User, UserCommand, UserRejection};
use crate::engine::handler::HandleError;
use crate::http::answers::Done;
use crate::http::csrf::check_csrf;
use crate::http::error::Problem;
use crate::http::extract::{JsonBody, RequestContext, SignedIn};
use crate::http::openapi::{Refusals, refused};
use crate::http::typed_text::{TypedText, optional_text};

/// The body of a choice. A missing field counts as empty.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SlugBody {
    /// 3 to 32 of a-z, 0-9 and -, not - at the ends; in any case.
    #[schema(value_type = TypedText, required = true)]
    #[serde(default, deserialize_with = "optional_text")]
    slug: Option<String>,
}

/// The answer about a chosen code.
#[derive(Serialize, ToSchema)]
struct ChosenCodeAnswer {
    code: ChosenCode,
}

/// A code that a user chose.
#[derive(Serialize, ToSchema)]
struct ChosenCode {
    code: ReferralCode,
    kind: CodeKind,
    #[schema(example = "https://login.example.com/r/ada-1815")]
    link: String,
}

/// `POST /v1/referrals/code`: gives the user the code that they chose.
#[utoipa::path(post, path = "/v1/referrals/code", request_body = SlugBody,
    responses(
        (status = 200, body = ChosenCodeAnswer),
        Refusals<(SignedIn, refused::Csrf, refused::InvalidJson, refused::WrongSlug, refused::RateLimited, refused::Command)>,
    )
)]
pub(crate) async fn choose(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    headers: HeaderMap,
    request: RequestContext,
    JsonBody(body): JsonBody<SlugBody>,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    let code = parse_slug(body.slug.as_deref().unwrap_or_default())?;
    let (user_id, now) = (session.user.user_id, request.now);
    let stream = StreamId::User(user_id);
    // Names are never given back, so the user's own stream is asked first whether it would refuse.
    let user = app.engine.handler.load::<User>(&stream).await?.state;
    user.may_choose_code(now).map_err(|rejection| too_many(rejection, &request))?;
    let context = request.context(Actor::Owner);
    match reserve(&app.engine.handler, &StreamId::code(&code), user_id, &context).await {
        Ok(()) => {}
        Err(HandleError::Rejected(NameTaken)) => return Err(Problem::SlugTaken),
        Err(HandleError::Store(error)) => return Err(error.into()),
    }
    let kind = CodeKind::Custom;
    let issue = UserCommand::IssueReferralCode { now, code: code.clone(), kind };
    let done = match app.engine.handler.run::<User>(&stream, &issue, &context).await {
        Err(HandleError::Rejected(rejection)) => return Err(too_many(rejection, &request)),
        done => done?,
    };
    app.progress.wait_for(done.position).await;
    let link = app.link(code.as_str());
    Ok(Json(ChosenCodeAnswer { code: ChosenCode { code, kind, link } }).into_response())
}

/// `DELETE /v1/referrals/code`: disables the user's chosen code, which attributes nothing from now
/// on.
#[utoipa::path(delete, path = "/v1/referrals/code",
    responses(
        (status = 200, body = Done),
        Refusals<(SignedIn, refused::Csrf, refused::Command)>,
    )
)]
pub(crate) async fn give_up(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    let stream = StreamId::User(session.user.user_id);
    let user = app.engine.handler.load::<User>(&stream).await?.state;
    if let Some(current) = user.current_code(CodeKind::Custom) {
        let (code, reason) = (current.code.clone(), "owner".to_owned());
        let disable = UserCommand::DisableReferralCode { code, reason };
        match app
            .engine
            .handler
            .run::<User>(&stream, &disable, &request.context(Actor::Owner))
            .await
        {
            // Another call has disabled it meanwhile.
            Err(HandleError::Rejected(UserRejection::NoSuchCode)) => {}
            done => {
                app.progress.wait_for(done?.position).await;
            }
        }
    }
    Ok(Done::answer().into_response())
}

/// Returns the problem of a rejection; one of too many codes says when the next may be chosen.
fn too_many(rejection: UserRejection, request: &RequestContext) -> Problem {
    if let UserRejection::TooManyCodes { until } = rejection {
        return Problem::rate_limited(request.now, until);
    }
    HandleError::Rejected(rejection).into()
}

/// Parses 3 to 32 of `[a-z0-9-]`, not `-` at the ends, in any case and with white space around
/// them.
fn parse_slug(text: &str) -> Result<ReferralCode, Problem> {
    let slug = text.trim().to_ascii_lowercase();
    if slug.len() < 3 || slug.ends_with('-') {
        return Err(Problem::SlugInvalid);
    }
    let code = slug.parse().map_err(|_| Problem::SlugInvalid)?;
    if reserved::contains(&slug) { Err(Problem::SlugReserved) } else { Ok(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_plain_and_not_one_of_ours() {
        assert_eq!(parse_slug(" Ada-1 ").unwrap().as_str(), "ada-1");
        for bad in ["", "ab", "-ada", "ada-", "a_b", "a b", "adä", &"x".repeat(33)] {
            assert_eq!(parse_slug(bad), Err(Problem::SlugInvalid), "{bad}");
        }
        assert_eq!(parse_slug("Admin"), Err(Problem::SlugReserved));
    }
}
