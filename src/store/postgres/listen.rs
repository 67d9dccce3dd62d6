//! The tail: batches of this node from memory, those of other nodes from the log, all in one order.

use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, broadcast, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::AsyncMessage;
use whence_events::{Position, Recorded, Timestamp};

use super::open::SERVER_TIME;
use super::read::PostgresReaders;
use crate::infra::clock::Clock;
use crate::infra::errors::with_causes;
use crate::infra::postgres::PostgresUrl;
use crate::store::{Batch, MAX_TAIL_SILENCE, StoreError, TAIL_CAPACITY};

/// Events of other nodes that are read and published at a time.
const CATCH_UP_EVENTS: u64 = 1024;

/// How often the log is asked where it ends without a notification that it grew: one can get lost. Well
/// below [`MAX_TAIL_SILENCE`].
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long the server may take to answer.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait before listening again after a failure.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Publishes what was committed to the readers of the tail.
pub(super) struct TailPublisher {
    /// The position of the last event that was published. Every publisher holds this lock, so that all
    /// events are published in order.
    published: Mutex<Position>,
    tail: broadcast::Sender<Batch>,
    readers: PostgresReaders,
    /// No clock here may show an earlier moment than one that another node has recorded.
    clock: Clock,
    /// When the log was last asked where it ends, and everything up to that end was then published.
    checked_at: Lock<Instant>,
}

impl TailPublisher {
    pub(super) fn new(readers: PostgresReaders, clock: Clock, head: Position) -> Self {
        let (published, checked_at) = (Mutex::new(head), Lock::new(Instant::now()));
        let (tail, _) = broadcast::channel(TAIL_CAPACITY);
        Self { published, tail, readers, clock, checked_at }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Batch> {
        self.tail.subscribe()
    }

    pub(super) fn is_current(&self) -> bool {
        self.checked_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed() <= MAX_TAIL_SILENCE
    }

    /// Publishes a committed batch of this node, after what other nodes have appended before it. When
    /// that cannot be read now, the listener publishes all of it later.
    pub(super) async fn publish(&self, before: Position, mut events: Vec<Recorded>) {
        let mut published = self.published.lock().await;
        if let Err(error) = self.catch_up(&mut published, before).await {
            tracing::warn!(error = %with_causes(&error), "the tail is behind the log");
            return;
        }
        // The listener may have seen them in the log already.
        events.retain(|event| event.position > *published);
        self.send(&mut published, events);
    }

    /// Publishes everything up to `head`, which is committed.
    async fn publish_up_to(&self, head: Position) -> Result<(), StoreError> {
        let mut published = self.published.lock().await;
        if head < *published {
            // More was published since the head was read; or the log lost its end, which happens when
            // a standby is promoted that does not have everything.
            let now = self.readers.head().await?;
            if now < *published {
                let lost = *published - now;
                tracing::error!(lost, head = now, "events that were acknowledged are gone");
                *published = now;
            }
        }
        self.catch_up(&mut published, head).await
    }

    async fn catch_up(
        &self,
        published: &mut MutexGuard<'_, Position>,
        head: Position,
    ) -> Result<(), StoreError> {
        while **published < head {
            let page =
                usize::try_from(CATCH_UP_EVENTS.min(head - **published)).unwrap_or(usize::MAX);
            let events = self.readers.all(**published, page).await?;
            if events.is_empty() {
                return Err(StoreError::unavailable(Missing { head }));
            }
            self.send(published, events);
        }
        Ok(())
    }

    fn send(&self, published: &mut MutexGuard<'_, Position>, events: Vec<Recorded>) {
        if let Some(last) = events.last() {
            let upto = last.position;
            self.clock.raise(last.recorded_at);
            let after = std::mem::replace(&mut **published, upto);
            let _ = self.tail.send(Batch { after, upto, events: events.into() });
        }
    }

    fn set_checked(&self, at: Instant) {
        *self.checked_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

/// Listens for what other nodes append.
pub(super) struct Listener {
    url: PostgresUrl,
    /// The name that this node's own notifications carry.
    node: String,
    publisher: Arc<TailPublisher>,
}

impl Listener {
    pub(super) fn new(url: PostgresUrl, node: String, publisher: Arc<TailPublisher>) -> Self {
        Self { url, node, publisher }
    }

    /// Listens until the store is dropped.
    pub(super) async fn run(self) {
        loop {
            if let Err(error) = self.listen().await {
                tracing::warn!(error = %with_causes(&error), "the log cannot be listened to");
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Listens until the connection breaks.
    async fn listen(&self) -> Result<(), ListenError> {
        let (published, mut heard) = watch::channel(0);
        let node = self.node.clone();
        let on_message = move |message| {
            if let AsyncMessage::Notification(notification) = message
                && let Some(position) = head_of_other_node(notification.payload(), &node)
            {
                published.send_if_modified(|known| {
                    position > std::mem::replace(known, position.max(*known))
                });
            }
        };
        let (client, _driver) = self.url.connect_with_messages(&[], on_message).await?;
        let late = |_| ListenError::TimedOut;
        timeout(QUERY_TIMEOUT, client.batch_execute("LISTEN whence_log")).await.map_err(late)??;
        let sql = format!("SELECT position, {SERVER_TIME} FROM log.head");
        let end = timeout(QUERY_TIMEOUT, client.prepare(&sql)).await.map_err(late)??;
        loop {
            let at = Instant::now();
            let row = timeout(QUERY_TIMEOUT, client.query_one(&end, &[])).await.map_err(late)??;
            let latest = u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
            self.publisher.clock.compare(Timestamp::from_micros(row.get(1)));
            self.publisher.publish_up_to(latest).await?;
            self.publisher.set_checked(at);
            // Goes round also when no notification says that the log grew.
            if let Ok(Err(_)) =
                timeout(POLL_INTERVAL, heard.wait_for(|position| *position > latest)).await
            {
                return Err(ListenError::Broken(BrokenConnection));
            }
        }
    }
}

/// Returns where the log ended after another node's batch; `None` for this node's own batches,
/// which are published from memory.
fn head_of_other_node(payload: &str, node: &str) -> Option<Position> {
    let (head, by) = payload.split_once(' ')?;
    if by == node { None } else { head.parse().ok() }
}

/// Why listening ended.
#[derive(Debug, thiserror::Error)]
enum ListenError {
    #[error(transparent)]
    Connect(#[from] crate::infra::postgres::ConnectError),
    #[error("{}", crate::infra::postgres::message(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Broken(#[from] BrokenConnection),
    #[error("Postgres did not answer in time")]
    TimedOut,
}

/// The log has fewer events than its head says.
#[derive(Debug, thiserror::Error)]
#[error("the log has no events up to {head}")]
struct Missing {
    head: Position,
}

/// The connection ended.
#[derive(Debug, thiserror::Error)]
#[error("the connection to Postgres broke")]
struct BrokenConnection;
