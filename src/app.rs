//! A whole service in one value: log, commands, read models, mail, keys; and what it does by itself.

pub mod attribution;
mod onboarding;
mod retention;
pub mod touches;

use std::sync::Arc;

use anyhow::Context as _;
use quick_cache::sync::Cache;
use tokio::sync::mpsc;
use whence_events::{Actor, CorrelationId, EmailKey, EventId, RequestId, StreamId, UserId};
use whence_projections::ReadDb;

use crate::bearer::Bearer;
use crate::client_limits::ClientLimits;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::rules::{AdoptRules, AdoptedRules, Rules};
use crate::domain::touch::RecordedTouch;
use crate::erasure::{self, EraseError, Erasure, Subject};
use crate::geo::Geo;
use crate::handle::{Context, Handler};
use crate::mail::Mailer;
use crate::proof::Signer;
use crate::proof::keeper::{self, Keeper};
use crate::records::Records;
use crate::runner::{self, Progress};
use crate::secrets::{Keys, new_correlation_id};
use crate::sessions::Sessions;
use crate::store::EventStore;
use crate::vault::Vault;
use onboarding::Desk;
use touches::TouchRecorder;

/// Touches that may wait to be recorded; what comes past that is counted and not recorded.
const TOUCH_QUEUE: usize = 10_000;

/// Logins begun here that are kept in mind, some 50 bytes each.
const RECENT_LOGINS: usize = 10_000;

/// A service.
pub struct App {
    /// Its settings.
    pub config: Config,
    /// Its time.
    pub clock: Clock,
    /// Its keys.
    pub keys: Keys,
    /// The log.
    pub store: Arc<dyn EventStore>,
    /// Personal data.
    pub vault: Arc<Vault>,
    /// The commands.
    pub handler: Handler,
    /// The read models.
    pub reads: Arc<ReadDb>,
    /// How far they are.
    pub progress: Arc<Progress>,
    /// Signed statements of what the log holds.
    pub checkpoints: Arc<Keeper>,
    /// Whose a request is.
    pub sessions: Sessions,
    /// Mail.
    pub mailer: Mailer,
    /// Countries.
    pub geo: Geo,
    /// Bearer tokens.
    pub(crate) bearer: Bearer,
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// Where landings go to be recorded.
    pub recorder: TouchRecorder,
    /// What one client address may do.
    pub(crate) limits: ClientLimits,
    /// Mailboxes of logins begun here: the tables may not have them yet when the code comes. Whether
    /// a login is open is the mailbox's to say.
    pub(crate) recent_logins: Cache<RequestId, EmailKey>,
    /// Onboardings under way.
    pub(crate) desk: Arc<Desk>,
}

impl App {
    /// Opens log and read models, makes them where there are none, and starts what works in the
    /// background: the runner, the onboarding, the recording of touches.
    ///
    /// # Errors
    /// One clear sentence: which file, which setting, why.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let mailer = Mailer::open(&config.mail, &config.sender).context("--mail")?;
        let store = config.open_log(clock.clone()).await?;
        Self::open_with(config, clock, mailer, store).await
    }

    /// The same over a log and with a mailer that are there already.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_with(
        config: Config,
        clock: Clock,
        mailer: Mailer,
        store: Arc<dyn EventStore>,
    ) -> anyhow::Result<Arc<Self>> {
        let keys = Keys::derive(&config.master_key);
        let geo = config.geo.clone();
        let vault = Arc::new(Vault::new(store.clone(), keys.wrapping.clone()));
        let reads = Arc::new(config.store.open_reads().await?);
        let observer = Sessions::observer(config.session_cache, reads.clone(), vault.open_keys());
        tokio::spawn(observer.clone().hear(store.tail()));
        let progress = runner::start(&store, reads.clone(), observer.clone());
        let signer = Signer::new(&keys, &config.log_origin).context("--log-origin")?;
        let checkpoints = Keeper::new(signer, reads.clone(), config.checkpoints.clone());
        let sessions = Sessions::new(&observer, vault.clone(), store.clone(), progress.clone());
        let handler = Handler::new(store.clone(), vault.clone(), clock.clone());
        let (recorder, queue) = TouchRecorder::bounded(TOUCH_QUEUE);
        let app = Arc::new(Self {
            bearer: Bearer::new(&keys, &config.public_url)?,
            rules: Arc::new(config.rules.clone()),
            recorder,
            checkpoints: Arc::new(checkpoints),
            limits: ClientLimits::new(&config),
            recent_logins: Cache::new(RECENT_LOGINS),
            desk: Arc::default(),
            config,
            clock,
            keys,
            store,
            vault,
            handler,
            reads,
            progress,
            sessions,
            mailer,
            geo,
        });
        app.start(queue).await?;
        Ok(app)
    }

    /// What operators work on.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        let Self { store, vault, handler, reads, keys, .. } = self;
        Records { store: store.as_ref(), vault, handler, reads, keys }
    }

    /// Forgets who somebody was. Whoever comes with a session of theirs from here on is nobody.
    ///
    /// # Errors
    /// As [`erasure::erase`].
    pub async fn erase(&self, subject: Subject, context: &Context) -> Result<Erasure, EraseError> {
        let erased = erasure::erase(self.records(), subject, context).await?;
        for session in &erased.removed.sessions {
            self.sessions.mark_gone(*session);
        }
        self.progress.wait_for(erased.position).await;
        Ok(erased)
    }

    /// [`App::erase`] on behalf of an operator.
    ///
    /// # Errors
    /// The same.
    pub async fn erase_user(&self, user_id: UserId, operator: &str) -> Result<Erasure, EraseError> {
        let actor = Actor::Operator(operator.to_owned());
        let context = Self::context(new_correlation_id(), actor);
        self.erase(Subject { user_id, email_key: None }, &context).await
    }

    /// A context for what whence does by itself.
    #[must_use]
    pub fn system_context(causation_id: Option<EventId>) -> Context {
        let correlation_id = new_correlation_id();
        Context { correlation_id, causation_id, actor: Actor::System }
    }

    /// A context for what somebody asks.
    #[must_use]
    pub fn context(correlation_id: CorrelationId, actor: Actor) -> Context {
        Context { correlation_id, causation_id: None, actor }
    }

    /// Puts the rules on record before the first decision by them, and starts the workers.
    async fn start(self: &Arc<Self>, queue: mpsc::Receiver<RecordedTouch>) -> anyhow::Result<()> {
        let stream = StreamId::Rules(self.rules.digest);
        let adopt = AdoptRules(Rules::clone(&self.rules));
        self.handler.run::<AdoptedRules>(&stream, &adopt, &Self::system_context(None)).await?;
        // Whoever registers from now on is welcomed by the node whose duty that is.
        self.progress.until_role_is_known().await;
        let desk = self.desk.clone();
        let (app, progress, tail) =
            (Arc::downgrade(self), self.progress.clone(), self.store.tail());
        tokio::spawn(onboarding::work(desk, app, progress, tail));
        tokio::spawn(retention::work(Arc::downgrade(self), self.progress.clone()));
        tokio::spawn(keeper::work(Arc::downgrade(&self.checkpoints), self.progress.clone()));
        tokio::spawn(touches::work(Arc::downgrade(self), queue));
        Ok(())
    }
}
