//! Login by a mailed code: start and verify.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde::Deserialize;
use serde_json::json;
use whence_events::{
    Actor, DeviceClass, EmailAddress, EmailKey, MailboxEvent, RequestId, SessionKind, StreamId,
    UserEvent, UserId, Via,
};

use super::client::ClientFacts;
use super::csrf::refuse_cross_site;
use super::error::Problem;
use super::extract::{JsonBody, RequestContext};
use super::landing_cookies::clear_ref_code_cookie;
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
use crate::infra::errors::with_causes;
use crate::infra::mail::Mail;
use crate::infra::random::new_user_id;
use crate::infra::tokens::{LoginToken, OneTimeCode, SessionToken};

/// The body of a start. A missing field counts as empty.
#[derive(Deserialize)]
pub(super) struct StartBody {
    #[serde(default)]
    email: Option<String>,
}

/// The body of a verify. A missing field counts as empty.
#[derive(Deserialize)]
pub(super) struct VerifyBody {
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    code: Option<String>,
}

/// `POST /v1/auth/email/start`: starts a login and mails its code.
pub(super) async fn start(
    State(app): State<Arc<App>>,
    request: RequestContext,
    facts: ClientFacts,
    JsonBody(body): JsonBody<StartBody>,
) -> Result<Response, Problem> {
    let email = EmailAddress::parse(body.email.as_deref().unwrap_or_default())
        .map_err(|_| Problem::InvalidEmail)?;
    let now = request.now;
    let limited = app.rate_limits.start(facts.address, now);
    limited.map_err(|until| Problem::rate_limited(now, until))?;
    let (login, code) = (LoginToken::generate(), OneTimeCode::generate());
    let request_id = login.request_id();
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
    // The login is in the log; without its mail it is useless, and the response says so.
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
    Ok(Json(json!({ "request_id": login.to_text() })).into_response())
}

/// `POST /v1/auth/email/verify`: checks the code, registers a new user, and opens a session.
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    request: RequestContext,
    facts: ClientFacts,
    headers: HeaderMap,
    landing_cookies: LandingCookies,
    JsonBody(body): JsonBody<VerifyBody>,
) -> Result<Response, Problem> {
    // Login CSRF: another site must not log its visitors in as another user.
    refuse_cross_site(&headers)?;
    let login = LoginToken::parse(&body.request_id.unwrap_or_default());
    let request_id = login.ok_or(Problem::InvalidRequest)?.request_id();
    let code = OneTimeCode::parse(&body.code.unwrap_or_default()).ok_or(Problem::InvalidCode)?;
    let limited = app.rate_limits.verify(facts.address, request.now);
    limited.map_err(|until| Problem::rate_limited(request.now, until))?;
    // 1. The mailbox stream: is the code right, and whose is the address?
    let verified = verify_code(&app, &request, request_id, &code).await?;
    // 2. The user's stream: register if new, open the session. A process that dies between the two
    //    leaves an address that belongs to a user who registers at the next login.
    let opened = open_session(&app, &request, facts, &verified, &landing_cookies).await;
    let (token, mut response) = opened.map_err(|_| Problem::SessionIssueFailed)?;
    let headers = response.headers_mut();
    let expires_at = request.now + SESSION_IDLE;
    for cookie in session_cookies::set(&app, &token, request.now, expires_at) {
        headers.append(SET_COOKIE, cookie);
    }
    if landing_cookies.ref_code.is_some() {
        headers.append(SET_COOKIE, clear_ref_code_cookie(&app));
    }
    Ok(response)
}

/// An e-mail address that a right code has proven, and the user who owns it.
struct Verified {
    user_id: UserId,
    email_key: EmailKey,
    email: EmailAddress,
}

/// Checks the code of a login and returns the address that it proves; an address without an owner
/// gets a new one.
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
            // The owner is the id that was made above, so its stream has no events.
            MailboxEvent::MailboxClaimed(claimed) => {
                app.engine.handler.expect_empty::<User>(&StreamId::User(claimed.user_id));
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
    // Without an address, its key was destroyed during the login: the next login has another key.
    Ok(Verified { user_id, email_key, email: email.ok_or(Problem::InvalidRequest)? })
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
) -> Result<(SessionToken, Response), Problem> {
    let ClientFacts { client, device_class, country, .. } = facts;
    let (user_id, email) = (verified.user_id, &verified.email);
    let attempt = match landing_cookies.ref_code {
        Some(_) => {
            let candidate = Candidate { user_id, email, client: &client, country };
            Some(app.attempt(candidate, landing_cookies, Via::Verify, request.now).await)
        }
        None => None,
    };
    let token = SessionToken::generate();
    let first_touch = landing_cookies.first_touch.as_ref();
    let snapshot = app.attribution_snapshot(first_touch, device_class, country, request.now).await;
    let command = UserCommand::OpenSession(Box::new(OpenSession {
        now: request.now,
        user_id,
        email: email.clone(),
        email_key: verified.email_key,
        snapshot,
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
        tracing::error!(error = %with_causes(&error), "no session after a verified code");
        Problem::SessionIssueFailed
    })?;
    let is_new = done.events.iter().any(|event| matches!(event, UserEvent::UserRegistered(_)));
    let registered_at = done.state.account.as_ref().map(|account| account.registered_at);
    if let Some(registered_at) = registered_at.filter(|_| is_new) {
        return Ok((token, UserBody::fresh(user_id, email, registered_at).into_response()));
    }
    // The body is made of what the read models hold. They are waited for before they are asked, so that
    // they are not asked in vain, nor the log where it ends.
    if !app.progress.wait_for(done.position).await {
        return Err(Problem::SessionIssueFailed);
    }
    let session = app.sessions.find(token.id, request.now).await?;
    let session = session.ok_or(Problem::SessionIssueFailed)?;
    Ok((token, UserBody::of(&session.user).into_response()))
}

/// Returns the device and the country that a login was requested from, in words for the mail.
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
