//! Login by a mailed code: start and verify.

mod credential;
mod start;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{
    Actor, DeviceId, EmailAddress, EmailKey, MailboxEvent, Position, RequestId, SessionKind,
    StreamId, Timestamp, TouchId, UserEvent, UserId, Via,
};

use super::client::ClientFacts;
use super::cookies::with_cookies;
use super::csrf::{refuse_cross_site, tell_token};
use super::device_cookie::KnownBy;
use super::error::{AddressProblem, Problem};
use super::extract::{JsonBody, RequestContext};
use super::landing_cookies::clear_landing_cookies;
use super::openapi::{Refusals, refused};
use super::session::{UserAnswer, UserBody, end_replaced};
use super::session_cookies;
use super::typed_text::{TypedText, optional_text};
use crate::app::App;
use crate::app::attribution::{Candidate, LandingCookies};
use crate::app::known_devices::DeviceProof;
use crate::app::sessions::SessionError;
use crate::domain::mailbox::{DeviceFacts, Mailbox, MailboxCommand, VerifyCode};
use crate::domain::user::{OpenSession, SESSION_IDLE, User, UserCommand, UserRejection};
use crate::engine::handler::HandleError;
use crate::engine::progress::query_after_log;
use crate::infra::errors::with_causes;
use crate::infra::random::{new_device_id, new_user_id};
use crate::infra::security::SecurityEvent;
use crate::infra::tokens::{LoginToken, OneTimeCode, SessionToken};
pub(super) use credential::{CompletedLogin, Credential, TriedCode};
pub(super) use start::{CodeUse, start_login};

/// The body of a start. A missing field counts as empty.
#[derive(Deserialize, ToSchema)]
pub(super) struct StartBody {
    #[schema(value_type = String, format = "email", example = "ada@example.com", required = true)]
    #[serde(default, deserialize_with = "optional_text")]
    pub(super) email: Option<String>,
}

/// The body of a verify. A missing field counts as empty.
#[derive(Deserialize, ToSchema)]
pub(super) struct VerifyBody {
    /// What `start` answered.
    #[schema(value_type = RequestId, required = true)]
    #[serde(default, deserialize_with = "optional_text")]
    request_id: Option<String>,
    /// The code of the mail.
    #[schema(value_type = TypedText, required = true)]
    #[serde(default)]
    code: Option<TypedText>,
}

/// A login, or a change of address, that was started.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedLogin {
    /// What the code is tried with.
    #[schema(value_type = RequestId)]
    request_id: String,
}

impl StartedLogin {
    /// Returns the answer about a login.
    pub(super) fn answer(login: LoginToken) -> Response {
        Json(Self { request_id: login.to_text() }).into_response()
    }
}

impl VerifyBody {
    /// Returns the id of the login, and the digits of the code if it is one.
    pub(super) fn into_parts(self) -> (String, Option<[u8; 6]>) {
        (self.request_id.unwrap_or_default(), self.code.and_then(TypedText::into_code))
    }
}

/// `POST /v1/auth/email/start`: starts a login and mails its code.
#[utoipa::path(post, path = "/v1/auth/email/start", request_body = StartBody,
    responses(
        (status = 200, body = StartedLogin),
        Refusals<(refused::CrossSite, refused::InvalidJson, refused::InvalidEmail, refused::RateLimited, refused::MailUnavailable, refused::Command)>,
    )
)]
pub(super) async fn start(
    State(app): State<Arc<App>>,
    request: RequestContext,
    facts: ClientFacts,
    headers: HeaderMap,
    JsonBody(body): JsonBody<StartBody>,
) -> Result<Response, Problem> {
    let email = body.email.as_deref().unwrap_or_default();
    let login = start_login(&app, &request, &facts, &headers, email, CodeUse::LogIn(None)).await?;
    Ok(StartedLogin::answer(login))
}

/// `POST /v1/auth/email/verify`: checks the code, registers a new user, and opens a session.
#[utoipa::path(post, path = "/v1/auth/email/verify", request_body = VerifyBody,
    responses(
        (status = 200, body = UserAnswer, headers(
            ("x-csrf-token" = String, description = "The token of the session, for pages that cannot read the cookie."),
        )),
        Refusals<(refused::CrossSite, refused::InvalidJson, refused::WrongCode, refused::RateLimited, refused::NoSession, refused::Command)>,
    )
)]
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    request: RequestContext,
    facts: ClientFacts,
    headers: HeaderMap,
    landing_cookies: LandingCookies,
    JsonBody(body): JsonBody<VerifyBody>,
) -> Result<Response, Problem> {
    let token = SessionToken::generate();
    let credential =
        Credential { session_id: token.id, hash: token.hash(), kind: SessionKind::Cookie };
    let (request_id, code) = body.into_parts();
    let tried = TriedCode { request_id: &request_id, code };
    let (client, landing) = (&headers, &landing_cookies);
    let login = complete_login(&app, &request, facts, client, landing, tried, credential).await?;
    let response = match login.registered_at {
        Some(at) => UserBody::fresh(login.user_id, &login.email, at).into_response(),
        None => known_user(&app, &login, &request).await?,
    };
    end_replaced(&app, &headers, &request).await;
    let expires_at = request.now + SESSION_IDLE;
    let cookies = session_cookies::set(&app, &token, request.now, expires_at);
    let plain = session_cookies::clear_plain(&app.config);
    let lines = cookies.into_iter().chain(plain).chain(login.set_cookies);
    let mut response = with_cookies(response, lines);
    tell_token(response.headers_mut(), &app, &token);
    Ok(response)
}

/// Returns the body of a user who was registered before, as the read models hold it. They are waited
/// for before they are asked, so that they are not asked in vain, nor the log where it ends.
async fn known_user(
    app: &App,
    login: &CompletedLogin,
    request: &RequestContext,
) -> Result<Response, Problem> {
    if !app.progress.wait_for(login.position).await {
        return Err(Problem::SessionIssueFailed);
    }
    let session = app.sessions.find(login.session_id, request.now).await;
    let session = session.ok().flatten().ok_or(Problem::SessionIssueFailed)?;
    Ok(UserBody::of(&session.user).into_response())
}

/// Checks a code, registers a new user, and opens a session, for either family.
pub(super) async fn complete_login(
    app: &App,
    request: &RequestContext,
    facts: ClientFacts,
    headers: &HeaderMap,
    landing_cookies: &LandingCookies,
    tried: TriedCode<'_>,
    credential: Credential,
) -> Result<CompletedLogin, Problem> {
    let login = find_tried(app, request, &facts, headers, tried).await?;
    let (known_by, email_key) = (login.known_by.clone(), login.email_key);
    // 1. The mailbox stream: is the code right, and whose is the address?
    let verified = verify_code(app, request, login, &facts, None).await?;
    // 2. The user's stream: register if new, open the session. A process that dies between the two
    //    leaves an address that belongs to a user who registers at the next login.
    let opened = match app.with_said_touch(landing_cookies.clone(), verified.touch_id).await {
        Ok(landing) => open_session(app, request, facts, &verified, &landing, credential).await,
        Err(error) => Err(error.into()),
    };
    // Only who reads the mail of the address gets here, and may know of a suspension, an erasure or a
    // move.
    let moved = Problem::Address(AddressProblem::Moved);
    let is_told = |problem: &Problem| {
        matches!(problem, Problem::Suspended | Problem::InvalidRequest) || *problem == moved
    };
    let (registered_at, position) = opened
        .map_err(|problem| if is_told(&problem) { problem } else { Problem::SessionIssueFailed })?;
    let proof = DeviceProof { email_key, device_id: verified.device_id };
    let mut set_cookies = vec![known_by.and(proof, app)];
    if landing_cookies.ref_code.is_some() {
        set_cookies.extend(clear_landing_cookies(app, headers, credential.path()).await);
    }
    Ok(CompletedLogin {
        user_id: verified.user_id,
        session_id: credential.session_id,
        email: verified.email,
        registered_at,
        position,
        set_cookies,
    })
}

/// A login on which a code is tried, within the limits of the client.
pub(super) struct TriedLogin {
    request_id: RequestId,
    code: OneTimeCode,
    pub(super) email_key: EmailKey,
    pub(super) known_by: KnownBy,
    proven: Vec<DeviceId>,
}

/// Finds the login on which a code is tried.
pub(super) async fn find_tried(
    app: &App,
    request: &RequestContext,
    facts: &ClientFacts,
    headers: &HeaderMap,
    tried: TriedCode<'_>,
) -> Result<TriedLogin, Problem> {
    // Login CSRF: another site must not log its visitors in as another user.
    refuse_cross_site(headers, app)?;
    let login = LoginToken::parse(tried.request_id);
    let request_id = login.ok_or(Problem::InvalidRequest)?.request_id();
    let code = OneTimeCode::from_digits(tried.code.ok_or(Problem::InvalidCode)?);
    let known_by = KnownBy::of(headers, app);
    let limited = app.rate_limits.verify(facts.address, request.now);
    let limited = limited.map_err(|until| Problem::rate_limited(request.now, until)).err();
    let over_limit = |problem| {
        app.engine.security.record(SecurityEvent::ClientVerifies, None, Some(request.id));
        Err(problem)
    };
    if let Some(problem) = limited.filter(|_| known_by.is_empty()) {
        return over_limit(problem);
    }
    let email_key = find_login(app, request_id).await?.ok_or(Problem::InvalidRequest)?;
    let proven = known_by.for_address(email_key);
    // A known device is not held up by others behind the same network address.
    if let Some(problem) = limited.filter(|_| proven.is_empty()) {
        return over_limit(problem);
    }
    Ok(TriedLogin { request_id, code, email_key, known_by, proven })
}

/// An e-mail address that a right code has proven, and the user who owns it.
pub(super) struct Verified {
    user_id: UserId,
    email_key: EmailKey,
    pub(super) email: EmailAddress,
    pub(super) device_id: DeviceId,
    /// Whether an operator gave the address to the user.
    moved_by_operator: bool,
    /// The landing that the client said at the start.
    touch_id: Option<TouchId>,
}

/// Checks the code of a login and returns the address that it proves; an address without an owner
/// gets a new one.
pub(super) async fn verify_code(
    app: &App,
    request: &RequestContext,
    login: TriedLogin,
    facts: &ClientFacts,
    change_of: Option<UserId>,
) -> Result<Verified, Problem> {
    let TriedLogin { request_id, code, email_key, proven, .. } = login;
    let device = DeviceFacts { proven, fresh: new_device_id(), class: facts.device_class };
    let mut device_id = device.fresh;
    let stream = StreamId::Mailbox(email_key);
    let command = MailboxCommand::VerifyCode(VerifyCode {
        now: request.now,
        request_id,
        code_mac: code.mac(request_id, &app.engine.keys),
        change_of,
        fresh_user: new_user_id(),
        device,
        lock_time: app.config.limits.guess_lock,
    });
    let context = request.context(Actor::Visitor);
    let done = app.engine.handler.run::<Mailbox>(&stream, &command, &context).await?;
    for event in &done.events {
        match event {
            MailboxEvent::CodeRejected(_) => return Err(Problem::InvalidCode),
            MailboxEvent::LoginExpired(_) => return Err(Problem::InvalidRequest),
            // The owner is the id that was made above, so its stream has no events.
            MailboxEvent::MailboxClaimed(claimed) if claimed.by_change => {}
            MailboxEvent::MailboxClaimed(claimed) => {
                app.engine.handler.expect_empty::<User>(&StreamId::User(claimed.user_id));
            }
            MailboxEvent::CodeVerified(verified) => {
                device_id = verified.device_id.unwrap_or(device_id);
            }
            MailboxEvent::LoginStarted(_)
            | MailboxEvent::LoginThrottled(_)
            | MailboxEvent::CodeDeliveryFailed(_)
            | MailboxEvent::LoginLocked(_)
            | MailboxEvent::MailboxReleased(_)
            | MailboxEvent::MailboxForgotten(_)
            | MailboxEvent::StartCounted(_)
            | MailboxEvent::StartReturned(_)
            | MailboxEvent::DeviceForgotten(_)
            | MailboxEvent::MailboxMoved(_)
            | MailboxEvent::MailboxReclaimed(_)
            | MailboxEvent::LockCleared(_) => {}
        }
    }
    let user_id = done.state.owner.ok_or(Problem::Internal)?;
    let (sealed, version) = done.state.email.as_ref().ok_or(Problem::InvalidRequest)?;
    let email = app.engine.vault.open(&stream, *version, "email", sealed).await?;
    // Without an address, its key was destroyed during the login: the next login has another key.
    let email = email.ok_or(Problem::InvalidRequest)?;
    app.return_to_person(&email, request_id, &context).await;
    let touch_id = done.state.said_touch(request_id);
    let moved_by_operator = done.state.moved_because.is_some();
    Ok(Verified { user_id, email_key, email, device_id, moved_by_operator, touch_id })
}

/// Returns the key of the address that a login is for. A login that is not found is looked up again
/// after the read models have caught up with the log, because this node may be behind.
async fn find_login(app: &App, request_id: RequestId) -> Result<Option<EmailKey>, Problem> {
    if let Some(email_key) = app.recent_logins.get(&request_id) {
        return Ok(Some(email_key));
    }
    let query = move || async move {
        app.engine.read_db.login(request_id).await.map_err(SessionError::from)
    };
    Ok(query_after_log(app.engine.store.as_ref(), &app.engine.read_db, &app.progress, query)
        .await?)
}

/// Registers the user if they are new, decides their referral, and opens a session, in one append.
/// Returns when the user registered, if they are new, and the position of the last event.
///
/// Both parts of `landing_cookies` are handed to `app/attribution.rs`: `App::attempt` looks the
/// code of `ref_code` up, `App::attribution_snapshot` makes the snapshot of the first touch. The user's stream
/// decides.
async fn open_session(
    app: &App,
    request: &RequestContext,
    facts: ClientFacts,
    verified: &Verified,
    landing_cookies: &LandingCookies,
    credential: Credential,
) -> Result<(Option<Timestamp>, Position), Problem> {
    let ClientFacts { client, device_class, country, .. } = facts;
    let (user_id, email) = (verified.user_id, &verified.email);
    let attempt = match landing_cookies.ref_code {
        Some(_) => {
            let candidate = Candidate { user_id, email, client: &client, country };
            Some(app.attempt(candidate, landing_cookies, Via::Verify, request.now).await)
        }
        None => None,
    };
    let snapshot =
        app.attribution_snapshot(landing_cookies, device_class, country, request.now).await;
    let command = UserCommand::OpenSession(Box::new(OpenSession {
        now: request.now,
        user_id,
        email: email.clone(),
        email_key: verified.email_key,
        moved_by_operator: verified.moved_by_operator,
        snapshot,
        attempt,
        session_id: credential.session_id,
        token_hash: credential.hash,
        kind: credential.kind,
        device: client,
        device_class,
        country,
    }));
    let stream = StreamId::User(user_id);
    let done =
        app.engine.handler.run::<User>(&stream, &command, &request.context(Actor::Owner)).await;
    let done = done.map_err(|error| {
        if matches!(error, HandleError::Rejected(UserRejection::Suspended)) {
            return Problem::Suspended;
        }
        if matches!(error, HandleError::Rejected(UserRejection::AddressLeft)) {
            return Problem::Address(AddressProblem::Moved);
        }
        // The user was erased during this login, and the address is free in a moment.
        if matches!(error, HandleError::Rejected(UserRejection::Erased)) {
            return Problem::InvalidRequest;
        }
        tracing::error!(error = %with_causes(&error), "no session after a verified code");
        Problem::SessionIssueFailed
    })?;
    let is_new = done.events.iter().any(|event| matches!(event, UserEvent::UserRegistered(_)));
    let registered_at = done.state.account.as_ref().map(|account| account.registered_at);
    Ok((registered_at.filter(|_| is_new), done.position))
}
