//! The change of an account's e-mail address, and objections to it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_SECURITY_POLICY;
use whence_events::{Actor, EmailAddress, EmailKey, StreamId};

use super::client::ClientFacts;
use super::cookies::with_cookies;
use super::csrf::check_csrf;
use super::error::{AddressProblem, Problem};
use super::error_page::{STYLE, policy_of};
use super::extract::{JsonBody, RequestContext, SignedIn};
use super::login::{
    CodeUse, StartBody, StartedLogin, TriedCode, VerifyBody, find_tried, start_login, verify_code,
};
use super::openapi::{Refusals, refused};
use super::recent_login::check_recent_login;
use super::session::{UserAnswer, UserBody};
use crate::app::App;
use crate::app::known_devices::DeviceProof;
use crate::app::sessions::Session;
use crate::domain::user::{User, UserRejection};
use crate::engine::handler::HandleError;
use crate::infra::tokens::ObjectionToken;

/// `POST /v1/auth/email/change`: mails a code to the address that the account is to have.
#[utoipa::path(post, path = "/v1/auth/email/change", request_body = StartBody,
    responses(
        (status = 200, body = StartedLogin),
        Refusals<(SignedIn, refused::Csrf, refused::LoginNotRecent, refused::InvalidJson, refused::InvalidEmail, refused::AddressUnchanged, refused::AddressTaken, refused::RateLimited, refused::MailUnavailable, refused::Command)>,
    )
)]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    request: RequestContext,
    facts: ClientFacts,
    headers: HeaderMap,
    JsonBody(body): JsonBody<StartBody>,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    check_recent_login(&session, request.now)?;
    let wanted = body.email.as_deref().unwrap_or_default();
    let email = EmailAddress::parse(wanted).map_err(|_| Problem::InvalidEmail)?;
    let user_id = session.user.user_id;
    let user = app.engine.handler.load::<User>(&StreamId::User(user_id)).await?.state;
    user.may_change_email(request.now).map_err(|rejection| {
        if let UserRejection::TooManyChanges { until } = rejection {
            return Problem::rate_limited(request.now, until);
        }
        HandleError::Rejected(rejection).into()
    })?;
    let key = app.engine.keys.email_key(&email);
    if user.account.as_ref().is_some_and(|account| account.email_key == key) {
        return Err(Problem::Address(AddressProblem::Unchanged));
    }
    let purpose = CodeUse::Move(user_id);
    let login = start_login(&app, &request, &facts, &headers, wanted, purpose).await?;
    Ok(StartedLogin::answer(login))
}

/// `POST /v1/auth/email/change/verify`: moves the account to the address that the code proves.
#[utoipa::path(post, path = "/v1/auth/email/change/verify", request_body = VerifyBody,
    responses(
        (status = 200, body = UserAnswer),
        Refusals<(SignedIn, refused::Csrf, refused::InvalidJson, refused::WrongCode, refused::AddressTaken, refused::RateLimited, refused::Command)>,
    )
)]
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    request: RequestContext,
    facts: ClientFacts,
    headers: HeaderMap,
    JsonBody(body): JsonBody<VerifyBody>,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    let (request_id, code) = body.into_parts();
    let tried = TriedCode { request_id: &request_id, code };
    let user_id = session.user.user_id;
    let login = find_tried(&app, &request, &facts, &headers, tried).await?;
    let (email_key, known_by) = (login.email_key, login.known_by.clone());
    let verified = match verify_code(&app, &request, login, &facts, Some(user_id)).await {
        // The answer to the first try was lost.
        Err(Problem::InvalidRequest) if is_address(&app, &session, email_key) => {
            return Ok(UserBody::of(&session.user).into_response());
        }
        verified => verified?,
    };
    let context = request.context(Actor::Owner);
    app.move_account(&session, &verified.email, request.now, &context).await?;
    let session = app.sessions.find(session.session_id, request.now).await?;
    let session = session.ok_or(Problem::Unauthenticated)?;
    let proof = DeviceProof { email_key, device_id: verified.device_id };
    let cookies = [known_by.and(proof, &app)];
    Ok(with_cookies(UserBody::of(&session.user).into_response(), cookies))
}

fn is_address(app: &App, session: &Session, email_key: EmailKey) -> bool {
    app.engine.keys.email_key(&session.user.email) == email_key
}

#[derive(Template)]
#[template(path = "objection_page.html")]
struct ObjectionPage {
    style: &'static str,
    site: String,
    /// What the page is about: a question, or what came of it.
    state: PageState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PageState {
    Open,
    Done,
    Gone,
}

/// `GET /v1/auth/email/objection/{token}`: answers a page with a button, because programs that look
/// through mails open links.
#[utoipa::path(get, path = "/v1/auth/email/objection/{token}",
    params(("token" = String, Path, description = "What the link of the mail has.")),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 404, description = "A page that says so.", body = String, content_type = "text/html"),
        Refusals<(refused::Command,)>,
    )
)]
pub(super) async fn objection_page(
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let Some(token) = ObjectionToken::parse(&token) else { return page(&app, PageState::Gone) };
    let user = app.engine.handler.load::<User>(&StreamId::User(token.user_id)).await?.state;
    let is_open = !user.erased && user.change_of_token(token.hash(), request.now).is_some();
    page(&app, if is_open { PageState::Open } else { PageState::Gone })
}

/// `POST /v1/auth/email/objection/{token}`: gives the account back to the previous address, and ends
/// all of its sessions.
#[utoipa::path(post, path = "/v1/auth/email/objection/{token}",
    params(("token" = String, Path, description = "What the link of the mail has.")),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 404, description = "A page that says so.", body = String, content_type = "text/html"),
        Refusals<(refused::Command,)>,
    )
)]
pub(super) async fn object(
    State(app): State<Arc<App>>,
    request: RequestContext,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let Some(token) = ObjectionToken::parse(&token) else { return page(&app, PageState::Gone) };
    match app.object(token, request.now, &request.context(Actor::Owner)).await {
        Ok(()) => page(&app, PageState::Done),
        Err(HandleError::Rejected(_)) => page(&app, PageState::Gone),
        Err(HandleError::Store(error)) => Err(error.into()),
    }
}

fn page(app: &App, state: PageState) -> Result<Response, Problem> {
    let site = app.config.mail.site.clone();
    let html = ObjectionPage { style: STYLE, site, state }.render();
    let html = html.map_err(|_| Problem::Internal)?;
    let status = match state {
        PageState::Open | PageState::Done => http::StatusCode::OK,
        PageState::Gone => http::StatusCode::NOT_FOUND,
    };
    let mut response = (status, Html(html)).into_response();
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy_of(STYLE, "'self'"));
    Ok(response)
}
