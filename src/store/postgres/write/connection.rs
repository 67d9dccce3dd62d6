//! The connection of the sequencer, and the one statement that it runs.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Statement};
use uuid::Uuid;
use whence_events::{Position, Timestamp, Version};

use super::super::read::clamped;
use crate::postgres::{ConnectError, Driver, PostgresUrl, said};
use crate::store::Append;

/// How long a batch may take: longer than it may wait for the lock of the head row, so that the
/// server says no before nobody knows.
const COMMIT: Duration = Duration::from_secs(5);

const SETTINGS: [&str; 6] = [
    // What was acknowledged is on disk; and on the standby, where there is a synchronous one.
    "synchronous_commit=on",
    // What comes after the lock has to see what was committed before it was given.
    "default_transaction_isolation=read\\ committed",
    // Every look-up has an index made for it; a plan that was made while the log was all but empty
    // must not read whole tables later.
    "plan_cache_mode=force_generic_plan",
    "enable_seqscan=off",
    "enable_bitmapscan=off",
    "jit=off",
];

const APPEND: &str = "SELECT before, at, lengths
    FROM log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";

/// A connection that appends.
pub(in super::super) struct Writing {
    client: Client,
    append: Statement,
    /// The server warned of something since the batch began.
    warned: Arc<AtomicBool>,
    _driver: Driven,
}

/// What a batch did.
pub(super) struct Committed {
    /// The end of the log before it.
    pub(super) before: Position,
    pub(super) recorded_at: Timestamp,
    /// How long each append's stream was. Where that is what was expected, it was written.
    pub(super) lengths: Vec<Version>,
}

impl Committed {
    pub(super) fn nothing() -> Self {
        Self { before: 0, recorded_at: Timestamp::default(), lengths: Vec::new() }
    }
}

/// Why a batch was not written, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("cannot connect to Postgres: {0}")]
    Connect(#[from] ConnectError),
    #[error("{}", said(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("Postgres did not answer in time")]
    TimedOut,
    #[error("Postgres warned that the commit may not be durable")]
    Warned,
    #[error("Postgres answered what cannot be")]
    Answer,
}

impl WriteError {
    /// Whether it is something in the batch, and not the server, that stands in the way: a value that
    /// cannot be stored (class 22), a rule of the tables (23), a limit of the server (54).
    pub(super) fn is_about_data(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        let state = error.code().map(SqlState::code);
        state.is_some_and(|state| ["22", "23", "54"].iter().any(|class| state.starts_with(class)))
    }
}

impl Writing {
    pub(super) async fn connect(url: &PostgresUrl) -> Result<Self, WriteError> {
        let (client, driver) = url.connect(&SETTINGS).await?;
        let warned = Arc::new(AtomicBool::new(false));
        let driver = drive(driver, {
            let warned = warned.clone();
            move |message| {
                if let AsyncMessage::Notice(notice) = message
                    && notice.parsed_severity() == Some(Severity::Warning)
                {
                    warned.store(true, Ordering::SeqCst);
                }
            }
        });
        let late = |_| WriteError::TimedOut;
        let append = timeout(COMMIT, client.prepare(APPEND)).await.map_err(late)??;
        Ok(Self { client, append, warned, _driver: driver })
    }

    pub(super) fn is_broken(&self) -> bool {
        self.client.is_closed()
    }

    /// The commit point: one statement, one transaction, one round trip. On `Ok` it is durable.
    pub(super) async fn append<'a>(
        &self,
        appends: impl Iterator<Item = &'a Append>,
        now: Timestamp,
        node: &str,
    ) -> Result<Committed, WriteError> {
        let columns = Columns::of(appends);
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
            &a.occurred,
            &a.ids,
            &a.correlations,
            &a.causations,
            &a.actors,
            &a.types,
            &a.contents,
            &now,
            &node,
        ];
        let done = self.client.query_one(&self.append, &parameters);
        let row = timeout(COMMIT, done).await.map_err(|_| WriteError::TimedOut)??;
        // An operator who cancels a commit that waits for its standby makes it a success, of which
        // the standby knows nothing; all that the server says is a warning.
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

/// The arguments of `log.append`, which is documented where it is made.
#[derive(Default)]
struct Columns<'a> {
    names: Vec<String>,
    expected: Vec<i64>,
    counts: Vec<i32>,
    generations: Vec<Option<i64>>,
    keys: Vec<Option<&'a [u8]>>,
    appends: Vec<i32>,
    versions: Vec<i64>,
    occurred: Vec<i64>,
    ids: Vec<Uuid>,
    correlations: Vec<Uuid>,
    causations: Vec<Option<Uuid>>,
    actors: Vec<String>,
    types: Vec<&'a str>,
    contents: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
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
                columns.occurred.push(event.metadata.occurred_at.as_micros());
                columns.ids.push(event.event_id.0);
                columns.correlations.push(event.metadata.correlation_id.0);
                columns.causations.push(event.metadata.causation_id.map(|id| id.0));
                columns.actors.push(event.metadata.actor.to_string());
                columns.types.push(event.event.event_type());
                columns.contents.push(&event.data);
            }
        }
        columns
    }
}

/// The connection ended.
#[derive(Debug, thiserror::Error)]
#[error("the connection to Postgres broke")]
pub(in super::super) struct BrokenConnection;

/// A task that polls a connection, and ends with this value: the connection is closed then.
pub(in super::super) struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Polls a connection, and says what the server says by itself.
pub(in super::super) fn drive(
    mut driver: Driver,
    hear: impl Fn(AsyncMessage) + Send + 'static,
) -> Driven {
    Driven(tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| driver.poll_message(context)).await {
            hear(message);
        }
    }))
}
