//! Rebuilt tables are those of the log, whatever came between, and whoever reads notices nothing.
#![expect(clippy::unwrap_used, reason = "a case of tests: no tables, no test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use whence::engine::rebuild::{BATCH, ProjectorOutcome, RebuildError, Replay, Step};
use whence::infra::random::random_bytes;
use whence::store::EventStore;
use whence_events::{Event, Recorded};
use whence_projections::{ProjectError, Purpose, ReadDb, projectors};

use crate::replay::answers::assert_same_answers;
use crate::replay::fold::check;
use crate::replay::history::{Step as HistoryStep, history};
use crate::replay::logs::Log;
use crate::replay::tables::{Expected, Tables, on_each_backend};

on_each_backend! {
    rebuilt_tables_are_those_of_the_log_wherever_it_was_killed,
    a_check_names_every_row_that_differs_and_changes_nothing,
    a_difference_is_one_short_line_whatever_is_in_the_row,
    a_rebuild_says_what_differed_and_replaces_it,
    of_two_rebuilds_one_is_refused,
    an_event_nobody_knows_stops_a_rebuild_and_nothing_else,
    tables_of_another_version_answer_until_they_are_rebuilt,
    tables_of_another_log_are_not_touched,
    who_reads_during_swaps_notices_nothing,
}

pub(crate) fn names() -> Vec<&'static str> {
    projectors().iter().map(|projector| projector.name()).collect()
}

fn some_history(events: usize) -> Vec<Recorded> {
    let steps: Vec<_> = (0..3 * events).map(|_| random_bytes()).collect();
    history(&steps, events).into_iter().take(events).collect()
}

/// Positions of a log that has gaps between them.
fn with_gaps(mut events: Vec<Recorded>, gap: u64) -> Vec<Recorded> {
    for event in &mut events {
        event.position *= gap;
    }
    events
}

async fn rebuild(
    log: &Arc<dyn EventStore>,
    reads: &ReadDb,
    batch: usize,
) -> Result<Vec<ProjectorOutcome>, RebuildError> {
    let replay = Replay::open(log, reads, Purpose::Rebuild, &names(), batch).await?;
    replay.rebuild(&mut |_| ()).await
}

/// A database that did not answer in time is asked again, as people do.
async fn until_done(
    log: &Arc<dyn EventStore>,
    reads: &ReadDb,
    batch: usize,
) -> Vec<ProjectorOutcome> {
    for _ in 0..20 {
        match rebuild(log, reads, batch).await {
            Err(RebuildError::ReadModels(ProjectError::TimedOut) | RebuildError::UnderWay(_)) => {}
            done => return done.unwrap(),
        }
    }
    panic!("it was never done")
}

/// As the runner of a service: applies what is appended, until it is told to stop.
async fn serve(log: Arc<Log>, reads: Arc<ReadDb>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let _ = catch_up(&log, &reads).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn catch_up(log: &Log, reads: &ReadDb) -> Result<(), ProjectError> {
    let checkpoints = reads.positions().await?;
    let done = checkpoints.iter().map(|checkpoint| checkpoint.position).min().unwrap_or(0);
    let there = log.there();
    let rest = &there[there.partition_point(|event| event.position <= done)..];
    let rest = &rest[..rest.len().min(50)];
    if rest.is_empty() { Ok(()) } else { reads.apply_after(done, rest).await }
}

/// The rows that these events give, whatever their positions.
fn rows(events: &[Recorded]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let reads = ReadDb::sqlite(&folder.path().join("expected.db")).unwrap();
    futures::executor::block_on(reads.apply_after(0, events)).unwrap();
    futures::executor::block_on(reads.dump()).unwrap()
}

fn rebuilt_tables_are_those_of_the_log_wherever_it_was_killed(tables: &Tables) {
    let steps = vec(any::<HistoryStep>(), 700..800);
    // Growth a read, and reads until it is killed.
    let kills = vec((0..12_usize, 0..12_usize), 0..5);
    let strategy = (steps, kills, 0..400_usize, 1..90_usize, 1..4_u64);
    let cases = if tables.is_sqlite() { 24 } else { 5 };
    check(cases, &strategy, |(steps, kills, live, batch, gap)| {
        let events = with_gaps(history(&steps, 500), gap);
        let log = Arc::new(Log::new(events, 400));
        let reads = Arc::new(tables.open_empty());
        tables.wait(reads.apply_after(0, &log.events[..live])).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        tables.wait(async {
            let service = tokio::spawn(serve(log.clone(), reads.clone(), stop.clone()));
            let store: Arc<dyn EventStore> = log.clone();
            for (growth, reads_left) in kills {
                log.set(growth, reads_left);
                let _ = rebuild(&store, &reads, batch).await;
            }
            log.set(2, usize::MAX);
            let outcomes = until_done(&store, &reads, batch).await;
            let differed = outcomes.iter().filter_map(|outcome| outcome.differences.as_ref());
            assert!(differed.clone().all(|found| found.count == 0), "{outcomes:?}");
            stop.store(true, Ordering::SeqCst);
            service.await.unwrap();
            // And what comes then is applied to the new tables.
            log.set(500, usize::MAX);
            let _ = log.read_all(0, 1).await;
            while reads.positions().await.unwrap()[0].position < log.head().await.unwrap() {
                catch_up(&log, &reads).await.unwrap();
            }
        });
        prop_assert_eq!(tables.wait(reads.dump()).unwrap(), rows(&log.events));
        prop_assert!(!tables.has_scratch(), "scratch tables are left");
        Ok(())
    });
}

/// One row changed, one lost, one that was never there.
const DRIFT: [&str; 3] = [
    "UPDATE clicks SET count = count + 1 WHERE owner = (SELECT min(owner::text) FROM clicks)::uuid",
    "DELETE FROM users WHERE user_id = (SELECT min(user_id::text) FROM users)::uuid",
    "INSERT INTO onboardings VALUES ('00000000-0000-0000-0000-000000000007', 1, 2, 3, 4)",
];
const DRIFT_IN_SQLITE: [&str; 3] = [
    "UPDATE clicks SET count = count + 1 WHERE owner = (SELECT min(owner) FROM clicks)",
    "DELETE FROM users WHERE user_id = (SELECT min(user_id) FROM users)",
    "INSERT INTO onboardings VALUES (x'00000000000000000000000000000007', 1, 2, 3, 4)",
];

fn drift(tables: &Tables) {
    tables.execute(if tables.is_sqlite() { &DRIFT_IN_SQLITE } else { &DRIFT });
}

/// Whether the rows that tests change are in the tables of a part of a log, and of all of it: of a random
/// history all users can be erased.
fn keeps_rows(part: &[Recorded], all: &[Recorded]) -> bool {
    let (part, all) = (rows(part), rows(all));
    let first = |rows: &[String], table: &str| {
        let row = rows.iter().find(|row| row.starts_with(table))?;
        row.split(", ").next().map(str::to_owned)
    };
    let stays =
        |table: &str| first(&part, table).is_some_and(|key| first(&all, table) == Some(key));
    let is_enabled =
        |row: &String| row.starts_with("referral_codes: ") && row.ends_with("null, null");
    stays("users: ") && stays("clicks: ") && part.iter().any(is_enabled)
}

/// Live tables of the first part of a log, and all of it.
fn served(tables: &Tables, live: usize, events: usize) -> (Arc<dyn EventStore>, Arc<Log>, ReadDb) {
    let mut histories = std::iter::repeat_with(|| some_history(events));
    let events = histories.find(|events| keeps_rows(&events[..live], events)).unwrap();
    let reads = tables.open_empty();
    tables.wait(reads.apply(&events[..live])).unwrap();
    let appended = events.len();
    let log = Arc::new(Log::new(events, appended));
    (log.clone(), log, reads)
}

fn lines(outcomes: &[ProjectorOutcome]) -> Vec<String> {
    let found = outcomes.iter().filter_map(|outcome| outcome.differences.as_ref());
    found.flat_map(|found| found.first.clone()).collect()
}

fn a_check_names_every_row_that_differs_and_changes_nothing(tables: &Tables) {
    let (store, _, reads) = served(tables, 800, 900);
    let check = || {
        tables.wait(async {
            let replay = Replay::open(&store, &reads, Purpose::Check, &names(), 100).await.unwrap();
            replay.check(&mut |_| ()).await.unwrap()
        })
    };
    let outcomes = check();
    assert!(outcomes.iter().all(|outcome| outcome.reached.position == 800), "{outcomes:?}");
    let compared = outcomes.iter().map(|outcome| outcome.differences.as_ref().unwrap().rows);
    let before = tables.wait(reads.dump()).unwrap();
    assert_eq!(compared.sum::<u64>(), before.len() as u64, "every row");
    assert_eq!(lines(&outcomes), Vec::<String>::new());

    drift(tables);
    let drifted = tables.wait(reads.dump()).unwrap();
    assert_ne!(drifted, before);
    let found = lines(&check());
    assert_eq!(found.len(), 3, "{found:?}");
    let is = |wanted: [&str; 2]| found.iter().any(|line| wanted.iter().all(|w| line.contains(w)));
    assert!(is(["clicks ", ": count is "]), "{found:?}");
    assert!(is(["users ", " is missing in the tables"]), "{found:?}");
    let id = "onboardings 00000000-0000-0000-0000-000000000007 ";
    assert!(is([id, "is in the tables and should not be"]), "{found:?}");
    assert_eq!(tables.wait(reads.dump()).unwrap(), drifted, "nothing was changed");
    assert!(!tables.has_scratch(), "scratch tables are left");
}

/// Values that would fill a screen, or steer it.
const UNREADABLE: [&str; 5] = [
    "UPDATE log_tiles SET hashes = HASHES WHERE level = 0 AND tile = 0",
    "UPDATE users SET provider = ESCAPE || '[2J' || TEXT, billing_customer_id = TEXT, email = HASHES
     WHERE user_id = (SELECT ID FROM users)",
    "UPDATE referral_codes SET disabled_at = 5
     WHERE folded = (SELECT min(folded) FROM referral_codes WHERE disabled_at IS NULL)",
    "INSERT INTO referral_codes VALUES (ESCAPE || '[31m', TEXT, '', SEVEN, 1, NULL, NULL)",
    "INSERT INTO mailboxes VALUES (SEVEN_AS_BYTES, 1, 0)",
];

fn make_unreadable(tables: &Tables) {
    let words = if tables.is_sqlite() {
        [
            ("SEVEN_AS_BYTES", "x'00000000000000000000000000000007'"),
            ("HASHES", "zeroblob(20000)"),
            ("ESCAPE", "char(27)"),
            ("TEXT", "replace(hex(zeroblob(2000)), '0', 'x')"),
            ("SEVEN", "x'00000000000000000000000000000007'"),
            ("ID", "min(user_id)"),
        ]
    } else {
        [
            ("SEVEN_AS_BYTES", "decode('00000000000000000000000000000007', 'hex')"),
            ("HASHES", "decode(repeat('00', 20000), 'hex')"),
            ("ESCAPE", "chr(27)"),
            ("TEXT", "repeat('x', 4000)"),
            ("SEVEN", "'00000000-0000-0000-0000-000000000007'"),
            ("ID", "min(user_id::text)::uuid"),
        ]
    };
    let replaced = |sql: &&str| {
        words.iter().fold((*sql).to_owned(), |sql, (word, value)| sql.replace(word, value))
    };
    let statements: Vec<_> = UNREADABLE.iter().map(replaced).collect();
    tables.execute(&statements.iter().map(String::as_str).collect::<Vec<_>>());
}

fn a_difference_is_one_short_line_whatever_is_in_the_row(tables: &Tables) {
    let (store, _, reads) = served(tables, 800, 800);
    make_unreadable(tables);
    let outcomes = tables.wait(async {
        let replay = Replay::open(&store, &reads, Purpose::Check, &names(), 100).await.unwrap();
        replay.check(&mut |_| ()).await.unwrap()
    });
    let found = lines(&outcomes);
    assert_eq!(found.len(), 5, "{found:?}");
    for line in &found {
        assert!(line.len() < 600 && !line.chars().any(char::is_control), "{line}");
    }
    let line = |start: &str| {
        let line = found.iter().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("{start}: {found:?}")).as_str()
    };
    // SHA-256 of 20 000 zeroes, by `head -c 20000 /dev/zero | sha256sum`.
    let zeroes = "is 20000 bytes, sha256 28b4f41a..., should be ";
    assert!(line("log_tiles 0 0: ").contains(&format!("hashes {zeroes}")), "{found:?}");
    let user = line("users ");
    assert!(user.contains(&format!("email {zeroes}")), "{user}");
    let long = "x".repeat(75);
    assert!(user.contains(&format!("billing_customer_id is \"{long}\"..., should be ")), "{user}");
    assert!(user.contains("provider is \"\\u{1b}[2Jxxxxxxxxx"), "{user}");
    assert!(found.iter().any(|line| line.ends_with(": disabled_at is 5, should be null")));
    let added = "is in the tables and should not be";
    line(&format!("referral_codes \"\\u{{1b}}[31m\" {added}"));
    line(&format!("mailboxes 00000000000000000000000000000007 {added}"));
}

fn a_rebuild_says_what_differed_and_replaces_it(tables: &Tables) {
    let (store, log, reads) = served(tables, 800, 900);
    drift(tables);
    let outcomes = tables.wait(rebuild(&store, &reads, BATCH)).unwrap();
    assert_eq!(lines(&outcomes).len(), 3, "{outcomes:?}");
    let expected = Expected::of(&log.events);
    assert_eq!(tables.wait(reads.dump()).unwrap(), expected.rows);
    assert_eq!(tables.wait(reads.positions()).unwrap(), expected.checkpoints);
    tables.wait(assert_same_answers(&reads, &expected.reads, &log.events));
}

fn of_two_rebuilds_one_is_refused(tables: &Tables) {
    let (store, log, reads) = served(tables, 100, 100);
    tables.wait(async {
        let first = Replay::open(&store, &reads, Purpose::Rebuild, &names(), 10).await.unwrap();
        for purpose in [Purpose::Rebuild, Purpose::Check] {
            let second = Replay::open(&store, &reads, purpose, &names(), 10).await;
            let refused = second.err().unwrap().to_string();
            assert_eq!(refused, "another rebuild or check of these read models is under way");
        }
        first.rebuild(&mut |_| ()).await.unwrap();
        rebuild(&store, &reads, 10).await.unwrap();
        assert_eq!(reads.dump().await.unwrap(), Expected::of(&log.events).rows);
    });
}

fn an_event_nobody_knows_stops_a_rebuild_and_nothing_else(tables: &Tables) {
    let mut events = some_history(300);
    let event_type = "FromTheFuture.v1".to_owned();
    events[200].event = Event::Unknown { event_type };
    let reads = tables.open_empty();
    tables.wait(reads.apply(&events[..150])).unwrap();
    let before = tables.wait(reads.dump()).unwrap();
    let store: Arc<dyn EventStore> = Arc::new(Log::new(events, 300));
    for _ in 0..2 {
        let stopped = tables.wait(rebuild(&store, &reads, 64)).unwrap_err().to_string();
        let expected = "event 201 is of the unknown type FromTheFuture.v1: the rebuild stops there, \
                        and the tables in use are as they were";
        assert_eq!(stopped, expected);
        assert_eq!(tables.wait(reads.dump()).unwrap(), before);
    }
}

/// Tables that an earlier version might have left: another version, without an index.
const EARLIER: [&str; 2] = [
    "UPDATE checkpoints SET version = 0 WHERE projector = 'identity'",
    "DROP INDEX sessions_by_user",
];

fn tables_of_another_version_answer_until_they_are_rebuilt(tables: &Tables) {
    let (store, log, reads) = served(tables, 200, 300);
    drop(reads);
    tables.execute(&EARLIER);
    let reads = tables.open();
    assert_eq!(tables.wait(reads.outdated()).unwrap(), ["identity"]);
    assert_eq!(tables.wait(reads.dump()).unwrap(), Expected::of(&log.events[..200]).rows);
    let refused = tables.wait(reads.apply_after(200, &log.events[200..])).unwrap_err();
    assert!(matches!(refused, ProjectError::TablesMoved("identity")), "{refused}");
    assert_eq!(tables.wait(reads.dump()).unwrap(), Expected::of(&log.events[..200]).rows);

    let outcomes = tables.wait(rebuild(&store, &reads, BATCH)).unwrap();
    let of_identity = outcomes.iter().find(|outcome| outcome.reached.projector == "identity");
    assert_eq!(of_identity.unwrap().differences, None, "two versions cannot be compared");
    let expected = Expected::of(&log.events);
    assert_eq!(tables.wait(reads.dump()).unwrap(), expected.rows);
    assert_eq!(tables.wait(reads.positions()).unwrap(), expected.checkpoints);
    tables.execute(&["DROP INDEX sessions_by_user"]);
}

fn tables_of_another_log_are_not_touched(tables: &Tables) {
    let (_, _, reads) = served(tables, 100, 100);
    let before = tables.wait(reads.dump()).unwrap();
    for events in [100, 50] {
        let other: Arc<dyn EventStore> = Arc::new(Log::new(some_history(events), events));
        let refused = tables.wait(rebuild(&other, &reads, BATCH)).unwrap_err();
        assert!(matches!(refused, RebuildError::AnotherLog(_)), "{refused}");
        assert_eq!(tables.wait(reads.dump()).unwrap(), before);
    }
}

fn who_reads_during_swaps_notices_nothing(tables: &Tables) {
    let (store, log, reads) = served(tables, 600, 600);
    let expected = Arc::new(Expected::of(&log.events));
    let (reads, stop) = (Arc::new(reads), Arc::new(AtomicBool::new(false)));
    tables.wait(async {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (reads, expected) = (reads.clone(), expected.clone());
                let (log, stop) = (log.clone(), stop.clone());
                tokio::spawn(async move {
                    let mut rounds = 0;
                    while !stop.load(Ordering::SeqCst) || rounds == 0 {
                        assert_same_answers(&reads, &expected.reads, &log.events[..60]).await;
                        rounds += 1;
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let mut swaps = 0;
        for _ in 0..10 {
            let replay = Replay::open(&store, &reads, Purpose::Rebuild, &names(), BATCH).await;
            let mut watch = |step| swaps += usize::from(matches!(step, Step::Swapped(_)));
            replay.unwrap().rebuild(&mut watch).await.unwrap();
        }
        assert_eq!(swaps, 10 * names().len());
        stop.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.await.unwrap();
        }
        assert_eq!(reads.dump().await.unwrap(), expected.rows);
    });
}
