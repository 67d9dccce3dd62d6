//! The link to the server: one client that works, or none, and the supervisor that repairs it.
//!
//! The client does not recover on its own: one whose first connection failed refuses everything from
//! then on, one whose leader died keeps asking it, and a subscription that ended is not started again.
//! The supervisor notices, checks whether the client still gets an answer, and makes another if not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventstore::{Client, ClientSettings, Error, ResolvedEvent};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use whence_events::Position;

use super::Log;
use super::diagnosis::has_recent_server;
use super::look::{last_of_all, since};
use super::packets::Packets;
use super::trouble_log::TroubleLog;
use crate::store::MAX_TAIL_SILENCE;

/// How long opening the log waits for a server that does not answer.
pub(super) const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call waits for a client that works.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a call takes at most, with all its attempts.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client has to show that it works.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the tail is compared with the log. With the time of two answers it stays well below
/// [`MAX_TAIL_SILENCE`].
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How often a client may be redirected to another leader before it is given up.
const MAX_REDIRECTS: usize = 3;

/// The first and the longest pause between two attempts to repair the link.
const MIN_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A link that has worked for this long is repaired without a pause when it breaks.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// Codes of gRPC that the client passes on: a call that was cancelled, and one that the server aborted
/// because it could not finish in time.
const CANCELLED: i32 = 1;
const ABORTED: i32 = 10;

/// The client that works now, if one does.
pub(super) struct Link {
    settings: ClientSettings,
    current: watch::Sender<Option<LiveClient>>,
    /// When the tail was last known to have published all events, in milliseconds since `opened`.
    current_at: AtomicU64,
    opened: Instant,
    /// The last generation of the client whose tail had published all events.
    caught_up: AtomicU64,
    packets: Packets,
}

/// A link that was just made.
pub(super) struct Opened {
    pub(super) link: Link,
    /// The first client, for the supervisor.
    pub(super) first: LiveClient,
    /// The last event of the server's log, of whichever application.
    pub(super) last: Option<ResolvedEvent>,
}

/// A client that worked when it was made.
#[derive(Clone)]
pub(super) struct LiveClient {
    /// The number of the client: tells one that was reported as broken from its successor.
    generation: u64,
    client: Arc<Client>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The server, or the client, refused.
    #[error(transparent)]
    Client(#[from] Error),
    /// The position is inside of a record, or of another log.
    #[error("no event of this log is at position {0}")]
    NoSuchPosition(Position),
    /// There was no client that works.
    #[error("KurrentDB cannot be reached")]
    Unreachable,
    /// The server did not answer in time.
    #[error("KurrentDB has not answered in time")]
    Late,
    /// The server is of a version whose answers lack what whence reads.
    #[error("this version of KurrentDB is too old")]
    TooOld,
}

impl Link {
    /// Connects, and tries again until `patience` is over.
    pub(super) async fn open(
        settings: ClientSettings,
        patience: Duration,
    ) -> Result<Opened, CallError> {
        let deadline = Instant::now() + patience;
        let mut pause = MIN_PAUSE;
        loop {
            match timeout_at(deadline, connect(&settings)).await.unwrap_or(Err(CallError::Late)) {
                Ok((client, last)) => {
                    let packets = Packets::default();
                    let first = LiveClient { generation: 0, client: Arc::new(client) };
                    let current = watch::Sender::new(Some(first.clone()));
                    let (current_at, opened) = (AtomicU64::new(0), Instant::now());
                    let caught_up = AtomicU64::new(first.generation);
                    let link = Self { settings, current, current_at, opened, caught_up, packets };
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

    /// Asks the server, and asks again when the link broke: any question may be asked twice.
    pub(super) async fn call<T, Ask, Answer>(&self, ask: Ask) -> Result<T, CallError>
    where
        Ask: Fn(Arc<Client>) -> Answer + Send,
        Answer: Future<Output = Result<T, Error>> + Send,
    {
        self.call_within(CALL_TIMEOUT, ask).await
    }

    /// Asks the server as [`Link::call`] does, and waits for this long at most.
    pub(super) async fn call_within<T, Ask, Answer>(
        &self,
        limit: Duration,
        ask: Ask,
    ) -> Result<T, CallError>
    where
        Ask: Fn(Arc<Client>) -> Answer + Send,
        Answer: Future<Output = Result<T, Error>> + Send,
    {
        let deadline = Instant::now() + limit;
        loop {
            let connection = self.connection(deadline).await?;
            let answer = self.packets.sent_at_once(ask(connection.client));
            match timeout_at(deadline, answer).await {
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

    /// Follows the log and repairs the link, without end.
    pub(super) async fn supervise(&self, mut connection: LiveClient, log: &Log) {
        let mut pause = Duration::ZERO;
        let trouble = TroubleLog::default();
        let mut changes = self.current.subscribe();
        loop {
            let since = Instant::now();
            tokio::select! {
                why = log.tail.follow(&connection.client, log) => {
                    tracing::warn!(%why, "the tail of the log broke off");
                    self.report(connection.generation);
                }
                why = self.check_against_log(&connection, log) => {
                    tracing::warn!(%why, "the tail of the log is out of touch");
                    self.report(connection.generation);
                }
                // It fails only without a sender, which is `self`.
                _ = changes.wait_for(Option::is_none) => {}
            }
            if since.elapsed() >= STABLE_AFTER {
                pause = Duration::ZERO;
            }
            let client = self.mend(connection.client, &mut pause, &trouble).await;
            connection = LiveClient { generation: connection.generation + 1, client };
            self.current.send_replace(Some(connection.clone()));
        }
    }

    /// Returns whether the tail has published all events that the log had a moment ago.
    pub(super) fn is_current(&self) -> bool {
        let at = self.opened + Duration::from_millis(self.current_at.load(Ordering::Relaxed));
        at.elapsed() <= MAX_TAIL_SILENCE
    }

    /// Returns whether the tail has published all events that the log had when the link was last
    /// repaired.
    pub(super) fn is_caught_up(&self) -> bool {
        let generation = self.caught_up.load(Ordering::Relaxed);
        self.current.borrow().as_ref().is_some_and(|now| now.generation == generation)
    }

    /// Compares the tail with the log at intervals. Returns when the server does not answer, or
    /// when the subscription does not deliver an event that the log has.
    ///
    /// The log is read from where the tail is, so what other applications have written before that
    /// costs nothing.
    async fn check_against_log(&self, connection: &LiveClient, log: &Log) -> CallError {
        let Log { tail, names, .. } = log;
        loop {
            if !until(tail.until_caught_up(), || tail.heard()).await {
                return CallError::Late;
            }
            let asked = self.opened.elapsed();
            let covered = tail.covered();
            let answer = since(&connection.client, names, covered);
            let answer = self.packets.sent_at_once(answer);
            let found = match timeout(PROBE_TIMEOUT, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return error.into(),
                Err(_) => return CallError::Late,
            };
            if let Some(last) = found.last
                && !until(tail.wait_for(last), || tail.heard()).await
            {
                return CallError::Late;
            }
            if found.is_all {
                let asked = u64::try_from(asked.as_millis()).unwrap_or(u64::MAX);
                self.current_at.store(asked, Ordering::Relaxed);
                self.caught_up.store(connection.generation, Ordering::Relaxed);
                tokio::time::sleep(CHECK_INTERVAL).await;
            }
        }
    }

    /// Returns a client that works: the old one, if it works after all, since each new one costs some
    /// memory that the library does not give back.
    async fn mend(
        &self,
        old: Arc<Client>,
        pause: &mut Duration,
        trouble: &TroubleLog,
    ) -> Arc<Client> {
        loop {
            tokio::time::sleep(*pause).await;
            *pause = (*pause * 2).clamp(MIN_PAUSE, MAX_PAUSE);
            if self.packets.sent_at_once(probe(&old)).await.is_ok() {
                return old;
            }
            match connect(&self.settings).await {
                Ok((client, _)) => return Arc::new(client),
                Err(error) => trouble.report(&self.settings, error.to_string()),
            }
        }
    }

    /// Returns the current client, and waits for one that works until the deadline.
    async fn connection(&self, deadline: Instant) -> Result<LiveClient, CallError> {
        let mut changes = self.current.subscribe();
        let deadline = deadline.min(Instant::now() + CLIENT_TIMEOUT);
        match timeout_at(deadline, changes.wait_for(Option::is_some)).await {
            Ok(Ok(connection)) => connection.clone().ok_or(CallError::Unreachable),
            Ok(Err(_)) | Err(_) => Err(CallError::Unreachable),
        }
    }

    /// Reports a broken client to the supervisor, once: a late report does not affect its successor.
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
    /// Returns whether trying again may help.
    fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::TooOld | Self::Client(Error::AccessDenied | Error::InitializationError(_))
        )
    }
}

/// Returns a new client that has shown that it works, and the last event of the log.
async fn connect(settings: &ClientSettings) -> Result<(Client, Option<ResolvedEvent>), CallError> {
    let (settings, runtime) = (settings.clone(), tokio::runtime::Handle::current());
    // Making a client reads the certificates of the system, which takes tens of milliseconds.
    let made = tokio::task::spawn_blocking(|| Client::with_runtime_handle(runtime, settings));
    // It panics when a file of certificates holds something else.
    let made = made.await.map_err(|_| unusable("a file of certificates cannot be read"))?;
    let client = made.map_err(|error| unusable(&error.to_string()))?;
    let head = Packets::default().sent_at_once(probe(&client)).await?;
    if !has_recent_server(&client).await? {
        return Err(CallError::TooOld);
    }
    Ok((client, head))
}

fn unusable(why: &str) -> CallError {
    Error::InitializationError(why.to_owned()).into()
}

/// Checks that a client works, which means that the leader answers it, and returns the last event of
/// the server's log.
async fn probe(client: &Client) -> Result<Option<ResolvedEvent>, CallError> {
    for _ in 0..MAX_REDIRECTS {
        match timeout(PROBE_TIMEOUT, last_of_all(client)).await {
            // The client has learned where the leader is, and asks there next.
            Ok(Err(Error::NotLeaderException(_))) => {}
            Ok(answer) => return Ok(answer?),
            Err(_) => return Err(CallError::Late),
        }
    }
    Err(CallError::Unreachable)
}

/// Waits for something as long as there is progress, and returns whether it has come.
async fn until<P: PartialEq>(done: impl Future<Output = ()>, progress: impl Fn() -> P) -> bool {
    let mut done = std::pin::pin!(done);
    loop {
        let before = progress();
        if timeout(PROBE_TIMEOUT, &mut done).await.is_ok() {
            return true;
        }
        // Catching up on many events takes long, but makes progress.
        if progress() == before {
            return false;
        }
    }
}

/// Returns whether an error means that the client has to be checked, and not something about the
/// question.
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
