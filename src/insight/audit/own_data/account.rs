//! The account of a user, as the events of the user tell it.

use std::collections::BTreeSet;

use serde::Serialize;
use whence_events::{
    AttributionCaptured, ClickIds, Client, CodeKind, Country, DeviceClass, EmailAddress, EmailKey,
    Event, Pii, Provider, Recorded, SessionId, SessionKind, SessionOpened, Timestamp, TouchId,
    UserEvent, UserId,
};

use crate::insight::audit::sentences;

/// An account as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct OwnAccount {
    /// The id of the user.
    pub id: UserId,
    /// The e-mail address.
    pub email: Option<String>,
    /// The name that the user wants to be shown by.
    pub display_name: Option<String>,
    /// The URL of the user's picture.
    pub avatar_url: Option<String>,
    /// The id of the user in the billing system.
    pub billing_customer_id: Option<String>,
    /// The plan that the account began with.
    pub plan: Option<String>,
    /// How the user logs in.
    pub provider: Provider,
    /// When the user registered.
    pub registered_at: Timestamp,
    /// Since when the user is suspended.
    pub suspended_at: Option<Timestamp>,
    /// When the user is erased, as they asked.
    pub erasure_due_at: Option<Timestamp>,
}

/// A name and a picture, from a time on.
#[derive(Debug, Serialize)]
pub struct OwnName {
    /// The name.
    pub display_name: Option<String>,
    /// The URL of the picture.
    pub avatar_url: Option<String>,
    /// When the user chose them.
    pub since: Timestamp,
}

/// An address of the account, and when it was that.
#[derive(Debug, Serialize)]
pub struct OwnAddress {
    /// The address.
    pub email: Option<String>,
    /// Since when the account has it.
    pub since: Timestamp,
    /// Until when the account had it; `null`: it has it now.
    pub until: Option<Timestamp>,
}

/// A session, and what opened it.
#[derive(Debug, Serialize)]
pub struct OwnSession {
    /// The id of the session.
    pub id: SessionId,
    /// How the session is carried.
    pub kind: SessionKind,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it was used last, as exactly as uses are recorded.
    pub last_active_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was ended before that.
    pub ended_at: Option<Timestamp>,
    /// Why it was ended.
    pub ended_because: Option<&'static str>,
    /// The kind of device.
    pub device: Option<DeviceClass>,
    /// The IP address.
    pub ip: Option<String>,
    /// The country of that address.
    pub country: Option<Country>,
    /// What the browser said about itself.
    pub user_agent: Option<String>,
}

/// Where a user came from.
#[derive(Debug, Serialize)]
pub struct OwnOrigin {
    pub captured_at: Timestamp,
    pub touched_at: Option<Timestamp>,
    pub first_referrer_url: Option<String>,
    pub referrer_domain: Option<String>,
    pub first_landing_page: Option<String>,
    pub utm_source: Option<String>,
    pub utm_medium: Option<String>,
    pub utm_campaign: Option<String>,
    pub utm_term: Option<String>,
    pub utm_content: Option<String>,
    pub click_ids: ClickIds,
    pub acquired_via_creator_id: Option<UserId>,
    pub registration_device: Option<DeviceClass>,
    pub registration_country: Option<Country>,
}

/// A decision about who referred a user.
#[derive(Debug, Serialize)]
pub struct OwnDecision {
    /// When it was made.
    pub at: Timestamp,
    /// The code that the user came with.
    pub code: Option<String>,
    /// The user who referred; `null`: the attempt was refused.
    pub referred_by: Option<UserId>,
    /// Why the attempt was refused.
    pub refused_because: Option<&'static str>,
}

/// A referral code of the user.
#[derive(Debug, Serialize)]
pub struct OwnCode {
    /// The code.
    pub code: String,
    /// Whether it was made for the user, or chosen by them.
    pub kind: CodeKind,
    /// When the user got it.
    pub issued_at: Timestamp,
    /// When it was disabled, by the user or an operator.
    pub disabled_at: Option<Timestamp>,
}

/// A creator handle of the user.
#[derive(Debug, Serialize)]
pub struct OwnHandle {
    /// The handle.
    pub handle: String,
    /// When the user claimed it.
    pub claimed_at: Timestamp,
}

/// What the events of a user say, and the streams that they lead to.
#[derive(Default)]
pub(super) struct Account {
    registered: Option<(Timestamp, Provider)>,
    plan: Option<String>,
    billing_customer_id: Option<String>,
    suspended_at: Option<Timestamp>,
    erasure_due_at: Option<Timestamp>,
    pub(super) names: Vec<OwnName>,
    pub(super) addresses: Vec<OwnAddress>,
    pub(super) sessions: Vec<OwnSession>,
    pub(super) origin: Option<OwnOrigin>,
    pub(super) decisions: Vec<OwnDecision>,
    pub(super) codes: Vec<OwnCode>,
    pub(super) handles: Vec<OwnHandle>,
    pub(super) touches: BTreeSet<TouchId>,
    pub(super) email_keys: BTreeSet<EmailKey>,
}

impl Account {
    /// Returns what these events say, whose personal data is in clear.
    pub(super) fn of(events: &[Recorded]) -> Self {
        let mut account = Self::default();
        for recorded in events {
            if let Event::User(event) = &recorded.event {
                account.add(event, recorded.metadata.occurred_at);
            }
        }
        account
    }

    /// Returns the account as it is now; `None`: there is none.
    pub(super) fn shown(&self, id: UserId) -> Option<OwnAccount> {
        let (registered_at, provider) = self.registered?;
        let name = self.names.last();
        Some(OwnAccount {
            id,
            email: self.addresses.last().and_then(|address| address.email.clone()),
            display_name: name.and_then(|name| name.display_name.clone()),
            avatar_url: name.and_then(|name| name.avatar_url.clone()),
            billing_customer_id: self.billing_customer_id.clone(),
            plan: self.plan.clone(),
            provider,
            registered_at,
            suspended_at: self.suspended_at,
            erasure_due_at: self.erasure_due_at,
        })
    }

    fn add(&mut self, event: &UserEvent, at: Timestamp) {
        match event {
            UserEvent::UserRegistered(registered) => {
                self.registered = Some((at, registered.provider));
                self.email_keys.insert(registered.email_key);
                self.has_address(&registered.email, at);
                if let Some(name) = registered.display_name.as_ref() {
                    self.is_called(Some(name), None, at);
                }
            }
            UserEvent::EmailChanged(changed) => {
                self.email_keys.extend([changed.email_key, changed.previous_key]);
                self.has_address(&changed.email, at);
            }
            UserEvent::EmailChangeUndone(undone) => self.has_address(&undone.email, at),
            UserEvent::ProfileUpdated(updated) => {
                self.is_called(updated.display_name.as_ref(), updated.avatar_url.as_ref(), at);
            }
            UserEvent::BillingCustomerLinked(linked) => {
                let id = Some(linked.billing_customer_id.clone());
                self.billing_customer_id = id.filter(|id| !id.is_empty());
            }
            UserEvent::SubscriptionProvisioned(given) => self.plan = Some(given.plan.clone()),
            UserEvent::UserSuspended(_) => self.suspended_at = Some(at),
            UserEvent::UserReinstated(_) => self.suspended_at = None,
            UserEvent::ErasureRequested(asked) => self.erasure_due_at = Some(asked.due_at),
            UserEvent::ErasureCancelled(_) => self.erasure_due_at = None,
            UserEvent::AttributionCapturedV1(_) | UserEvent::AttributionCaptured(_) => {
                if let Some(snapshot) = event.snapshot() {
                    self.touches.extend(snapshot.touch_id);
                    self.origin = Some(origin(&snapshot, at));
                }
            }
            UserEvent::ReferralAttributed(_) | UserEvent::ReferralRefused(_) => {
                self.decided(event, at);
            }
            UserEvent::SessionOpened(_)
            | UserEvent::SessionExtended(_)
            | UserEvent::RefreshRotated(_)
            | UserEvent::SessionRevoked(_) => self.in_session(event, at),
            UserEvent::ReferralCodeIssued(_)
            | UserEvent::ReferralCodeDisabled(_)
            | UserEvent::ReferralCodeBlocked(_)
            | UserEvent::ReferralCodeUnblocked(_) => self.about_code(event, at),
            UserEvent::CreatorHandleClaimed(claimed) => {
                let handle = claimed.handle.to_string();
                self.handles.push(OwnHandle { handle, claimed_at: at });
            }
            UserEvent::SessionsRevoked(_)
            | UserEvent::WelcomeEmailSent(_)
            | UserEvent::WelcomeEmailFailed(_)
            | UserEvent::EmailChangeNoticed(_)
            | UserEvent::ErasureCompleted(_)
            | UserEvent::UserErased(_) => {}
        }
    }

    fn has_address(&mut self, email: &Pii<EmailAddress>, at: Timestamp) {
        if let Some(previous) = self.addresses.last_mut() {
            previous.until = Some(at);
        }
        let email = email.clear().map(|email| email.shown().into_owned());
        self.addresses.push(OwnAddress { email, since: at, until: None });
    }

    fn is_called(
        &mut self,
        name: Option<&Pii<String>>,
        picture: Option<&Pii<String>>,
        at: Timestamp,
    ) {
        let clear = |field: Option<&Pii<String>>| field.and_then(Pii::clear).cloned();
        let (display_name, avatar_url) = (clear(name), clear(picture));
        self.names.push(OwnName { display_name, avatar_url, since: at });
    }

    fn decided(&mut self, event: &UserEvent, at: Timestamp) {
        if let UserEvent::ReferralAttributed(referral) = event {
            self.touches.extend(referral.touch_id);
            self.decisions.push(OwnDecision {
                at,
                code: Some(referral.code.as_str().to_owned()),
                referred_by: Some(referral.referrer_id),
                refused_because: None,
            });
        } else if let UserEvent::ReferralRefused(refused) = event {
            self.touches.extend(refused.evidence.touch_id);
            self.decisions.push(OwnDecision {
                at,
                code: refused.code.as_ref().map(|code| code.as_str().to_owned()),
                referred_by: None,
                refused_because: Some(sentences::refusal(refused.reason)),
            });
        }
    }

    fn in_session(&mut self, event: &UserEvent, at: Timestamp) {
        if let UserEvent::SessionOpened(opened) = event {
            self.sessions.push(session(opened, at));
            return;
        }
        let (id, expires_at, ended) = if let UserEvent::SessionExtended(extended) = event {
            (extended.session_id, Some(extended.expires_at), None)
        } else if let UserEvent::RefreshRotated(rotated) = event {
            (rotated.session_id, Some(rotated.expires_at), None)
        } else if let UserEvent::SessionRevoked(revoked) = event {
            (revoked.session_id, None, Some(sentences::revocation(revoked.reason)))
        } else {
            return;
        };
        let Some(session) = self.sessions.iter_mut().rev().find(|s| s.id == id) else { return };
        if let Some(expires_at) = expires_at {
            session.expires_at = expires_at;
            session.last_active_at = at;
        }
        if ended.is_some() {
            session.ended_at = Some(at);
            session.ended_because = ended;
        }
    }

    fn about_code(&mut self, event: &UserEvent, at: Timestamp) {
        if let UserEvent::ReferralCodeIssued(issued) = event {
            self.codes.push(OwnCode {
                code: issued.code.as_str().to_owned(),
                kind: issued.kind,
                issued_at: at,
                disabled_at: None,
            });
            return;
        }
        let (code, disabled_at) = if let UserEvent::ReferralCodeDisabled(disabled) = event {
            (&disabled.code, Some(at))
        } else if let UserEvent::ReferralCodeBlocked(blocked) = event {
            (&blocked.code, Some(at))
        } else if let UserEvent::ReferralCodeUnblocked(unblocked) = event {
            (&unblocked.code, None)
        } else {
            return;
        };
        for known in &mut self.codes {
            if known.code.eq_ignore_ascii_case(code.as_str()) {
                known.disabled_at = disabled_at;
            }
        }
    }
}

fn session(opened: &SessionOpened, at: Timestamp) -> OwnSession {
    let client: Option<&Client> = opened.device.clear();
    OwnSession {
        id: opened.session_id,
        kind: opened.kind,
        opened_at: at,
        last_active_at: at,
        expires_at: opened.expires_at,
        ended_at: None,
        ended_because: None,
        device: opened.device_class,
        ip: client.and_then(|client| client.ip).map(|ip| ip.to_string()),
        country: opened.country,
        user_agent: client.and_then(|client| client.user_agent.clone()),
    }
}

fn origin(snapshot: &AttributionCaptured, at: Timestamp) -> OwnOrigin {
    OwnOrigin {
        captured_at: at,
        touched_at: snapshot.touched_at,
        first_referrer_url: snapshot.first_referrer_url.as_ref().and_then(Pii::clear).cloned(),
        referrer_domain: snapshot.referrer_domain.clone(),
        first_landing_page: snapshot.first_landing_page.clone(),
        utm_source: snapshot.utm_source.clone(),
        utm_medium: snapshot.utm_medium.clone(),
        utm_campaign: snapshot.utm_campaign.clone(),
        utm_term: snapshot.utm_term.clone(),
        utm_content: snapshot.utm_content.clone(),
        click_ids: snapshot.click_ids.clone(),
        acquired_via_creator_id: snapshot.acquired_via_creator_id,
        registration_device: snapshot.registration_device,
        registration_country: snapshot.registration_country,
    }
}
