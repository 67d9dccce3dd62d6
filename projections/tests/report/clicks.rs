//! The views of landings and logins against plain loops.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use whence_events::*;
use whence_projections::report::View;

use crate::plain::*;
use whence_test_histories::{history, steps};

/// What is counted of one row.
#[derive(Default)]
struct Counted {
    landings: Vec<TouchRecorded>,
    signups: u64,
    attributed: u64,
}

type Counts = BTreeMap<Text, Counted>;

impl Counted {
    fn clicks(&self) -> u64 {
        self.landings.iter().filter(|touch| !touch.deduplicated).count() as u64
    }

    /// Landings, clicks and visitors.
    fn of_landings(&self) -> [Text; 3] {
        let known: BTreeSet<_> = self.landings.iter().filter_map(|t| t.first_touch_id).collect();
        let unknown =
            |touch: &&TouchRecorded| touch.first_touch_id.is_none() && !touch.deduplicated;
        let visitors = known.len() + self.landings.iter().filter(unknown).count();
        [self.landings.len() as u64, self.clicks(), visitors as u64].map(count)
    }
}

fn with_rates(counts: Counts) -> Rows {
    let row = |(key, counted): (Text, Counted)| {
        let [landings, clicks, visitors] = counted.of_landings();
        let rate = ratio(counted.signups, counted.clicks());
        let (signups, attributed) = (count(counted.signups), count(counted.attributed));
        (vec![key], vec![clicks, signups, attributed, rate, landings, visitors])
    };
    counts.into_iter().map(row).collect()
}

/// Landings of people inside of the time that is asked for.
fn landings(events: &[Recorded], ask: Ask) -> impl Iterator<Item = TouchRecorded> {
    let touches = touches(events).filter(move |(_, touch, at)| ask.covers(*at) && !touch.bot);
    touches.map(|(_, touch, _)| touch)
}

fn signups(events: &[Recorded], ask: Ask) -> impl Iterator<Item = Account> {
    accounts(events).into_iter().filter(move |account| ask.covers(account.at))
}

proptest! {
    #[test]
    fn domains_are_what_a_loop_counts(steps in steps(), ask in asks()) {
        let events = history(&steps);
        let mut counts = Counts::new();
        for touch in landings(&events, ask) {
            let none = Some("(none)".to_owned());
            let known = touch.referrer_kind == ReferrerKind::None;
            let domain = if known { none } else { touch.referrer_domain.clone() };
            counts.entry(domain).or_default().landings.push(touch);
        }
        for account in signups(&events, ask) {
            counts.entry(account.domain()).or_default().signups += 1;
        }
        let row = |(key, counted): (Text, Counted)| {
            let [landings, clicks, visitors] = counted.of_landings();
            (vec![key], vec![landings, count(counted.signups), clicks, visitors])
        };
        let expected: Rows = counts.into_iter().map(row).collect();
        let table = table(View::Domains, &events, &ask.asked());
        prop_assert_eq!(rows(&table, 1), expected);
    }

    #[test]
    fn referrers_are_what_a_loop_counts(steps in steps(), ask in asks()) {
        let events = history(&steps);
        let mut counts = Counts::new();
        // Those whose codes only bots came with have a row.
        for (_, touch, at) in touches(&events) {
            if ask.covers(at) && touch.bot && touch.code_status != CodeStatus::None {
                let owner = touch.owner.filter(|_| touch.code_status == CodeStatus::Known);
                counts.entry(owner.map(|id| id.to_string())).or_default();
            }
        }
        for touch in landings(&events, ask) {
            if touch.code_status != CodeStatus::None {
                let owner = touch.owner.filter(|_| touch.code_status == CodeStatus::Known);
                let counted = counts.entry(owner.map(|id| id.to_string())).or_default();
                counted.landings.push(touch);
            }
        }
        for account in signups(&events, ask) {
            if let Some(owner) = account.came_with {
                let counts = counts.entry(owner.map(|id| id.to_string())).or_default();
                counts.signups += 1;
                counts.attributed += u64::from(account.attributed_to.is_some());
            }
        }
        let table = table(View::Referrers, &events, &ask.asked());
        prop_assert_eq!(rows(&table, 1), with_rates(counts));
    }

    #[test]
    fn creators_are_what_a_loop_counts(steps in steps(), ask in asks()) {
        let events = history(&steps);
        let mut counts = Counts::new();
        for touch in landings(&events, ask) {
            if touch.landing_page.starts_with("/creators/") || touch.creator_id.is_some() {
                let counted = counts.entry(touch.creator_id.map(|id| id.to_string())).or_default();
                counted.landings.push(touch);
            }
        }
        for account in signups(&events, ask) {
            let creator = account.origin.acquired_via_creator_id;
            let page = account.origin.first_landing_page.clone().unwrap_or_default();
            if page.starts_with("/creators/") || creator.is_some() {
                let counts = counts.entry(creator.map(|id| id.to_string())).or_default();
                counts.signups += 1;
                counts.attributed += u64::from(creator.is_some() && account.attributed_to == creator);
            }
        }
        let table = table(View::Creators, &events, &ask.asked());
        prop_assert_eq!(rows(&table, 1), with_rates(counts));
    }

    #[test]
    fn the_funnel_is_what_a_loop_counts(steps in steps(), ask in asks()) {
        let events = history(&steps);
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let within = |recorded: &&Recorded| ask.covers(recorded.metadata.occurred_at);
        for recorded in events.iter().filter(within) {
            for stage in stages(&events, recorded) {
                *counts.entry(stage).or_default() += 1;
            }
        }
        let table = table(View::Funnel, &events, &ask.asked());
        // Every stage has its row, also where nothing happened.
        prop_assert_eq!(table.rows.len(), 6 + Refusal::ALL.len() + 3 + DeliveryFailure::ALL.len() + 4);
        let way = ["landing", "code_requested", "delivered", "verified", "registered", "attributed"];
        for (row, at) in table.rows.iter().zip(0..) {
            let stage = row[0].to_text().unwrap();
            let of = |stage: &str| counts.get(stage).copied().unwrap_or(0);
            prop_assert_eq!(row[1].to_text(), count(of(&stage)), "{}", stage);
            let previous = if (1..6).contains(&at) { of(way[at - 1]) } else { 0 };
            prop_assert_eq!(row[2].to_text(), ratio(of(&stage), previous), "{}", stage);
            counts.remove(&stage).filter(|_| at >= 6);
            if at < 6 {
                prop_assert_eq!(&stage, way[at]);
            }
            counts.extend((at < 5).then(|| (stage, row[1].to_text().unwrap().parse().unwrap())));
        }
        counts.retain(|stage, _| !way.contains(&stage.as_str()));
        prop_assert!(counts.is_empty(), "stages without a row: {:?}", counts);
    }
}

/// The stages of the funnel that an event is.
fn stages(events: &[Recorded], recorded: &Recorded) -> Vec<String> {
    let one = |stage: &str| vec![stage.to_owned()];
    match &recorded.event {
        Event::Touch(event) => match (event.touch().bot, event.touch().deduplicated) {
            (true, _) => one("landing of a bot"),
            (_, true) => vec!["landing".into(), "landing again within the hour".into()],
            _ => one("landing"),
        },
        Event::User(event) => match &**event {
            UserEvent::UserRegistered(_) => one("registered"),
            UserEvent::ReferralAttributed(_) => one("attributed"),
            UserEvent::ReferralRefused(event) => one(&format!("refused: {}", event.reason)),
            _ => vec![],
        },
        Event::Mailbox(event) => match event {
            MailboxEvent::LoginStarted(event) if failed(events, event.request_id) => {
                one("code_requested")
            }
            MailboxEvent::LoginStarted(_) => vec!["code_requested".into(), "delivered".into()],
            MailboxEvent::LoginThrottled(_) => one("login throttled"),
            MailboxEvent::CodeDeliveryFailed(event) => {
                one(&format!("delivery failed: {}", event.reason))
            }
            MailboxEvent::CodeRejected(_) => one("wrong code"),
            MailboxEvent::LoginLocked(event) if event.request_id.is_some() => one("login locked"),
            MailboxEvent::LoginLocked(_) => one("address locked"),
            MailboxEvent::LoginExpired(_) => one("login expired"),
            MailboxEvent::CodeVerified(_) => one("verified"),
            _ => vec![],
        },
        _ => vec![],
    }
}

/// Whether the mail of a login failed, before the login was over.
fn failed(events: &[Recorded], request_id: RequestId) -> bool {
    for recorded in events {
        match &recorded.event {
            Event::Mailbox(MailboxEvent::CodeDeliveryFailed(event))
                if event.request_id == request_id =>
            {
                return true;
            }
            Event::Mailbox(
                MailboxEvent::CodeVerified(CodeVerified { request_id: over, .. })
                | MailboxEvent::LoginExpired(LoginExpired { request_id: over }),
            ) if *over == request_id => {
                return false;
            }
            _ => {}
        }
    }
    false
}
