//! Keeps the folded states of streams in memory, and lets the tail of the log bring them up to date.
//!
//! A state in here is the fold of the first events of its stream, as many as its length says: perhaps
//! not of all, because another node may have appended since, but never of anything else. So a state
//! is only ever replaced by a longer one, and one that misses an event of the tail is dropped.

use std::sync::Arc;

use quick_cache::sync::{Cache, EntryAction, EntryResult};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use whence_events::{Position, Recorded, StreamId, Version};

use crate::domain::api_key::ApiKey;
use crate::domain::audit::Audit;
use crate::domain::mailbox::Mailbox;
use crate::domain::name::Name;
use crate::domain::rules::AdoptedRules;
use crate::domain::touch::stream::TouchStream;
use crate::domain::user::User;
use crate::domain::{Decider, EventContext};
use crate::engine::vault::OpenKeys;
use crate::store::{Batch, StoreError};

/// The most folded states that are kept of each family of streams.
const MAX_STATES: usize = 8192;

/// The folded state of a stream, and its length.
pub struct StreamState<D> {
    /// The fold of the events of the stream, with personal fields as stored.
    pub state: Arc<D>,
    /// The number of events of the stream.
    pub length: Version,
}

/// The folded states of one family, by stream.
pub(crate) struct StateCache<D>(Cache<StreamId, StreamState<D>>);

/// The folded states of all families, and the keys in memory, some of which end with an event.
/// It does not hold the store.
pub(crate) struct States {
    mailboxes: StateCache<Mailbox>,
    users: StateCache<User>,
    names: StateCache<Name>,
    rules: StateCache<AdoptedRules>,
    touches: StateCache<TouchStream>,
    audit: StateCache<Audit>,
    api_keys: StateCache<ApiKey>,
    keys: Arc<OpenKeys>,
}

/// A family of streams whose folded states are cached.
pub(crate) trait Cached: Decider {
    /// Returns the cache of the family.
    fn cache(states: &States) -> &StateCache<Self>;
}

impl States {
    /// Returns empty caches, and drops a key from memory once a fold shows its end.
    pub(super) fn new(keys: Arc<OpenKeys>) -> Self {
        Self {
            mailboxes: StateCache::of_size(MAX_STATES),
            users: StateCache::of_size(MAX_STATES),
            names: StateCache::of_size(MAX_STATES),
            // Written once and not read again.
            rules: StateCache::of_size(1),
            touches: StateCache::of_size(1),
            // One stream, of which only the length matters.
            audit: StateCache::of_size(1),
            api_keys: StateCache::of_size(MAX_STATES),
            keys,
        }
    }

    /// Returns the state of a stream, perhaps without its last events.
    pub(super) fn get<D: Cached>(&self, stream: &StreamId) -> Option<StreamState<D>> {
        D::cache(self).0.get(stream)
    }

    /// Keeps the state of a stream, unless a longer one is known.
    pub(super) fn keep<D: Cached>(&self, stream: &StreamId, fresh: StreamState<D>) {
        let longer = |_: &StreamId, known: &mut StreamState<D>| {
            if known.length < fresh.length {
                *known = fresh.clone();
            }
            EntryAction::Retain(())
        };
        if let EntryResult::Vacant(guard) = D::cache(self).0.entry(stream, None, longer) {
            // It fails when the state was dropped at this moment: then it is read again.
            let _ = guard.insert(fresh);
        }
    }

    /// Drops the state of a stream.
    pub(super) fn remove<D: Cached>(&self, stream: &StreamId) {
        D::cache(self).0.remove(stream);
    }

    /// Returns a state with more events of its stream, which follow it without a gap.
    pub(super) fn fold<D: Cached>(
        &self,
        known: StreamState<D>,
        events: &[Recorded],
    ) -> Result<StreamState<D>, StoreError> {
        let mut state = Arc::unwrap_or_clone(known.state);
        let mut length = known.length;
        for recorded in events {
            let at = recorded.metadata.occurred_at;
            let event = D::event(&recorded.event).ok_or_else(|| unreadable(recorded))?;
            // Before the state is known to anybody: what is appended to it has another key.
            self.keys.committed(recorded);
            state = state.evolve(event, EventContext { at, version: recorded.version });
            length = recorded.version + 1;
        }
        Ok(StreamState { state: Arc::new(state), length })
    }

    /// Folds what the tail of the log publishes, until the store is dropped.
    pub(super) async fn follow(self: Arc<Self>, mut tail: broadcast::Receiver<Batch>) {
        loop {
            match tail.recv().await {
                Ok(batch) => self.committed(&batch.events),
                // The states are as they were, which is allowed: the next event of a stream shows
                // whether one of it was missed.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Folds committed events: those of other nodes, and those of this one that it has not folded yet.
    pub(super) fn committed(&self, events: &[Recorded]) {
        for recorded in events {
            match &recorded.stream {
                StreamId::Mailbox(_) => self.fold_next::<Mailbox>(recorded),
                StreamId::User(_) => self.fold_next::<User>(recorded),
                StreamId::Code(_) | StreamId::Handle(_) => self.fold_next::<Name>(recorded),
                StreamId::Audit => self.fold_next::<Audit>(recorded),
                StreamId::ApiKey(_) => self.fold_next::<ApiKey>(recorded),
                StreamId::Rules(_) | StreamId::Touch(_) => {}
            }
        }
    }

    /// Folds an event when it is the next one of a stream that is known, or the first of any.
    fn fold_next<D: Cached>(&self, recorded: &Recorded) {
        let (stream, version) = (&recorded.stream, recorded.version);
        let known = D::cache(self).0.peek(stream);
        let known = known.or_else(|| (version == 0).then(StreamState::default));
        match known {
            Some(known) if known.length == version => {
                match self.fold(known, std::slice::from_ref(recorded)) {
                    Ok(fresh) => self.keep(stream, fresh),
                    // A newer version of whence wrote it: a command on this stream says so.
                    Err(_) => self.remove::<D>(stream),
                }
            }
            // An event of it was missed.
            Some(known) if known.length < version => self.remove::<D>(stream),
            Some(_) | None => {}
        }
    }
}

impl<D> StateCache<D> {
    fn of_size(states: usize) -> Self {
        Self(Cache::new(states))
    }
}

impl<D> Clone for StreamState<D> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), length: self.length }
    }
}

impl<D: Default> Default for StreamState<D> {
    fn default() -> Self {
        Self { state: Arc::default(), length: 0 }
    }
}

impl Cached for Mailbox {
    fn cache(states: &States) -> &StateCache<Self> {
        &states.mailboxes
    }
}

impl Cached for User {
    fn cache(states: &States) -> &StateCache<Self> {
        &states.users
    }
}

impl Cached for Name {
    fn cache(states: &States) -> &StateCache<Self> {
        &states.names
    }
}

impl Cached for AdoptedRules {
    fn cache(states: &States) -> &StateCache<Self> {
        &states.rules
    }
}

impl Cached for Audit {
    fn cache(states: &States) -> &StateCache<Self> {
        &states.audit
    }
}

impl Cached for ApiKey {
    fn cache(states: &States) -> &StateCache<Self> {
        &states.api_keys
    }
}

impl Cached for TouchStream {
    fn cache(states: &States) -> &StateCache<Self> {
        &states.touches
    }
}

/// Returns the error for an event that does not belong into its stream: a newer version of whence
/// wrote it, or another program.
fn unreadable(recorded: &Recorded) -> StoreError {
    StoreError::unavailable(UnknownEvent {
        event_type: recorded.event.event_type().to_owned(),
        position: recorded.position,
    })
}

/// A stream holds an event that this version cannot fold.
#[derive(Debug, thiserror::Error)]
#[error("event {position} is of the unknown type {event_type}")]
struct UnknownEvent {
    event_type: String,
    position: Position,
}
