//! Every event in plain words, one line each.

use whence_events::{
    ApiKeyEvent, AttributionCaptured, AuditEvent, CodeStatus, DeliveryFailure, DeviceClass, Event,
    MailboxEvent, NameEvent, Pii, ReferralCode, Refusal, RevokeReason, RulesEvent, SessionKind,
    SessionOpened, Signal, StreamId, TouchRecorded, UserEvent, Utm, Via,
};

use super::personal::Show;
use crate::infra::plain::plain;

/// Returns what happened, with the name that it happened to where the event does not say it.
pub(super) fn at(stream: &StreamId, event: &Event, show: Show) -> String {
    match (stream, event) {
        (StreamId::Code(name), Event::Name(NameEvent::NameReserved(reserved))) => {
            format!("the code {} was taken for user {}, for ever", name.as_str(), reserved.owner)
        }
        (StreamId::Handle(name), Event::Name(NameEvent::NameReserved(reserved))) => {
            format!("the handle {name} was taken for user {}, for ever", reserved.owner)
        }
        (_, event) => self::event(event, show),
    }
}

/// Returns what happened.
pub(super) fn event(event: &Event, show: Show) -> String {
    match event {
        Event::Mailbox(event) => mailbox(event, show),
        Event::User(event) => user(event, show),
        Event::Name(NameEvent::NameReserved(reserved)) => {
            format!("the name was taken for user {}, for ever", reserved.owner)
        }
        Event::Touch(event) => touch(&event.touch(), show),
        Event::Rules(RulesEvent::RulesAdopted(adopted)) => {
            format!(
                "rules {} of version {} came into force",
                adopted.digest, adopted.settings.rules_version
            )
        }
        Event::Audit(AuditEvent::AuditRead(read)) => {
            let data = if read.personal_data { ", personal data in clear" } else { "" };
            let user = read.user_id.map(|id| format!(" {id}")).unwrap_or_default();
            let code = read.code.as_ref().map(|code| format!(" {}", code.as_str()));
            format!("an audit was read: {}{user}{}{data}", read.subject, code.unwrap_or_default())
        }
        Event::ApiKey(event) => api_key(event),
        Event::Unknown { event_type } => {
            format!("unknown: a newer version of whence wrote an event of the type {event_type}")
        }
    }
}

fn api_key(event: &ApiKeyEvent) -> String {
    match event {
        ApiKeyEvent::ApiKeyIssued(issued) => {
            let scopes: Vec<_> = issued.scopes.iter().map(|scope| scope.as_str()).collect();
            format!("API key {} was issued, for {}", plain(&issued.name), scopes.join(", "))
        }
        ApiKeyEvent::ApiKeyRotated(rotated) => {
            format!("the key got another secret; the one before ends at {}", rotated.previous_until)
        }
        ApiKeyEvent::ApiKeyGraceEnded(ended) => {
            format!("the earlier secrets of the key ended at {}", ended.ended_at)
        }
        ApiKeyEvent::ApiKeyRevoked(revoked) => {
            format!("the key was revoked: {}", plain(&revoked.reason))
        }
        ApiKeyEvent::ApiKeyUsed(used) => format!("the key was used on {}", plain(&used.day)),
    }
}

fn mailbox(event: &MailboxEvent, show: Show) -> String {
    match event {
        MailboxEvent::LoginStarted(started) => format!(
            "a login code was made for {}, asked for from {}",
            show.email(&started.email),
            show.client(&started.client)
        ),
        MailboxEvent::LoginThrottled(throttled) => {
            let device = throttled.device_id.map(|id| format!(" on device {id}"));
            let until = throttled.until;
            format!(
                "too many codes were asked for{}; no more until {until}",
                device.unwrap_or_default()
            )
        }
        MailboxEvent::CodeDeliveryFailed(failed) => {
            format!("the mail with the code did not go out: {}", delivery(failed.reason))
        }
        MailboxEvent::CodeRejected(rejected) => {
            format!("a wrong code was tried, number {} of its login", rejected.attempt)
        }
        MailboxEvent::LoginLocked(locked) => match (locked.request_id, locked.until) {
            (Some(_), _) => "the login was locked after too many wrong codes".into(),
            (None, Some(until)) => format!("devices that are not known get no codes until {until}"),
            (None, None) => {
                "devices that are not known get no codes until the lock is cleared".into()
            }
        },
        MailboxEvent::LoginExpired(_) => "the login was over before its code came".into(),
        MailboxEvent::CodeVerified(_) => "the right code came: the address is proved".into(),
        MailboxEvent::MailboxClaimed(claimed) => {
            let by = if claimed.reason.is_some() { ", as an operator wants" } else { "" };
            format!("the address belongs to user {} from now on{by}", claimed.user_id)
        }
        MailboxEvent::MailboxReleased(released) => {
            format!("the address belongs to user {} no more, and to nobody", released.user_id)
        }
        MailboxEvent::MailboxReclaimed(reclaimed) => {
            format!("the address belongs to user {} again: its owner objected", reclaimed.user_id)
        }
        MailboxEvent::MailboxMoved(moved) => {
            let (user, until) = (moved.user_id, moved.held_until);
            format!("user {user} moved to another address; until {until} nobody can have this one")
        }
        MailboxEvent::MailboxForgotten(_) => {
            "nobody proved the address in time: it was forgotten".into()
        }
        MailboxEvent::StartCounted(_) => {
            "a code for another spelling of the address was counted".into()
        }
        MailboxEvent::StartReturned(_) => {
            "a code for another spelling of the address counts no more".into()
        }
        MailboxEvent::DeviceForgotten(forgotten) => {
            format!("device {} is not known to the address any more", forgotten.device_id)
        }
        MailboxEvent::LockCleared(cleared) => {
            format!("{} wrong codes and what followed from them were cleared", cleared.wrong)
        }
    }
}

fn user(event: &UserEvent, show: Show) -> String {
    match event {
        UserEvent::UserRegistered(registered) => {
            let name = registered.display_name.as_ref();
            let name = name.map(|name| format!(", called {}", show.name(name)));
            let email = show.email(&registered.email);
            format!("registered with {email}{}", name.unwrap_or_default())
        }
        UserEvent::AttributionCapturedV1(_) | UserEvent::AttributionCaptured(_) => {
            event.snapshot().map(|origin| self::origin(&origin, show)).unwrap_or_default()
        }
        UserEvent::ReferralAttributed(referral) => format!(
            "the referral was decided {}: referred by user {} with code {}",
            via(referral.via),
            referral.referrer_id,
            referral.code.as_str()
        ),
        UserEvent::ReferralRefused(refused) => format!(
            "a referral {} was refused {}: {}",
            code(refused.code.as_ref()),
            via(refused.via),
            refusal(refused.reason)
        ),
        UserEvent::SessionOpened(_)
        | UserEvent::SessionExtended(_)
        | UserEvent::RefreshRotated(_)
        | UserEvent::SessionRevoked(_) => session(event, show).unwrap_or_default(),
        UserEvent::ReferralCodeIssued(issued) => {
            format!("got the {} referral code {}", issued.kind, issued.code.as_str())
        }
        UserEvent::ReferralCodeDisabled(disabled) => format!(
            "referral code {} was disabled ({}): it attributes nothing any more",
            disabled.code.as_str(),
            plain(&disabled.reason)
        ),
        UserEvent::SessionsRevoked(_)
        | UserEvent::UserSuspended(_)
        | UserEvent::UserReinstated(_)
        | UserEvent::ReferralCodeBlocked(_)
        | UserEvent::ReferralCodeUnblocked(_) => measure(event).unwrap_or_default(),
        UserEvent::SubscriptionProvisioned(given) => format!("got the plan {}", plain(&given.plan)),
        UserEvent::WelcomeEmailSent(_) => "the welcome mail went out".into(),
        UserEvent::WelcomeEmailFailed(failed) => {
            let (attempt, reason) = (failed.attempt, delivery(failed.reason));
            format!("the welcome mail did not go out, attempt {attempt}: {reason}")
        }
        UserEvent::ProfileUpdated(updated) => {
            let name = updated.display_name.as_ref();
            let name = name.map_or_else(|| "nothing".into(), |name| show.name(name));
            format!("is called {name} from now on")
        }
        UserEvent::CreatorHandleClaimed(claimed) => {
            format!("became the creator {}", claimed.handle)
        }
        UserEvent::BillingCustomerLinked(linked) => {
            format!("billing knows them as {}", plain(&linked.billing_customer_id))
        }
        UserEvent::EmailChanged(_)
        | UserEvent::EmailChangeNoticed(_)
        | UserEvent::EmailChangeUndone(_)
        | UserEvent::ErasureRequested(_)
        | UserEvent::ErasureCancelled(_)
        | UserEvent::ErasureCompleted(_) => own_wish(event, show).unwrap_or_default(),
        UserEvent::UserErased(erased) => {
            format!("was erased, as {} asked", plain(&erased.requested_by))
        }
    }
}

/// Returns what became of a session; `None` for other events.
fn session(event: &UserEvent, show: Show) -> Option<String> {
    if let UserEvent::SessionOpened(opened) = event {
        return Some(login(opened, show));
    }
    if let UserEvent::SessionExtended(extended) = event {
        let (id, until) = (extended.session_id, extended.expires_at);
        return Some(format!("session {id} in use lasts until {until}"));
    }
    if let UserEvent::RefreshRotated(rotated) = event {
        let (id, until) = (rotated.session_id, rotated.expires_at);
        return Some(format!(
            "the refresh token of session {id} was exchanged for its successor; it lasts until {until}"
        ));
    }
    if let UserEvent::SessionRevoked(revoked) = event {
        let (id, why) = (revoked.session_id, revocation(revoked.reason));
        return Some(format!("session {id} ended: {why}"));
    }
    None
}

/// Returns what a user wanted to become of the account; `None` for other events.
fn own_wish(event: &UserEvent, show: Show) -> Option<String> {
    if let UserEvent::EmailChanged(changed) = event {
        let (email, until) = (show.email(&changed.email), changed.objection_until);
        if let Some(why) = &changed.reason {
            return Some(format!(
                "was moved to the address {email} by an operator, to which the previous one may \
                 object until {until}: {}",
                reason(why)
            ));
        }
        return Some(format!(
            "has the address {email} from now on; the previous one may object until {until}"
        ));
    }
    if let UserEvent::EmailChangeNoticed(noticed) = event {
        return Some(match noticed.failed {
            None => "the previous address was told of the change".into(),
            Some(reason) => {
                let (attempt, reason) = (noticed.attempt, delivery(reason));
                format!("the previous address was not told, attempt {attempt}: {reason}")
            }
        });
    }
    if let UserEvent::EmailChangeUndone(undone) = event {
        let email = show.email(&undone.email);
        return Some(format!("has the address {email} again, whose owner objected to the change"));
    }
    if let UserEvent::ErasureRequested(requested) = event {
        return Some(format!("asked to be erased, which is done from {} on", requested.due_at));
    }
    if let UserEvent::ErasureCancelled(_) = event {
        return Some("withdrew the request to be erased".into());
    }
    if let UserEvent::ErasureCompleted(_) = event {
        return Some(
            "the erasure is complete: the keys are destroyed, and the address is free".into(),
        );
    }
    None
}

/// Returns what an operator did; `None` for other events.
fn measure(event: &UserEvent) -> Option<String> {
    if let UserEvent::SessionsRevoked(revoked) = event {
        let sessions = if revoked.count == 1 { "session" } else { "sessions" };
        let (count, reason) = (revoked.count, reason(&revoked.reason));
        return Some(format!("an operator ended {count} {sessions}: {reason}"));
    }
    if let UserEvent::UserSuspended(suspended) = event {
        return Some(format!("was suspended by an operator: {}", reason(&suspended.reason)));
    }
    if let UserEvent::UserReinstated(reinstated) = event {
        return Some(format!("was reinstated by an operator: {}", reason(&reinstated.reason)));
    }
    if let UserEvent::ReferralCodeBlocked(blocked) = event {
        let (code, reason) = (blocked.code.as_str(), reason(&blocked.reason));
        return Some(format!(
            "referral code {code} was disabled by an operator, and attributes nobody: {reason}"
        ));
    }
    if let UserEvent::ReferralCodeUnblocked(unblocked) = event {
        let (code, reason) = (unblocked.code.as_str(), reason(&unblocked.reason));
        return Some(format!("referral code {code} was enabled again by an operator: {reason}"));
    }
    None
}

/// Returns the words of an operator, which every reader of an audit sees until the user is erased.
fn reason(reason: &Pii<String>) -> String {
    Show::Open.name(reason)
}

fn login(opened: &SessionOpened, show: Show) -> String {
    let class = match opened.device_class {
        Some(DeviceClass::Mobile) => "a phone",
        Some(DeviceClass::Tablet) => "a tablet",
        Some(DeviceClass::Desktop) => "a computer",
        Some(DeviceClass::Tv) => "a television",
        Some(DeviceClass::Other) | None => "a device",
    };
    let country = opened.country.map(|country| format!(" in {}", country.as_str()));
    let with = match opened.kind {
        SessionKind::Cookie => "",
        SessionKind::Bearer => " with tokens",
    };
    format!(
        "logged in{with} from {class}{}, {}",
        country.unwrap_or_default(),
        show.client(&opened.device)
    )
}

fn origin(origin: &AttributionCaptured, show: Show) -> String {
    let page = match &origin.first_landing_page {
        Some(page) => page,
        // Who says a landing itself need not say a page.
        None if origin.said_by_client => "",
        None => return "came from nowhere that is known".into(),
    };
    let utm = Utm {
        source: origin.utm_source.clone(),
        medium: origin.utm_medium.clone(),
        campaign: origin.utm_campaign.clone(),
        term: origin.utm_term.clone(),
        content: origin.utm_content.clone(),
    };
    let referrer = origin.first_referrer_url.as_ref().map(|url| show.url(url));
    let (landed, utm) = (landing(page, referrer), campaign(&utm));
    let said = said(origin.said_by_client);
    format!("where they came from was frozen: {landed}{utm}{said}")
}

fn touch(touch: &TouchRecorded, show: Show) -> String {
    let referrer = touch.referrer_url.as_ref().map(|url| show.url(url));
    let (landed, utm) = (landing(&touch.landing_page, referrer), campaign(&touch.utm));
    let code = match touch.code_status {
        CodeStatus::None => ", without a referral code".to_owned(),
        CodeStatus::Known => format!(" with {}", self::code(touch.code.as_ref())),
        CodeStatus::Inactive => {
            format!(" with {}, which was not in use any more", self::code(touch.code.as_ref()))
        }
        CodeStatus::Unknown => format!(" with {}, never issued", self::code(touch.code.as_ref())),
        CodeStatus::Malformed => " with something that is no referral code".to_owned(),
    };
    let bot = if touch.bot { "; it was a bot" } else { "" };
    let again = if touch.deduplicated { "; counted before, within the hour" } else { "" };
    format!("{landed}{code}{utm}{bot}{again}{}", said(touch.said_by_client))
}

/// Returns that nobody but the client saw a landing.
fn said(by_client: bool) -> &'static str {
    if by_client { "; the client said so itself" } else { "" }
}

/// Returns a landing page and where its visitor came from.
pub(super) fn landing(page: &str, referrer: Option<String>) -> String {
    let from = referrer.map(|referrer| format!(" from {referrer}")).unwrap_or_default();
    if page.is_empty() {
        return format!("landed on a page that is not known{from}");
    }
    format!("landed on {}{from}", plain(page))
}

/// Returns the campaign parameters that are set.
pub(super) fn campaign(utm: &Utm) -> String {
    let Utm { source, medium, campaign, term, content } = utm;
    let named = [
        ("source", source),
        ("medium", medium),
        ("campaign", campaign),
        ("term", term),
        ("content", content),
    ];
    let parts = named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let parts: Vec<_> = parts.map(|(name, value)| format!("{name} {}", plain(value))).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn code(code: Option<&ReferralCode>) -> String {
    code.map_or_else(|| "without a code".into(), |code| format!("code {}", code.as_str()))
}

pub(super) fn via(via: Via) -> &'static str {
    match via {
        Via::Verify => "at the login",
        Via::Attribute => "by the attribute call",
        Via::Admin => "by an operator",
    }
}

/// Returns why an attempt did not attribute.
pub(crate) fn refusal(reason: Refusal) -> &'static str {
    match reason {
        Refusal::AlreadyAttributed => "they had been attributed before, and that is for ever",
        Refusal::NoCookie => "there was nothing to decide on",
        Refusal::InvalidCookie => "the cookie was not one that this service had signed",
        Refusal::UnknownCode => "the code was never issued",
        Refusal::CodeInactive => {
            "the code had been disabled: by its owner before it was picked up, or by an operator"
        }
        Refusal::ReferrerIneligible => "the owner of the code was erased or suspended",
        Refusal::WindowExpired => "the code had been picked up longer ago than the window allows",
        Refusal::NotNewUser => {
            "the account was there before the code was picked up, or for too long"
        }
        Refusal::SelfReferral => "the owner of the code is the user, or has the same address",
        Refusal::CircularReferral => "the user had referred the owner of the code",
        Refusal::BlockedByPolicy => "strict rules: velocity, disposable address or blocked country",
        Refusal::InternalError => "it could not be decided then, and is tried again",
    }
}

/// Returns what a signal says about an attempt.
pub(super) fn signal(signal: Signal) -> &'static str {
    match signal {
        Signal::SameNetwork => "user and referrer share a network",
        Signal::SameIpAndUa => "user and referrer share an IP address and a user agent",
        Signal::DisposableEmail => "the mail domain is disposable",
        Signal::Velocity => "the referrer was credited unusually often in 24 hours",
        Signal::PaidClickId => "the touch carried an advertiser's click id",
        Signal::BotTouch => "the touch was made by a bot",
        Signal::FastConversion => "less than ten seconds from touch to registration",
        Signal::CountryMismatch => "touch and registration came from different countries",
        Signal::UnsignedCookie => "the cookie was a bare code, without time or signature",
    }
}

pub(super) fn revocation(reason: RevokeReason) -> &'static str {
    match reason {
        RevokeReason::Logout => "logged out",
        RevokeReason::Revoked => "ended from another session",
        RevokeReason::RevokedAll => "all sessions were ended",
        RevokeReason::TokenReuse => "a refresh token was used twice",
        RevokeReason::Erased => "the user was erased",
        RevokeReason::Admin => "an operator ended it",
        RevokeReason::Objection => "the owner of the previous address objected to the change",
        RevokeReason::Replaced => "the same browser logged in anew",
    }
}

fn delivery(reason: DeliveryFailure) -> &'static str {
    match reason {
        DeliveryFailure::Rejected => "the mail server refused it",
        DeliveryFailure::Deferred => "the mail server could not take it then",
        DeliveryFailure::Unreachable => "the mail server could not be reached",
        DeliveryFailure::TimedOut => "the mail server did not answer in time",
        DeliveryFailure::Untrusted => "TLS or the password of the mail server failed",
        DeliveryFailure::Local => "it could not be written",
        DeliveryFailure::Unconfirmed => "the mail server did not say whether it took it",
        DeliveryFailure::Unsupported => {
            "the mail server takes no mailboxes with letters outside of ASCII"
        }
    }
}
