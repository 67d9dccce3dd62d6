//! Runs commands: reads and folds a stream, decides, appends, and repeats that when the stream has
//! moved.
//!
//! Only this file appends. Append is the commit point: what `decide` said is durable when it
//! returns, and everything after it can be repeated.

mod security;
mod states;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use whence_events::{
    Actor, CorrelationId, Event, EventId, Metadata, Position, StreamId, Timestamp,
};

use crate::domain::{Decider, EventContext};
use crate::engine::vault::Vault;
use crate::infra::clock::Clock;
use crate::infra::random::{new_correlation_id, new_event_id};
use crate::infra::sealing::SubjectKey;
use crate::infra::security::SecurityLog;
use crate::store::{Append, Appended, EventStore, NewEvent, StoreError};
use security::security_event;
pub(crate) use states::Cached;
use states::States;
pub use states::StreamState;

/// How often a command is decided again because its stream has moved, before it fails. Commands of
/// this process lock their stream, so only other nodes can move it.
const MAX_CONFLICTS: u32 = 16;

/// How often an append is repeated, with the same event ids, when the store did not answer.
const MAX_REPEATS: u32 = 2;

/// How long after the first try an append may be repeated: a caller is waiting.
const REPEAT_DEADLINE: Duration = Duration::from_secs(6);

/// The events that are read at a time while a stream is folded.
const PAGE: usize = 256;

/// The number of stream locks. Several streams share one, which never costs more than a wait.
const STREAM_LOCKS: usize = 1024;

/// The loop that every command runs through.
pub struct Handler {
    store: Arc<dyn EventStore>,
    vault: Arc<Vault>,
    clock: Clock,
    security: Arc<SecurityLog>,
    stream_locks: Box<[Mutex<()>]>,
    /// It is an optimisation only: append checks the length that a state has, and a decision that
    /// appends nothing first reads what the log holds since.
    states: Arc<States>,
}

/// The origin of a command, which its events record.
#[derive(Clone, Debug)]
pub struct Context {
    /// The request that the command belongs to.
    pub correlation_id: CorrelationId,
    /// The event that led to the command.
    pub causation_id: Option<EventId>,
    /// The party on whose behalf the command runs.
    pub actor: Actor,
}

impl Context {
    /// Returns the context of a request, on behalf of `actor`.
    #[must_use]
    pub fn of_request(correlation_id: CorrelationId, actor: Actor) -> Self {
        Self { correlation_id, causation_id: None, actor }
    }

    /// Returns the context of what whence does without being asked, because of an event or of time.
    #[must_use]
    pub fn of_system(causation_id: Option<EventId>) -> Self {
        Self { correlation_id: new_correlation_id(), causation_id, actor: Actor::System }
    }
}

/// The result of a command.
pub struct Decided<D: Decider> {
    /// The events, with personal fields in clear; empty when there was nothing to do.
    pub events: Vec<D::Event>,
    /// The state after them.
    pub state: Arc<D>,
    /// The position of the last event; 0 when there was nothing to do.
    pub position: Position,
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandleError<R: std::error::Error> {
    /// The domain refused the command, and nothing changed.
    #[error(transparent)]
    Rejected(R),
    /// The store did not answer, or the stream kept moving; the same command may be tried again.
    #[error(transparent)]
    Store(StoreError),
}

impl Handler {
    /// Returns a handler over a log and its vault.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, vault: Arc<Vault>, clock: Clock) -> Self {
        let stream_locks = (0..STREAM_LOCKS).map(|_| Mutex::default()).collect();
        let states = Arc::new(States::new(vault.open_keys()));
        Self { store, vault, clock, security: Arc::default(), stream_locks, states }
    }

    /// Returns where the security events among the committed events are recorded.
    #[must_use]
    pub fn security(&self) -> &Arc<SecurityLog> {
        &self.security
    }

    /// Returns a task that keeps the states in memory up to date with what this and other nodes append,
    /// until the store is dropped, which it does not hold.
    pub fn follow_tail(&self) -> impl Future<Output = ()> + Send + use<> {
        self.states.clone().follow(self.store.tail())
    }

    /// Decides a command on a stream and appends the events that are decided.
    pub(crate) async fn run<D: Cached>(
        &self,
        stream: &StreamId,
        command: &D::Command,
        context: &Context,
    ) -> Result<Decided<D>, HandleError<D::Rejection>> {
        self.run_from(None, stream, command, context).await
    }

    /// Decides the first command on a stream that is named by an id made a moment ago, which saves a
    /// read of the log. Should the stream not be empty, the append notices.
    pub(crate) async fn run_first<D: Cached>(
        &self,
        stream: &StreamId,
        command: &D::Command,
        context: &Context,
    ) -> Result<Decided<D>, HandleError<D::Rejection>> {
        self.run_from(Some(StreamState::default()), stream, command, context).await
    }

    /// Decides a command, for the first time in the state that is given.
    async fn run_from<D: Cached>(
        &self,
        mut first: Option<StreamState<D>>,
        stream: &StreamId,
        command: &D::Command,
        context: &Context,
    ) -> Result<Decided<D>, HandleError<D::Rejection>> {
        let _lock = self.lock_stream(stream).await;
        let mut conflicts = 0;
        loop {
            // 1. Fold the stream.
            let remembered = first.take().or_else(|| self.states.get::<D>(stream));
            let is_remembered = remembered.is_some();
            let mut current = match remembered {
                Some(known) => known,
                None => self.load::<D>(stream).await.map_err(HandleError::Store)?,
            };
            self.refuse_if_foreign(stream).map_err(HandleError::Store)?;
            // 2. Decide.
            let mut decided = current.state.decide(command);
            if is_remembered && !matches!(&decided, Ok(events) if !events.is_empty()) {
                // Nothing to append, so no append would notice that another node has moved the stream.
                let assumed = current.length;
                current = self.load::<D>(stream).await.map_err(HandleError::Store)?;
                if current.length != assumed {
                    decided = current.state.decide(command);
                }
            }
            let events = decided.map_err(HandleError::Rejected)?;
            if events.is_empty() {
                return Ok(Decided { events, state: current.state, position: 0 });
            }
            // 3. Seal and append.
            match self.append(stream, &current, &events, context).await {
                // 4. Durable now. The cache may forget it, the process may die: the log knows.
                Ok((state, position)) => {
                    let length = current.length + events.len() as u64;
                    self.states.keep(stream, StreamState { state: state.clone(), length });
                    return Ok(Decided { events, state, position });
                }
                // 5. Another node was faster: fold again. Nothing was written.
                Err(StoreError::Conflict { .. }) if conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    self.states.remove::<D>(stream);
                    self.vault.invalidate(stream);
                }
                Err(error) => {
                    self.states.remove::<D>(stream);
                    return Err(HandleError::Store(error));
                }
            }
        }
    }

    /// Returns the state of a stream as it was a moment ago: another node may have moved it since.
    /// It is for work that ends in a command on that stream, which notices.
    pub(crate) async fn recent<D: Cached>(
        &self,
        stream: &StreamId,
    ) -> Result<StreamState<D>, StoreError> {
        match self.states.get(stream) {
            Some(known) => Ok(known),
            None => self.load(stream).await,
        }
    }

    /// Returns the state of a stream for a question whose answer can change no more once `settled`
    /// holds: a state as it was a moment ago answers it then as well as one that was read now.
    pub(crate) async fn settled<D: Cached>(
        &self,
        stream: &StreamId,
        settled: impl FnOnce(&D) -> bool,
    ) -> Result<Arc<D>, StoreError> {
        match self.states.get::<D>(stream) {
            Some(known) if settled(&known.state) => Ok(known.state),
            Some(_) | None => Ok(self.load(stream).await?.state),
        }
    }

    /// Assumes a stream to be empty that is named by an id made a moment ago, which saves a read of
    /// the log in a later call. Should the stream not be empty, the first append to it notices.
    pub(crate) fn expect_empty<D: Cached>(&self, stream: &StreamId) {
        self.states.keep(stream, StreamState::<D>::default());
    }

    /// Returns the state of a stream with every event that was acknowledged before the call.
    pub(crate) async fn load<D: Cached>(
        &self,
        stream: &StreamId,
    ) -> Result<StreamState<D>, StoreError> {
        let mut known = self.states.get::<D>(stream).unwrap_or_default();
        let known_length = known.length;
        loop {
            let page = self.store.read_stream(stream, known.length, PAGE).await?;
            known = self.states.fold(known, &page)?;
            if page.len() < PAGE {
                break;
            }
        }
        // An empty stream is cheap to read again; a flood of them must not push others out.
        if known.length > known_length {
            self.states.keep(stream, known.clone());
        }
        Ok(known)
    }

    /// Refuses commands on a stream that another program wrote into, cut or deleted: what is left of it
    /// says nothing about what may happen next.
    fn refuse_if_foreign(&self, stream: &StreamId) -> Result<(), StoreError> {
        self.store.foreign_in(stream).map_or(Ok(()), |foreign| Err(StoreError::Foreign(foreign)))
    }

    /// Seals, encodes and appends events, and returns the state after them and the position of the
    /// last.
    async fn append<D: Decider>(
        &self,
        stream: &StreamId,
        current: &StreamState<D>,
        events: &[D::Event],
        context: &Context,
    ) -> Result<(Arc<D>, Position), StoreError> {
        let occurred_at = self.clock.now();
        let mut key: Option<(SubjectKey, _)> = None;
        let mut state = D::clone(&current.state);
        let mut new_events = Vec::with_capacity(events.len());
        let mut security_events = Vec::new();
        for (event, version) in events.iter().zip(current.length..) {
            let mut sealed: Event = event.clone().into();
            if has_clear_fields(&mut sealed) {
                if key.is_none() {
                    key = Some(self.vault.key_for_append(stream, current.length).await?);
                }
                if let Some((key, _)) = &key {
                    key.seal(stream, version, &mut sealed);
                }
            }
            let event = D::event(&sealed).ok_or_else(|| StoreError::unavailable(WrongFamily))?;
            state = state.evolve(event, EventContext { at: occurred_at, version });
            security_events.extend(security_event(&sealed));
            let new = NewEvent::new(new_event_id(), sealed, metadata(context, occurred_at));
            new_events.push(new.map_err(StoreError::unavailable)?);
        }
        let append = Append {
            stream: stream.clone(),
            expected_length: current.length,
            events: new_events,
            new_key: key.as_mut().and_then(|(_, new)| new.take()),
        };
        let appended = self.append_with_retry(append).await?;
        for event in security_events {
            self.security.record(event, Some(&context.actor), Some(context.correlation_id));
        }
        if let Some((key, _)) = key {
            self.vault.cache(stream, key);
        }
        Ok((Arc::new(state), appended.last()))
    }

    /// Appends, and repeats that when the answer did not come. The event ids make it safe: what was
    /// written is found, what was not is written.
    async fn append_with_retry(&self, append: Append) -> Result<Appended, StoreError> {
        let since = Instant::now();
        let mut repeats = 0;
        loop {
            match self.store.append(append.clone()).await {
                Err(StoreError::Unavailable(_))
                    if repeats < MAX_REPEATS && since.elapsed() < REPEAT_DEADLINE =>
                {
                    repeats += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Locks a stream against other commands of this process.
    async fn lock_stream(&self, stream: &StreamId) -> MutexGuard<'_, ()> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        stream.hash(&mut hasher);
        let slot = hasher.finish() % (self.stream_locks.len() as u64);
        self.stream_locks[usize::try_from(slot).unwrap_or(0)].lock().await
    }
}

/// Returns the metadata of the events of a command.
fn metadata(context: &Context, occurred_at: Timestamp) -> Metadata {
    Metadata {
        occurred_at,
        correlation_id: context.correlation_id,
        causation_id: context.causation_id,
        actor: context.actor.clone(),
    }
}

/// Returns whether an event has personal fields that are not sealed.
fn has_clear_fields(event: &mut Event) -> bool {
    let mut clear = false;
    event.visit_pii(&mut |_, slot| clear |= slot.sealed().is_none());
    clear
}

/// A decider made an event of another family, which its types rule out.
#[derive(Debug, thiserror::Error)]
#[error("an event of another family")]
struct WrongFamily;
