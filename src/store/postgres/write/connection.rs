//! The connection of the sequencer, and the one statement that it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postgres_types::ToSql;
use tokio::time::timeout;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{AsyncMessage, Client, Statement};
use whence_events::{Position, Timestamp, Version};

use super::super::columns::EventColumns;
use super::super::open::SETTINGS;
use crate::infra::postgres::{ConnectError, ConnectionTask, PostgresUrl, message};
use crate::store::{Append, NewEvent, clamped};

/// How long a batch may take: longer than it may wait for the lock of the head row, so that the
/// server refuses it before its outcome is unknown.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

const APPEND_SQL: &str = "SELECT before, at, lengths
    FROM log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";

/// A connection that appends.
pub(in super::super) struct AppendConnection {
    client: Client,
    append: Statement,
    /// Whether the server has sent a warning since the batch began.
    warned: Arc<AtomicBool>,
    _driver: ConnectionTask,
}

/// The outcome of a batch.
pub(super) struct Committed {
    /// The position of the last event before the batch.
    pub(super) before: Position,
    pub(super) recorded_at: Timestamp,
    /// The length that each append's stream had. When it is the expected length, the append was
    /// written.
    pub(super) lengths: Vec<Version>,
}

impl Committed {
    pub(super) fn nothing() -> Self {
        Self { before: 0, recorded_at: Timestamp::default(), lengths: Vec::new() }
    }
}

/// Why a batch was not written, or why that is unknown.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("cannot connect to Postgres: {0}")]
    Connect(#[from] ConnectError),
    #[error("{}", message(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("Postgres did not answer in time")]
    TimedOut,
    #[error("Postgres warned that the commit may not be durable")]
    Warned,
    #[error("Postgres answered what cannot be")]
    Answer,
}

impl WriteError {
    /// Returns whether the batch was refused for its data, and not for the state of the server: a value
    /// that cannot be stored (class 22), a rule of the tables (23), a limit of the server (54).
    pub(super) fn is_about_data(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        let state = error.code().map(SqlState::code);
        state.is_some_and(|state| ["22", "23", "54"].iter().any(|class| state.starts_with(class)))
    }
}

impl AppendConnection {
    pub(super) async fn connect(url: &PostgresUrl) -> Result<Self, WriteError> {
        let warned = Arc::new(AtomicBool::new(false));
        let on_message = {
            let warned = warned.clone();
            move |message| {
                if let AsyncMessage::Notice(notice) = message
                    && notice.parsed_severity() == Some(Severity::Warning)
                {
                    warned.store(true, Ordering::SeqCst);
                }
            }
        };
        let (client, driver) = url.connect_with_messages(&SETTINGS, on_message).await?;
        let late = |_| WriteError::TimedOut;
        let append = timeout(COMMIT_TIMEOUT, client.prepare(APPEND_SQL)).await.map_err(late)??;
        Ok(Self { client, append, warned, _driver: driver })
    }

    pub(super) fn is_broken(&self) -> bool {
        self.client.is_closed()
    }

    /// Appends a batch, durably on `Ok`. This is the commit point: one statement, one transaction, one
    /// round trip.
    pub(super) async fn append<'a>(
        &self,
        appends: impl Iterator<Item = &'a Append>,
        now: Timestamp,
        node: &str,
    ) -> Result<Committed, WriteError> {
        let columns = AppendColumns::of(appends);
        self.warned.store(false, Ordering::SeqCst);
        let (now, a) = (now.as_micros(), &columns);
        let parameters: [&(dyn ToSql + Sync); 16] = [
            &a.names,
            &a.expected,
            &a.counts,
            &a.generations,
            &a.keys,
            &a.appends,
            &a.versions,
            &a.events.occurred,
            &a.events.ids,
            &a.events.correlations,
            &a.events.causations,
            &a.events.actors,
            &a.events.types,
            &a.events.contents,
            &now,
            &node,
        ];
        let done = self.client.query_one(&self.append, &parameters);
        let row = timeout(COMMIT_TIMEOUT, done).await.map_err(|_| WriteError::TimedOut)??;
        // An operator who cancels a commit that waits for its standby makes it a success, of which
        // the standby knows nothing; the only sign of it is a warning of the server.
        if self.warned.load(Ordering::SeqCst) {
            return Err(WriteError::Warned);
        }
        let position = |number: i64| u64::try_from(number).map_err(|_| WriteError::Answer);
        let lengths: Vec<i64> = row.try_get(2)?;
        Ok(Committed {
            before: position(row.try_get(0)?)?,
            recorded_at: Timestamp::from_micros(row.try_get(1)?),
            lengths: lengths.into_iter().map(position).collect::<Result<_, _>>()?,
        })
    }
}

/// The arguments of `log.append`, which is documented in its migration.
#[derive(Default)]
struct AppendColumns<'a> {
    names: Vec<String>,
    expected: Vec<i64>,
    counts: Vec<i32>,
    generations: Vec<Option<i64>>,
    keys: Vec<Option<&'a [u8]>>,
    appends: Vec<i32>,
    versions: Vec<i64>,
    events: EventColumns<'a>,
}

impl<'a> AppendColumns<'a> {
    fn of(appends: impl Iterator<Item = &'a Append>) -> Self {
        let mut columns = Self::default();
        for (append, number) in appends.zip(1..) {
            columns.names.push(append.stream.to_string());
            columns.expected.push(clamped(append.expected_length));
            columns.counts.push(append.events.len().try_into().unwrap_or(i32::MAX));
            let key = append.new_key.as_ref();
            columns.generations.push(key.map(|key| key.generation.into()));
            columns.keys.push(key.map(|key| &key.wrapped[..]));
            for (event, nth) in append.events.iter().zip(0..) {
                columns.appends.push(number);
                columns.versions.push(clamped(append.expected_length.saturating_add(nth)));
                let NewEvent { event_id, event, data, metadata } = event;
                columns.events.push(*event_id, event, data, metadata);
            }
        }
        columns
    }
}
