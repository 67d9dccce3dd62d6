//! Finds the session of a request, through a small cache over the read models that is kept coherent.
//!
//! The runner shows the cache every committed event. A session that was revoked is marked as gone
//! before its revocation is acknowledged; a look-up that read the read models before that loses
//! against the mark.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use whence_events::{
    EmailAddress, Event, Hash, Pii, Provider, Recorded, SessionId, StreamId, Timestamp, UserEvent,
    UserId,
};
use whence_projections::{QueryError, ReadDb, SessionView, Snapshot, UserView};

use crate::domain::user::activity::SessionTimes;
use crate::engine::progress::{Progress, ReadModelsBehind, query_after_log};
use crate::engine::runner::Observer;
use crate::engine::vault::{OpenKeys, Vault};
use crate::infra::tokens::SessionToken;
use crate::store::{Batch, EventStore, StoreError};

/// How long a request waits for another one that looks up the same session.
const FILL_TIMEOUT: Duration = Duration::from_secs(4);

/// The sessions that requests use, in a cache over the read models.
pub struct Sessions {
    cache: Arc<Cache<SessionId, Entry>>,
    read_db: Arc<ReadDb>,
    vault: Arc<Vault>,
    store: Arc<dyn EventStore>,
    progress: Arc<Progress>,
}

/// A session that can be used, if the token is right and the session has not expired.
#[derive(Debug)]
pub struct Session {
    /// The id of the session.
    pub session_id: SessionId,
    token_hash: Hash,
    /// When the session began.
    pub opened_at: Timestamp,
    /// When the session ends even if it is extended.
    pub absolute_expires_at: Timestamp,
    /// The user whose session it is.
    pub user: User,
    /// When the session ends unless it is extended, in microseconds.
    expires_at: AtomicI64,
    /// The last use on record, in microseconds.
    used_at: AtomicI64,
    /// The time at which this node last gave the browser its cookies, as far as that is known.
    pub(super) cookies_at: AtomicI64,
    /// Whether a use waits to be recorded.
    pub(super) use_is_queued: AtomicBool,
}

impl Session {
    /// Returns when the session ends, unless it is extended.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_micros(self.expires_at.load(Ordering::Relaxed))
    }

    /// Returns the times that decide whether a use of the session is recorded.
    pub(super) fn times(&self) -> SessionTimes {
        SessionTimes {
            used_at: Timestamp::from_micros(self.used_at.load(Ordering::Relaxed)),
            expires_at: self.expires_at(),
            absolute_expires_at: self.absolute_expires_at,
        }
    }

    /// Takes note that the session was used, which extends it.
    pub(super) fn goes_on_until(&self, expires_at: Timestamp) {
        self.expires_at.store(expires_at.as_micros(), Ordering::Relaxed);
    }

    fn extended(&self, expires_at: Timestamp, used_at: Timestamp) {
        self.expires_at.store(expires_at.as_micros(), Ordering::Relaxed);
        self.used_at.store(used_at.as_micros(), Ordering::Relaxed);
        self.use_is_queued.store(false, Ordering::Relaxed);
    }
}

/// The user of a session, with personal data in clear.
#[derive(Clone, Debug)]
pub struct User {
    /// The id of the user.
    pub user_id: UserId,
    /// The e-mail address of the user.
    pub email: EmailAddress,
    /// The name that the user wants to be shown by.
    pub display_name: Option<Box<str>>,
    /// The URL of the picture of the user.
    pub avatar_url: Option<Box<str>>,
    /// The id of the user in the billing system.
    pub billing_customer_id: Option<Box<str>>,
    /// The way that the user logs in.
    pub provider: Provider,
    /// When the user registered.
    pub created_at: Timestamp,
    /// When any of these fields last changed.
    pub updated_at: Timestamp,
    /// When the user is erased, as they asked; `None` when they did not.
    pub erasure_due_at: Option<Timestamp>,
}

/// What the cache knows of a session.
#[derive(Clone)]
enum Entry {
    Live(Arc<Session>),
    Gone,
}

/// Why it cannot be said whose a session is.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The read models do not answer.
    #[error(transparent)]
    ReadDb(#[from] QueryError),
    /// The log or the vault does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session is not in the read models, which lack what was acknowledged, so that it may exist.
    #[error(transparent)]
    Behind(#[from] ReadModelsBehind),
}

impl Sessions {
    /// Returns a cache for `capacity` sessions, at some 300 bytes each, as what the runner has to show
    /// events to.
    #[must_use]
    pub fn observer(capacity: usize, read_db: Arc<ReadDb>, keys: Arc<OpenKeys>) -> SessionObserver {
        SessionObserver { cache: Arc::new(Cache::new(capacity)), read_db, keys }
    }

    /// Returns the sessions in the cache of `observer`.
    #[must_use]
    pub fn new(
        observer: &SessionObserver,
        vault: Arc<Vault>,
        store: Arc<dyn EventStore>,
        progress: Arc<Progress>,
    ) -> Self {
        let (cache, read_db) = (observer.cache.clone(), observer.read_db.clone());
        Self { cache, read_db, vault, store, progress }
    }

    /// Returns the session of a token, if the token is right and the session has not expired.
    pub async fn get(
        &self,
        token: &SessionToken,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, SessionError> {
        let session = self.find(token.id, now).await?;
        Ok(session.filter(|session| session.token_hash.same_as(&token.hash())))
    }

    /// Returns a session that has not expired, for a caller that was authenticated in another way.
    pub async fn find(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, SessionError> {
        // Another node may have ended the session meanwhile, and the cache is of before that. Once the
        // log is followed again, the cache must not answer before it was shown what was committed.
        if !self.store.is_current() {
            self.cache.clear();
            return Err(ReadModelsBehind.into());
        }
        let entry = match self.cache.get(&id) {
            Some(entry) => entry,
            None => self.fill(id).await?,
        };
        match entry {
            Entry::Live(session) if now < session.expires_at() => Ok(Some(session)),
            Entry::Live(_) | Entry::Gone => Ok(None),
        }
    }

    /// Marks a session as gone whose revocation is recorded, for requests that come before the
    /// runner has seen the event.
    pub fn mark_gone(&self, id: SessionId) {
        self.cache.insert(id, Entry::Gone);
    }

    /// Looks a session up, opens it and keeps it in the cache.
    async fn fill(&self, id: SessionId) -> Result<Entry, SessionError> {
        loop {
            // One request looks it up, the others wait for its result, though not for one another.
            let guard = match timeout(FILL_TIMEOUT, self.cache.get_value_or_guard_async(&id)).await
            {
                Ok(Ok(entry)) => return Ok(entry),
                Ok(Err(guard)) => guard,
                Err(_) => return Err(ReadModelsBehind.into()),
            };
            // Nothing is kept of a session that does not exist: made-up ids must not push others out.
            let Some(view) = self.look_up(id).await? else { return Ok(Entry::Gone) };
            let Some(session) = self.open(view).await? else { return Ok(Entry::Gone) };
            let entry = Entry::Live(Arc::new(session));
            // The entry was changed while the session was looked up: look again.
            if guard.insert(entry.clone()).is_ok() {
                return Ok(entry);
            }
        }
    }

    /// Reads a session from the read models, which by then hold all that was acknowledged.
    async fn look_up(&self, id: SessionId) -> Result<Option<SessionView>, SessionError> {
        let query =
            move || async move { self.read_db.session(id).await.map_err(SessionError::from) };
        query_after_log(self.store.as_ref(), &self.read_db, &self.progress, query).await
    }

    /// Returns a user as the read models hold them, which by then hold all that was acknowledged.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, SessionError> {
        let query = move || async move { self.read_db.user(id).await.map_err(SessionError::from) };
        let view =
            query_after_log(self.store.as_ref(), &self.read_db, &self.progress, query).await?;
        match view {
            Some(view) => self.open_user(view).await,
            None => Ok(None),
        }
    }

    /// Returns the attribution snapshot of a user from the read models, which by then hold all that was
    /// acknowledged.
    pub async fn snapshot(&self, id: UserId) -> Result<Option<Snapshot>, SessionError> {
        let query =
            move || async move { self.read_db.snapshot(id).await.map_err(SessionError::from) };
        query_after_log(self.store.as_ref(), &self.read_db, &self.progress, query).await
    }

    /// Opens the personal data of a session; `None` when its user is erased.
    async fn open(&self, view: SessionView) -> Result<Option<Session>, SessionError> {
        let Some(user) = self.open_user(view.user).await? else { return Ok(None) };
        Ok(Some(Session {
            session_id: view.session_id,
            token_hash: view.token_hash,
            opened_at: view.opened_at,
            absolute_expires_at: view.absolute_expires_at,
            user,
            expires_at: AtomicI64::new(view.expires_at.as_micros()),
            used_at: AtomicI64::new(view.used_at.as_micros()),
            cookies_at: AtomicI64::new(view.opened_at.as_micros()),
            use_is_queued: AtomicBool::new(false),
        }))
    }

    /// Opens the personal data of a user; `None` when the user is erased.
    async fn open_user(&self, view: UserView) -> Result<Option<User>, SessionError> {
        let stream = StreamId::User(view.user_id);
        let email = self.vault.open(&stream, view.email_version, "email", &view.email).await?;
        let Some(email) = email else { return Ok(None) };
        let display_name = self.shown(&view, "display_name", view.display_name.as_ref()).await?;
        let avatar_url = self.shown(&view, "avatar_url", view.avatar_url.as_ref()).await?;
        Ok(Some(User {
            user_id: view.user_id,
            email,
            display_name,
            avatar_url,
            billing_customer_id: view.billing_customer_id.map(Into::into),
            provider: view.provider,
            created_at: view.created_at,
            updated_at: view.updated_at,
            erasure_due_at: view.erasure_due_at,
        }))
    }

    /// Opens a field of the profile of a user.
    async fn shown(
        &self,
        user: &UserView,
        field: &'static str,
        sealed: Option<&Pii<String>>,
    ) -> Result<Option<Box<str>>, StoreError> {
        let Some(sealed) = sealed else { return Ok(None) };
        let stream = StreamId::User(user.user_id);
        let text = self.vault.open(&stream, user.profile_version, field, sealed).await?;
        Ok(text.map(Into::into))
    }
}

/// Keeps the cache and the open keys coherent with the log. It holds nothing that holds the store,
/// because it is shown events until the last reference to the store is dropped.
#[derive(Clone)]
pub struct SessionObserver {
    cache: Arc<Cache<SessionId, Entry>>,
    read_db: Arc<ReadDb>,
    keys: Arc<OpenKeys>,
}

impl Observer for SessionObserver {
    fn committed(&self, events: &[Recorded]) {
        for recorded in events {
            self.keys.committed(recorded);
        }
        for (_, event, _) in user_events(events) {
            if let UserEvent::SessionRevoked(revoked) = event {
                self.cache.insert(revoked.session_id, Entry::Gone);
            }
        }
    }

    async fn projected(&self, events: &[Recorded]) {
        for (user_id, event, at) in user_events(events) {
            match event {
                UserEvent::SessionExtended(extended) => {
                    self.extended(extended.session_id, extended.expires_at, at);
                }
                UserEvent::RefreshRotated(rotated) => {
                    self.extended(rotated.session_id, rotated.expires_at, at);
                }
                UserEvent::ProfileUpdated(_)
                | UserEvent::EmailChanged(_)
                | UserEvent::EmailChangeUndone(_)
                | UserEvent::BillingCustomerLinked(_)
                | UserEvent::ErasureRequested(_)
                | UserEvent::ErasureCancelled(_) => match self.read_db.sessions_of(user_id).await {
                    Ok(sessions) => sessions.into_iter().for_each(|id| self.forget(id)),
                    Err(_) => self.cache.clear(),
                },
                // Marked again: a small cache may have dropped the mark, and filled the entry since.
                UserEvent::SessionRevoked(revoked) => {
                    self.cache.insert(revoked.session_id, Entry::Gone);
                }
                // Its sessions were revoked before, each by an event of its own.
                UserEvent::UserErased(_)
                | UserEvent::SessionOpened(_)
                | UserEvent::UserRegistered(_)
                | UserEvent::AttributionCapturedV1(_)
                | UserEvent::AttributionCaptured(_)
                | UserEvent::ReferralAttributed(_)
                | UserEvent::ReferralRefused(_)
                | UserEvent::ReferralCodeIssued(_)
                | UserEvent::ReferralCodeDisabled(_)
                | UserEvent::ReferralCodeBlocked(_)
                | UserEvent::ReferralCodeUnblocked(_)
                | UserEvent::SessionsRevoked(_)
                | UserEvent::UserSuspended(_)
                | UserEvent::UserReinstated(_)
                | UserEvent::SubscriptionProvisioned(_)
                | UserEvent::WelcomeEmailSent(_)
                | UserEvent::WelcomeEmailFailed(_)
                | UserEvent::EmailChangeNoticed(_)
                | UserEvent::ErasureCompleted(_)
                | UserEvent::CreatorHandleClaimed(_) => {}
            }
        }
    }

    fn lost(&self) {
        self.cache.clear();
        self.keys.evict_all();
    }
}

impl SessionObserver {
    /// Takes note of every commit until the store is dropped. The runner shows them, too, but when it
    /// waits for the read models a log-out on another node must not wait with it.
    pub async fn observe_tail(self, mut tail: broadcast::Receiver<Batch>) {
        loop {
            match tail.recv().await {
                Ok(batch) => self.committed(&batch.events),
                Err(RecvError::Lagged(_)) => self.lost(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn extended(&self, id: SessionId, expires_at: Timestamp, at: Timestamp) {
        match self.cache.get(&id) {
            Some(Entry::Live(session)) => session.extended(expires_at, at),
            Some(Entry::Gone) => {}
            // Perhaps it is being looked up, in tables from before.
            None => self.forget(id),
        }
    }

    fn forget(&self, id: SessionId) {
        self.cache.remove(&id);
    }
}

/// Returns the events of users among these events, and when each happened.
fn user_events(events: &[Recorded]) -> impl Iterator<Item = (UserId, &UserEvent, Timestamp)> {
    events.iter().filter_map(|recorded| match (&recorded.stream, &recorded.event) {
        (StreamId::User(user_id), Event::User(event)) => {
            Some((*user_id, event.as_ref(), recorded.metadata.occurred_at))
        }
        _ => None,
    })
}
