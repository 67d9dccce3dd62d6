//! Fills a log with users and sessions through the library, without logins over HTTP.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use whence::domain::user::{SESSION_IDLE, SESSION_MAX};
use whence::engine::vault::Vault;
use whence::infra::random;
use whence::infra::tokens::SessionToken;
use whence::store::{Append, EventStore, NewEvent};
use whence_events::{
    Actor, AttributionCaptured, ClickIds, Client, CodeKind, CodeVerified, Consent, DeviceClass,
    EmailAddress, Event, LoginStarted, Mac, MailboxClaimed, MailboxEvent, Metadata, NameEvent,
    NameReserved, Pii, Provider, ReferralCode, ReferralCodeIssued, SessionKind, SessionOpened,
    StreamId, SubscriptionProvisioned, Timestamp, UserEvent, UserId, UserRegistered,
    WelcomeEmailSent,
};

use crate::service::Log;

/// The number of appends in flight: enough for a few full transactions.
const IN_FLIGHT: usize = 2048;

/// The number of events of a user whose login and onboarding are recorded.
pub(crate) const EVENTS_OF_LOGIN: usize = 10;

/// The number of events of a user whose onboarding alone is recorded.
pub(crate) const EVENTS_OF_USER: usize = 6;

/// The text of a session token.
pub(crate) type TokenText = [u8; 64];

/// The `User-Agent` header of a browser.
pub(crate) const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Appends `users` users, `logins` of them with the events of their login; returns their tokens.
pub(crate) async fn seed(log: &Log, users: usize, logins: usize) -> anyhow::Result<Vec<TokenText>> {
    let vault = Vault::new(log.store.clone(), log.keys.wrapping.clone());
    let seeder = Seeder { log, store: log.store.clone(), vault };
    let one = |number| seeder.user(number, number < logins);
    futures::stream::iter(0..users).map(one).buffer_unordered(IN_FLIGHT).try_collect().await
}

/// Returns the address of a user.
pub(crate) fn address(number: usize) -> String {
    format!("seed{number:0>6}@users.example.com")
}

struct Seeder<'a> {
    log: &'a Log,
    store: Arc<dyn EventStore>,
    vault: Vault,
}

impl Seeder<'_> {
    async fn user(&self, number: usize, login: bool) -> anyhow::Result<TokenText> {
        let email = EmailAddress::parse(&address(number))?;
        let client = Client {
            ip: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            user_agent: Some(USER_AGENT.to_owned()),
        };
        let (user_id, token) = (random::new_user_id(), SessionToken::generate());
        let now = self.log.clock.now();
        if login {
            let mailbox = StreamId::Mailbox(self.log.keys.email_key(&email));
            self.append(mailbox, login_events(user_id, &email, &client, now)).await?;
        }
        // Two of a million random codes may well be equal.
        let code: ReferralCode = format!("{number:08}").parse()?;
        let mut events = registration_events(&self.log.keys, &email, client, &token, now);
        events.extend([
            ReferralCodeIssued { code: code.clone(), kind: CodeKind::Primary }.into(),
            SubscriptionProvisioned { plan: "free".to_owned() }.into(),
            WelcomeEmailSent { attempt: 1 }.into(),
        ]);
        self.append(StreamId::User(user_id), events).await?;
        if login {
            let reserved = NameEvent::from(NameReserved { owner: user_id });
            self.append(StreamId::code(&code), vec![reserved]).await?;
        }
        let mut text = [0; 64];
        text.copy_from_slice(token.to_text().as_bytes());
        Ok(text)
    }

    /// Appends a new stream, sealed as the command loop would seal it.
    async fn append<E: Into<Event>>(&self, stream: StreamId, events: Vec<E>) -> anyhow::Result<()> {
        let (key, new_key) = self.vault.key_for_append(&stream, 0).await?;
        let mut new_events = Vec::with_capacity(events.len());
        let mut any_sealed = false;
        for (event, version) in events.into_iter().zip(0..) {
            let mut event = event.into();
            key.seal(&stream, version, &mut event);
            event.visit_pii(&mut |_, _| any_sealed = true);
            let metadata = Metadata {
                occurred_at: self.log.clock.now(),
                correlation_id: random::new_correlation_id(),
                causation_id: None,
                actor: Actor::Owner,
            };
            new_events.push(NewEvent::new(random::new_event_id(), event, metadata)?);
        }
        let new_key = new_key.filter(|_| any_sealed);
        let append = Append { stream, expected_length: 0, events: new_events, new_key };
        self.store.append(append).await?;
        Ok(())
    }
}

fn login_events(
    user_id: UserId,
    email: &EmailAddress,
    client: &Client,
    now: Timestamp,
) -> Vec<MailboxEvent> {
    let request_id = random::new_request_id();
    vec![
        LoginStarted {
            request_id,
            email: Pii::Clear(email.clone()),
            code_mac: Mac(random::random_bytes()),
            expires_at: now + whence::domain::mailbox::CODE_LIFETIME,
            known_device: false,
            client: Pii::Clear(client.clone()),
            device_id: None,
            network: None,
            change_of: None,
            touch_id: None,
        }
        .into(),
        CodeVerified { request_id, device_id: None, device_class: None }.into(),
        MailboxClaimed { user_id, by_change: false, email: None, reason: None }.into(),
    ]
}

fn registration_events(
    keys: &whence::infra::keys::Keys,
    email: &EmailAddress,
    client: Client,
    token: &SessionToken,
    now: Timestamp,
) -> Vec<UserEvent> {
    vec![
        UserRegistered {
            email: Pii::Clear(email.clone()),
            email_key: keys.email_key(email),
            display_name: None,
            provider: Provider::Email,
        }
        .into(),
        AttributionCaptured {
            first_referrer_url: None,
            referrer_domain: None,
            first_landing_page: None,
            utm_source: None,
            utm_medium: None,
            utm_campaign: None,
            utm_term: None,
            utm_content: None,
            click_ids: ClickIds::default(),
            acquired_via_creator_id: None,
            registration_device: Some(DeviceClass::Desktop),
            registration_country: None,
            touch_id: None,
            touched_at: None,
            consent: Consent::Unknown,
            rules_version: 1,
            referrer_site: None,
            said_by_client: false,
        }
        .into(),
        SessionOpened {
            session_id: token.id,
            token_hash: token.hash(),
            kind: SessionKind::Cookie,
            expires_at: now + SESSION_IDLE,
            absolute_expires_at: now + SESSION_MAX,
            device: Pii::Clear(client),
            device_class: Some(DeviceClass::Desktop),
            country: None,
        }
        .into(),
    ]
}
