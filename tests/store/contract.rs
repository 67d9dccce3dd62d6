//! What every event store promises, one list of cases for every backend; and what only the embedded
//! one can be asked.

mod cases;
mod keys;
#[cfg(feature = "kurrentdb")]
pub(crate) mod kurrent;
#[cfg(feature = "kurrentdb")]
mod kurrent_log;
#[cfg(feature = "kurrentdb")]
mod kurrent_reconnect;
#[cfg(feature = "kurrentdb")]
mod kurrent_shared;
mod postgres;
mod postgres_faults;
mod postgres_nodes;
mod postgres_open;
mod postgres_wire;
mod sqlite;
mod sqlite_open;

use std::sync::Arc;

use async_trait::async_trait;
use whence::infra::random::{new_correlation_id, new_event_id, new_request_id, new_user_id};
use whence::store::{Append, EventStore, NewEvent};
use whence_events::{
    Actor, CodeVerified, Event, EventId, MailboxEvent, Metadata, Position, StreamId, Timestamp,
};

/// A log somewhere, and how to open it.
#[async_trait]
pub(crate) trait Backend: Sync {
    /// Opens the log, which nobody else has open; it is empty the first time.
    async fn open(&self) -> Arc<dyn EventStore>;

    /// Whether positions have no gaps; else they only grow.
    fn dense(&self) -> bool {
        true
    }

    /// Whether keys are in the same database as events: a key of a refused append is then never stored.
    fn keeps_keys_with_events(&self) -> bool {
        true
    }

    /// Position of the last event that was there when the log was first opened.
    fn start(&self) -> Position {
        0
    }
}

/// Runs every case on a backend. A case that is not listed here is dead code, which does not compile.
macro_rules! contract {
    ($backend:expr) => {
        contract!(@each $backend;
            cases: what_was_appended_is_read_back,
            cases: a_stream_that_exists_is_not_made_again,
            cases: a_stale_length_conflicts_and_writes_nothing,
            cases: of_racing_appends_one_wins,
            cases: a_decision_is_seen_whole_or_not_at_all,
            cases: an_append_without_events_is_refused_and_makes_no_stream,
            cases: the_same_ids_again_give_the_first_positions,
            cases: the_same_append_many_times_at_once_is_written_once,
            cases: the_same_ids_at_another_place_conflict,
            cases: streams_do_not_see_each_other,
            cases: positions_are_in_commit_order,
            cases: a_pager_beside_writers_sees_each_event_once_in_order,
            cases: reading_resumes_strictly_after,
            cases: limits_are_kept,
            cases: all_of_it_survives_a_reopen,
            cases: the_tail_tells_every_batch_in_order_before_the_append_answers,
            cases: a_tail_that_falls_behind_is_told_so,
            cases: what_was_sent_before_the_store_was_dropped_is_written_or_not_but_harms_nothing,
            keys: a_key_comes_with_its_append,
            keys: a_key_of_a_refused_append_is_not_stored,
            keys: a_destroyed_key_is_gone_for_good_and_the_next_has_the_next_generation,
            keys: destroying_what_is_not_there_leaves_a_mark_and_no_event,
            keys: a_sealed_field_opens_in_its_place_only,
            keys: a_subject_key_of_another_master_key_opens_nothing,
            keys: what_was_sealed_before_the_key_was_destroyed_never_opens_again,
        );
    };
    (@each $backend:expr; $($module:ident: $case:ident,)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $case() {
            crate::contract::$module::$case(&$backend).await;
        }
    )+};
}
use contract;

/// An event that says little.
fn fact() -> Event {
    MailboxEvent::from(CodeVerified {
        request_id: new_request_id(),
        device_id: None,
        device_class: None,
    })
    .into()
}

pub(crate) fn new_stream() -> StreamId {
    StreamId::User(new_user_id())
}

pub(crate) fn metadata() -> Metadata {
    Metadata {
        occurred_at: Timestamp::from_micros(1_773_500_966_535_897),
        correlation_id: new_correlation_id(),
        causation_id: None,
        actor: Actor::Visitor,
    }
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: nothing in it is personal")]
fn new_event() -> NewEvent {
    NewEvent::new(new_event_id(), fact(), metadata()).unwrap()
}

/// An append of so many new events.
pub(crate) fn append(stream: &StreamId, expected_length: u64, events: usize) -> Append {
    let events = (0..events).map(|_| new_event()).collect();
    Append { stream: stream.clone(), expected_length, events, new_key: None }
}

fn ids(append: &Append) -> Vec<EventId> {
    append.events.iter().map(|event| event.event_id).collect()
}
