//! Several nodes on one Postgres: one projects, and no two ever do.

use std::sync::Arc;

use futures::future::join_all;
use futures::poll;
use tokio_postgres::NoTls;
use whence::infra::random::random_bytes;
use whence_events::{BillingCustomerLinked, Position, Recorded, StreamId, UserEvent};
use whence_projections::{ProjectError, ReadDb};

use crate::replay::arbitrary::recorded;
use crate::replay::history::history;
use crate::replay::tables::{Expected, node};
use whence_test_support::postgres::{Database, database, execute};

/// A draw of [`recorded`].
const REGISTERED: (u8, u8, u8) = (0, 1, 0);

/// The sessions that hold the lock of who projects.
const HOLDERS: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_one_writes() {
    let (database, events) = (database().await, some_history(60));
    let (one, other) = (node(&database).await, node(&database).await);
    assert!(matches!(one.apply(&events).await, Err(ProjectError::NotWriter)), "nobody asked yet");
    assert!(one.claim_writer().await.unwrap());
    assert!(!other.claim_writer().await.unwrap());
    assert!(one.claim_writer().await.unwrap(), "still");
    one.apply(&events).await.unwrap();

    // Who follows reads what is there, and writes nothing.
    let rows = one.dump().await.unwrap();
    assert!(matches!(other.apply(&events).await, Err(ProjectError::NotWriter)));
    assert!(matches!(other.reset().await, Err(ProjectError::NotWriter)));
    assert_eq!(other.dump().await.unwrap(), rows);
    assert_eq!(other.positions().await.unwrap(), one.positions().await.unwrap());
    assert_eq!(position(&other).await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_leaves_the_lead_to_another() {
    let (database, events) = (database().await, some_history(60));
    let (one, other) = (node(&database).await, node(&database).await);
    assert!(one.claim_writer().await.unwrap());
    one.apply(&events[..30]).await.unwrap();
    assert!(!other.claim_writer().await.unwrap());
    drop(one);
    until_it_leads(&other).await;
    other.apply(&events[30..]).await.unwrap();
    assert_eq!(other.dump().await.unwrap(), Expected::of(&events).rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_its_session_writes_no_more() {
    let (database, events) = (database().await, some_history(90));
    let (one, other) = (node(&database).await, node(&database).await);
    assert!(one.claim_writer().await.unwrap());
    one.apply(&events[..30]).await.unwrap();
    end_leader(&database).await;

    until_it_leads(&other).await;
    assert_eq!(position(&other).await, 30, "it goes on where the tables are");
    for _ in 0..2 {
        let refused = one.apply(&events[30..]).await;
        let refused = matches!(refused, Err(ProjectError::NotWriter | ProjectError::Postgres(_)));
        assert!(refused);
    }
    assert!(one.reset().await.is_err());
    assert_eq!(other.dump().await.unwrap(), Expected::of(&events[..30]).rows);
    other.apply(&events[30..60]).await.unwrap();

    assert!(!one.claim_writer().await.unwrap());
    end_leader(&database).await;
    until_it_leads(&one).await;
    assert_eq!(position(&one).await, 60);
    one.apply(&events[60..]).await.unwrap();
    assert_eq!(one.dump().await.unwrap(), Expected::of(&events).rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_session_ended_notices_and_leads_anew() {
    let (database, events) = (database().await, some_history(60));
    let one = node(&database).await;
    assert!(one.claim_writer().await.unwrap());
    one.apply(&events[..30]).await.unwrap();
    end_leader(&database).await;
    until_it_leads(&one).await;
    one.apply(&events).await.unwrap();
    assert_eq!(one.dump().await.unwrap(), Expected::of(&events).rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_race_while_leaders_die_write_every_event_once() {
    let (database, events) = (database().await, Arc::<[_]>::from(some_history(600)));
    let nodes = [node(&database).await, node(&database).await, node(&database).await];
    let writers = nodes.map(|reads| {
        let events = events.clone();
        tokio::spawn(async move {
            while position(&reads).await < 600 {
                // Whatever goes wrong: look where the tables are, and try again.
                if reads.claim_writer().await.unwrap_or(false) {
                    let done = usize::try_from(position(&reads).await).unwrap();
                    let _ = reads.apply(&events[done..events.len().min(done + 7)]).await;
                }
            }
            reads
        })
    });
    let mut ended = 0;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        ended += end_leaders(&database).await;
    }
    assert!(ended > 0, "no leader died");
    for writer in writers {
        assert_eq!(writer.await.unwrap().dump().await.unwrap(), Expected::of(&events).rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_broken_off_is_not_half_done() {
    let (database, events) = (database().await, some_history(60));
    let reads = node(&database).await;
    for polls in 0..12 {
        until_it_leads(&reads).await;
        reads.reset().await.unwrap();
        reads.apply(&events[..30]).await.unwrap();
        let mut attempt = Box::pin(reads.apply(&events[30..]));
        let mut finished = false;
        for _ in 0..polls {
            finished = finished || poll!(&mut attempt).is_ready();
            tokio::task::yield_now().await;
        }
        drop(attempt);
        until_it_leads(&reads).await;
        let there = usize::try_from(position(&reads).await).unwrap();
        assert!(there == 30 || there == 60, "{there}");
        assert_eq!(reads.dump().await.unwrap(), Expected::of(&events[..there]).rows);
        reads.apply(&events[there..]).await.unwrap();
        assert_eq!(reads.dump().await.unwrap(), Expected::of(&events).rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_moved_are_not_written_until_it_was_looked_where_they_are() {
    let (database, events) = (database().await, some_history(60));
    let reads = node(&database).await;
    assert!(reads.claim_writer().await.unwrap());
    reads.apply(&events[..30]).await.unwrap();
    let moved = "UPDATE read.checkpoints SET position = 20 WHERE projector = 'attribution'";
    execute(database.url(), moved).await;
    let refused = reads.apply(&events[30..]).await;
    assert!(matches!(refused, Err(ProjectError::TablesMoved(_))), "{refused:?}");
    // Known now: events would be left out.
    let refused = reads.apply(&events[30..]).await;
    assert!(matches!(refused, Err(ProjectError::TablesMoved("attribution"))), "{refused:?}");
    assert_eq!(reads.dump().await.unwrap(), Expected::of(&events[..30]).rows);
    let places: Vec<_> = reads.positions().await.unwrap();
    assert_eq!(places.iter().map(|place| place.position).collect::<Vec<_>>(), [30, 20, 30, 30, 30]);

    reads.reset().await.unwrap();
    reads.apply(&events).await.unwrap();
    assert_eq!(reads.dump().await.unwrap(), Expected::of(&events).rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_version_stay_until_they_are_rebuilt() {
    let (database, events) = (database().await, some_history(60));
    let old = node(&database).await;
    assert!(old.claim_writer().await.unwrap());
    old.apply(&events).await.unwrap();
    let all = Expected::of(&events).rows;
    let other_version = "UPDATE read.checkpoints SET version = 77 WHERE projector = 'identity'";
    execute(database.url(), other_version).await;

    // Whoever opens them or leads, of whichever version, leaves them alone and applies nothing.
    let new = node(&database).await;
    assert!(!new.claim_writer().await.unwrap());
    assert_eq!(new.dump().await.unwrap(), all);
    assert_eq!(position(&new).await, 60);

    drop(old);
    until_it_leads(&new).await;
    assert_eq!(new.dump().await.unwrap(), all);
    assert_eq!(position(&new).await, 60);
    assert_eq!(new.outdated().await.unwrap(), ["identity"]);
    let more = Recorded { position: 61, ..recorded(61, REGISTERED) };
    let refused = new.apply(std::slice::from_ref(&more)).await;
    assert!(matches!(refused, Err(ProjectError::TablesMoved(_))), "{refused:?}");
    assert_eq!(new.dump().await.unwrap(), all);

    // Those of another log are not worth a rebuild, whatever tables that version had.
    execute(database.url(), "DROP TABLE read.sessions").await;
    new.reset().await.unwrap();
    assert_eq!(new.outdated().await.unwrap(), Vec::<&str>::new());
    new.apply(&events).await.unwrap();
    assert_eq!(new.dump().await.unwrap(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_nodes_opens_an_empty_database_at_once() {
    let (database, events) = (database().await, some_history(60));
    let nodes = join_all((0..8).map(|_| node(&database))).await;
    let leads = join_all(nodes.iter().map(ReadDb::claim_writer)).await;
    let leads: Vec<_> = leads.into_iter().map(Result::unwrap).collect();
    assert_eq!(leads.iter().filter(|leads| **leads).count(), 1);
    for (reads, leads) in nodes.iter().zip(leads) {
        assert_eq!(reads.apply(&events).await.is_ok(), leads);
    }
    assert_eq!(nodes[0].dump().await.unwrap(), Expected::of(&events).rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_postgres_cannot_keep_does_not_stop_it() {
    let database = database().await;
    let registered = recorded(0, REGISTERED);
    let StreamId::User(user_id) = registered.stream else { unreachable!() };
    let billing_customer_id = "cus\0tomer".into();
    let linked = UserEvent::from(BillingCustomerLinked { billing_customer_id }).into();
    let linked = Recorded { event: linked, ..recorded(1, REGISTERED) };
    let reads = node(&database).await;
    assert!(reads.claim_writer().await.unwrap());
    reads.apply(&[registered, linked]).await.unwrap();
    let user = reads.user(user_id).await.unwrap().unwrap();
    assert_eq!(user.billing_customer_id.as_deref(), Some("cus\u{fffd}tomer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_do_not_show_what_is_in_the_rows() {
    let database = database().await;
    let reads = node(&database).await;
    assert!(reads.claim_writer().await.unwrap());
    let twice = [recorded(0, REGISTERED), recorded(1, REGISTERED)];
    let error = reads.apply(&twice).await.unwrap_err();
    assert!(std::error::Error::source(&error).is_none());
    let words = "duplicate key value violates unique constraint \"users_pkey\"";
    assert_eq!(error.to_string(), format!("the read models cannot be written: {words}"));
}

fn some_history(length: usize) -> Vec<Recorded> {
    let steps: Vec<_> = (0..4 * length).map(|_| random_bytes()).collect();
    let mut events = history(&steps, length);
    events.truncate(length);
    events
}

/// How far the tables are.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no answer, no test")]
async fn position(reads: &ReadDb) -> Position {
    let checkpoints = reads.positions().await.unwrap();
    checkpoints.iter().map(|checkpoint| checkpoint.position).min().unwrap()
}

/// The server takes a moment to give up the lock of a session that ended.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no answer, no test")]
async fn until_it_leads(reads: &ReadDb) {
    while !reads.claim_writer().await.unwrap() {
        tokio::task::yield_now().await;
    }
}

async fn end_leader(database: &Database) {
    assert_eq!(end_leaders(database).await, 1);
}

/// Ends the sessions that lead; how many.
#[expect(clippy::unwrap_used, reason = "a helper of tests: no database, no test")]
async fn end_leaders(database: &Database) -> usize {
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let ended = format!("SELECT pg_terminate_backend(pid, 10000) FROM ({HOLDERS}) holders");
    client.query(&ended, &[]).await.unwrap().len()
}
