//! Login by a code that is mailed: start and verify.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use whence_events::{
    Actor, DeviceClass, EmailAddress, EmailKey, MailboxEvent, RequestId, SessionKind, StreamId,
    UserEvent, UserId, Via,
};

use super::client::ClientFacts;
use super::error::Problem;
use super::extract::{Body, RequestContext, refuse_cross_site};
use super::session::UserBody;
use super::session_cookies;
use crate::app::App;
use crate::app::attribution::{Candidate, LandingCookies};
use crate::app::sessions::SessionError;
use crate::domain::mailbox::{
    CODE_LIFETIME, Mailbox, MailboxCommand, MailboxRejection, StartLogin, VerifyCode,
};
use crate::domain::user::{OpenSession, SESSION_IDLE, User, UserCommand};
use crate::engine::handler::HandleError;
use crate::engine::progress::query_after_log;
use crate::http::landing::cookies::{clear_ref_code, read_first_touch, read_ref_code};
use crate::infra::mail::Mail;
use crate::infra::random::{new_request_id, new_user_id};
use crate::infra::tokens::{OneTimeCode, SessionToken};

/// Body of a start. A field that is missing is empty.
#[derive(Deserialize)]
pub(super) struct StartBody {
    #[serde(default)]
    email: Option<String>,
}

/// Body of a verify.
#[derive(Deserialize)]
pub(super) struct VerifyBody {
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    code: Option<String>,
}

/// `POST /v1/auth/email/start`
pub(super) async fn start(
    State(app): State<Arc<App>>,
    request: RequestContext,
    facts: ClientFacts,
    Body(body): Body<StartBody>,
) -> Result<Response, Problem> {
    let email = EmailAddress::parse(body.email.as_deref().unwrap_or_default())
        .map_err(|_| Problem::InvalidEmail)?;
    let now = request.now;
    let limited = app.rate_limits.start(facts.client.ip, now);
    limited.map_err(|until| Problem::rate_limited(now, until))?;
    let (request_id, code) = (new_request_id(), OneTimeCode::generate());
    let stream = StreamId::Mailbox(app.engine.keys.email_key(&email));
    let command = MailboxCommand::StartLogin(StartLogin {
        now,
        request_id,
        email: email.clone(),
        code_mac: code.mac(request_id, &app.engine.keys),
        client: facts.client.clone(),
    });
    let context = request.context(Actor::Visitor);
    let done = match app.engine.handler.run::<Mailbox>(&stream, &command, &context).await {
        Err(HandleError::Rejected(MailboxRejection::Throttled { until })) => {
            return Err(Problem::rate_limited(now, until));
        }
        done => done?,
    };
    for event in &done.events {
        if let MailboxEvent::LoginThrottled(throttled) = event {
            return Err(Problem::rate_limited(now, throttled.until));
        }
    }
    if let StreamId::Mailbox(email_key) = stream {
        app.recent_logins.insert(request_id, email_key);
    }
    // The login is on record; without its mail it is worth nothing, and the caller is told.
    let mail = Mail::LoginCode {
        site: app.config.mail.site.clone(),
        code: code.as_str().into(),
        minutes: u32::try_from(CODE_LIFETIME.as_secs() / 60).unwrap_or(10),
        asked_from: asked_from(&facts),
        code_in_subject: app.config.mail.code_in_subject,
    };
    if let Err(reason) = app.mailer.send(&email, &mail).await {
        let failed = MailboxCommand::FailDelivery { request_id, reason };
        app.engine.handler.run::<Mailbox>(&stream, &failed, &context).await?;
        return Err(Problem::Internal);
    }
    Ok(Json(json!({ "request_id": request_id })).into_response())
}

/// `POST /v1/auth/email/verify`
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    request: RequestContext,
    facts: ClientFacts,
    headers: HeaderMap,
    Body(body): Body<VerifyBody>,
) -> Result<Response, Problem> {
    // Login CSRF: another site must not log its visitors in as somebody else.
    refuse_cross_site(&headers)?;
    let request_id: RequestId =
        body.request_id.unwrap_or_default().parse().map_err(|_| Problem::InvalidRequest)?;
    let code = OneTimeCode::parse(&body.code.unwrap_or_default()).ok_or(Problem::InvalidCode)?;
    let limited = app.rate_limits.verify(facts.client.ip, request.now);
    limited.map_err(|until| Problem::rate_limited(request.now, until))?;
    // 1. The address's stream: is the code right, and whose is the address?
    let verified = verify_code(&app, &request, request_id, &code).await?;
    // 2. The user's stream: register if new, open the session. A process that dies between the two
    //    leaves an address that belongs to a user who registers at the next login.
    let brought = LandingCookies {
        ref_code: read_ref_code(&app.engine.keys.cookie, &headers),
        first_touch: read_first_touch(&app.engine.keys.cookie, &headers),
    };
    let opened = open_session(&app, &request, facts, &verified, &brought).await;
    let (token, mut response) = opened.map_err(|_| Problem::SessionIssueFailed)?;
    let headers = response.headers_mut();
    let expires_at = request.now + SESSION_IDLE;
    for cookie in session_cookies::set(&app, &token, request.now, expires_at) {
        headers.append(SET_COOKIE, cookie);
    }
    if brought.ref_code.is_some() {
        headers.append(SET_COOKIE, clear_ref_code_cookie(&app));
    }
    Ok(response)
}

/// `ref_code` taken back: its decision is on record.
pub(super) fn clear_ref_code_cookie(app: &App) -> HeaderValue {
    clear_ref_code(&app.config.landing_cookies(), app.config.listening.https())
}

/// A proven address.
struct Verified {
    user_id: UserId,
    email_key: EmailKey,
    email: EmailAddress,
}

async fn verify_code(
    app: &App,
    request: &RequestContext,
    request_id: RequestId,
    code: &OneTimeCode,
) -> Result<Verified, Problem> {
    let email_key = find_login(app, request_id).await?.ok_or(Problem::InvalidRequest)?;
    let stream = StreamId::Mailbox(email_key);
    let command = MailboxCommand::VerifyCode(VerifyCode {
        now: request.now,
        request_id,
        code_mac: code.mac(request_id, &app.engine.keys),
        fresh_user: new_user_id(),
    });
    let context = request.context(Actor::Visitor);
    let done = app.engine.handler.run::<Mailbox>(&stream, &command, &context).await?;
    for event in &done.events {
        match event {
            MailboxEvent::CodeRejected(_) => return Err(Problem::InvalidCode),
            MailboxEvent::LoginExpired(_) => return Err(Problem::InvalidRequest),
            // By the id that was made above.
            MailboxEvent::MailboxClaimed(claimed) => {
                app.engine.handler.expect_empty::<User>(StreamId::User(claimed.user_id));
            }
            MailboxEvent::CodeVerified(_)
            | MailboxEvent::LoginStarted(_)
            | MailboxEvent::LoginThrottled(_)
            | MailboxEvent::CodeDeliveryFailed(_)
            | MailboxEvent::LoginLocked(_)
            | MailboxEvent::MailboxReleased(_)
            | MailboxEvent::MailboxForgotten(_) => {}
        }
    }
    let user_id = done.state.owner.ok_or(Problem::Internal)?;
    let (sealed, version) = done.state.email.as_ref().ok_or(Problem::InvalidRequest)?;
    let email = app.engine.vault.open(&stream, *version, "email", sealed).await?;
    // Its key was destroyed while the login was under way: the next one has another key.
    Ok(Verified { user_id, email_key, email: email.ok_or(Problem::InvalidRequest)? })
}

/// The address of a login. Looks twice before it says no: this node may be behind.
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

async fn open_session(
    app: &App,
    request: &RequestContext,
    facts: ClientFacts,
    verified: &Verified,
    brought: &LandingCookies,
) -> Result<(SessionToken, Response), Problem> {
    let ClientFacts { client, device_class, country } = facts;
    let (user_id, email) = (verified.user_id, &verified.email);
    let attempt = match brought.ref_code {
        Some(_) => {
            let candidate = Candidate { user_id, email, client: &client, country };
            Some(app.attempt(candidate, brought, Via::Verify, request.now).await)
        }
        None => None,
    };
    let token = SessionToken::generate();
    let origin = app.origin(brought.first_touch.as_ref(), device_class, country, request.now).await;
    let command = UserCommand::OpenSession(Box::new(OpenSession {
        now: request.now,
        user_id,
        email: email.clone(),
        email_key: verified.email_key,
        snapshot: origin,
        attempt,
        session_id: token.id,
        token_hash: token.hash(),
        kind: SessionKind::Cookie,
        device: client,
        device_class,
        country,
    }));
    let stream = StreamId::User(user_id);
    let done =
        app.engine.handler.run::<User>(&stream, &command, &request.context(Actor::Owner)).await;
    let done = done.map_err(|error| {
        tracing::error!(error = %crate::infra::errors::with_causes(&error), "no session after a verified code");
        Problem::SessionIssueFailed
    })?;
    let is_new = done.events.iter().any(|event| matches!(event, UserEvent::UserRegistered(_)));
    let registered_at = done.state.account.as_ref().map(|account| account.registered_at);
    if let Some(registered_at) = registered_at.filter(|_| is_new) {
        return Ok((token, UserBody::fresh(user_id, email, registered_at).into_response()));
    }
    let session = app.sessions.find(token.id, request.now).await?;
    let session = session.ok_or(Problem::SessionIssueFailed)?;
    Ok((token, UserBody::of(&session.user).into_response()))
}

/// Where a login was asked for, in words for the mail.
fn asked_from(facts: &ClientFacts) -> Option<String> {
    let device = match facts.device_class {
        Some(DeviceClass::Mobile) => "a phone",
        Some(DeviceClass::Tablet) => "a tablet",
        Some(DeviceClass::Desktop) => "a computer",
        Some(DeviceClass::Tv) => "a television",
        Some(DeviceClass::Other) | None => "a device",
    };
    match (facts.country, facts.device_class) {
        (Some(country), _) => Some(format!("{device} in {}", country.as_str())),
        (None, Some(_)) => Some(device.to_owned()),
        (None, None) => None,
    }
}
