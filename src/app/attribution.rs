//! Gathers the facts that an attribution snapshot and a referral are decided on.
//!
//! Facts about codes and their owners are folded from the streams, which are the truth. Only how often
//! an owner was credited recently comes from the read models: it is a signal, not a rule.

use std::time::Duration;

use whence_events::{
    AttributionCaptured, Client, Consent, Country, DeviceClass, EmailAddress, ReferralCode,
    StreamId, Timestamp, TouchId, UserId, Via,
};
use whence_projections::report::{is_paid_click, source_entry};
use whence_projections::{QueryError, UndecidedReferral};

use crate::app::App;
use crate::app::referral_codes::CodeOwner;
use crate::domain::referral::{Attempt, CodeFacts, CodeLookup};
use crate::domain::rules::RULES_VERSION;
use crate::domain::touch::stream::TouchStream;
use crate::domain::touch::{FirstTouch, PlantedCode, RefCode, registrable_domain};
use crate::domain::user::{Account, User, UserCommand};
use crate::engine::handler::{Context, HandleError};
use crate::infra::errors::with_causes;
use crate::store::StoreError;

/// The referrers of referrers that are followed: far more than any user has.
const MAX_ANCESTORS: usize = 1000;

/// The time in which the credits of a referrer are counted.
const VELOCITY_WINDOW: Duration = Duration::from_hours(24);

/// What a visitor's landing cookies say.
#[derive(Clone, Debug, Default)]
pub struct LandingCookies {
    /// The referral code of the cookie `ref_code`.
    pub ref_code: Option<RefCode>,
    /// The first touch, of the cookie `whence_touch`.
    pub first_touch: Option<FirstTouch>,
    /// What else is on record of the first touch, when the client said it itself.
    pub said: Option<SaidTouch>,
}

/// What is on record of a first touch that a client said itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaidTouch {
    /// The creator whose page it was.
    pub creator_id: Option<UserId>,
    /// Whether the client said a page.
    pub has_page: bool,
}

/// The user that an attempt is about.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The id of the user.
    pub user_id: UserId,
    /// The e-mail address of the user.
    pub email: &'a EmailAddress,
    /// The client that the user uses now.
    pub client: &'a Client,
    /// The country of the request.
    pub country: Option<Country>,
}

/// Why a code could not be looked up.
#[derive(Debug, thiserror::Error)]
enum LookupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    ReadDb(#[from] QueryError),
}

impl App {
    /// Returns the attribution snapshot of a user who registers now: all that was known at the first
    /// touch inside the window, nulls included.
    pub(crate) async fn attribution_snapshot(
        &self,
        landing: &LandingCookies,
        device_class: Option<DeviceClass>,
        country: Option<Country>,
        now: Timestamp,
    ) -> AttributionCaptured {
        let window = self.config.referrals.window.length();
        let said = landing.said.filter(|_| landing.first_touch.is_some());
        let touch =
            landing.first_touch.as_ref().filter(|touch| now.since(touch.touched_at) <= window);
        let detail = self.config.landing.referrer_detail;
        let touch = touch.map(|touch| touch.clone().cleaned(detail));
        let touch = touch.as_ref();
        let creator = match touch.and_then(|touch| touch.creator.as_ref()) {
            Some(handle) => self.creator(handle).await,
            None => said.filter(|_| touch.is_some()).and_then(|said| said.creator_id),
        };
        let page = touch.filter(|_| said.is_none_or(|said| said.has_page));
        let utm = touch.map(|touch| touch.utm.clone()).unwrap_or_default();
        AttributionCaptured {
            first_referrer_url: touch
                .and_then(|touch| touch.referrer_url.clone())
                .map(whence_events::Pii::Clear),
            referrer_domain: touch
                .and_then(|touch| touch.referrer_url.as_deref())
                .and_then(registrable_domain),
            referrer_site: touch
                .and_then(|touch| touch.referrer_url.as_deref())
                .and_then(source_entry),
            first_landing_page: page.map(|touch| touch.landing_page.clone()),
            utm_source: utm.source,
            utm_medium: utm.medium,
            utm_campaign: utm.campaign,
            utm_term: utm.term,
            utm_content: utm.content,
            click_ids: touch.map(|touch| touch.click_ids.clone()).unwrap_or_default(),
            acquired_via_creator_id: creator,
            registration_device: device_class,
            registration_country: country,
            touch_id: touch.map(|touch| touch.touch_id),
            touched_at: touch.map(|touch| touch.touched_at),
            consent: touch.map_or(Consent::Unknown, |touch| touch.consent),
            rules_version: RULES_VERSION,
            said_by_client: said.is_some() && touch.is_some(),
        }
    }

    /// Returns an attempt to attribute, with all the facts that it is decided on.
    pub(crate) async fn attempt(
        &self,
        candidate: Candidate<'_>,
        cookies: &LandingCookies,
        via: Via,
        now: Timestamp,
    ) -> Attempt {
        let lookup = match cookies.ref_code.as_ref().and_then(RefCode::code) {
            None => CodeLookup::Unknown,
            Some(code) => self.look_up(code, candidate, now).await.unwrap_or_else(|error| {
                tracing::error!(error = %with_causes(&error), "a referral code could not be looked up");
                CodeLookup::Failed
            }),
        };
        let planted = cookies.ref_code.as_ref().and_then(RefCode::planted);
        let bot_touch = match planted {
            Some(planted) => self.is_of_bot(planted.touch_id).await,
            None => false,
        };
        let touch = cookies.first_touch.as_ref();
        Attempt {
            now,
            via,
            rules: self.config.referrals.rules.clone(),
            cookie: cookies.ref_code.clone(),
            lookup,
            country: candidate.country,
            touch_country: touch.and_then(|touch| touch.country),
            paid_click: touch
                .is_some_and(|touch| touch.click_ids.keys().any(|name| is_paid_click(name))),
            bot_touch,
            disposable_email: self.is_disposable(candidate.email),
        }
    }

    /// Decides a referral that could not be decided when it came.
    pub(super) async fn decide_again(
        &self,
        referral: &UndecidedReferral,
    ) -> Result<(), StoreError> {
        let user_id = referral.user_id;
        let stream = StreamId::User(user_id);
        let user = self.engine.handler.recent::<User>(&stream).await?.state;
        let Some(account) = &user.account else { return Ok(()) };
        let (email, device) = self.open_account(&stream, account).await?;
        let (Some(email), client) = (email, device.unwrap_or_default()) else { return Ok(()) };
        let code = referral.code.clone();
        let ref_code = match (referral.touched_at, referral.touch_id) {
            (Some(touched_at), Some(touch_id)) => {
                RefCode::Signed(PlantedCode { code, touched_at, touch_id })
            }
            _ => RefCode::Bare(code),
        };
        let cookies = LandingCookies { ref_code: Some(ref_code), ..LandingCookies::default() };
        let candidate =
            Candidate { user_id, email: &email, client: &client, country: account.last_country };
        // As of then: the user must not lose by the time that the decision took.
        let attempt = self.attempt(candidate, &cookies, referral.via, referral.refused_at).await;
        let command = UserCommand::AttributeReferral { user_id, attempt: Box::new(attempt) };
        match self.run_user(user_id, &command, &Context::of_system(None)).await {
            Err(HandleError::Store(error)) => Err(error),
            Ok(_) | Err(HandleError::Rejected(_)) => Ok(()),
        }
    }

    /// Returns whether a bot made a touch. One that is not on record is nobody's: it is a signal, and
    /// no decision waits or fails for it.
    async fn is_of_bot(&self, touch: TouchId) -> bool {
        match self.engine.handler.load::<TouchStream>(&StreamId::Touch(touch)).await {
            Ok(stream) => stream.state.bot,
            Err(error) => {
                tracing::warn!(error = %with_causes(&error), "a touch could not be looked up");
                false
            }
        }
    }

    /// Returns what is known of a code and its owner with regard to a candidate.
    async fn look_up(
        &self,
        code: &ReferralCode,
        candidate: Candidate<'_>,
        now: Timestamp,
    ) -> Result<CodeLookup, LookupError> {
        let Some(CodeOwner { user_id: owner, user, issued }) = self.code_owner(code).await? else {
            return Ok(CodeLookup::Unknown);
        };
        let stream = StreamId::User(owner);
        let (email, device) = match &user.account {
            Some(account) => self.open_account(&stream, account).await?,
            None => (None, None),
        };
        let same_ip =
            device.as_ref().is_some_and(|d| d.ip.is_some() && d.ip == candidate.client.ip);
        let same_agent =
            device.as_ref().is_some_and(|d| d.user_agent == candidate.client.user_agent);
        Ok(CodeLookup::Found(CodeFacts {
            code: issued.code,
            kind: issued.kind,
            owner,
            issued_at: issued.issued_at,
            disabled_at: issued.disabled_at,
            blocked: user.is_blocked(code),
            owner_eligible: user.is_active(),
            same_person: email.is_some_and(|email| email.person() == candidate.email.person()),
            user_is_ancestor: self.is_ancestor(candidate.user_id, &user).await?,
            same_network: device.as_ref().is_some_and(|d| same_network(d, candidate.client)),
            same_ip_and_ua: same_ip && same_agent,
            credited_today: self
                .engine
                .read_db
                .credited_since(owner, now - VELOCITY_WINDOW)
                .await?,
        }))
    }

    /// Opens the address and the last device of an account; `None` for what is erased.
    async fn open_account(
        &self,
        stream: &StreamId,
        account: &Account,
    ) -> Result<(Option<EmailAddress>, Option<Client>), StoreError> {
        let email =
            self.engine.vault.open(stream, account.email_version, "email", &account.email).await?;
        let device = match &account.last_device {
            Some((device, version)) => {
                self.engine.vault.open(stream, *version, "device", device).await?
            }
            None => None,
        };
        Ok((email, device))
    }

    /// Returns whether `ancestor` referred the user, directly or through others.
    async fn is_ancestor(&self, ancestor: UserId, user: &User) -> Result<bool, StoreError> {
        let mut referrer = user.referrer;
        for _ in 0..MAX_ANCESTORS {
            match referrer {
                None => return Ok(false),
                Some(id) if id == ancestor => return Ok(true),
                Some(id) => {
                    let stream = StreamId::User(id);
                    let has_referrer = |user: &User| user.referrer.is_some();
                    referrer = self.engine.handler.settled(&stream, has_referrer).await?.referrer;
                }
            }
        }
        Ok(false)
    }

    /// Returns whether an address is of a disposable mail domain, or of a subdomain of one.
    fn is_disposable(&self, email: &EmailAddress) -> bool {
        let domains = &self.config.referrals.disposable_domains;
        let listed = |domain: &str| domains.binary_search_by(|d| d.as_str().cmp(domain)).is_ok();
        let domain = email.domain();
        listed(domain) || domain.match_indices('.').any(|(dot, _)| listed(&domain[dot + 1..]))
    }
}

/// Returns whether two clients are in the same IPv4 /24 or IPv6 /48.
fn same_network(a: &Client, b: &Client) -> bool {
    use std::net::IpAddr::{V4, V6};
    match (a.ip, b.ip) {
        (Some(V4(a)), Some(V4(b))) => a.octets()[..3] == b.octets()[..3],
        (Some(V6(a)), Some(V6(b))) => a.segments()[..3] == b.segments()[..3],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use whence_projections::report::telling_parameters;

    use crate::domain::touch::KEPT;

    #[test]
    fn every_parameter_that_tells_a_source_is_kept() {
        for name in telling_parameters() {
            assert!(KEPT.contains(&name), "{name}");
        }
    }
}
