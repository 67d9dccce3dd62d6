//! A landing of a user's browser, as the user sees it.

use serde::Serialize;
use whence_events::{
    ClickIds, Country, DeviceClass, Event, Pii, Recorded, StreamId, Timestamp, TouchId, UserId, Utm,
};

/// A landing that is on record.
#[derive(Debug, Serialize)]
pub struct OwnLanding {
    /// The id of the landing.
    pub id: Option<TouchId>,
    /// The time of the landing.
    pub at: Timestamp,
    /// The page.
    pub landing_page: String,
    /// The page that the link was on.
    pub referrer_url: Option<String>,
    /// The site that the link was on.
    pub referrer_domain: Option<String>,
    /// The referral code of the link.
    pub code: Option<String>,
    /// The creator whose page it was.
    pub creator_id: Option<UserId>,
    /// The campaign parameters of the link.
    pub utm: Utm,
    /// The click ids of the link.
    pub click_ids: ClickIds,
    /// The kind of device.
    pub device: Option<DeviceClass>,
    /// The country of the IP address.
    pub country: Option<Country>,
    /// What the browser said about itself.
    pub user_agent: Option<String>,
    /// Whether it counted as the landing of a bot.
    pub bot: bool,
}

impl OwnLanding {
    /// Returns the landing of an event, whose personal data is in clear; `None`: it is another kind of
    /// event.
    pub(super) fn of(recorded: &Recorded) -> Option<Self> {
        let Event::Touch(event) = &recorded.event else { return None };
        let touch = event.touch();
        let id = if let StreamId::Touch(id) = recorded.stream { Some(id) } else { None };
        let clear = |field: &Option<Pii<String>>| field.as_ref().and_then(Pii::clear).cloned();
        Some(Self {
            id,
            at: recorded.metadata.occurred_at,
            landing_page: touch.landing_page.clone(),
            referrer_url: clear(&touch.referrer_url),
            referrer_domain: touch.referrer_domain.clone(),
            code: touch.code.as_ref().map(|code| code.as_str().to_owned()),
            creator_id: touch.creator_id,
            utm: touch.utm.clone(),
            click_ids: touch.click_ids.clone(),
            device: touch.device_class,
            country: touch.country,
            user_agent: clear(&touch.agent),
            bot: touch.bot,
        })
    }
}
