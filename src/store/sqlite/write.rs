//! The writer thread: group commit.

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{broadcast, mpsc};
use whence_events::{Position, Recorded, Timestamp, Version};

use super::work::{Import, Job, Work};
use super::{keys, rows};
use crate::infra::clock::Clock;
use crate::store::{Append, Appended, Batch, StoreError};

/// The most jobs in one transaction: bounds the time that the first of them waits for the last.
const MAX_BATCH: usize = 512;

/// The only writer of a log, on a thread of its own.
pub(super) struct Writer {
    connection: Connection,
    clock: Clock,
    tail: broadcast::Sender<Batch>,
    /// The position of the last committed event. Only this thread appends, so it need not ask.
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

    /// Writes what comes through the queue, until the store is dropped.
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
                // A caller that went away needs no answer.
                let _ = answer.send(outcome);
            }
        }
    }

    /// Writes a batch and returns the outcome of each job in it.
    fn batch(&mut self, work: Vec<Work>) -> Vec<Result<Appended, StoreError>> {
        let jobs = work.len();
        let destroys: Vec<bool> = work.iter().map(Work::destroys).collect();
        match self.commit(work) {
            Ok((mut outcomes, recorded)) => {
                // On disk. The readers of the tail receive it before the callers get their answers, so
                // that a caller that reads next finds the caches already updated.
                let after = self.head;
                self.head += recorded.len() as u64;
                if !recorded.is_empty() {
                    let _ =
                        self.tail.send(Batch { after, upto: self.head, events: recorded.into() });
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

    /// Empties the WAL, which keeps pages as they were before their last change: with the key in them.
    fn empty_wal(&self) -> Result<(), StoreError> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy = self.connection.query_row(sql, [], |row| row.get::<_, bool>(0));
        if busy.map_err(StoreError::unavailable)? {
            return Err(StoreError::unavailable(StillRead));
        }
        Ok(())
    }

    /// Writes the whole batch in one transaction. On `Err` nothing of it was written, unless the commit
    /// itself failed: then that is unknown, and appending the same event ids again finds it out.
    #[expect(clippy::type_complexity, reason = "outcomes, and what to send to the tail")]
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
                Work::DestroyKey(subject, up_to) => {
                    rows::write_destroyed(&transaction, &subject, up_to, recorded_at)?;
                    Ok(Appended::Now { last: self.head + recorded.len() as u64 })
                }
                Work::Import(import) => {
                    write_import(&transaction, import, self.head, &mut recorded)?
                }
                Work::ImportKeys(keys) => {
                    rows::write_imported_keys(&transaction, &keys)?;
                    Ok(Appended::Now { last: self.head + recorded.len() as u64 })
                }
                Work::ChangeVault(change) => {
                    keys::write_change(&transaction, &change)?;
                    Ok(Appended::Now { last: self.head + recorded.len() as u64 })
                }
            });
        }
        transaction.commit()?;
        Ok((outcomes, recorded))
    }
}

/// A reader held the WAL for longer than the writer waits; destroying the key again is safe.
#[derive(Debug, thiserror::Error)]
#[error("the write-ahead log is being read")]
struct StillRead;

/// Inserts the events of an append when its stream has the expected length, or returns why not. The
/// outer error fails the batch, the inner one this append alone.
fn write_append(
    transaction: &Transaction<'_>,
    append: Append,
    head: Position,
    recorded_at: Timestamp,
    recorded: &mut Vec<Recorded>,
) -> rusqlite::Result<Result<Appended, StoreError>> {
    let name = append.stream.to_string();
    let (first, length) = rows::stream_length(transaction, &name)?;
    if length != append.expected_length {
        return find_earlier(transaction, first, length, &append);
    }
    let next = head + recorded.len() as u64 + 1;
    let first = first.unwrap_or(next);
    if length == 0 {
        rows::write_stream(transaction, first, &name)?;
    }
    if let Some(key) = &append.new_key {
        rows::write_key(transaction, &name, key, recorded_at)?;
    }
    for event in append.into_recorded(next - 1, recorded_at) {
        rows::write_event(transaction, first, &event)?;
        recorded.push(event);
    }
    Ok(Ok(Appended::Now { last: head + recorded.len() as u64 }))
}

/// Returns the outcome of an append whose stream does not have the expected length: an earlier call may
/// have appended these very events.
fn find_earlier(
    transaction: &Transaction<'_>,
    first: Option<Position>,
    length: Version,
    append: &Append,
) -> rusqlite::Result<Result<Appended, StoreError>> {
    let stored = rows::ids(transaction, first, append.expected_length, append.events.len())?;
    Ok(append.repeated_or_conflict(&stored, length))
}

/// Inserts all events, or reports that the log or a stream ends elsewhere and inserts none: the other
/// jobs of the transaction are still written. `head` is where the log ended before the transaction.
fn write_import(
    transaction: &Transaction<'_>,
    import: Import,
    head: Position,
    recorded: &mut Vec<Recorded>,
) -> rusqlite::Result<Result<Appended, StoreError>> {
    let end = head + recorded.len() as u64;
    if import.after != end {
        return Ok(Err(StoreError::Conflict { length: end }));
    }
    transaction.execute_batch("SAVEPOINT import")?;
    let before = recorded.len();
    for (mut event, position) in import.events.into_iter().zip(end + 1..) {
        let name = event.stream.to_string();
        let (first, length) = rows::stream_length(transaction, &name)?;
        if length != event.version {
            recorded.truncate(before);
            transaction.execute_batch("ROLLBACK TO import; RELEASE import")?;
            return Ok(Err(StoreError::Conflict { length }));
        }
        let first = first.unwrap_or(position);
        if length == 0 {
            rows::write_stream(transaction, first, &name)?;
        }
        event.position = position;
        rows::write_event(transaction, first, &event)?;
        recorded.push(event);
    }
    transaction.execute_batch("RELEASE import")?;
    Ok(Ok(Appended::Now { last: head + recorded.len() as u64 }))
}
