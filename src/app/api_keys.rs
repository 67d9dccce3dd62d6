//! The keys of back-ends: issued, rotated, listed and revoked by operators, and checked with each
//! request that brings one.
//!
//! A request is checked against the folded stream of its key, which is in a cache. Whatever is committed
//! about a key, here or on another node, takes it out of the cache.

mod usage;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use whence_events::{ApiKeyId, ApiKeyIssued, ApiKeyScope, Position, StreamId, Timestamp};
use whence_projections::{ApiKeyView, QueryError};

use crate::app::App;
use crate::domain::api_key::{ApiKey, ApiKeyCommand, ApiKeyName, ApiKeyRefusal, ApiKeyRejection};
use crate::domain::user::measure::Reason;
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError};
use crate::infra::tokens::api_key::{ApiKeyToken, public_part};
use crate::store::{Batch, StoreError};
pub(crate) use usage::{ApiKeyUsage, KeyUse, work};

/// The most keys that are in memory at a time, and in a list.
const MAX_KEYS: usize = 10_000;

/// A key as operators see it: without a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyLine {
    /// The id of the key.
    pub id: ApiKeyId,
    /// The name that operators know it by.
    pub name: String,
    /// What its secrets begin with.
    pub prefix: String,
    /// What it may be used for.
    pub scopes: Vec<ApiKeyScope>,
    /// Whether it can be used.
    pub state: ApiKeyState,
    /// The actor who issued it.
    pub issued_by: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it got its newest secret, unless that is the first one.
    pub rotated_at: Option<Timestamp>,
    /// Until when an earlier secret counts, where one does.
    pub previous_until: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The last day on which it was used (UTC).
    pub last_used_day: Option<String>,
}

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyState {
    /// It can be used.
    Active,
    /// It has expired.
    Expired,
    /// An operator revoked it.
    Revoked,
}

/// The keys of back-ends, also those that are over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyList {
    /// The keys, the oldest first.
    pub items: Vec<ApiKeyLine>,
}

/// A secret that was made, which is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedApiKey {
    /// The id of the key.
    pub id: ApiKeyId,
    /// The key with its new secret.
    pub key: String,
    /// What it may be used for.
    pub scopes: Vec<ApiKeyScope>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Until when an earlier secret counts, where one does.
    pub previous_until: Option<Timestamp>,
    /// The position of the event.
    pub position: Position,
}

/// What an operator did to a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyChanged {
    /// The id of the key.
    pub id: ApiKeyId,
    /// Whether it changed anything: what was so already leaves no event.
    pub changed: bool,
    /// The position of the event; 0 when nothing changed.
    pub position: Position,
}

/// What an operator wants of a new key.
#[derive(Clone, Debug)]
pub struct ApiKeyRequest {
    /// The name that operators know it by.
    pub name: ApiKeyName,
    /// What it may be used for.
    pub scopes: Vec<ApiKeyScope>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

/// What is changed about a key.
#[derive(Clone, Debug)]
pub enum KeyChange {
    /// Earlier secrets end at once.
    EndGrace,
    /// The key is revoked.
    Revoke(Reason),
}

/// Why nothing was done about a key.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// The key is in no state for it.
    #[error(transparent)]
    Rejected(#[from] ApiKeyRejection),
    /// The store did not answer; the same may be tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The read models do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Issues a key on behalf of the actor of the context.
pub async fn issue(
    engine: &Engine,
    new: ApiKeyRequest,
    now: Timestamp,
    context: &Context,
) -> Result<IssuedApiKey, ApiKeyError> {
    let token = ApiKeyToken::generate();
    let mut scopes = new.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let (name, expires_at) = (new.name.as_str().to_owned(), new.expires_at);
    let issued = ApiKeyIssued { name, scopes, secret_hash: token.hash(), expires_at };
    let command = ApiKeyCommand::Issue { now, issued };
    let stream = StreamId::ApiKey(token.id);
    let done = engine.handler.run_first::<ApiKey>(&stream, &command, context).await?;
    Ok(shown(&token, &done.state, now, done.position))
}

/// Gives a key another secret; the one before counts for as long as `grace` says.
pub async fn rotate(
    engine: &Engine,
    id: ApiKeyId,
    grace: Duration,
    now: Timestamp,
    context: &Context,
) -> Result<IssuedApiKey, ApiKeyError> {
    let token = ApiKeyToken::with_new_secret(id);
    let command = ApiKeyCommand::Rotate { now, secret_hash: token.hash(), grace };
    let stream = StreamId::ApiKey(id);
    let done = engine.handler.run::<ApiKey>(&stream, &command, context).await?;
    Ok(shown(&token, &done.state, now, done.position))
}

/// Changes a key.
pub async fn change(
    engine: &Engine,
    id: ApiKeyId,
    change: KeyChange,
    now: Timestamp,
    context: &Context,
) -> Result<ApiKeyChanged, ApiKeyError> {
    let command = match change {
        KeyChange::EndGrace => ApiKeyCommand::EndGrace { now },
        KeyChange::Revoke(reason) => ApiKeyCommand::Revoke { reason },
    };
    let done = engine.handler.run::<ApiKey>(&StreamId::ApiKey(id), &command, context).await?;
    Ok(ApiKeyChanged { id, changed: !done.events.is_empty(), position: done.position })
}

/// Returns the keys, also those that are over.
pub async fn list(engine: &Engine, now: Timestamp) -> Result<ApiKeyList, ApiKeyError> {
    let keys = engine.read_db.api_keys(MAX_KEYS as u64).await?;
    Ok(ApiKeyList { items: keys.into_iter().map(|key| ApiKeyLine::of(key, now)).collect() })
}

/// Returns a key.
pub async fn find(
    engine: &Engine,
    id: ApiKeyId,
    now: Timestamp,
) -> Result<ApiKeyLine, ApiKeyError> {
    let key = engine.read_db.api_key(id).await?.ok_or(ApiKeyRejection::NoSuchKey)?;
    Ok(ApiKeyLine::of(key, now))
}

fn shown(token: &ApiKeyToken, key: &ApiKey, now: Timestamp, position: Position) -> IssuedApiKey {
    IssuedApiKey {
        id: token.id,
        key: token.to_text(),
        scopes: key.scopes().to_vec(),
        expires_at: key.expires_at(),
        previous_until: key.grace_until(now),
        position,
    }
}

impl ApiKeyLine {
    fn of(key: ApiKeyView, now: Timestamp) -> Self {
        let state = if key.revoked_at.is_some() {
            ApiKeyState::Revoked
        } else if key.expires_at.is_some_and(|at| at <= now) {
            ApiKeyState::Expired
        } else {
            ApiKeyState::Active
        };
        Self {
            id: key.api_key_id,
            prefix: public_part(key.api_key_id),
            name: key.name,
            scopes: key.scopes,
            state,
            issued_by: key.issued_by,
            issued_at: key.issued_at,
            expires_at: key.expires_at,
            rotated_at: key.rotated_at,
            previous_until: key.previous_until.filter(|until| now < *until),
            revoked_at: key.revoked_at,
            last_used_day: key.last_used_day,
        }
    }
}

/// The keys that requests come with, in a cache over the log.
pub(crate) struct ApiKeys {
    cache: Arc<Cache<ApiKeyId, Arc<ApiKey>>>,
}

/// Why a request with a key is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiKeyCheckError {
    /// The secret does not open the key.
    #[error(transparent)]
    Refused(#[from] ApiKeyRefusal),
    /// The log does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApiKeys {
    /// Returns the keys of a log, coherent with the tail of it.
    pub(crate) fn following(tail: broadcast::Receiver<Batch>) -> Self {
        let cache = Arc::new(Cache::new(MAX_KEYS));
        tokio::spawn(follow(cache.clone(), tail));
        Self { cache }
    }

    /// Returns the key that a token opens.
    pub(crate) async fn check(
        &self,
        engine: &Engine,
        token: &ApiKeyToken,
        now: Timestamp,
    ) -> Result<Arc<ApiKey>, ApiKeyCheckError> {
        let key = self.find(engine, token.id).await?;
        key.check(&token.hash(), now)?;
        Ok(key)
    }

    /// Returns the state of a key with all that was acknowledged about it.
    async fn find(&self, engine: &Engine, id: ApiKeyId) -> Result<Arc<ApiKey>, StoreError> {
        let stream = StreamId::ApiKey(id);
        // Another node may have ended the key meanwhile, and the cache is of before that.
        if !engine.store.is_current() {
            self.cache.clear();
            return Ok(engine.handler.load::<ApiKey>(&stream).await?.state);
        }
        loop {
            let guard = match self.cache.get_value_or_guard_async(&id).await {
                Ok(key) => return Ok(key),
                Err(guard) => guard,
            };
            let state = engine.handler.load::<ApiKey>(&stream).await?;
            // Nothing is kept of a key that does not exist: made-up ids must not push others out.
            if state.length == 0 {
                return Ok(state.state);
            }
            // It fails when the key changed while it was read: then it is read again.
            if guard.insert(state.state.clone()).is_ok() {
                return Ok(state.state);
            }
        }
    }

    /// Forgets a key whose change is on record, for requests that come before the tail tells of it.
    pub(crate) fn forget(&self, id: ApiKeyId) {
        self.cache.remove(&id);
    }
}

/// Takes the keys out of the cache about which something is committed, until the store is dropped.
async fn follow(cache: Arc<Cache<ApiKeyId, Arc<ApiKey>>>, mut tail: broadcast::Receiver<Batch>) {
    loop {
        match tail.recv().await {
            Ok(batch) => {
                for recorded in batch.events.iter() {
                    if let StreamId::ApiKey(id) = recorded.stream {
                        cache.remove(&id);
                    }
                }
            }
            Err(RecvError::Lagged(_)) => cache.clear(),
            Err(RecvError::Closed) => return,
        }
    }
}

impl App {
    /// Issues a key, which can be used from here on.
    pub async fn issue_api_key(
        &self,
        new: ApiKeyRequest,
        context: &Context,
    ) -> Result<IssuedApiKey, ApiKeyError> {
        let issued = issue(&self.engine, new, self.clock.now(), context).await?;
        self.progress.wait_for(issued.position).await;
        Ok(issued)
    }

    /// Gives a key another secret, which can be used from here on.
    pub async fn rotate_api_key(
        &self,
        id: ApiKeyId,
        grace: Duration,
        context: &Context,
    ) -> Result<IssuedApiKey, ApiKeyError> {
        let issued = rotate(&self.engine, id, grace, self.clock.now(), context).await?;
        self.api_keys.forget(id);
        self.progress.wait_for(issued.position).await;
        Ok(issued)
    }

    /// Changes a key, which holds from here on.
    pub async fn change_api_key(
        &self,
        id: ApiKeyId,
        change: KeyChange,
        context: &Context,
    ) -> Result<ApiKeyChanged, ApiKeyError> {
        let done = self::change(&self.engine, id, change, self.clock.now(), context).await?;
        self.api_keys.forget(id);
        self.progress.wait_for(done.position).await;
        Ok(done)
    }
}

impl From<HandleError<ApiKeyRejection>> for ApiKeyError {
    fn from(error: HandleError<ApiKeyRejection>) -> Self {
        match error {
            HandleError::Rejected(rejection) => Self::Rejected(rejection),
            HandleError::Store(error) => Self::Store(error),
        }
    }
}

impl fmt::Debug for IssuedApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedApiKey({}, ..)", self.id)
    }
}

/// Writes the key alone in a line of its own, so that it can be cut out.
impl fmt::Display for IssuedApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.key)?;
        writeln!(
            f,
            "API key {}, for {}. This secret is not shown again.",
            self.id,
            words(&self.scopes)
        )?;
        if let Some(until) = self.previous_until {
            writeln!(f, "The secret before counts until {until}.")?;
        }
        if let Some(expires_at) = self.expires_at {
            writeln!(f, "The key expires at {expires_at}.")?;
        }
        Ok(())
    }
}

impl fmt::Display for ApiKeyChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.changed { "is changed" } else { "was so already" };
        writeln!(f, "API key {} {what}.", self.id)
    }
}

/// Writes a line for each key.
impl fmt::Display for ApiKeyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.items.is_empty() {
            return writeln!(f, "There is no API key.");
        }
        self.items.iter().try_for_each(|key| key.fmt(f))
    }
}

impl fmt::Display for ApiKeyLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, scopes, name) = (self.id, words(&self.scopes), &self.name);
        let state = match self.state {
            ApiKeyState::Active => "active",
            ApiKeyState::Expired => "expired",
            ApiKeyState::Revoked => "revoked",
        };
        let used = self.last_used_day.as_deref().unwrap_or("never");
        writeln!(f, "{id}  {state}  {scopes}  last used {used}  {name}")
    }
}

fn words(scopes: &[ApiKeyScope]) -> String {
    let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    words.join(" ")
}
