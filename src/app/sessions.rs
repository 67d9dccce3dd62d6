//! Who a request's session belongs to: a small cache over the read models, kept coherent.
//!
//! The runner tells it of every committed event. A session that was revoked is marked as gone before
//! anybody is told that it was; a fill that read the tables before that loses against the mark.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use whence_events::{
    EmailAddress, Event, Hash, MailboxEvent, Provider, Recorded, SessionId, StreamId, Timestamp,
    UserEvent, UserId,
};
use whence_projections::{QueryError, ReadDb, SessionView};

use crate::domain::user::EMAIL_VERSION;
use crate::engine::progress::{Progress, ReadModelsBehind, query_after_log};
use crate::engine::runner::Observer;
use crate::engine::vault::{OpenKeys, Vault};
use crate::infra::tokens::SessionToken;
use crate::store::{Batch, EventStore, StoreError};

/// How long a request waits for another one that looks the same session up.
const FILL_TIMEOUT: Duration = Duration::from_secs(4);

/// Sessions.
pub struct Sessions {
    cache: Arc<Cache<SessionId, Entry>>,
    read_db: Arc<ReadDb>,
    vault: Arc<Vault>,
    store: Arc<dyn EventStore>,
    progress: Arc<Progress>,
}

/// A session that can be used, if its token is right and its time is not over.
#[derive(Debug)]
pub struct Session {
    /// Its id.
    pub session_id: SessionId,
    token_hash: Hash,
    /// When it began.
    pub opened_at: Timestamp,
    /// End, unless extended.
    pub expires_at: Timestamp,
    /// End, whatever happens.
    pub absolute_expires_at: Timestamp,
    /// Whose it is.
    pub user: User,
}

/// A user, readable.
#[derive(Clone, Debug)]
pub struct User {
    /// Who.
    pub user_id: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// How they want to be called.
    pub display_name: Option<Box<str>>,
    /// Their picture.
    pub avatar_url: Option<Box<str>>,
    /// What billing calls them.
    pub billing_customer_id: Option<Box<str>>,
    /// How they log in.
    pub provider: Provider,
    /// When they registered.
    pub created_at: Timestamp,
    /// When any of this last changed.
    pub updated_at: Timestamp,
}

#[derive(Clone)]
enum Entry {
    Live(Arc<Session>),
    Gone,
}

/// Why nobody can say whose a session is.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The read models.
    #[error(transparent)]
    ReadDb(#[from] QueryError),
    /// The log or the vault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A session that is not in the read models may exist.
    #[error(transparent)]
    Behind(#[from] ReadModelsBehind),
}

impl Sessions {
    /// With room for `capacity` sessions, some 300 bytes each. Also what the runner has to tell.
    #[must_use]
    pub fn observer(capacity: usize, read_db: Arc<ReadDb>, keys: Arc<OpenKeys>) -> SessionObserver {
        SessionObserver { cache: Arc::new(Cache::new(capacity)), read_db, keys }
    }

    /// Over the same cache as `observer`.
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

    /// The session of a token that is right, and in time.
    ///
    /// # Errors
    /// When nobody can say.
    pub async fn get(
        &self,
        token: &SessionToken,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, SessionError> {
        let session = self.find(token.id, now).await?;
        Ok(session.filter(|session| session.token_hash.same_as(&token.hash())))
    }

    /// A session in time, for a caller that proved it otherwise.
    ///
    /// # Errors
    /// When nobody can say.
    pub async fn find(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, SessionError> {
        // Another node may have ended it meanwhile. What is remembered is of before that: once the log
        // is heard of again, it must not answer before this cache has been told what came.
        if !self.store.is_current() {
            self.cache.clear();
            return Err(ReadModelsBehind.into());
        }
        let entry = match self.cache.get(&id) {
            Some(entry) => entry,
            None => self.fill(id).await?,
        };
        match entry {
            Entry::Live(session) if now < session.expires_at => Ok(Some(session)),
            Entry::Live(_) | Entry::Gone => Ok(None),
        }
    }

    /// Marks a session as gone whose revocation is on record, for requests that come before the
    /// runner has heard of it.
    pub fn mark_gone(&self, id: SessionId) {
        self.cache.insert(id, Entry::Gone);
    }

    async fn fill(&self, id: SessionId) -> Result<Entry, SessionError> {
        loop {
            // One request looks, the others wait for what it finds, though not for one another.
            let guard = match timeout(FILL_TIMEOUT, self.cache.get_value_or_guard_async(&id)).await
            {
                Ok(Ok(entry)) => return Ok(entry),
                Ok(Err(guard)) => guard,
                Err(_) => return Err(ReadModelsBehind.into()),
            };
            // Nothing is kept of a session that nobody knows: made-up ids must not push others out.
            let Some(view) = self.look_up(id).await? else { return Ok(Entry::Gone) };
            let Some(session) = self.open(view).await? else { return Ok(Entry::Gone) };
            let entry = Entry::Live(Arc::new(session));
            // Told otherwise while it was looked up: look again.
            if guard.insert(entry.clone()).is_ok() {
                return Ok(entry);
            }
        }
    }

    async fn look_up(&self, id: SessionId) -> Result<Option<SessionView>, SessionError> {
        let query =
            move || async move { self.read_db.session(id).await.map_err(SessionError::from) };
        query_after_log(self.store.as_ref(), &self.read_db, &self.progress, query).await
    }

    async fn open(&self, view: SessionView) -> Result<Option<Session>, StoreError> {
        let stream = StreamId::User(view.user.user_id);
        let email = self.vault.open(&stream, EMAIL_VERSION, "email", &view.user.email).await?;
        let Some(email) = email else { return Ok(None) };
        let display_name = match &view.user.display_name {
            Some(name) => {
                let version = view.user.display_name_version;
                self.vault.open(&stream, version, "display_name", name).await?
            }
            None => None,
        };
        Ok(Some(Session {
            session_id: view.session_id,
            token_hash: view.token_hash,
            opened_at: view.opened_at,
            expires_at: view.expires_at,
            absolute_expires_at: view.absolute_expires_at,
            user: User {
                user_id: view.user.user_id,
                email,
                display_name: display_name.map(Into::into),
                avatar_url: view.user.avatar_url.map(Into::into),
                billing_customer_id: view.user.billing_customer_id.map(Into::into),
                provider: view.user.provider,
                created_at: view.user.created_at,
                updated_at: view.user.updated_at,
            },
        }))
    }
}

/// Keeps the cache coherent, and the keys that are open. Holds nothing that holds the store: it is
/// told until everybody has let go of that.
#[derive(Clone)]
pub struct SessionObserver {
    cache: Arc<Cache<SessionId, Entry>>,
    read_db: Arc<ReadDb>,
    keys: Arc<OpenKeys>,
}

impl Observer for SessionObserver {
    fn committed(&self, events: &[Recorded]) {
        for recorded in events {
            // Whose it was is erased, or nobody's: the key is destroyed, here or on another node.
            if let Event::Mailbox(
                MailboxEvent::MailboxReleased(_) | MailboxEvent::MailboxForgotten(_),
            ) = &recorded.event
            {
                self.keys.evict(&recorded.stream);
            }
        }
        for (user_id, event) in user_events(events) {
            if let UserEvent::SessionRevoked(revoked) = event {
                self.cache.insert(revoked.session_id, Entry::Gone);
            }
            if let UserEvent::UserErased(_) = event {
                self.keys.evict(&StreamId::User(user_id));
            }
        }
    }

    async fn projected(&self, events: &[Recorded]) {
        for (user_id, event) in user_events(events) {
            match event {
                UserEvent::SessionExtended(extended) => self.forget(extended.session_id),
                UserEvent::RefreshRotated(rotated) => self.forget(rotated.session_id),
                UserEvent::ProfileUpdated(_) | UserEvent::BillingCustomerLinked(_) => {
                    match self.read_db.sessions_of(user_id).await {
                        Ok(sessions) => sessions.into_iter().for_each(|id| self.forget(id)),
                        Err(_) => self.cache.clear(),
                    }
                }
                // Again: a small cache may have dropped the mark, and read the tables since.
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
                | UserEvent::SubscriptionProvisioned(_)
                | UserEvent::WelcomeEmailSent(_)
                | UserEvent::WelcomeEmailFailed(_)
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
    /// Hears of commits until the store is dropped. The runner tells of them, too, but when it waits
    /// for the tables a log-out on another node must not wait with it.
    pub async fn observe_tail(self, mut tail: broadcast::Receiver<Batch>) {
        loop {
            match tail.recv().await {
                Ok(batch) => self.committed(&batch.events),
                Err(RecvError::Lagged(_)) => self.lost(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn forget(&self, id: SessionId) {
        self.cache.remove(&id);
    }
}

fn user_events(events: &[Recorded]) -> impl Iterator<Item = (UserId, &UserEvent)> {
    events.iter().filter_map(|recorded| match (&recorded.stream, &recorded.event) {
        (StreamId::User(user_id), Event::User(event)) => Some((*user_id, event.as_ref())),
        _ => None,
    })
}
