//! The start of a login, or of a move to another address: a code is made and mailed, within limits.

use http::HeaderMap;
use whence_events::{
    Actor, DeliveryFailure, DeviceClass, DeviceId, EmailAddress, EmailKey, MailboxEvent, RequestId,
    StreamId, Timestamp, UserId,
};

use crate::app::App;
use crate::app::known_devices::network_mac;
use crate::app::touches::record_now;
use crate::domain::mailbox::{
    CODE_LIFETIME, CountStart, Mailbox, MailboxCommand, MailboxRejection, START_WINDOW, StartLogin,
};
use crate::domain::touch::RecordedTouch;
use crate::engine::handler::{Context, HandleError};
use crate::http::client::ClientFacts;
use crate::http::csrf::refuse_cross_site;
use crate::http::device_cookie::KnownBy;
use crate::http::error::Problem;
use crate::http::extract::RequestContext;
use crate::infra::errors::with_causes;
use crate::infra::mail::Mail;
use crate::infra::security::SecurityEvent;
use crate::infra::tokens::{LoginToken, OneTimeCode};

/// What a code is asked for.
pub(in crate::http) enum CodeUse {
    /// To log in. The landing is the one that the client says itself.
    LogIn(Option<Box<RecordedTouch>>),
    /// To move this user's account to the address.
    Move(UserId),
}

/// Starts a login of a typed address and mails its code, for either family; or a move to the address.
pub(in crate::http) async fn start_login(
    app: &App,
    request: &RequestContext,
    facts: &ClientFacts,
    headers: &HeaderMap,
    email: &str,
    purpose: CodeUse,
) -> Result<LoginToken, Problem> {
    // No page of another site sends mails by way of its visitors' browsers.
    refuse_cross_site(headers, app)?;
    let email = EmailAddress::parse(email).map_err(|_| Problem::InvalidEmail)?;
    let now = request.now;
    let email_key = app.engine.keys.email_key(&email);
    let (touch, change_of) = match purpose {
        CodeUse::LogIn(touch) => (touch.map(|touch| *touch), None),
        CodeUse::Move(user_id) => (None, Some(user_id)),
    };
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
    let (login, code) = (LoginToken::generate(), app.new_code(&email));
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
        change_of,
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
    let mail = match change_of {
        None => login_mail(app, facts, &code),
        Some(user_id) => move_mail(app, email_key, user_id, &code).await?,
    };
    if let Err(reason) = app.mailer.send(&email, &mail).await {
        not_delivered(app, &email, request_id, reason, &context).await?;
        return Err(Problem::undelivered(reason));
    }
    Ok(login)
}

/// Returns the mail with the code of a login.
fn login_mail(app: &App, facts: &ClientFacts, code: &OneTimeCode) -> Mail {
    Mail::LoginCode {
        site: app.config.mail.site.clone(),
        code: code.as_str().into(),
        page_host: app.config.listening.public_url.host_str().map(str::to_owned),
        minutes: CODE_MINUTES,
        asked_from: asked_from(facts),
        code_in_subject: app.config.mail.code_in_subject,
    }
}

/// Returns the mail with the code that moves an account; an address of another account is told so, by
/// mail only: nobody else learns that it has one.
async fn move_mail(
    app: &App,
    email_key: EmailKey,
    user_id: UserId,
    code: &OneTimeCode,
) -> Result<Mail, Problem> {
    let site = app.config.mail.site.clone();
    if !app.engine.mailbox(email_key).await?.can_be_of(user_id) {
        return Ok(Mail::AddressInUse { site });
    }
    Ok(Mail::ChangeCode {
        site,
        code: code.as_str().into(),
        page_host: app.config.listening.public_url.host_str().map(str::to_owned),
        minutes: CODE_MINUTES,
    })
}

/// How long a code is valid, in minutes, as mails say it.
#[expect(clippy::cast_possible_truncation, reason = "it is 10")]
const CODE_MINUTES: u32 = (CODE_LIFETIME.as_secs() / 60) as u32;

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
