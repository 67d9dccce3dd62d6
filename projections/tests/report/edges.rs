//! The ends of what can be asked and folded.

use whence_events::*;
use whence_projections::report::{AsOf, Cell, Query, QueryText, ReportFold, View, Zone};

use crate::plain::table;
use whence_test_histories::history;

fn one_of_each() -> Vec<Recorded> {
    let steps =
        (0..=255).map(|n: u8| [n, n.wrapping_mul(7), n.wrapping_mul(13), n.wrapping_mul(29), n]);
    history(&steps.collect::<Vec<_>>())
}

#[test]
fn an_empty_log_has_an_answer_for_every_view() {
    for view in View::ALL {
        let table = table(view, &[], &QueryText::default());
        assert_eq!((table.as_of, table.name), (0, view.name()));
        let counts =
            table.rows.iter().flatten().filter(|cell| matches!(cell, Cell::Count(n) if *n > 0));
        assert_eq!(counts.count(), 0, "{}", view.name());
    }
    let tree = table(View::Tree, &[], &QueryText::default());
    assert_eq!(tree.rows.len(), 1, "no cycle, said so");
}

#[test]
fn an_event_of_an_unknown_type_stops_the_fold_where_it_is() {
    let mut events = one_of_each();
    let strange = events.len() / 2;
    events[strange].event = Event::Unknown { event_type: "UserTeleported.v3".to_owned() };
    for view in View::ALL {
        let mut analytics = ReportFold::new(&[view]);
        let stopped = analytics.apply(&events).unwrap_err();
        assert_eq!(stopped.position, events[strange].position);
        let sentence = stopped.to_string();
        let position = format!("position {}", stopped.position);
        assert!(
            sentence.contains("UserTeleported.v3") && sentence.contains(&position),
            "{sentence}"
        );
        // What was before it is in, and nothing else.
        assert_eq!(analytics.as_of(), events[strange - 1].position);
        let query = Query::default();
        assert_eq!(
            analytics.table(view, &query),
            table(view, &events[..strange], &QueryText::default())
        );
    }
}

#[test]
fn rows_run_by_time_or_from_the_most_to_the_least_with_unknown_last() {
    let events = one_of_each();
    let by = |by: &str| QueryText { by: Some(by.to_owned()), ..QueryText::default() };
    let column = |table: &whence_projections::report::Table, at: usize| {
        table.rows.iter().map(|row| row[at].to_text()).collect::<Vec<_>>()
    };
    let days = column(&table(View::Signups, &events, &by("day,source")), 0);
    assert!(days.is_sorted() && days.len() > 3, "{days:?}");
    let signups = table(View::Signups, &events, &by("campaign,country"));
    let pairs = signups.rows.iter().map(|row| {
        let Cell::Count(n) = row[2] else { panic!("a count") };
        let order = |cell: &Cell| (matches!(cell, Cell::Unknown), cell.to_text());
        (u64::MAX - n, order(&row[0]), order(&row[1]))
    });
    let pairs: Vec<_> = pairs.collect();
    assert!(pairs.is_sorted() && pairs.len() > 3, "{pairs:?}");
    assert!(pairs.iter().any(|(_, campaign, _)| campaign.0), "some campaign is unknown");
    let weeks = table(View::Retention, &events, &QueryText::default());
    let place =
        |row: &Vec<Cell>| (row[0].to_text(), row[1].to_text().unwrap().parse::<u32>().unwrap());
    let places: Vec<_> = weeks.rows.iter().map(place).collect();
    assert!(places.is_sorted() && places.len() > 10, "{places:?}");
}

#[test]
fn a_day_counts_from_its_beginning_in_the_zone_until_the_next() {
    // Noon of new year's eve in Greenwich is new year's day on Kiritimati.
    let mut event = one_of_each()
        .into_iter()
        .find(|event| event.event.event_type() == "UserRegistered.v1")
        .unwrap();
    event.metadata.occurred_at = "2026-12-31T12:00:00Z".parse().unwrap();
    let events = [event];
    let signups = |from: &str, to: &str, zone: &str| {
        let asked = QueryText {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            by: Some("day,week".to_owned()),
            timezone: Some(zone.to_owned()),
            ..QueryText::default()
        };
        let rows = table(View::Signups, &events, &asked).rows;
        rows.into_iter()
            .map(|row| [row[0].to_text().unwrap(), row[1].to_text().unwrap()])
            .collect::<Vec<_>>()
    };
    let day = |day: &str, week: &str| vec![[day.to_owned(), week.to_owned()]];
    assert_eq!(signups("2026-12-31", "2027-01-01", "UTC"), day("2026-12-31", "2026-12-28"));
    assert_eq!(signups("2027-01-01", "2027-01-02", "UTC"), Vec::<[String; 2]>::new());
    let kiritimati = "pacific/kiritimati";
    assert_eq!(signups("2027-01-01", "2027-01-02", kiritimati), day("2027-01-01", "2026-12-28"));
    assert_eq!(signups("2026-12-31", "2027-01-01", kiritimati), Vec::<[String; 2]>::new());
    // `to` no longer counts, `from` does.
    let at = "2026-12-31T12:00:00Z";
    assert_eq!(signups(at, "2026-12-31T13:00:00+00:30", "UTC").len(), 1);
    assert_eq!(signups("2026-12-31", at, "UTC").len(), 0);
}

#[test]
fn what_cannot_be_asked_is_told_with_what_can() {
    let refused = |view: &str, asked: QueryText| {
        let view = View::parse(view);
        view.and_then(|view| Query::parse(view, &asked)).unwrap_err().to_string()
    };
    let none = QueryText::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        refused("sign-ups", none()),
        "there is no view \"sign-ups\"; there are signups, domains, funnel, referrers, creators, tree, \
         viral, time-to-signup, retention, models"
    );
    assert_eq!(
        refused("domains", QueryText { by: text("domain"), ..none() }),
        "domains has no dimension \"domain\"; it has referrer_domain, day, week"
    );
    for (asked, said) in [
        (QueryText { by: text("day,day"), ..none() }, "by names day twice"),
        (QueryText { by: text(""), ..none() }, "no dimension \"\""),
        (QueryText { from: text("tomorrow"), ..none() }, "from \"tomorrow\" is neither a day"),
        (QueryText { to: text("2026-02-30"), ..none() }, "to \"2026-02-30\" is neither a day"),
        (
            QueryText { timezone: text("Europe/Atlantis"), ..none() },
            "no time zone \"Europe/Atlantis\"",
        ),
        (QueryText { filters: vec!["channel".into()], ..none() }, "is not dimension=value"),
        (QueryText { filters: vec!["planet=Mars".into()], ..none() }, "no dimension \"planet\""),
        (
            QueryText { filters: vec!["channel=Pigeon".into()], ..none() },
            "there are Referral programme, Direct",
        ),
        (QueryText { filters: vec!["day=monday".into()], ..none() }, "takes a day"),
        (
            QueryText { from: text("2026-03-02"), to: text("2026-03-01"), ..none() },
            "from 2026-03-02T00:00:00.000000Z is after to 2026-03-01T00:00:00.000000Z",
        ),
    ] {
        let sentence = refused("signups", asked);
        assert!(sentence.contains(said) && !sentence.contains('\n'), "{sentence}");
    }
    assert!(refused("tree", QueryText { by: text("part"), ..none() }).contains("part,which"));
}

#[test]
fn a_report_ends_at_a_position_a_day_or_a_time() {
    let utc = &Zone::default();
    assert_eq!(AsOf::parse("120", utc), Ok(AsOf::Position(120)));
    let time = |text: &str| Ok(AsOf::Time(text.parse().unwrap()));
    let midnight = "2026-03-01T00:00:00Z";
    assert_eq!(AsOf::parse(midnight, utc), time(midnight));
    // A day has not begun.
    assert_eq!(AsOf::parse("2026-03-01", utc), time("2026-02-28T23:59:59.999999Z"));
    for bad in ["", "-1", "1.5", "now", "99999999999999999999"] {
        let said = AsOf::parse(bad, utc).unwrap_err().to_string();
        assert!(said.contains("position") && said.contains(bad), "{said}");
    }
}

/// A session is used daily from Monday morning on. What is recorded of it depends on the version.
#[test]
fn a_report_says_from_when_on_every_use_is_known() {
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let user = one_of_each();
    let user = user.iter().find(|event| event.event.event_type() == "UserRegistered.v1").unwrap();
    let StreamId::User(_) = user.stream else { panic!("the stream of a user") };
    let opened = one_of_each();
    let opened =
        opened.iter().find(|event| event.event.event_type() == "SessionOpened.v1").unwrap();
    let idle = std::time::Duration::from_hours(30 * 24);
    let event = |position: u64, time: &str, event: Event| {
        let mut recorded = user.clone();
        recorded.position = position;
        recorded.metadata.occurred_at = at(time);
        recorded.event = event;
        recorded
    };
    let Event::User(session) = &opened.event else { panic!("an event of a user") };
    let UserEvent::SessionOpened(session) = &**session else { panic!("an opened session") };
    let opened_at = |time: &str| {
        let session = SessionOpened { expires_at: at(time) + idle, ..session.clone() };
        Event::User(Box::new(session.into()))
    };
    let extended_at = |time: &str| {
        let session_id = session.session_id;
        let extended = SessionExtended { session_id, expires_at: at(time) + idle };
        Event::User(Box::new(extended.into()))
    };
    let rotated_at = |time: &str| {
        let (session_id, refresh_hash) = (session.session_id, session.token_hash);
        let rotated = RefreshRotated { session_id, refresh_hash, expires_at: at(time) + idle };
        Event::User(Box::new(rotated.into()))
    };
    let report_with = |times: &[&str], use_at: &dyn Fn(&str) -> Event| {
        let registered = "2026-01-05T09:00:00Z";
        let mut events = vec![
            event(1, registered, user.event.clone()),
            event(2, registered, opened_at(registered)),
        ];
        let later = times.iter().zip(3..);
        events.extend(later.map(|(time, position)| event(position, time, use_at(time))));
        table(View::Retention, &events, &QueryText::default())
    };
    let report_of = |times: &[&str]| report_with(times, &extended_at);
    let measures = |table: &whence_projections::report::Table| -> Vec<Vec<String>> {
        let of = |row: &Vec<Cell>| row[3..].iter().map(|cell| cell.to_text().unwrap()).collect();
        table.rows.iter().map(of).collect()
    };
    // As it was: after 15 days.
    let old = report_of(&["2026-01-20T09:00:01Z"]);
    assert_eq!(old.to_json()["uses_known_from"], serde_json::Value::Null);
    assert_eq!(measures(&old), [["1", "1.0000", "1"], ["0", "0.0000", "0"], ["1", "1.0000", "0"]]);
    // And as it is, from the second week on.
    let new = report_of(&["2026-01-12T09:00:00Z", "2026-01-19T09:00:00Z"]);
    assert_eq!(new.to_json()["uses_known_from"], "2026-01-12T09:00:00.000000Z");
    assert_eq!(measures(&new), [["1", "1.0000", "1"], ["1", "1.0000", "0"], ["1", "1.0000", "1"]]);
    assert!(new.note.unwrap().to_text().contains("from 2026-01-12T09:00:00.000000Z on"));
    // An exchange of refresh tokens is a use, and says nothing about others.
    let tokens = report_with(&["2026-01-12T09:00:00Z", "2026-01-19T09:00:00Z"], &rotated_at);
    assert_eq!(tokens.to_json()["uses_known_from"], serde_json::Value::Null);
    let rows = [["1", "1.0000", "1"], ["1", "1.0000", "0"], ["1", "1.0000", "0"]];
    assert_eq!(measures(&tokens), rows);
}
