//! Everything that is on record about a user, for that user: to be read and taken along (GDPR,
//! articles 15 and 20).
//!
//! It is told from the events themselves. What only proves something (hashes, MACs, keys) is left out,
//! and so is what is about others: the addresses of those whom the user referred, the names of
//! operators, the networks that strangers asked for codes from, and the signals by which abuse is
//! noticed.

mod account;
mod landing;

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{
    Actor, DeviceClass, Event, MailboxEvent, Recorded, ReferralCode, StreamId, Timestamp, UserId,
};

pub use self::account::OwnSession;
use self::account::{
    Account, OwnAccount, OwnAddress, OwnCode, OwnDecision, OwnHandle, OwnName, OwnOrigin,
};
pub use self::landing::OwnLanding;
use super::error::AuditError;
use super::personal::Show;
use super::sentences;
use super::user::touches;
use crate::engine::Engine;
use crate::store::StoreError;

/// The users that were referred who are listed; the call for them has all.
const MAX_REFERRED: u64 = 1000;

/// Everything that is on record about a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnData {
    /// The time at which it was read.
    pub exported_at: Timestamp,
    /// The name of the site.
    pub site: String,
    /// The account as it is now.
    pub account: OwnAccount,
    /// The names and pictures that the user chose, in order.
    pub names: Vec<OwnName>,
    /// The addresses of the account, in order.
    pub addresses: Vec<OwnAddress>,
    /// The sessions, in order, also those that are over.
    pub sessions: Vec<OwnSession>,
    /// The devices that the address knows.
    pub devices: Vec<OwnDevice>,
    /// Where the user came from, as it was frozen when they registered.
    pub origin: Option<OwnOrigin>,
    /// What was decided about who referred the user.
    pub referral_decisions: Vec<OwnDecision>,
    /// The landings of the user's browser that are on record.
    pub landings: Vec<OwnLanding>,
    /// The referral codes.
    pub referral_codes: Vec<OwnCode>,
    /// The creator handles.
    pub handles: Vec<OwnHandle>,
    /// The number of users whom the user referred.
    pub referred_users_total: u64,
    /// These users, the newest first; at most 1000.
    pub referred_users: Vec<ReferredUser>,
    /// Everything that happened, in order, in words.
    pub timeline: Vec<OwnEvent>,
}

/// A device that the address of the user knows.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnDevice {
    /// The id of the device, by which it can be forgotten.
    pub id: String,
    /// The kind of device.
    pub device: Option<DeviceClass>,
    /// The time of the first login on it.
    pub first_login_at: Timestamp,
    /// The time of the last login on it.
    pub last_login_at: Timestamp,
}

/// A user who was referred by this one.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferredUser {
    /// The id of that user.
    pub user_id: UserId,
    /// The time at which they registered.
    pub signed_at: Timestamp,
}

/// Something that happened, in words.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnEvent {
    /// The time at which it happened.
    pub at: Timestamp,
    /// On whose behalf it happened.
    pub by: &'static str,
    /// The kind of event.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What happened.
    pub text: String,
    #[serde(skip)]
    position: whence_events::Position,
}

impl OwnData {
    pub(super) async fn of(
        engine: &Engine,
        user_id: UserId,
        site: &str,
        now: Timestamp,
    ) -> Result<Self, AuditError> {
        let own = opened(engine, engine.stream(&StreamId::User(user_id)).await?).await?;
        let account = Account::of(&own);
        let shown = account.shown(user_id).ok_or(AuditError::NoSuchUser)?;
        let mut timeline = lines(&own, Show::Open);
        let touches = touches(engine, &account.touches).await?;
        let touches = opened(engine, touches).await?;
        timeline.extend(lines(&touches, Show::Open));
        let mut devices = vec![];
        for email_key in &account.email_keys {
            let stream = StreamId::Mailbox(*email_key);
            let part = part_of(engine.stream(&stream).await?, user_id);
            // Masked: anybody can ask for a code for an address, and their network is theirs.
            timeline.extend(lines(&opened(engine, part).await?, Show::Masked));
            let mailbox = engine.mailbox(*email_key).await?;
            if mailbox.owner == Some(user_id) {
                devices.extend(mailbox.devices().into_iter().map(|device| OwnDevice {
                    id: device.id.to_string(),
                    device: device.class,
                    first_login_at: device.first_login,
                    last_login_at: device.last_login,
                }));
            }
        }
        for name in account.names_taken() {
            timeline.extend(lines(&engine.stream(&name).await?, Show::Open));
        }
        timeline.sort_by_key(|event| event.position);
        let overview = engine.read_db.referral_overview(user_id).await?;
        let referred = engine.read_db.invitees(user_id, MAX_REFERRED, 0).await?;
        let referred = referred
            .into_iter()
            .map(|user| ReferredUser { user_id: user.user_id, signed_at: user.signed_at });
        Ok(Self {
            exported_at: now,
            site: site.to_owned(),
            account: shown,
            names: account.names,
            addresses: account.addresses,
            sessions: account.sessions,
            devices,
            origin: account.origin,
            referral_decisions: account.decisions,
            landings: touches.iter().filter_map(OwnLanding::of).collect(),
            referral_codes: account.codes,
            handles: account.handles,
            referred_users_total: overview.invitees,
            referred_users: referred.collect(),
            timeline,
        })
    }
}

/// Returns events with their personal data in clear, as far as it can be read.
async fn opened(engine: &Engine, mut events: Vec<Recorded>) -> Result<Vec<Recorded>, StoreError> {
    for recorded in &mut events {
        let (stream, version) = (&recorded.stream, recorded.version);
        engine.vault.open_event(stream, version, &mut recorded.event).await?;
    }
    Ok(events)
}

/// Returns events in words.
fn lines(events: &[Recorded], show: Show) -> Vec<OwnEvent> {
    let line = |recorded: &Recorded| OwnEvent {
        at: recorded.metadata.occurred_at,
        by: actor(&recorded.metadata.actor),
        event_type: recorded.event.event_type().to_owned(),
        text: sentences::at(&recorded.stream, &recorded.event, show),
        position: recorded.position,
    };
    events.iter().map(line).collect()
}

/// Returns on whose behalf something happened. Which operator it was is not about the user.
fn actor(actor: &Actor) -> &'static str {
    match actor {
        Actor::Visitor => "a visitor who was not logged in",
        Actor::Owner => "you",
        Actor::System => "the service",
        Actor::Operator(_) => "an operator",
        Actor::ApiKey(_) => "another service of the site",
    }
}

/// Returns the part of an address's history in which it was this user's, and what came right before
/// that and led to it. What others did with the address before or after is theirs.
fn part_of(mailbox: Vec<Recorded>, user_id: UserId) -> Vec<Recorded> {
    let (mut part, mut before, mut own) = (vec![], vec![], false);
    for recorded in mailbox {
        let Event::Mailbox(event) = &recorded.event else { continue };
        let claim =
            if let MailboxEvent::MailboxClaimed(claim) = event { Some(claim) } else { None };
        let claimed_by = claim.map(|claim| claim.user_id);
        let ends = matches!(
            event,
            MailboxEvent::MailboxReleased(_)
                | MailboxEvent::MailboxForgotten(_)
                | MailboxEvent::MailboxMoved(_)
        );
        match claimed_by {
            Some(owner) if owner == user_id => {
                own = true;
                // What led to it, when an operator moved the account here, is not in this stream.
                if claim.is_some_and(|claim| claim.reason.is_some()) {
                    before.clear();
                }
                part.append(&mut before);
            }
            Some(_) => own = false,
            None => {}
        }
        if own {
            part.push(recorded);
        } else if claimed_by.is_none() && !ends {
            before.push(recorded);
        }
        if ends || claimed_by.is_some() {
            own &= !ends;
            before.clear();
        }
    }
    part
}

impl Account {
    /// Returns the streams of the names that the user has.
    fn names_taken(&self) -> HashSet<StreamId> {
        let codes = self.codes.iter().map(|code| &code.code);
        let codes = codes.filter_map(|code| code.parse::<ReferralCode>().ok());
        codes.map(|code| StreamId::code(&code)).collect()
    }
}
