//! `whence report`, as the real program, over every store.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use whence::infra::clock::Clock;
use whence::store::{Append, Location, NewEvent};
use whence_events::{Event, Recorded, StreamId, Timestamp};
use whence_projections::report::View;

use crate::operations::logs::{KEY, append, copy, keys, run};
use crate::support::{Service, contents, whence};
use whence_test_histories::history;
use whence_test_support::postgres::database;

/// A history of some months, the same every time.
fn events() -> Vec<Recorded> {
    let mut seed = 88_172_645_463_325_252_u64;
    let mut byte = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_be_bytes()[3]
    };
    let steps: Vec<_> = (0..400).map(|_| std::array::from_fn(|_| byte())).collect();
    history(&steps)
}

/// A place in the middle that no two events of one moment are on both sides of.
fn middle(events: &[Recorded]) -> usize {
    let later = |at: &usize| events[*at].recorded_at > events[*at - 1].recorded_at;
    (events.len() / 2..events.len()).find(later).unwrap()
}

/// A log of these events in SQLite, taken a few milliseconds after each happened.
pub(crate) async fn log_of(directory: &Path, events: &[Recorded]) {
    std::fs::create_dir_all(directory).unwrap();
    let clock = Clock::manual(Timestamp::default());
    let location = Location::Sqlite(directory.to_owned());
    let store = location.open(keys().fingerprint(), clock.clone()).await.unwrap();
    for recorded in events {
        clock.set(recorded.recorded_at);
        let (event, metadata) = (recorded.event.clone(), recorded.metadata.clone());
        let new = NewEvent::new(recorded.event_id, event, metadata).unwrap();
        let (stream, expected_length) = (recorded.stream.clone(), recorded.version);
        let append = Append { stream, expected_length, events: vec![new], new_key: None };
        store.append(append).await.unwrap();
    }
}

fn report(directory: &Path, store: &str, more: &[&str]) -> Result<String, String> {
    let mut arguments = vec!["report"];
    arguments.extend(more);
    arguments.extend(["--store", store, "--master-key", KEY]);
    run(directory, &arguments)
}

/// Of every view, as CSV.
pub(crate) fn all(directory: &Path, store: &str, more: &[&str]) -> Vec<String> {
    let views = View::ALL.map(View::name);
    let one = |view| report(directory, store, &[&[view, "--format", "csv"], more].concat());
    views.into_iter().map(|view| one(view).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_store_gives_the_same_reports() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let events = events();
    log_of(&here.join("one"), &events).await;
    let database = database().await;
    copy(here, "sqlite:one", database.url(), &[]).unwrap();
    let expected = all(here, "sqlite:one", &[]);
    assert!(expected.iter().all(|report| report.lines().count() > 2), "{expected:#?}");
    assert!(all(here, database.url(), &[]) == expected, "another answer");
    // As of a time, and as of the position that this is in a log whose positions are dense.
    let half = middle(&events);
    let (at, position) = (events[half - 1].recorded_at.to_string(), half.to_string());
    let then = all(here, "sqlite:one", &["--as-of", &at]);
    assert!(then != expected);
    assert!(all(here, database.url(), &["--as-of", &at]) == then, "another answer");
    assert!(all(here, database.url(), &["--as-of", &position]) == then, "another answer");
    assert!(all(here, "sqlite:one", &["--as-of", &position]) == then, "another answer");
    // And that of a log that ends there.
    log_of(&here.join("cut"), &events[..half]).await;
    assert!(all(here, "sqlite:cut", &[]) == then, "another answer");
}

#[cfg(feature = "kurrentdb")]
#[tokio::test(flavor = "multi_thread")]
async fn kurrentdb_gives_the_same_reports() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let events = events();
    log_of(&here.join("one"), &events).await;
    let double = whence_test_support::kurrentdb_double::Double::single().await.unwrap();
    // Somebody else writes to the same server.
    double.write("others-1", "Other", "{}", "{}");
    let (url, vault) = (double.url(), database().await);
    let beside = ["--read-db", vault.url()];
    copy(here, "sqlite:one", &url, &beside).unwrap();
    assert!(all(here, &url, &beside) == all(here, "sqlite:one", &[]), "another answer");
    // Positions are its own: up to one of them, as far as the log that ends with that event.
    let half = middle(&events);
    let log =
        crate::operations::logs::open(&url, Some(vault.url()), whence::store::Side::Source).await;
    let position = log.log().read_all(0, half).await.unwrap().last().unwrap().position.to_string();
    log_of(&here.join("cut"), &events[..half]).await;
    let then = all(here, &url, &[&beside[..], &["--as-of", &position]].concat());
    assert!(then == all(here, "sqlite:cut", &[]), "another answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_are_the_same_answer() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    log_of(&here.join("one"), &events()).await;
    let ask =
        |format| report(here, "sqlite:one", &["signups", "--by", "channel", "--format", format]);
    let json: serde_json::Value = serde_json::from_str(&ask("json").unwrap()).unwrap();
    assert_eq!((&json["view"], &json["as_of"]), (&"signups".into(), &events().len().into()));
    let rows = json["rows"].as_array().unwrap();
    let (csv, text) = (ask("csv").unwrap(), ask("table").unwrap());
    let (mut csv, mut text) = (csv.lines(), text.lines());
    assert_eq!(csv.next(), Some("channel,signups"));
    let zones = whence_projections::report::Zone::default();
    assert_eq!(
        (&json["timezone"], &json["timezone_database"]),
        (&"UTC".into(), &zones.release().into())
    );
    let heading = format!(
        "Signups, as of position {}, in UTC (time zones {})",
        events().len(),
        zones.release()
    );
    assert_eq!(text.next(), Some(&*heading));
    assert_eq!(text.next().unwrap().split_whitespace().collect::<Vec<_>>(), ["channel", "signups"]);
    assert!(rows.len() > 4 && rows.iter().any(|row| row["channel"].is_null()), "{rows:?}");
    for row in rows {
        let (channel, signups) = (row["channel"].as_str(), &row["signups"]);
        assert_eq!(csv.next(), Some(&*format!("{},{signups}", channel.unwrap_or(""))));
        let line = text.next().unwrap();
        assert!(line.starts_with(channel.unwrap_or("(unknown)")), "{line}");
        assert!(line.ends_with(&format!(" {signups}")), "{line}");
    }
    assert_eq!((csv.next(), text.next()), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_mean_what_they_say() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let events = events();
    log_of(&here.join("one"), &events).await;
    let ask = |more: &[&str]| {
        let csv = ["signups", "--by", "day", "--format", "csv"];
        report(here, "sqlite:one", &[&csv, more].concat()).unwrap()
    };
    let days: Vec<String> = ask(&[]).lines().skip(1).map(|line| line[..10].to_owned()).collect();
    let (from, to) = (&days[days.len() / 3], &days[days.len() / 2]);
    let some: Vec<_> =
        ask(&["--from", from, "--to", to]).lines().skip(1).map(str::to_owned).collect();
    let inside: Vec<_> = days.iter().filter(|day| *day >= from && *day < to).collect();
    assert_eq!(some.iter().map(|line| &line[..10]).collect::<Vec<_>>(), inside);
    assert!(ask(&["--timezone", "Pacific/Kiritimati"]) != ask(&[]), "it is another day there");
    let count = |more: &[&str]| {
        let signups = ask(more);
        let counts = signups.lines().skip(1).map(|line| line[11..].parse::<u32>().unwrap());
        counts.sum::<u32>()
    };
    let (known, unknown) = (count(&["--where", "source=google"]), count(&["--where", "source="]));
    let both = count(&["--where", "source=google", "--where", "source=(unknown)"]);
    assert!(known > 0 && unknown > 0 && both == known + unknown, "{known} {unknown} {both}");
    let narrowed = count(&["--where", "source=google", "--where", "country=DE"]);
    assert!(narrowed < known, "different dimensions narrow down");
}

/// Signups of November 2026 in British Columbia, which keeps its summer time: by the database that is
/// compiled in, and by one of before.
#[tokio::test(flavor = "multi_thread")]
async fn days_are_those_of_the_database_that_is_asked_for() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let mut events = events();
    let registered = |event: &Recorded| event.event.event_type() == "UserRegistered.v1";
    events.retain(registered);
    events.truncate(2);
    for (event, at) in events.iter_mut().zip(["2026-11-20T07:30:00Z", "2026-11-21T06:59:59Z"]) {
        event.metadata.occurred_at = at.parse().unwrap();
        event.recorded_at = event.metadata.occurred_at;
    }
    log_of(&here.join("one"), &events).await;
    let ask = |more: &[&str]| {
        let question = ["signups", "--by", "day", "--timezone", "america/vancouver"];
        report(here, "sqlite:one", &[&question, more].concat())
    };
    assert_eq!(ask(&["--format", "csv"]).unwrap(), "day,signups\r\n2026-11-20,2\r\n");
    let zone = here.join("zones/America");
    std::fs::create_dir_all(&zone).unwrap();
    // A zone that is eight hours behind all year, as TZif.
    let mut old = b"TZif2".to_vec();
    let header = |times: [u32; 6]| {
        let counts = times.into_iter().flat_map(u32::to_be_bytes);
        [0; 15].into_iter().chain(counts).collect::<Vec<u8>>()
    };
    let kind = [&(-8_i32 * 3600).to_be_bytes()[..], &[0, 0], b"PST\0"].concat();
    let block = [header([0, 0, 0, 0, 1, 4]), kind].concat();
    old.extend([&block[..], b"TZif2", &block, b"\nPST8\n"].concat());
    std::fs::write(zone.join("Vancouver"), old).unwrap();
    std::fs::write(here.join("zones/+VERSION"), "2025b\n").unwrap();
    let text = ask(&["--timezone-database", "./zones"]).unwrap();
    let heading = "Signups, as of position 2, in America/Vancouver (time zones 2025b of ./zones)\n";
    assert!(text.starts_with(heading), "{text}");
    assert!(text.contains("2026-11-19        1\n2026-11-20        1\n"), "{text}");
    let json = ask(&["--timezone-database", "./zones", "--format", "json"]).unwrap();
    assert!(
        json.contains(r#""timezone":"America/Vancouver","timezone_database":"2025b of ./zones""#)
    );
    let refused = ask(&["--timezone-database", "moon"]).unwrap_err();
    assert!(refused.contains("there are bundled, system, and directories"), "{refused}");
    let refused = ask(&["--timezone-database", "./nowhere"]).unwrap_err();
    assert!(refused.contains("there is no time zone"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_one_sentence_and_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let events = events();
    log_of(&here.join("one"), &events).await;
    let before = contents(here);
    let end = events.len();
    for (arguments, said) in [
        (vec![], "which view? There are signups, domains,".to_owned()),
        (vec!["sales"], "there is no view \"sales\"; there are signups, domains,".to_owned()),
        (vec!["signups", "--by", "shoe"], "it has day, source, medium,".to_owned()),
        (vec!["signups", "--format", "xml"], "[possible values: table, csv, json]".to_owned()),
        (vec!["signups", "--timezone", "Mars"], "there is no time zone \"Mars\"".to_owned()),
        (vec!["signups", "--from", "2026-02-30"], "neither a day like".to_owned()),
        (vec!["signups", "--from", "2026-03-02", "--to", "2026-03-01"], "is after to".to_owned()),
        (vec!["models", "--half-life", "0d"], "no time like 7d, 12h or 90m".to_owned()),
        (vec!["signups", "--half-life", "7d"], "only models has a half-life".to_owned()),
        (vec!["signups", "--as-of", "soon"], "nor a position like".to_owned()),
        (
            vec!["signups", "--as-of", "999999"],
            format!("there is no position 999999: the log ends at {end}"),
        ),
        (vec!["signups", "sales"], "unexpected argument 'sales'".to_owned()),
    ] {
        let sentence = report(here, "sqlite:one", &arguments).unwrap_err();
        assert!(sentence.starts_with("whence: ") && sentence.contains(&said), "{sentence}");
    }
    let nowhere = report(here, "sqlite:nowhere", &["signups"]).unwrap_err();
    assert_eq!(nowhere, "whence: there is no log in nowhere");
    assert_eq!(contents(here), before);
    assert!(!here.join("nowhere").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_newer_version_is_named_and_what_was_before_it_can_be_had() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let mut events = events();
    let half = middle(&events);
    events.truncate(half);
    log_of(&here.join("one"), &events).await;
    let expected = all(here, "sqlite:one", &[]);
    let location = Location::Sqlite(here.join("one"));
    let store = location.open(keys().fingerprint(), Clock::system()).await.unwrap();
    store
        .append(append(&StreamId::User(whence::infra::random::new_user_id()), 0, 1))
        .await
        .unwrap();
    drop(store);
    let position = half + 1;
    for view in View::ALL {
        let sentence = report(here, "sqlite:one", &[view.name()]).unwrap_err();
        assert!(sentence.contains(&format!("position {position}")), "{sentence}");
        assert!(sentence.contains("Strange0.v9"), "{sentence}");
    }
    assert!(all(here, "sqlite:one", &["--as-of", &half.to_string()]) == expected, "another answer");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let directory = TempDir::new().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(log_of(&directory.path().join("one"), &events()));
    for what in [&["--list"][..], &["signups", "--store", "sqlite:one", "--master-key", KEY]] {
        let mut command = whence(directory.path());
        command.arg("report").args(what).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_report_is_made_beside_a_running_service() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    let said = run(directory.path(), &["report", "funnel", "--format", "csv"]).unwrap();
    assert!(said.contains("\r\nlanding,0,\r\ncode_requested,0,\r\n"), "{said}");
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn every_view_is_listed_with_what_it_shows() {
    let directory = TempDir::new().unwrap();
    let said = run(directory.path(), &["report", "--list"]).unwrap();
    for view in View::ALL {
        let line = said.lines().find(|line| line.split_whitespace().next() == Some(view.name()));
        assert!(line.is_some_and(|line| line.ends_with(view.about())), "{said}");
    }
}

/// So that an event that is there to be looked at is one.
#[test]
fn the_history_has_every_kind_of_event_that_views_look_at() {
    let types: std::collections::BTreeSet<String> =
        events().iter().map(|recorded| recorded.event.event_type().to_owned()).collect();
    for known in [
        "TouchRecorded.v1",
        "TouchRecorded.v2",
        "AttributionCaptured.v1",
        "AttributionCaptured.v2",
        "ReferralAttributed.v1",
        "ReferralRefused.v1",
        "RulesAdopted.v1",
        "SessionExtended.v1",
        "UserErased.v1",
    ] {
        assert!(types.contains(known), "{known} is not in {types:?}");
    }
    assert!(!events().iter().any(|recorded| matches!(recorded.event, Event::Unknown { .. })));
}

/// Opening a log makes one where there is none; these commands are about one that is there.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_in_a_database_without_a_log() {
    let (directory, database) = (TempDir::new().unwrap(), database().await);
    for command in [
        &["report", "funnel"][..],
        &["export", "events", "--format", "csv"],
        &["verify"],
        &["replay"],
        &["audit", "code", "abc"],
        &["erase", "ada@example.com"],
    ] {
        let flags = ["--store", database.url(), "--master-key", KEY];
        let refused = run(directory.path(), &[command, &flags].concat()).unwrap_err();
        assert!(refused.contains("there is no log in the database"), "{command:?}: {refused}");
    }
    let url = whence::infra::postgres::PostgresUrl::parse(database.url()).unwrap();
    let (client, _driver) = url.connect(&[]).await.unwrap();
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('log', 'vault', 'read')";
    assert_eq!(client.query_one(schemas, &[]).await.unwrap().get::<_, i64>(0), 0);
}
