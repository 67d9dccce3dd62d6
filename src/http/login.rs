//! Login by a mailed code: start and verify.

mod credential;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde::Deserialize;
use serde_json::json;
use whence_events::{
    Actor, DeliveryFailure, DeviceClass, DeviceId, EmailAddress, EmailKey, MailboxEvent, Position,
    RequestId, SessionKind, StreamId, Timestamp, TouchId, UserEvent, UserId, Via,
};

use super::client::ClientFacts;
use super::csrf::{refuse_cross_site, tell_token};
use super::device_cookie::KnownBy;
use super::error::Problem;
use super::extract::{JsonBody, RequestContext};
use super::landing_cookies::clear_landing_cookies;
use super::session::{UserBody, end_replaced};
use super::session_cookies;
use super::typed_text::{TypedText, optional_text};
use crate::app::App;
use crate::app::attribution::{Candidate, LandingCookies};
use crate::app::known_devices::{DeviceProof, network_mac};
use crate::app::sessions::SessionError;
use crate::app::touches::record_now;
use crate::domain::mailbox::{
    CODE_LIFETIME, CountStart, DeviceFacts, Mailbox, MailboxCommand, MailboxRejection,
    START_WINDOW, StartLogin, VerifyCode,
};
use crate::domain::touch::RecordedTouch;
use crate::domain::user::{OpenSession, SESSION_IDLE, User, UserCommand, UserRejection};
use crate::engine::handler::{Context, HandleError};
use crate::engine::progress::query_after_log;
use crate::infra::errors::with_causes;
use crate::infra::mail::Mail;
use crate::infra::random::{new_device_id, new_user_id};
use crate::infra::security::SecurityEvent;
use crate::infra::tokens::{LoginToken, OneTimeCode, SessionToken};
pub(super) use credential::{CompletedLogin, Credential, TriedCode};

/// The body of a start. A missing field counts as empty.
#[derive(Deserialize)]
pub(super) struct StartBody {
    #[serde(default, deserialize_with = "optional_text")]
    email: Option<String>,
}

/// The body of a verify. A missing field counts as empty.
#[derive(Deserialize)]
pub(super) struct VerifyBody {
    #[serde(default, deserialize_with = "optional_text")]
    request_id: Option<String>,
    #[serde(default)]
    code: Option<TypedText>,
}

/// `POST /v1/auth/email/start`: starts a login and mails its code.
pub(super) async fn start(
    State(app): State<Arc<App>>,
    request: RequestContext,
    facts: ClientFacts,
    headers: HeaderMap,
    JsonBody(body): JsonBody<StartBody>,
) -> Result<Response, Problem> {
    let email = body.email.as_deref().unwrap_or_default();
    let login = start_login(&app, &request, &facts, &headers, email, None).await?;
    Ok(Json(json!({ "request_id": login.to_text() })).into_response())
}

/// Starts a login of a typed address and mails its code, for either family. The touch is the landing
/// that the client says itself.
pub(super) async fn start_login(
    app: &App,
    request: &RequestContext,
    facts: &ClientFacts,
    headers: &HeaderMap,
    email: &str,
    touch: Option<RecordedTouch>,
) -> Result<LoginToken, Problem> {
    // No page of another site sends mails by way of its visitors' browsers.
    refuse_cross_site(headers, app)?;
    let email = EmailAddress::parse(email).map_err(|_| Problem::InvalidEmail)?;
    let now = request.now;
    let email_key = app.engine.keys.email_key(&email);
    let devices = KnownBy::of(headers, app).for_address(email_key);
    // A known device is limited by the address that knows it, and not with all others behind the same
    // network address.
    if devices.is_empty() {
        let limited = app.rate_limits.start(facts.address, now);
        limited.map_err(|until| {
            app.engine.security.record(SecurityEvent::ClientStarts, None, Some(request.id));
            Problem::rate_limited(now, until)
        })?;
    }
    let taken = app.mail_budget.take(!devices.is_empty(), now);
    taken.map_err(|until| {
        app.engine.security.record(SecurityEvent::MailCeiling, None, Some(request.id));
        Problem::mails_used_up(now, until)
    })?;
    let context = request.context(Actor::Visitor);
    let (login, code) = (LoginToken::generate(), OneTimeCode::generate());
    let request_id = login.request_id();
    let command = StartLogin {
        now,
        request_id,
        email: email.clone(),
        code_mac: code.mac(request_id, &app.engine.keys),
        client: facts.client.clone(),
        devices,
        network: network_mac(facts.address, &app.engine.keys),
        touch_id: touch.as_ref().map(|touch| touch.touch_id),
    };
    begin(app, email_key, command, &context).await.inspect_err(|_| app.mail_budget.give_back())?;
    app.recent_logins.insert(request_id, email_key);
    if let Some(touch) = touch
        && let Err(error) = record_now(app, touch).await
    {
        tracing::error!(error = %with_causes(&error), "a landing could not be recorded");
        not_delivered(app, &email, request_id, DeliveryFailure::Local, &context).await?;
        return Err(Problem::Unavailable);
    }
    // The login is in the log; without its mail it is useless, and the response says so.
    let mail = Mail::LoginCode {
        site: app.config.mail.site.clone(),
        code: code.as_str().into(),
        page_host: app.config.listening.public_url.host_str().map(str::to_owned),
        minutes: u32::try_from(CODE_LIFETIME.as_secs() / 60).unwrap_or(10),
        asked_from: asked_from(facts),
        code_in_subject: app.config.mail.code_in_subject,
    };
    if let Err(reason) = app.mailer.send(&email, &mail).await {
        not_delivered(app, &email, request_id, reason, &context).await?;
        return Err(Problem::undelivered(reason));
    }
    Ok(login)
}

/// Records that a login is without its mail, and takes it out of the counts if that is certain.
async fn not_delivered(
    app: &App,
    email: &EmailAddress,
    request_id: RequestId,
    reason: DeliveryFailure,
    context: &Context,
) -> Result<(), Problem> {
    let failed = MailboxCommand::FailDelivery { request_id, reason };
    let stream = StreamId::Mailbox(app.engine.keys.email_key(email));
    app.engine.handler.run::<Mailbox>(&stream, &failed, context).await?;
    if reason.certainly_not_sent() {
        app.mail_budget.give_back();
        app.return_to_person(email, request_id, context).await;
    }
    Ok(())
}

/// Starts a login, if the address and the person whose it is may have one more code.
async fn begin(
    app: &App,
    email_key: EmailKey,
    command: StartLogin,
    context: &Context,
) -> Result<(), Problem> {
    let handler = &app.engine.handler;
    let stream = StreamId::Mailbox(email_key);
    let StartLogin { now, request_id, network, .. } = command;
    // A known device has its own codes, which what others ask for does not use up.
    let is_known = match &command.devices[..] {
        [] => false,
        devices => handler.recent::<Mailbox>(&stream).await?.state.knows(devices),
    };
    let email = command.email.clone();
    let mut counted = false;
    if !is_known {
        let start = CountStart { now, request_id, network };
        let result = app.count_for_person(&email, start, context).await;
        counted = result.map_err(|error| refusal(error, now))?;
    }
    let command = MailboxCommand::StartLogin(command);
    let done = handler.run::<Mailbox>(&stream, &command, context).await;
    let refused = match done {
        Err(error) => Some(refusal(error, now)),
        Ok(done) => done.events.iter().find_map(|event| {
            let MailboxEvent::LoginThrottled(throttled) = event else { return None };
            Some(throttled_until(throttled.until, throttled.device_id, now))
        }),
    };
    let Some(problem) = refused else { return Ok(()) };
    if counted {
        app.return_to_person(&email, request_id, context).await;
    }
    Err(problem)
}

/// Returns the answer to a start that is refused.
fn refusal(error: HandleError<MailboxRejection>, now: Timestamp) -> Problem {
    if let HandleError::Rejected(MailboxRejection::Throttled { until, device_id }) = error {
        throttled_until(until, device_id, now)
    } else {
        error.into()
    }
}

/// Returns the answer to who asks for too many codes. Only a known device is told when there is
/// another one: of all others the time would tell one when somebody else has asked.
fn throttled_until(until: Timestamp, device_id: Option<DeviceId>, now: Timestamp) -> Problem {
    match device_id {
        Some(_) => Problem::rate_limited(now, until),
        None => Problem::RateLimited { retry_after_seconds: START_WINDOW.as_secs() },
    }
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
    let token = SessionToken::generate();
    let credential =
        Credential { session_id: token.id, hash: token.hash(), kind: SessionKind::Cookie };
    let tried = TriedCode {
        request_id: &body.request_id.unwrap_or_default(),
        code: body.code.and_then(TypedText::into_code),
    };
    let (client, landing) = (&headers, &landing_cookies);
    let login = complete_login(&app, &request, facts, client, landing, tried, credential).await?;
    let mut response = match login.registered_at {
        Some(at) => UserBody::fresh(login.user_id, &login.email, at).into_response(),
        None => known_user(&app, &login, &request).await?,
    };
    end_replaced(&app, &headers, &request).await;
    let set = response.headers_mut();
    let expires_at = request.now + SESSION_IDLE;
    let cookies = session_cookies::set(&app, &token, request.now, expires_at);
    let plain = session_cookies::clear_plain(&app.config);
    for cookie in cookies.into_iter().chain(plain).chain(login.set_cookies) {
        set.append(SET_COOKIE, cookie);
    }
    tell_token(set, &app, &token);
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
    let device = DeviceFacts { proven, fresh: new_device_id(), class: facts.device_class };
    // 1. The mailbox stream: is the code right, and whose is the address?
    let verified = verify_code(app, request, request_id, &code, email_key, device).await?;
    // 2. The user's stream: register if new, open the session. A process that dies between the two
    //    leaves an address that belongs to a user who registers at the next login.
    let opened = match app.with_said_touch(landing_cookies.clone(), verified.touch_id).await {
        Ok(landing) => open_session(app, request, facts, &verified, &landing, credential).await,
        Err(error) => Err(error.into()),
    };
    // Only who reads the mail of the address gets here, and may know of a suspension or an erasure.
    let is_told =
        |problem: &Problem| matches!(problem, Problem::Suspended | Problem::InvalidRequest);
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

/// An e-mail address that a right code has proven, and the user who owns it.
struct Verified {
    user_id: UserId,
    email_key: EmailKey,
    email: EmailAddress,
    device_id: DeviceId,
    /// The landing that the client said at the start.
    touch_id: Option<TouchId>,
}

/// Checks the code of a login and returns the address that it proves; an address without an owner
/// gets a new one.
async fn verify_code(
    app: &App,
    request: &RequestContext,
    request_id: RequestId,
    code: &OneTimeCode,
    email_key: EmailKey,
    device: DeviceFacts,
) -> Result<Verified, Problem> {
    let mut device_id = device.fresh;
    let stream = StreamId::Mailbox(email_key);
    let command = MailboxCommand::VerifyCode(VerifyCode {
        now: request.now,
        request_id,
        code_mac: code.mac(request_id, &app.engine.keys),
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
    Ok(Verified { user_id, email_key, email, device_id, touch_id })
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
