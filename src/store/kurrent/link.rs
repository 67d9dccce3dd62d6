//! The link to the server: one client that works, or none, and the supervisor that mends it.
//!
//! The client does not look after itself: one whose first connection failed refuses everything from
//! then on, one whose leader died keeps asking it, and a subscription that ended stays so. The
//! supervisor notices, sees whether the client still gets an answer, and makes another if not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventstore::{Client, ClientSettings, Error, ReadAllOptions, ResolvedEvent, StreamPosition};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use whence_events::StreamId;

use super::record;
use super::tail::Tail;
use crate::store::MAX_TAIL_SILENCE;

/// How long a call waits for a client that works.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a call takes at most, with all its attempts.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client has to show that it works.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the tail is held against the log. With the time of two answers it stays well below
/// [`MAX_TAIL_SILENCE`].
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Times that a client is sent on to another leader before it is taken to be lost.
const MAX_REDIRECTS: usize = 3;

/// Between two attempts to mend the link: the first, and the longest.
const MIN_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A link that held for so long is mended without a pause when it breaks.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// Codes of gRPC that the client passes on: a call that was broken off, and one that the server could
/// not bring to an end in time.
const CANCELLED: i32 = 1;
const ABORTED: i32 = 10;

/// Events looked at together while looking for the last one that is ours.
const BACKWARD_EVENTS: usize = 256;

/// The client that works now, if one does.
pub(super) struct Link {
    settings: ClientSettings,
    current: watch::Sender<Option<LiveClient>>,
    /// When it was last known that the tail has told all there is: milliseconds since `opened`.
    current_at: AtomicU64,
    opened: Instant,
    /// The last generation whose tail had told all there was.
    caught_up: AtomicU64,
}

/// A link that was just made.
pub(super) struct Opened {
    pub(super) link: Link,
    /// For the supervisor.
    pub(super) first: LiveClient,
    /// The last event of the log.
    pub(super) last: Option<ResolvedEvent>,
}

/// A client that worked when it was made.
#[derive(Clone)]
pub(super) struct LiveClient {
    /// Tells a client that was reported from the one that took its place.
    generation: u64,
    client: Arc<Client>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The server, or the client, said no.
    #[error(transparent)]
    Client(#[from] Error),
    /// There was no server to ask.
    #[error("KurrentDB cannot be reached")]
    Unreachable,
    /// It did not answer.
    #[error("KurrentDB has not answered in time")]
    Late,
}

impl Link {
    /// Connects, trying again for as long as `patience` lasts.
    pub(super) async fn open(
        settings: ClientSettings,
        patience: Duration,
    ) -> Result<Opened, CallError> {
        let deadline = Instant::now() + patience;
        let mut pause = MIN_PAUSE;
        loop {
            match timeout_at(deadline, connect(&settings)).await.unwrap_or(Err(CallError::Late)) {
                Ok((client, last)) => {
                    let first = LiveClient { generation: 0, client: Arc::new(client) };
                    let current = watch::Sender::new(Some(first.clone()));
                    let (current_at, opened) = (AtomicU64::new(0), Instant::now());
                    let caught_up = AtomicU64::new(first.generation);
                    let link = Self { settings, current, current_at, opened, caught_up };
                    return Ok(Opened { link, first, last });
                }
                Err(error) if error.may_pass() && Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks the server, again where the link broke: whatever is asked here may be asked twice.
    pub(super) async fn call<T, Ask, Answer>(&self, ask: Ask) -> Result<T, CallError>
    where
        Ask: Fn(Arc<Client>) -> Answer + Send,
        Answer: Future<Output = Result<T, Error>> + Send,
    {
        let deadline = Instant::now() + CALL_TIMEOUT;
        loop {
            let connection = self.connection(deadline).await?;
            match timeout_at(deadline, ask(connection.client)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if breaks_link(&error) => {
                    tracing::warn!(%error, "the link to KurrentDB broke");
                    self.report(connection.generation);
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    self.report(connection.generation);
                    return Err(CallError::Late);
                }
            }
        }
    }

    /// Tails the log and mends the link, for ever.
    pub(super) async fn supervise(&self, mut connection: LiveClient, tail: &Tail) {
        let mut pause = Duration::ZERO;
        let mut changes = self.current.subscribe();
        loop {
            let since = Instant::now();
            tokio::select! {
                why = tail.follow(&connection.client) => {
                    tracing::warn!(%why, "the tail of the log broke off");
                    self.report(connection.generation);
                }
                why = self.check_against_log(&connection, tail) => {
                    tracing::warn!(%why, "the tail of the log is out of touch");
                    self.report(connection.generation);
                }
                // It fails only without a sender, which is `self`.
                _ = changes.wait_for(Option::is_none) => {}
            }
            if since.elapsed() >= STABLE_AFTER {
                pause = Duration::ZERO;
            }
            let client = self.mend(connection.client, &mut pause).await;
            connection = LiveClient { generation: connection.generation + 1, client };
            self.current.send_replace(Some(connection.clone()));
        }
    }

    /// Whether the tail has told all that was there a moment ago.
    pub(super) fn is_current(&self) -> bool {
        let at = self.opened + Duration::from_millis(self.current_at.load(Ordering::Relaxed));
        at.elapsed() <= MAX_TAIL_SILENCE
    }

    /// Whether the tail has told all that was there when the link was last mended.
    pub(super) fn is_caught_up(&self) -> bool {
        let generation = self.caught_up.load(Ordering::Relaxed);
        self.current.borrow().as_ref().is_some_and(|now| now.generation == generation)
    }

    /// Holds the tail against the log now and then: returns when there is no answer, or when the
    /// subscription is silent about something that is there.
    async fn check_against_log(&self, connection: &LiveClient, tail: &Tail) -> CallError {
        loop {
            let asked = self.opened.elapsed();
            let head = match timeout(PROBE_TIMEOUT, last_event(&connection.client)).await {
                Ok(Ok(last)) => last.as_ref().and_then(record::position).unwrap_or(0),
                Ok(Err(error)) => return error.into(),
                Err(_) => return CallError::Late,
            };
            let mut published = tail.published();
            while timeout(PROBE_TIMEOUT, tail.wait_for(head)).await.is_err() {
                // With much to catch up on it takes long, but it moves.
                if tail.published() == published {
                    return CallError::Late;
                }
                published = tail.published();
            }
            let asked = u64::try_from(asked.as_millis()).unwrap_or(u64::MAX);
            self.current_at.store(asked, Ordering::Relaxed);
            self.caught_up.store(connection.generation, Ordering::Relaxed);
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }

    /// A client that works: the old one, when that does after all, for each new one costs some memory
    /// that the library does not give back.
    async fn mend(&self, old: Arc<Client>, pause: &mut Duration) -> Arc<Client> {
        loop {
            tokio::time::sleep(*pause).await;
            *pause = (*pause * 2).clamp(MIN_PAUSE, MAX_PAUSE);
            if probe(&old).await.is_ok() {
                return old;
            }
            match connect(&self.settings).await {
                Ok((client, _)) => return Arc::new(client),
                Err(error) => tracing::warn!(%error, "no connection to KurrentDB"),
            }
        }
    }

    /// The client of now; waits for one that works, within bounds.
    async fn connection(&self, deadline: Instant) -> Result<LiveClient, CallError> {
        let mut changes = self.current.subscribe();
        let deadline = deadline.min(Instant::now() + CLIENT_TIMEOUT);
        match timeout_at(deadline, changes.wait_for(Option::is_some)).await {
            Ok(Ok(connection)) => connection.clone().ok_or(CallError::Unreachable),
            Ok(Err(_)) | Err(_) => Err(CallError::Unreachable),
        }
    }

    /// A connection broke. Says so once: whoever comes late does not break its successor.
    fn report(&self, generation: u64) {
        self.current.send_if_modified(|current| {
            let is_it = current.as_ref().is_some_and(|now| now.generation == generation);
            if is_it {
                *current = None;
            }
            is_it
        });
    }
}

impl CallError {
    /// Whether it may go away by itself.
    fn may_pass(&self) -> bool {
        !matches!(self, Self::Client(Error::AccessDenied | Error::InitializationError(_)))
    }
}

/// A new client, that has shown that it works, and the last event of the log.
async fn connect(settings: &ClientSettings) -> Result<(Client, Option<ResolvedEvent>), CallError> {
    let (settings, runtime) = (settings.clone(), tokio::runtime::Handle::current());
    // It reads the certificates of the system, which takes tens of milliseconds.
    let made = tokio::task::spawn_blocking(|| Client::with_runtime_handle(runtime, settings));
    // It panics on a file of certificates that holds something else.
    let made = made.await.map_err(|_| unusable("a file of certificates cannot be read"))?;
    let client = made.map_err(|error| unusable(&error.to_string()))?;
    let head = probe(&client).await?;
    Ok((client, head))
}

fn unusable(why: &str) -> CallError {
    Error::InitializationError(why.to_owned()).into()
}

/// Sees whether a client works: whether the leader answers it.
async fn probe(client: &Client) -> Result<Option<ResolvedEvent>, CallError> {
    for _ in 0..MAX_REDIRECTS {
        match timeout(PROBE_TIMEOUT, last_event(client)).await {
            // The client has heard where the leader is, and asks there next.
            Ok(Err(Error::NotLeaderException(_))) => {}
            Ok(answer) => return Ok(answer?),
            Err(_) => return Err(CallError::Late),
        }
    }
    Err(CallError::Unreachable)
}

/// The last event of ours, as the leader has it.
pub(super) async fn last_event(client: &Client) -> Result<Option<ResolvedEvent>, Error> {
    let mut from = StreamPosition::End;
    let mut count = 1;
    loop {
        let options = ReadAllOptions::default().filter(record::ours()).requires_leader(true);
        let options = options.max_count(count).position(from).backwards();
        let mut events = client.read_all(&options).await?;
        let mut seen = 0;
        while let Some(event) = events.next().await? {
            seen += 1;
            from = StreamPosition::Position(event.get_original_event().position);
            if event.get_original_stream_id().parse::<StreamId>().is_ok() {
                return Ok(Some(event));
            }
        }
        if seen < count {
            return Ok(None);
        }
        count = BACKWARD_EVENTS;
    }
}

/// Whether it says that this client has to be looked after, rather than something about the question.
fn breaks_link(error: &Error) -> bool {
    match error {
        Error::Grpc { code, .. } => [CANCELLED, ABORTED].contains(&i32::from(*code)),
        Error::ServerError(_)
        | Error::NotLeaderException(_)
        | Error::ConnectionClosed
        | Error::GrpcConnectionError(_)
        | Error::DeadlineExceeded => true,
        Error::InternalParsingError(_)
        | Error::AccessDenied
        | Error::ResourceAlreadyExists
        | Error::ResourceNotFound
        | Error::ResourceDeleted
        | Error::UnsupportedFeature
        | Error::InternalClientError
        | Error::InitializationError(_)
        | Error::IllegalStateError(_)
        | Error::WrongExpectedVersion { .. } => false,
    }
}
