//! Folding a history into tables, in whatever portions and with whatever interruptions.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{TestCaseResult, TestRunner};
use whence_events::{
    Client, Event, LoginStarted, Mac, MailboxEvent, Pii, Recorded, RequestId, Sealed, StreamId,
    Timestamp, codec,
};
use whence_projections::{ProjectError, ReadDb, projectors};

use crate::replay::answers::assert_same_answers;
use crate::replay::history::{DOMAIN, Step, history};
use crate::replay::tables::{Expected, Tables, on_each_backend};

on_each_backend! {
    a_history_gives_the_same_rows_however_it_is_applied,
    an_event_nobody_knows_stops_it_there,
    what_is_over_for_an_hour_is_forgotten_every_1024_events,
}

/// More than it takes for the rule that forgets to run.
const EVENTS: usize = 1100;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(any::<Step>(), 1400..1800)
}

/// How many events, whether the tables are opened anew after them, how many the next portion repeats.
fn portions() -> impl Strategy<Value = Vec<(usize, bool, usize)>> {
    vec((1..300_usize, proptest::bool::weighted(0.2), 0..100_usize), 1..20)
}

/// Runs a property. The cases of one run share what the test captured.
#[track_caller]
pub(crate) fn check<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> TestCaseResult,
) {
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::with_cases(cases)
    };
    if let Err(error) = TestRunner::new(config).run(strategy, test) {
        panic!("{error}");
    }
}

#[expect(clippy::unwrap_used, reason = "a case of tests: no tables, no test")]
fn a_history_gives_the_same_rows_however_it_is_applied(tables: &Tables) {
    check(10, &(steps(), portions()), |(steps, portions)| {
        let events = history(&steps, EVENTS);
        let expected = Expected::of(&events);

        let reads = apply_in_portions(tables, &events, &portions);
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), expected.rows.clone());
        prop_assert_eq!(tables.wait(reads.positions()).unwrap(), expected.checkpoints.clone());
        tables.wait(assert_same_answers(&reads, &expected.reads, &events));

        // All of it once more changes nothing, and from nothing it all comes back.
        tables.wait(reads.apply(&events)).unwrap();
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), expected.rows.clone());
        tables.wait(reads.reset()).unwrap();
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), Vec::<String>::new());
        for event in &events {
            tables.wait(reads.apply(std::slice::from_ref(event))).unwrap();
        }
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), expected.rows.clone());
        prop_assert!(!holds(expected.folder.path(), DOMAIN), "a personal datum is readable");
        Ok(())
    });
}

#[expect(clippy::unwrap_used, reason = "a case of tests: no tables, no test")]
fn an_event_nobody_knows_stops_it_there(tables: &Tables) {
    let strategy = (vec(any::<Step>(), 50..200), any::<prop::sample::Index>(), 1..40_usize);
    check(10, &strategy, |(steps, at, batch)| {
        let mut events = history(&steps, 60);
        let at = at.index(events.len());
        let event_type = "FromTheFuture.v1".to_owned();
        events[at].event = Event::Unknown { event_type: event_type.clone() };
        let expected = Expected::of(&events[..at]);

        let reads = tables.open_empty();
        let mut results = events.chunks(batch).map(|batch| tables.wait(reads.apply(batch)));
        let stopped = results.find_map(Result::err);
        let position = events[at].position;
        let told = matches!(
            &stopped,
            Some(ProjectError::UnknownEvent { position: p, event_type: t })
                if *p == position && *t == event_type
        );
        prop_assert!(told, "{:?}", stopped);
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), expected.rows.clone());
        for checkpoint in tables.wait(reads.positions()).unwrap() {
            prop_assert_eq!(checkpoint.position, position - 1);
        }
        // It stays there, however often it is tried.
        prop_assert!(tables.wait(reads.apply(&events)).is_err());
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), expected.rows.clone());
        Ok(())
    });
}

/// Proves that the histories above say something.
#[test]
fn histories_are_of_every_type_of_event_and_leave_rows_in_every_table() {
    let (mut types, mut tables) = (BTreeSet::new(), BTreeSet::new());
    // The same draws every time: whether a rare event is among them is not left to chance.
    let mut runner = TestRunner::deterministic();
    for _ in 0..8 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let events = history(&steps, EVENTS);
        types.extend(events.iter().map(|event| event.event.event_type().to_owned()));
        let rows = Expected::of(&events).rows;
        tables.extend(rows.iter().filter_map(|row| Some(row.split_once(':')?.0.to_owned())));
    }
    // About the rest of them nothing is decided, and no table comes from them.
    let rest = ["RulesAdopted.v1", "AuditRead.v1"];
    let all = codec::known_types().filter(|known| !rest.contains(known));
    assert_eq!(types, all.map(str::to_owned).collect());
    let every = projectors().iter().flat_map(|projector| projector.tables());
    assert_eq!(tables, every.map(str::to_owned).collect());
}

#[expect(clippy::unwrap_used, reason = "a case of tests: no tables, no test")]
fn what_is_over_for_an_hour_is_forgotten_every_1024_events(tables: &Tables) {
    let mut events = history(&[], 1200);
    let start = Timestamp::from_micros(1_773_500_000_000_000);
    for (event, n) in events.iter_mut().zip(0..) {
        event.metadata.occurred_at = start + Duration::from_secs(n * 10);
    }
    // Positions 1 and 2: logins that end an hour and a moment before event 1024, and just then.
    let hour = Duration::from_hours(1);
    let at = events[1023].metadata.occurred_at;
    let (over, open) = (RequestId(uuid::Uuid::from_u128(1)), RequestId(uuid::Uuid::from_u128(2)));
    let key = whence_events::EmailKey([9; 16]);
    let logins = [(over, at - hour - Duration::from_micros(1)), (open, at - hour)];
    for (event, (request_id, expires_at)) in events.iter_mut().zip(logins) {
        event.stream = StreamId::Mailbox(key);
        event.event = started(request_id, expires_at);
    }
    let reads = tables.open();
    let mailbox = |login| tables.wait(reads.login(login)).unwrap();
    tables.wait(reads.apply(&events[..1023])).unwrap();
    assert_eq!(mailbox(over), Some(key));
    tables.wait(reads.apply(&events[1023..1024])).unwrap();
    assert_eq!(mailbox(over), None);
    tables.wait(reads.apply(&events[1024..])).unwrap();
    assert_eq!(mailbox(open), Some(key), "until event 2048");
}

fn started(request_id: RequestId, expires_at: Timestamp) -> Event {
    MailboxEvent::from(LoginStarted {
        request_id,
        email: Pii::Sealed(Sealed(Box::new([]))),
        code_mac: Mac([0; 16]),
        expires_at,
        known_device: false,
        client: Pii::<Client>::Sealed(Sealed(Box::new([]))),
        device_id: None,
        network: None,
        change_of: None,
        touch_id: None,
    })
    .into()
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: no tables, no test")]
fn apply_in_portions(
    tables: &Tables,
    events: &[Recorded],
    portions: &[(usize, bool, usize)],
) -> ReadDb {
    let mut reads = tables.open_empty();
    let mut done = 0;
    for (size, reopen, repeat) in portions.iter().cycle() {
        let end = (done + size).min(events.len());
        tables.wait(reads.apply(&events[done.saturating_sub(*repeat)..end])).unwrap();
        done = end;
        if *reopen {
            drop(reads);
            reads = tables.open();
        }
        if done == events.len() {
            break;
        }
    }
    reads
}

/// Whether any file of the folder has this text in it.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no folder, no test")]
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}
