//! The paths of visitors as the log tells them, by a loop.

use std::collections::BTreeSet;

use proptest::prelude::*;
use whence_events::*;
use whence_projections::report::Dimension;

use crate::plain::*;

/// What is told of a touch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    id: Option<TouchId>,
    channel: Text,
    source: Text,
    medium: Text,
    campaign: Text,
    landing_page: Text,
    creator: Text,
}

impl Place {
    pub(crate) fn is_direct(&self) -> bool {
        self.channel.as_deref() == Some("Direct")
    }

    pub(crate) fn value(&self, by: Dimension) -> Text {
        match by {
            Dimension::Channel => self.channel.clone(),
            Dimension::Source => self.source.clone(),
            Dimension::Medium => self.medium.clone(),
            Dimension::Campaign => self.campaign.clone(),
            Dimension::LandingPage => self.landing_page.clone(),
            Dimension::Creator => self.creator.clone(),
            _ => panic!("{by:?} is no dimension of a touch"),
        }
    }
}

/// The dimensions of touches, any of them in any order.
pub(crate) fn dimensions() -> impl Strategy<Value = Vec<Dimension>> {
    let all = vec![
        Dimension::Channel,
        Dimension::Source,
        Dimension::Medium,
        Dimension::Campaign,
        Dimension::LandingPage,
        Dimension::Creator,
    ];
    prop::sample::subsequence(all, 1..=2).prop_shuffle()
}

/// The way of a visitor.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) touches: Vec<(Timestamp, Place)>,
    pub(crate) converted: bool,
}

/// All paths, of those who made an account and of those who did not.
pub(crate) fn paths(events: &[Recorded], ask: Ask) -> Vec<Path> {
    let accounts = accounts(events);
    let of_accounts = accounts.iter().filter(|account| ask.covers(account.at));
    let mut paths: Vec<Path> = of_accounts
        .map(|account| Path { touches: path_of(events, account), converted: true })
        .collect();
    let own = accounts.iter().filter_map(|account| account.origin.touch_id);
    let mut converted: BTreeSet<TouchId> = own.collect();
    for account in &accounts {
        for (touch_id, _) in decisions(events, Some(account.id)) {
            let recorded = clicks(events).find(|(id, ..)| Some(*id) == touch_id);
            converted.extend(recorded.and_then(|(_, touch, _)| touch.first_touch_id));
        }
    }
    let visitors: BTreeSet<TouchId> =
        clicks(events).filter_map(|(_, touch, _)| touch.first_touch_id).collect();
    for visitor in visitors.difference(&converted) {
        let own = clicks(events).filter(|(_, touch, _)| touch.first_touch_id == Some(*visitor));
        let touches: Vec<_> = own.map(|(id, touch, at)| (at, place(events, id, &touch))).collect();
        if ask.covers(touches.iter().map(|(at, _)| *at).max().unwrap()) {
            paths.push(Path { touches, converted: false });
        }
    }
    paths
}

fn clicks(events: &[Recorded]) -> impl Iterator<Item = (TouchId, TouchRecorded, Timestamp)> {
    touches(events).filter(|(_, touch, _)| !touch.bot && !touch.deduplicated)
}

fn path_of(events: &[Recorded], account: &Account) -> Vec<(Timestamp, Place)> {
    let origin = &account.origin;
    let id = origin.touch_id;
    let known = |touch: &TouchRecorded| touch.code_status == CodeStatus::Known;
    let by_record = touches(events).any(|(one, touch, _)| Some(one) == id && known(&touch));
    let by_decision = id.is_some() && decisions(events, None).any(|(one, _)| one == id);
    let channel = if by_record || by_decision { programme() } else { account.first_channel() };
    let first = Place {
        id,
        channel,
        source: origin.utm_source.clone(),
        medium: origin.utm_medium.clone(),
        campaign: origin.utm_campaign.clone(),
        landing_page: origin.first_landing_page.clone(),
        creator: origin.acquired_via_creator_id.map(|id| id.to_string()),
    };
    let mut path: Vec<_> = origin.touched_at.map(|at| (at, first)).into_iter().collect();
    for (touch_id, touch, at) in clicks(events) {
        if touch.first_touch_id.is_some() && touch.first_touch_id == id && Some(touch_id) != id {
            path.push((at, place(events, touch_id, &touch)));
        }
    }
    path.retain(|(at, _)| *at <= account.at);
    let mut own: Vec<_> = decisions(events, Some(account.id)).collect();
    own.sort_by_key(|(_, at)| *at);
    for (touch_id, at) in own.into_iter().filter(|(_, at)| *at <= account.at) {
        let same = |(then, touch): &&mut (Timestamp, Place)| match touch_id {
            Some(_) => touch.id == touch_id,
            None => *then == at && touch.channel == programme(),
        };
        if let Some((_, touch)) = path.iter_mut().find(same) {
            touch.channel = programme();
        } else {
            let place = Place { id: touch_id, channel: programme(), ..Place::default() };
            path.push((at, place));
        }
    }
    path.sort_by_key(|(at, _)| *at);
    if path.is_empty() { vec![(account.at, Place::default())] } else { path }
}

fn programme() -> Text {
    Some("Referral programme".to_owned())
}

/// The touches that decisions about codes were made on, of a user or of all.
fn decisions(
    events: &[Recorded],
    of: Option<UserId>,
) -> impl Iterator<Item = (Option<TouchId>, Timestamp)> {
    events.iter().filter_map(move |recorded| {
        let (StreamId::User(user), Event::User(event)) = (&recorded.stream, &recorded.event) else {
            return None;
        };
        if of.is_some_and(|of| of != *user) {
            return None;
        }
        match &**event {
            UserEvent::ReferralAttributed(event) => Some((event.touch_id, event.touched_at?)),
            UserEvent::ReferralRefused(event) => {
                event.evidence.owner?;
                Some((event.evidence.touch_id, event.evidence.touched_at?))
            }
            _ => None,
        }
    })
}

fn place(events: &[Recorded], id: TouchId, touch: &TouchRecorded) -> Place {
    let old = events.iter().any(|event| {
        event.stream == StreamId::Touch(id) && event.event.event_type() == "TouchRecorded.v1"
    });
    let foreign = touch.referrer_kind == ReferrerKind::Foreign;
    let channel = match touch.code_status {
        CodeStatus::Known => programme(),
        _ => channel_of(
            &touch.utm.source,
            &touch.utm.medium,
            &touch.click_ids,
            &touch.referrer_domain,
            old && foreign,
        ),
    };
    Place {
        id: Some(id),
        channel,
        source: touch.utm.source.clone(),
        medium: touch.utm.medium.clone(),
        campaign: touch.utm.campaign.clone(),
        landing_page: Some(touch.landing_page.clone()),
        creator: touch.creator_id.map(|id| id.to_string()),
    }
}
