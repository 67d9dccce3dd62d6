//! Whence they came: the snapshot, the referral edges, codes and clicks.

use whence_events::{
    CodeStatus, Country, DeviceClass, Event, Pii, Recorded, ReferralCode, StreamId, Timestamp,
    UserEvent, UserId,
};

use crate::Projector;
use crate::change::Change;

/// The attribution snapshot of a user. Immutable, but for the referral that may come once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Who referred them.
    pub referred_by: Option<UserId>,
    /// By which code, as issued.
    pub referral_code: Option<String>,
    /// Sealed, in event 1 of the user.
    pub first_referrer_url: Option<Pii<String>>,
    /// Path.
    pub first_landing_page: Option<String>,
    /// The creator on whose page they landed first.
    pub acquired_via_creator_id: Option<UserId>,
    /// Of the first touch.
    pub utm_source: Option<String>,
    /// Of the first touch.
    pub utm_medium: Option<String>,
    /// Of the first touch.
    pub utm_campaign: Option<String>,
    /// Of the first touch.
    pub utm_term: Option<String>,
    /// Of the first touch.
    pub utm_content: Option<String>,
    /// Kind of device.
    pub registration_device: Option<DeviceClass>,
    /// Country.
    pub registration_country: Option<Country>,
    /// When they registered.
    pub created_at: Timestamp,
    /// Whether a referral of theirs is still to be decided.
    pub undecided: bool,
}

/// A user as a referrer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferralOverview {
    /// The code whence made.
    pub primary_code: Option<String>,
    /// The newest code they chose that is in use.
    pub custom_slug: Option<String>,
    /// Whom they brought.
    pub invitees: u64,
    /// How often their links were followed.
    pub clicks: u64,
    /// Who brought them.
    pub inviter: Option<UserId>,
    /// When that was decided.
    pub attributed_at: Option<Timestamp>,
}

/// Somebody whom a user brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitee {
    /// Who.
    pub user_id: UserId,
    /// How they want to be called, sealed, and in which event of theirs.
    pub display_name: Option<(Pii<String>, u64)>,
    /// When they registered.
    pub signed_at: Timestamp,
}

/// The projector.
pub(crate) struct Attribution;

impl Projector for Attribution {
    fn name(&self) -> &'static str {
        "attribution"
    }

    fn version(&self) -> u32 {
        2
    }

    fn tables(&self) -> &'static [&'static str] {
        &["attributions", "referral_codes", "clicks", "visitor_touches"]
    }

    fn project(&self, recorded: &Recorded, changes: &mut Vec<Change>) {
        let at = recorded.metadata.occurred_at;
        match (&recorded.stream, &recorded.event) {
            (StreamId::User(user_id), Event::User(event)) => {
                changes.extend(user_change(*user_id, event, at));
            }
            (stream, Event::Touch(touch)) => {
                let touch = touch.touch();
                if let (StreamId::Touch(touch_id), Some(first)) = (stream, touch.first_touch_id)
                    && first != *touch_id
                {
                    let touch_id = *touch_id;
                    changes.push(Change::VisitorReturned { first_touch_id: first, touch_id });
                }
                let counts = touch.code_status == CodeStatus::Known;
                if let Some(owner) = touch.owner
                    && counts
                    && !touch.bot
                    && !touch.deduplicated
                {
                    changes.push(Change::Clicked { owner });
                }
            }
            _ => {}
        }
    }
}

fn user_change(user_id: UserId, event: &UserEvent, at: Timestamp) -> Option<Change> {
    match event {
        UserEvent::AttributionCapturedV1(_) | UserEvent::AttributionCaptured(_) => {
            let origin = Box::new(event.snapshot()?.into_owned());
            Some(Change::OriginAdded { user_id, origin, at })
        }
        UserEvent::ReferralAttributed(referral) => Some(Change::Referred {
            user_id,
            referrer_id: referral.referrer_id,
            code: referral.code.clone(),
            at,
        }),
        UserEvent::ReferralCodeIssued(issued) => Some(Change::CodeAdded {
            code: issued.code.clone(),
            kind: issued.kind,
            owner: user_id,
            at,
        }),
        UserEvent::ReferralCodeDisabled(disabled) => {
            Some(Change::CodeDisabled { code: ReferralCode::clone(&disabled.code), at })
        }
        UserEvent::UserErased(_) => Some(Change::OriginRemoved { user_id }),
        UserEvent::UserRegistered(_)
        | UserEvent::ReferralRefused(_)
        | UserEvent::SessionOpened(_)
        | UserEvent::SessionExtended(_)
        | UserEvent::RefreshRotated(_)
        | UserEvent::SessionRevoked(_)
        | UserEvent::SubscriptionProvisioned(_)
        | UserEvent::WelcomeEmailSent(_)
        | UserEvent::WelcomeEmailFailed(_)
        | UserEvent::ProfileUpdated(_)
        | UserEvent::CreatorHandleClaimed(_)
        | UserEvent::BillingCustomerLinked(_) => None,
    }
}
