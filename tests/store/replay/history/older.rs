//! Events in the shapes of earlier versions.

use whence_events::*;

/// The event as an earlier version wrote it, where it has changed since.
pub(crate) fn older(event: &Event) -> Option<Event> {
    match event {
        Event::User(event) => {
            let UserEvent::AttributionCaptured(origin) = event.as_ref() else { return None };
            Some(UserEvent::from(older_origin(origin)).into())
        }
        Event::Touch(event) => {
            let TouchEvent::TouchRecorded(touch) = event.as_ref() else { return None };
            Some(TouchEvent::from(older_touch(touch)).into())
        }
        Event::Mailbox(_)
        | Event::Name(_)
        | Event::Rules(_)
        | Event::Audit(_)
        | Event::ApiKey(_)
        | Event::Unknown { .. } => None,
    }
}

#[expect(clippy::clone_on_copy, reason = "one way for every field")]
fn older_origin(origin: &AttributionCaptured) -> AttributionCapturedV1 {
    AttributionCapturedV1 {
        first_referrer_url: origin.first_referrer_url.clone(),
        first_landing_page: origin.first_landing_page.clone(),
        utm_source: origin.utm_source.clone(),
        utm_medium: origin.utm_medium.clone(),
        utm_campaign: origin.utm_campaign.clone(),
        utm_term: origin.utm_term.clone(),
        utm_content: origin.utm_content.clone(),
        click_ids: origin.click_ids.clone(),
        acquired_via_creator_id: origin.acquired_via_creator_id.clone(),
        registration_device: origin.registration_device.clone(),
        registration_country: origin.registration_country.clone(),
        touch_id: origin.touch_id.clone(),
        touched_at: origin.touched_at.clone(),
        consent: origin.consent.clone(),
        rules_version: origin.rules_version.clone(),
    }
}

#[expect(clippy::clone_on_copy, reason = "one way for every field")]
fn older_touch(touch: &TouchRecorded) -> TouchRecordedV1 {
    TouchRecordedV1 {
        code: touch.code.clone(),
        code_status: touch.code_status.clone(),
        owner: touch.owner.clone(),
        other_codes: touch.other_codes.clone(),
        landing_page: touch.landing_page.clone(),
        referrer_url: touch.referrer_url.clone(),
        referrer_kind: touch.referrer_kind.clone(),
        utm: touch.utm.clone(),
        click_ids: touch.click_ids.clone(),
        creator_id: touch.creator_id.clone(),
        device_class: touch.device_class.clone(),
        country: touch.country.clone(),
        bot: touch.bot.clone(),
        bot_rules_version: touch.bot_rules_version.clone(),
        consent: touch.consent.clone(),
        deduplicated: touch.deduplicated.clone(),
        fetch_site: touch.fetch_site.clone(),
    }
}
