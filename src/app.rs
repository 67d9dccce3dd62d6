//! A whole service in one value: the engine, mail, sessions, limits and background tasks.

pub mod access_tokens;
pub mod activity;
mod address_release;
pub mod api_keys;
pub mod attribution;
mod billing;
pub mod client_address;
pub(crate) mod commands;
pub mod config;
pub mod counters;
mod country_watch;
pub mod creators;
mod development;
pub(crate) mod email_change;
pub mod erasure;
pub(crate) mod export_turns;
mod key_watch;
pub(crate) mod known_devices;
pub mod login_limits;
pub(crate) mod mail_budget;
pub mod moderation;
pub mod onboarding;
pub(crate) mod operator_tokens;
pub(crate) mod own_erasure;
pub(crate) mod proof_turns;
pub(crate) mod rate_limits;
mod referral_codes;
pub(crate) mod refresh;
mod retention;
mod rounds;
mod said_touch;
pub mod sessions;
pub mod touches;
pub(crate) mod unnamed_proxy;

use std::sync::Arc;

use anyhow::Context as _;
use quick_cache::sync::Cache;
use tokio::sync::mpsc;
use whence_events::{Actor, EmailAddress, EmailKey, RequestId, StreamId, Timestamp, UserId};

use crate::domain::rules::{AdoptRules, AdoptedRules, Rules};
use crate::domain::touch::RecordedTouch;
use crate::engine::Engine;
use crate::engine::handler::Context;
use crate::engine::progress::Progress;
use crate::engine::proof::Signer;
use crate::engine::proof::checkpointer::{self, Checkpointer};
use crate::engine::{runner, service_keys};
use crate::infra::clock::Clock;
use crate::infra::keys::{Keys, MasterKey};
use crate::infra::mail::Mailer;
use crate::infra::metrics::RequestCounts;
use crate::infra::random::new_correlation_id;
use crate::infra::security::SecurityLog;
use crate::store::EventStore;
use access_tokens::AccessTokens;
use activity::{Queued, SessionActivity};
use api_keys::{ApiKeyUsage, ApiKeys, KeyUse};
use config::Config;
use counters::Counters;
use erasure::{AddressErasure, EraseError, Erasure, Subject};
use export_turns::ExportTurns;
use mail_budget::MailBudget;
use onboarding::Onboarder;
use operator_tokens::OperatorTokens;
use proof_turns::ProofTurns;
use rate_limits::RateLimits;
use sessions::Sessions;
use touches::TouchRecorder;
use unnamed_proxy::UnnamedProxy;

/// The most touches that may wait to be recorded; those that come past that are counted as lost.
const MAX_QUEUED_TOUCHES: usize = 10_000;

/// The most logins begun here that are remembered, at some 50 bytes each.
const MAX_RECENT_LOGINS: usize = 10_000;

/// The groups of routes by which requests are counted.
pub(crate) const ROUTE_GROUPS: &[&str] =
    &["login", "session", "referrals", "portal", "admin", "log", "landing", "health", "other"];

/// A running service.
pub struct App {
    /// The settings of the service.
    pub config: Config,
    /// The clock that every decision takes its time from.
    pub clock: Clock,
    /// The log with its keys, its commands and its read models.
    pub engine: Engine,
    /// How far the read models are.
    pub progress: Arc<Progress>,
    /// Signs checkpoints of the log.
    pub checkpointer: Arc<Checkpointer>,
    /// Finds the session of a request.
    pub sessions: Sessions,
    /// Records that sessions are used.
    pub activity: SessionActivity,
    /// Finds the API key of a request.
    pub(crate) api_keys: ApiKeys,
    /// Records that API keys are used.
    pub(crate) api_key_usage: ApiKeyUsage,
    /// Sends mails.
    pub mailer: Mailer,
    /// The ceiling of mails an hour.
    pub(crate) mail_budget: MailBudget,
    /// Makes and checks access tokens.
    pub(crate) access_tokens: AccessTokens,
    /// The queue of touches that are to be recorded.
    pub recorder: TouchRecorder,
    /// What was refused and closed, for metrics.
    pub counters: Counters,
    /// The limits of what one client address may do.
    pub(crate) rate_limits: RateLimits,
    /// Notes requests of proxies that no setting names.
    pub(crate) unnamed_proxy: UnnamedProxy,
    /// Makes wrong operators' tokens cost time.
    pub(crate) operator_tokens: OperatorTokens,
    /// Bounds the exports that users make of their own data.
    pub(crate) export_turns: ExportTurns,
    /// Bounds the proofs that are made.
    pub(crate) proof_turns: ProofTurns,
    /// The mailboxes of logins begun here, which the read models may lack when the code is entered.
    /// Whether a login is open is decided by the mailbox, not by this.
    pub(crate) recent_logins: Cache<RequestId, EmailKey>,
    /// The time at which this service was opened.
    pub(crate) started_at: Timestamp,
    /// The responses that were sent.
    pub(crate) requests: RequestCounts,
    /// The onboardings that are under way.
    pub(crate) onboarder: Arc<Onboarder>,
}

impl App {
    /// Opens log and read models, makes them where there are none, and starts the background tasks:
    /// the runner, onboarding, retention, checkpoints and the recording of touches.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let mailer = Mailer::open(&config.mail.way, &config.mail.sender).context("--mail")?;
        let store = config.open_log(clock.clone()).await?;
        Self::open_with(config, clock, mailer, store).await
    }

    /// Opens a service over a log and with a mailer that are open already.
    pub async fn open_with(
        mut config: Config,
        clock: Clock,
        mailer: Mailer,
        store: Arc<dyn EventStore>,
    ) -> anyhow::Result<Arc<Self>> {
        let keys = Keys::derive(&config.storage.master_key);
        // What derives from it is all that is needed from here on.
        config.storage.master_key = MasterKey::forgotten();
        let read_db = Arc::new(config.storage.store.open_read_db().await?);
        service_keys::load(&keys, &*store, clock.now()).await.context("the keys of the log")?;
        let engine = Engine::new(store, read_db, keys, clock.clone());
        let Engine { store, vault, read_db, keys, .. } = &engine;
        let capacity = config.limits.session_cache;
        let observer = Sessions::observer(capacity, read_db.clone(), vault.open_keys());
        tokio::spawn(observer.clone().observe_tail(store.tail()));
        // In a log that is kept in files, nobody else appends.
        if config.storage.store.directory().is_none() {
            tokio::spawn(engine.handler.follow_tail());
        }
        let progress = runner::start(store, read_db.clone(), observer.clone());
        let checkpoints = &config.checkpoints;
        let signer = Signer::new(keys, &checkpoints.log_origin).context("--log-origin")?;
        let checkpointer = Checkpointer::new(signer, read_db.clone(), checkpoints.policy.clone());
        let sessions = Sessions::new(&observer, vault.clone(), store.clone(), progress.clone());
        let (activity, uses) = SessionActivity::bounded(config.accounts.session_activity);
        let (api_key_usage, key_uses) = ApiKeyUsage::bounded();
        let api_keys = ApiKeys::following(store.tail());
        let (recorder, queue) = TouchRecorder::bounded(MAX_QUEUED_TOUCHES);
        let recorder = recorder.of_service(&engine);
        let app = Arc::new(Self {
            access_tokens: AccessTokens::new(keys, &config.listening.public_url)?,
            rate_limits: RateLimits::new(&config.limits),
            unnamed_proxy: UnnamedProxy::default(),
            operator_tokens: OperatorTokens::new(),
            export_turns: ExportTurns::default(),
            proof_turns: ProofTurns::new(config.limits.proofs_per_client),
            mail_budget: MailBudget::new(config.mail.per_hour),
            checkpointer: Arc::new(checkpointer),
            recorder,
            recent_logins: Cache::new(MAX_RECENT_LOGINS),
            started_at: clock.now(),
            requests: RequestCounts::new(ROUTE_GROUPS),
            onboarder: Arc::default(),
            counters: Counters::default(),
            config,
            clock,
            engine,
            progress,
            sessions,
            activity,
            api_keys,
            api_key_usage,
            mailer,
        });
        app.start(queue, uses, key_uses).await?;
        Ok(app)
    }

    /// Erases a user, whose sessions are refused from here on.
    pub async fn erase(&self, subject: Subject, context: &Context) -> Result<Erasure, EraseError> {
        let erased = erasure::erase(&self.engine, subject, context).await?;
        for session in &erased.removed.sessions {
            self.sessions.mark_gone(*session);
        }
        self.progress.wait_for(erased.position).await;
        Ok(erased)
    }

    /// Erases the user of an address, and forgets the address where nobody verified it.
    pub async fn erase_address(
        &self,
        email: &EmailAddress,
        context: &Context,
    ) -> Result<AddressErasure, EraseError> {
        let erased = erasure::erase_address(&self.engine, email, self.clock.now(), context).await?;
        if let Some(user) = &erased.user {
            for session in &user.removed.sessions {
                self.sessions.mark_gone(*session);
            }
            self.progress.wait_for(user.position).await;
        }
        Ok(erased)
    }

    /// Erases a user on behalf of an operator.
    pub async fn erase_user(&self, user_id: UserId, operator: &str) -> Result<Erasure, EraseError> {
        let actor = Actor::Operator(operator.to_owned());
        let context = Context::of_request(new_correlation_id(), actor);
        self.erase(Subject { user_id, email_key: None }, &context).await
    }

    /// Records the referral rules before the first decision by them, and starts the background tasks.
    async fn start(
        self: &Arc<Self>,
        queue: mpsc::Receiver<RecordedTouch>,
        uses: mpsc::Receiver<Queued>,
        key_uses: mpsc::Receiver<KeyUse>,
    ) -> anyhow::Result<()> {
        let rules = &self.config.referrals.rules;
        let stream = StreamId::Rules(rules.digest);
        let adopt = AdoptRules(Rules::clone(rules));
        self.engine.handler.run::<AdoptedRules>(&stream, &adopt, &Context::of_system(None)).await?;
        // Users that register from now on are welcomed by the writer, so that one has to be known.
        self.progress.until_writer_is_known().await;
        let onboarder = self.onboarder.clone();
        let (app, progress, tail) =
            (Arc::downgrade(self), self.progress.clone(), self.engine.store.tail());
        tokio::spawn(SecurityLog::work(Arc::downgrade(&self.engine.security)));
        tokio::spawn(onboarding::work(onboarder, app, progress, tail));
        tokio::spawn(retention::work(Arc::downgrade(self), self.progress.clone()));
        tokio::spawn(own_erasure::work(Arc::downgrade(self), self.progress.clone()));
        tokio::spawn(checkpointer::work(Arc::downgrade(&self.checkpointer), self.progress.clone()));
        tokio::spawn(touches::work(Arc::downgrade(self), queue));
        tokio::spawn(key_watch::work(Arc::downgrade(self)));
        if self.config.landing.geo.has_database() {
            tokio::spawn(country_watch::work(Arc::downgrade(self)));
        }
        tokio::spawn(activity::work(Arc::downgrade(self), uses));
        tokio::spawn(api_keys::work(Arc::downgrade(self), key_uses));
        Ok(())
    }
}
