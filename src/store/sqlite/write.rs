//! The writer thread: group commit.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use tokio::sync::{broadcast, mpsc, oneshot};
use whence_events::{EventId, Position, Recorded, StreamId, Timestamp, Version};

use super::read::clamped;
use super::transfer::{self, Import};
use crate::infra::clock::Clock;
use crate::store::{Append, Appended, Batch, NewKey, StoreError, StoredKey};

/// Jobs in one transaction at most: bounds the time the first of them waits for the last.
const MAX_BATCH: usize = 512;

/// Something for the writer to do, and who wants to know.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
}

pub(super) enum Work {
    Append(Append),
    DestroyKey(StreamId),
    Import(Import),
    ImportKeys(Vec<StoredKey>),
}

impl Work {
    /// Whether keys may be destroyed by it.
    fn destroys(&self) -> bool {
        match self {
            Self::Append(_) | Self::Import(_) => false,
            Self::DestroyKey(_) => true,
            Self::ImportKeys(keys) => transfer::destroys(keys),
        }
    }
}

pub(super) struct Writer {
    connection: Connection,
    clock: Clock,
    tail: broadcast::Sender<Batch>,
    /// Position of the last committed event. Only this thread appends, so it need not ask.
    head: Position,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        clock: Clock,
        tail: broadcast::Sender<Batch>,
    ) -> rusqlite::Result<Self> {
        let sql = "SELECT max(position) FROM events";
        let head: Option<u64> = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(Self { connection, clock, tail, head: head.unwrap_or(0) })
    }

    /// Until the store is dropped.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let mut work = vec![first.work];
            let mut answers = vec![first.answer];
            while work.len() < MAX_BATCH
                && let Ok(next) = queue.try_recv()
            {
                work.push(next.work);
                answers.push(next.answer);
            }
            for (answer, outcome) in answers.into_iter().zip(self.batch(work)) {
                // A caller that went away does not mind.
                let _ = answer.send(outcome);
            }
        }
    }

    /// Writes a batch and says what became of each job in it.
    fn batch(&mut self, work: Vec<Work>) -> Vec<Result<Appended, StoreError>> {
        let jobs = work.len();
        let destroys: Vec<bool> = work.iter().map(Work::destroys).collect();
        match self.commit(work) {
            Ok((mut outcomes, recorded)) => {
                // On disk. Whoever tails the log hears of it before the callers do, so that a
                // caller who reads next finds the caches already told.
                let after = self.head;
                self.head += recorded.len() as u64;
                if !recorded.is_empty() {
                    let _ = self.tail.send(Batch { after, events: recorded.into() });
                }
                if destroys.contains(&true)
                    && let Err(error) = self.empty_wal()
                {
                    tracing::error!(%error, "a destroyed key may still be in the WAL");
                    let destroyed = outcomes.iter_mut().zip(destroys).filter(|(_, is)| *is);
                    destroyed.for_each(|(outcome, _)| *outcome = Err(error.clone()));
                }
                outcomes
            }
            Err(error) => {
                tracing::error!(%error, "the log could not be written");
                vec![Err(StoreError::unavailable(error)); jobs]
            }
        }
    }

    /// The WAL keeps pages as they were before the last change of them: with the key in them.
    fn empty_wal(&self) -> Result<(), StoreError> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy = self.connection.query_row(sql, [], |row| row.get::<_, bool>(0));
        if busy.map_err(StoreError::unavailable)? {
            return Err(StoreError::unavailable(StillRead));
        }
        Ok(())
    }

    /// One transaction for the whole batch. On `Err` nothing of it is there, unless the commit
    /// itself failed: then nobody knows, and asking again with the same event ids tells.
    #[expect(clippy::type_complexity, reason = "outcomes, and what to tell the tail")]
    fn commit(
        &mut self,
        work: Vec<Work>,
    ) -> rusqlite::Result<(Vec<Result<Appended, StoreError>>, Vec<Recorded>)> {
        let recorded_at = self.clock.now();
        let mut recorded = Vec::new();
        let mut outcomes = Vec::with_capacity(work.len());
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        for job in work {
            outcomes.push(match job {
                Work::Append(append) => {
                    write_append(&transaction, append, self.head, recorded_at, &mut recorded)?
                }
                Work::DestroyKey(subject) => {
                    write_destroyed(&transaction, &subject, recorded_at)?;
                    Ok(Appended::Now { last: self.head + recorded.len() as u64 })
                }
                Work::Import(import) => {
                    transfer::write_import(&transaction, import, self.head, &mut recorded)?
                }
                Work::ImportKeys(keys) => {
                    transfer::write_keys(&transaction, &keys)?;
                    Ok(Appended::Now { last: self.head + recorded.len() as u64 })
                }
            });
        }
        transaction.commit()?;
        Ok((outcomes, recorded))
    }
}

/// A reader has held the WAL for longer than the writer waits; asking again is safe.
#[derive(Debug, thiserror::Error)]
#[error("the write-ahead log is being read")]
struct StillRead;

/// Checks the stream's length and inserts, or says what stands in the way. The outer error fails
/// the batch, the inner one this append alone.
fn write_append(
    transaction: &Transaction<'_>,
    append: Append,
    head: Position,
    recorded_at: Timestamp,
    recorded: &mut Vec<Recorded>,
) -> rusqlite::Result<Result<Appended, StoreError>> {
    let name = append.stream.to_string();
    let (first, length) = stream_length(transaction, &name)?;
    if length != append.expected_length {
        return find_earlier(transaction, first, length, &append);
    }
    let next = head + recorded.len() as u64 + 1;
    let first = first.unwrap_or(next);
    if length == 0 {
        let sql = "INSERT INTO streams (first, name) VALUES (?1, ?2)";
        transaction.prepare_cached(sql)?.execute(params![first, name])?;
    }
    if let Some(key) = &append.new_key {
        write_key(transaction, &name, key, recorded_at)?;
    }
    for event in append.into_recorded(next - 1, recorded_at) {
        write_event(transaction, first, &event)?;
        recorded.push(event);
    }
    Ok(Ok(Appended::Now { last: head + recorded.len() as u64 }))
}

pub(super) fn stream_length(
    transaction: &Transaction<'_>,
    name: &str,
) -> rusqlite::Result<(Option<Position>, Version)> {
    let sql = "SELECT s.first, (SELECT max(version) + 1 FROM events WHERE stream = s.first)
               FROM streams s WHERE s.name = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let found = statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map_or((None, 0), |(first, length)| (Some(first), length)))
}

/// The stream is not as long as expected: were these very events appended by an earlier call?
fn find_earlier(
    transaction: &Transaction<'_>,
    first: Option<Position>,
    length: Version,
    append: &Append,
) -> rusqlite::Result<Result<Appended, StoreError>> {
    let sql = "SELECT position, event_id FROM events
               WHERE stream = ?1 AND version >= ?2 ORDER BY version LIMIT ?3";
    let place = params![first, clamped(append.expected_length), append.events.len()];
    let stored: Vec<_> = transaction
        .prepare_cached(sql)?
        .query_map(place, |row| Ok((row.get(0)?, EventId(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(append.again(&stored, length))
}

pub(super) fn write_event(
    transaction: &Transaction<'_>,
    first: Position,
    event: &Recorded,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO events (position, stream, version, event_id, type, data, occurred_at,
                 recorded_at, correlation_id, causation_id, actor)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    transaction.prepare_cached(sql)?.execute(params![
        event.position,
        first,
        event.version,
        event.event_id.0,
        event.event.event_type(),
        std::str::from_utf8(&event.data)?,
        event.metadata.occurred_at.as_micros(),
        event.recorded_at.as_micros(),
        event.metadata.correlation_id.0,
        event.metadata.causation_id.map(|id| id.0),
        event.metadata.actor.to_string(),
    ])?;
    Ok(())
}

fn write_key(
    transaction: &Transaction<'_>,
    subject: &str,
    key: &NewKey,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO subject_keys (subject, generation, wrapped, created_at)
               VALUES (?1, ?2, ?3, ?4)";
    let row = params![subject, key.generation, key.wrapped, at.as_micros()];
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn write_destroyed(
    transaction: &Transaction<'_>,
    subject: &StreamId,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "UPDATE subject_keys SET wrapped = NULL, destroyed_at = ?2
               WHERE subject = ?1 AND wrapped IS NOT NULL";
    transaction.prepare_cached(sql)?.execute(params![subject.to_string(), at.as_micros()])?;
    Ok(())
}
