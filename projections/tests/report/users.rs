//! The views of accounts against plain loops.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use whence_events::*;
use whence_projections::report::{Note, View};

use crate::plain::*;
use whence_test_histories::{history, steps};

proptest! {
    #[test]
    fn signups_are_what_a_loop_counts(steps in steps(), ask in asks()) {
        let events = history(&steps);
        let mut counts: BTreeMap<Vec<Text>, u64> = BTreeMap::new();
        for account in accounts(&events) {
            if !ask.covers(account.at) {
                continue;
            }
            let origin = &account.origin;
            let key = vec![
                ask.day(account.at),
                origin.utm_source.clone(),
                origin.utm_medium.clone(),
                origin.utm_campaign.clone(),
                account.channel(),
                origin.registration_country.map(|country| country.as_str().to_owned()),
                origin.registration_device.map(|device| device.as_str().to_owned()),
                origin.first_landing_page.clone(),
            ];
            *counts.entry(key).or_default() += 1;
        }
        let expected: Rows = counts.into_iter().map(|(key, n)| (key, vec![count(n)])).collect();
        let table = table(View::Signups, &events, &ask.asked());
        prop_assert_eq!(rows(&table, 8), expected);
    }

    #[test]
    fn times_to_signup_are_what_a_loop_measures(steps in steps(), ask in asks()) {
        let events = history(&steps);
        let mut groups: BTreeMap<Text, (u64, Vec<f64>, u64, u64)> = BTreeMap::new();
        for account in accounts(&events) {
            if !ask.covers(account.at) {
                continue;
            }
            let known = account.origin.touched_at.map(|_| "known".to_owned());
            let (signups, times, windows, late) = groups.entry(known).or_default();
            *signups += 1;
            let Some(touched_at) = account.origin.touched_at else { continue };
            let took = seconds(touched_at, account.at);
            times.push(took);
            if let Some(window) = window_at(&events, &account) {
                *windows += 1;
                *late += u64::from(took >= window * 0.9 && took <= window);
            }
        }
        let row = |(known, (signups, times, windows, late)): (Text, (u64, Vec<f64>, u64, u64))| {
            let [p50, p90, p99] = [50.0, 90.0, 99.0].map(|percent| percentile(&times, percent));
            (vec![known], vec![count(signups), p50, p90, p99, ratio(late, windows)])
        };
        let expected: Rows = groups.into_iter().map(row).collect();
        let table = table(View::TimeToSignup, &events, &ask.asked());
        prop_assert_eq!(rows(&table, 1), expected);
    }

    #[test]
    fn virality_is_what_a_loop_counts(steps in steps(), ask in asks()) {
        let events = history(&steps);
        let accounts = accounts(&events);
        let mut cohorts: BTreeMap<Text, (u64, u64, Vec<f64>)> = BTreeMap::new();
        for account in accounts.iter().filter(|account| ask.covers(account.at)) {
            let invited = accounts.iter().filter(|one| one.attributed_to == Some(account.id));
            let times: Vec<_> = invited.map(|one| seconds(account.at, one.at)).collect();
            let cohort = cohorts.entry(ask.week(account.at)).or_default();
            cohort.0 += 1;
            cohort.1 += u64::from(!times.is_empty());
            cohort.2.extend(times);
        }
        let strangers = accounts.iter().filter(|one| {
            one.attributed_to.is_some_and(|id| !accounts.iter().any(|known| known.id == id))
        });
        let strangers = strangers.count();
        if strangers > 0 && ask.from.is_none() && ask.to.is_none() {
            cohorts.insert(None, (0, 0, vec![0.0; strangers]));
        }
        let row = |(week, (users, inviters, times)): (Text, (u64, u64, Vec<f64>))| {
            let invitees = times.len() as u64;
            let k = ratio(invitees, users);
            // How long it took from somebody of whom nothing is known is not known.
            let cycle = week.as_ref().and_then(|_| percentile(&times, 50.0));
            (vec![week], vec![count(users), count(inviters), count(invitees), k, cycle])
        };
        let expected: Rows = cohorts.into_iter().map(row).collect();
        let table = table(View::Viral, &events, &ask.asked());
        prop_assert_eq!(rows(&table, 1), expected);
    }

    #[test]
    fn retention_is_what_a_loop_counts(steps in steps(), ask in asks()) {
        let events = history(&steps);
        let Some(last) = events.iter().map(|event| event.metadata.occurred_at).max() else {
            return Ok(());
        };
        let monday = |at| ask.week(at).unwrap().parse::<chrono::NaiveDate>().unwrap();
        let known_from = known_from(&events);
        let is_known = |week: chrono::NaiveDate| {
            known_from.is_some_and(|at| week > ask.date(at) || (week == ask.date(at) && ask.is_midnight(at)))
        };
        let mut cells: BTreeMap<(Text, i64), (u64, u64, u64)> = BTreeMap::new();
        for account in accounts(&events).iter().filter(|account| ask.covers(account.at)) {
            let begin = monday(account.at);
            let active: BTreeSet<i64> = user_events(&events, account.id)
                .filter(|(event, _)| {
                    matches!(
                        event,
                        UserEvent::SessionOpened(_)
                            | UserEvent::SessionExtended(_)
                            | UserEvent::RefreshRotated(_)
                    )
                })
                .map(|(_, at)| (monday(at) - begin).num_weeks())
                .collect();
            for week in 0..=(monday(last) - begin).num_weeks() {
                let cell = cells.entry((Some(begin.to_string()), week)).or_default();
                cell.0 += 1;
                cell.1 += u64::from(active.contains(&week));
                cell.2 += u64::from(week == 0 || is_known(begin + chrono::TimeDelta::weeks(week)));
            }
        }
        let expected: Rows = cells
            .into_iter()
            .map(|((cohort, week), (users, active, known))| {
                let key = vec![cohort, Some(week.to_string())];
                (key, vec![count(users), count(active), ratio(active, users), count(known)])
            })
            .collect();
        let table = table(View::Retention, &events, &ask.asked());
        prop_assert_eq!(table.note, Some(Note::UsesKnownFrom(known_from)));
        prop_assert_eq!(rows(&table, 2), expected);
    }

    #[test]
    fn the_tree_is_what_a_walk_finds(steps in steps(), ask in asks()) {
        let events = history(&steps);
        let accounts = accounts(&events);
        let parent = |id: UserId| accounts.iter().find(|one| one.id == id)?.attributed_to;
        // The way up of each; `None` where it never ends.
        let way_up = |id: UserId| {
            let mut way = vec![];
            let mut at = id;
            while let Some(next) = parent(at) {
                way.push(next);
                if way.len() > accounts.len() + 1 {
                    return (None, way.contains(&id));
                }
                at = next;
            }
            (Some(way), false)
        };
        let (mut depths, mut below, mut circular) = (BTreeMap::new(), BTreeMap::new(), 0);
        for account in accounts.iter().filter(|account| ask.covers(account.at)) {
            let (way, on_cycle) = way_up(account.id);
            circular += u64::from(on_cycle);
            let depth: Text = way.as_ref().map(|way| way.len().to_string());
            *depths.entry(depth).or_default() += 1_u64;
            for above in way.unwrap_or_default() {
                *below.entry(above).or_default() += 1_u64;
            }
        }
        let mut largest: Vec<(u64, UserId)> = below.into_iter().map(|(id, n)| (n, id)).collect();
        largest.sort_by_key(|(n, id)| (u64::MAX - n, *id));
        largest.truncate(10);
        let part = |part: &str| Some(part.to_owned());
        let depths = depths.into_iter().map(|(d, n)| (vec![part("depth"), d], vec![count(n)]));
        let largest = largest
            .into_iter()
            .map(|(n, id)| (vec![part("subtree"), Some(id.to_string())], vec![count(n)]));
        let cycles = (vec![part("cycles"), part("all")], vec![count(circular)]);
        let expected: Rows = depths.chain(largest).chain([cycles]).collect();
        let table = table(View::Tree, &events, &ask.asked());
        prop_assert_eq!(rows(&table, 2), expected);
    }
}

/// The first use on record that did not come in the last 15 days of its session.
fn known_from(events: &[Recorded]) -> Option<Timestamp> {
    let mut ends = BTreeMap::new();
    for recorded in events {
        let at = recorded.metadata.occurred_at;
        let Event::User(event) = &recorded.event else { continue };
        match &**event {
            UserEvent::SessionOpened(opened) => {
                ends.insert(opened.session_id.0, opened.expires_at);
            }
            UserEvent::RefreshRotated(used) => {
                ends.insert(used.session_id.0, used.expires_at);
            }
            UserEvent::SessionExtended(used) => {
                let end = ends.insert(used.session_id.0, used.expires_at);
                if end.is_some_and(|end| {
                    seconds(at, end) >= 15.0 * 86_400.0 || used.expires_at <= end
                }) {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The window of the rules that the log named last up to the registration, in seconds: by the
/// account's own decision, when that is of the same moment.
fn window_at(events: &[Recorded], account: &Account) -> Option<f64> {
    let (mut adopted, mut window) = (BTreeMap::new(), None);
    let mut registered = false;
    for recorded in events {
        let own = recorded.stream == StreamId::User(account.id);
        let digest = match &recorded.event {
            Event::Rules(RulesEvent::RulesAdopted(rules)) => {
                adopted.insert(rules.digest.0, rules.settings.window_seconds as f64);
                Some(rules.digest)
            }
            Event::User(event) => match &**event {
                UserEvent::UserRegistered(_) if own => {
                    registered = true;
                    None
                }
                UserEvent::ReferralAttributed(event) => Some(event.rules_digest),
                UserEvent::ReferralRefused(event) => Some(event.rules_digest),
                _ => None,
            },
            _ => None,
        };
        let same_moment = own && recorded.metadata.occurred_at == account.at;
        if let Some(digest) = digest
            && (!registered || same_moment)
        {
            window = adopted.get(&digest.0).copied();
        }
    }
    window
}
