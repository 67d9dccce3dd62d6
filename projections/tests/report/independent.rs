//! The models of attribution against packages of others, on random histories.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use uuid::Uuid;
use whence_events::*;
use whence_projections::report::{Cell, Dimension, QueryText, View};

use crate::credit::credits_of;
use crate::paths::paths;
use crate::plain::{Ask, seconds, table};
use whence_test_histories::history;

/// The columns that a package calculates, too, by their place in [`credits_of`].
const COLUMNS: [(&str, usize); 7] = [
    ("first_touch", 0),
    ("last_touch", 1),
    ("linear", 3),
    ("position_based", 4),
    ("time_decay", 5),
    ("markov", 6),
    ("shapley", 7),
];

/// Asks `scripts/attribution-models`.
fn ask(paths: &Value) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(root.join("scripts/attribution-models"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(paths.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn steps(mut seed: u64) -> Vec<[u8; 5]> {
    let mut byte = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_be_bytes()[3]
    };
    (0..600).map(|_| std::array::from_fn(|_| byte())).collect()
}

/// The events, and those of as many visitors again who come by what the others come by, and make no
/// account.
fn with_lost_visitors(mut events: Vec<Recorded>) -> Vec<Recorded> {
    let other = |id: TouchId| TouchId(Uuid::from_u128(!id.0.as_u128()));
    let mut lost = Vec::new();
    for recorded in &events {
        let Event::Touch(event) = &recorded.event else { continue };
        let (StreamId::Touch(id), TouchEvent::TouchRecorded(touch)) = (&recorded.stream, &**event)
        else {
            continue;
        };
        let id = other(*id);
        let first_touch_id = touch.first_touch_id.map(other);
        let touch = TouchRecorded { first_touch_id, ..touch.clone() };
        let event = Event::Touch(Box::new(TouchEvent::from(touch)));
        lost.push(Recorded { stream: StreamId::Touch(id), event, ..recorded.clone() });
    }
    events.extend(lost);
    events
}

#[test]
fn packages_of_others_give_the_same_credit() {
    let utc = Ask { from: None, to: None, zone: chrono_tz::Tz::UTC };
    let mut compared = BTreeSet::new();
    for (seed, by, days) in [
        (2_463_534_242, Dimension::Medium, 7),
        (88_172_645_463_325_252, Dimension::Source, 2),
        (521_288_629, Dimension::Channel, 30),
        (362_436_069, Dimension::Campaign, 1),
    ] {
        let events = with_lost_visitors(history(&steps(seed)));
        let paths: Vec<Value> = paths(&events, utc)
            .iter()
            .map(|path| {
                let last = path.touches.last().unwrap().0;
                let channel = |place: &crate::paths::Place| {
                    place.value(by).unwrap_or_else(|| "(unknown)".to_owned())
                };
                let channels: Vec<_> = path.touches.iter().map(|(_, at)| channel(at)).collect();
                let hours = path.touches.iter().map(|(at, _)| seconds(*at, last) / 3600.0);
                let hours: Vec<_> = hours.collect();
                json!({ "channels": channels, "hours": hours, "converted": path.converted })
            })
            .collect();
        let lost = paths.iter().filter(|path| path["converted"] == false).count();
        assert!(lost > 5 && paths.len() > 50, "{lost} of {} come to nothing", paths.len());
        let theirs = ask(&json!({ "half_life_hours": 24 * days, "paths": paths }));
        let asked = QueryText {
            by: Some(by.name().to_owned()),
            half_life: Some(format!("{days}d")),
            ..QueryText::default()
        };
        let ours: BTreeMap<String, [f64; 8]> = table(View::Models, &events, &asked)
            .rows
            .iter()
            .map(|row| {
                let name = row[0].to_text().unwrap_or_else(|| "(unknown)".to_owned());
                (name, credits_of(&row[1..]))
            })
            .collect();
        for (package, models) in theirs.as_object().unwrap() {
            for (model, credits) in models.as_object().unwrap() {
                let column = COLUMNS.iter().find(|(name, _)| name == model).unwrap().1;
                let credits: BTreeMap<&String, f64> = credits
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(name, credit)| (name, credit.as_f64().unwrap()))
                    .collect();
                let names: BTreeSet<&String> = credits.keys().copied().chain(ours.keys()).collect();
                for name in names {
                    let ours = ours.get(name).map_or(0.0, |credits| credits[column]);
                    let theirs = credits.get(name).copied().unwrap_or(0.0);
                    let near = (ours - theirs).abs() < 1e-6;
                    assert!(near, "{package} {model} {name}: {ours}, they say {theirs}");
                }
                compared.insert(format!("{package} {model}"));
            }
        }
    }
    let expected = COLUMNS.map(|(name, _)| name);
    for (name, package) in expected.iter().zip(["mta", "mta", "mta", "mam", "mam", "mam", "mta"]) {
        assert!(compared.contains(&format!("{package} {name}")), "{package} {name}");
    }
}

/// So that what is compared is credit: a cell of another kind would be none.
#[test]
fn credits_are_printed_with_as_many_digits_as_their_sum_takes() {
    let text = |credit| Cell::Credit(credit).to_text().unwrap();
    assert_eq!(text(1.0 / 3.0), "0.333333333");
    assert_eq!(text(4.0), "4.000000000");
}
