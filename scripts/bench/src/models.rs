//! Measures the view of attribution models: touches folded, and the table of all models made.

use std::time::{Duration, Instant};

use uuid::Uuid;
use whence_events::{
    Actor, AttributionCaptured, ClickIds, CodeStatus, Consent, CorrelationId, EmailKey, Event,
    EventId, Metadata, Pii, Provider, Recorded, ReferrerKind, Sealed, StreamId, Timestamp,
    TouchEvent, TouchId, TouchRecorded, UserEvent, UserId, UserRegistered, Utm,
};
use whence_projections::report::{Query, QueryText, ReportFold, View};

use crate::args::Args;
use crate::numbers::rate;
use crate::report::{Row, Table};

/// How many touches are made and folded at a time, as many as a page of the log has.
const PAGE: usize = 4096;

/// How many touches a visitor has, and how many visitors one account is made of.
const TOUCHES_OF_VISITOR: usize = 4;
const VISITORS_OF_ACCOUNT: usize = 5;

/// Measures the fold of `--touches` landings, and with the table by channel and by campaign.
pub(crate) fn measure(args: &Args) -> anyhow::Result<Table> {
    let mut folded = Row::new("touches folded");
    let mut by_channel = Row::new("the same, and the models by channel");
    let mut by_campaign = Row::new("the same, and the models by campaign, of 1 000");
    for _ in 0..args.rounds {
        let (fold, folding) = fold(args.touches)?;
        folded.add(rate(args.touches, folding));
        for (row, by) in [(&mut by_channel, "channel"), (&mut by_campaign, "campaign")] {
            let begin = Instant::now();
            let by = Some(by.to_owned());
            let query = Query::parse(View::Models, &QueryText { by, ..QueryText::default() })?;
            let table = fold.table(View::Models, &query);
            anyhow::ensure!(!table.rows.is_empty(), "no models");
            row.add(rate(args.touches, folding + begin.elapsed()));
        }
    }
    let title = format!("models of {} touches: touches a second (bar: 1000000)", args.touches);
    let mut table = Table::new(title);
    for row in [folded, by_channel, by_campaign] {
        table.reference(row);
    }
    Ok(table)
}

/// Folds so many touches, and the accounts that come of them; returns how long folding alone took.
fn fold(touches: usize) -> anyhow::Result<(ReportFold, Duration)> {
    let mut fold = ReportFold::new(&[View::Models]);
    let mut folding = Duration::ZERO;
    for begin in (0..touches).step_by(PAGE) {
        let page: Vec<_> = (begin..touches.min(begin + PAGE)).flat_map(events).collect();
        let start = Instant::now();
        fold.apply(&page)?;
        folding += start.elapsed();
    }
    Ok((fold, folding))
}

/// Returns the touch of a number, and an account after the last touch of some visitors.
fn events(number: usize) -> Vec<Recorded> {
    let visitor = number / TOUCHES_OF_VISITOR;
    let id = TouchId(Uuid::from_u128(number as u128 + 1));
    let first = TouchId(Uuid::from_u128((visitor * TOUCHES_OF_VISITOR) as u128 + 1));
    let touch = TouchEvent::from(touch(number, first));
    let mut events = vec![recorded(number, StreamId::Touch(id), Event::Touch(Box::new(touch)))];
    let last = number % TOUCHES_OF_VISITOR == TOUCHES_OF_VISITOR - 1;
    if last && visitor.is_multiple_of(VISITORS_OF_ACCOUNT) {
        let user = StreamId::User(UserId(Uuid::from_u128(number as u128 + 1)));
        let registered = UserRegistered {
            email: Pii::Sealed(Sealed(Box::new([]))),
            email_key: EmailKey([0; 16]),
            display_name: None,
            provider: Provider::Email,
        };
        let captured = captured(number, first);
        for event in [UserEvent::from(registered), UserEvent::from(captured)] {
            events.push(recorded(number, user.clone(), Event::User(Box::new(event))));
        }
    }
    events
}

const SOURCES: [(Option<&str>, Option<&str>, Option<&str>); 6] = [
    (Some("google"), Some("cpc"), Some("google.com")),
    (Some("newsletter"), Some("email"), None),
    (None, None, Some("bing.com")),
    (None, None, None),
    (Some("facebook"), Some("social"), Some("facebook.com")),
    (None, None, Some("news.example.org")),
];

/// Returns where a touch of a number comes from: one after the other in no order that repeats soon.
fn origin(number: usize) -> (Utm, Option<String>) {
    let mixed = number.wrapping_mul(0x9E37_79B9) >> 7;
    let (source, medium, domain) = SOURCES[mixed % SOURCES.len()];
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let campaign = source.map(|_| format!("campaign-{}", mixed % 1000));
    let (source, medium) = (owned(source), owned(medium));
    (Utm { source, medium, campaign, ..Utm::default() }, owned(domain))
}

fn touch(number: usize, first: TouchId) -> TouchRecorded {
    let (utm, referrer_domain) = origin(number);
    TouchRecorded {
        code: None,
        code_status: CodeStatus::None,
        owner: None,
        other_codes: vec![],
        landing_page: format!("/page/{}", number % 50),
        referrer_url: None,
        referrer_kind: if referrer_domain.is_some() {
            ReferrerKind::Foreign
        } else {
            ReferrerKind::None
        },
        referrer_domain,
        referrer_site: None,
        first_touch_id: Some(first),
        utm,
        click_ids: ClickIds::new(),
        creator_id: None,
        device_class: None,
        country: None,
        agent: None,
        bot: false,
        bot_rules_version: 0,
        consent: Consent::Unknown,
        deduplicated: false,
        fetch_site: None,
        said_by_client: false,
    }
}

fn captured(number: usize, first: TouchId) -> AttributionCaptured {
    let begin = number + 1 - TOUCHES_OF_VISITOR;
    let (utm, referrer_domain) = origin(begin);
    AttributionCaptured {
        first_referrer_url: None,
        referrer_domain,
        referrer_site: None,
        first_landing_page: Some("/".to_owned()),
        utm_source: utm.source,
        utm_medium: utm.medium,
        utm_campaign: utm.campaign,
        utm_term: None,
        utm_content: None,
        click_ids: ClickIds::new(),
        acquired_via_creator_id: None,
        registration_device: None,
        registration_country: None,
        touch_id: Some(first),
        touched_at: Some(time(begin)),
        consent: Consent::Unknown,
        rules_version: 1,
        said_by_client: false,
    }
}

fn time(number: usize) -> Timestamp {
    Timestamp::default() + Duration::from_secs(1_772_300_000 + number as u64 * 30)
}

fn recorded(number: usize, stream: StreamId, event: Event) -> Recorded {
    let at = time(number);
    Recorded {
        position: number as u64 + 1,
        stream,
        version: 0,
        event_id: EventId(Uuid::nil()),
        event,
        data: Vec::new().into(),
        metadata: Metadata {
            occurred_at: at,
            correlation_id: CorrelationId(Uuid::nil()),
            causation_id: None,
            actor: Actor::System,
        },
        recorded_at: at,
    }
}
