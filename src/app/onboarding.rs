//! What follows a registration: a referral code, a plan, a welcome mail.
//!
//! None of it blocks or fails a login. Each step is an event of the user, so it happens once, and
//! what a crash interrupts is found again: the tail brings new users at once, and a sweep over the
//! read model brings whoever is still owed something. Referrals that could not be decided are tried
//! again by the same sweep.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast};
use whence_events::{
    Actor, CodeKind, DeliveryFailure, Event, EventId, Recorded, StreamId, UserEvent, UserId,
};
use whence_projections::{Onboarding, UndecidedReferral};

use crate::app::App;
use crate::app::attribution::{Candidate, LandingCookies};
use crate::domain::name::{Name, NameTaken, ReserveName};
use crate::domain::touch::{PlantedCode, RefCode};
use crate::domain::user::{EMAIL_VERSION, User, UserCommand, UserRejection};
use crate::engine::handler::{Context, HandleError};
use crate::engine::progress::Progress;
use crate::infra::errors::with_causes;
use crate::infra::mail::Mail;
use crate::infra::random::new_referral_code;
use crate::store::{Batch, StoreError};

/// Users onboarded at a time.
const MAX_CONCURRENT: usize = 256;

/// Users who may wait to be onboarded; past that, the sweep finds them.
const MAX_QUEUE: usize = 100_000;

/// Between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// Users and referrals of one sweep.
const SWEEP_SIZE: u64 = 500;

/// A sweep leaves alone what began or was tried so recently; doubled with each failed mail.
const SETTLE_TIME: Duration = Duration::from_secs(30);

/// Codes that may be taken already before something must be wrong: one in 2^40 is.
const MAX_CODE_TRIES: usize = 8;

/// Onboards until the service is dropped.
pub(crate) async fn work(
    onboarder: Arc<Onboarder>,
    app: Weak<App>,
    progress: Arc<Progress>,
    mut tail: broadcast::Receiver<Batch>,
) {
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The tail is read without waiting for a place: who falls behind it loses what it brought.
    let mut queue = VecDeque::new();
    loop {
        tokio::select! {
            batch = tail.recv() => match batch {
                // One node welcomes. When it is gone, the sweep of the next one finds the rest.
                Ok(batch) if progress.is_writer() => {
                    let room = MAX_QUEUE - queue.len();
                    queue.extend(registrations(&batch.events).take(room));
                }
                Ok(_) => queue.clear(),
                // The sweep finds whom this missed.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            Ok(permit) = onboarder.permits.acquire(), if !queue.is_empty() => {
                drop(permit);
                let Some(app) = app.upgrade() else { return };
                if let Some((user_id, event_id)) = queue.pop_front() {
                    onboarder.clone().onboard(app, user_id, Trigger::Registered(event_id)).await;
                }
            }
            _ = sweep.tick() => {
                let Some(app) = app.upgrade() else { return };
                // Asked now: a condition of the branch would be as old as the last batch.
                if progress.is_writer() {
                    onboarder.sweep(&app).await;
                }
            }
        }
    }
}

fn registrations(batch: &[Recorded]) -> impl Iterator<Item = (UserId, EventId)> {
    batch.iter().filter_map(|recorded| match (&recorded.stream, &recorded.event) {
        (StreamId::User(user_id), Event::User(event)) => {
            let registered = matches!(event.as_ref(), UserEvent::UserRegistered(_));
            registered.then_some((*user_id, recorded.event_id))
        }
        _ => None,
    })
}

/// Who is being onboarded.
pub(crate) struct Onboarder {
    permits: Arc<Semaphore>,
    /// So that a sweep does not send a mail that is just being sent.
    busy: Mutex<HashSet<UserId>>,
}

impl Default for Onboarder {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_CONCURRENT)), busy: Mutex::default() }
    }
}

/// Why somebody is onboarded.
#[derive(Clone, Copy)]
enum Trigger {
    /// By this event.
    Registered(EventId),
    /// The read model says that it is due; so many welcome mails had failed when it did.
    Due { welcome_failed: u8 },
}

/// Somebody who is being onboarded.
struct InProgress {
    user_id: UserId,
    onboarder: Arc<Onboarder>,
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.onboarder.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.user_id);
    }
}

impl Onboarder {
    /// Starts an onboarding, once there is a place.
    async fn onboard(self: Arc<Self>, app: Arc<App>, user_id: UserId, trigger: Trigger) {
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(user_id) {
            return;
        }
        // Given back however the task ends.
        let busy = InProgress { user_id, onboarder: self.clone() };
        // Places are never closed; without one it goes on all the same.
        let permit = self.permits.clone().acquire_owned().await;
        tokio::spawn(async move {
            let _held = (busy, permit);
            if let Err(error) = steps(&app, user_id, trigger).await {
                tracing::warn!(error = %with_causes(&error), "an onboarding is not complete yet");
            }
        });
    }

    async fn sweep(self: &Arc<Self>, app: &Arc<App>) {
        let now = app.clock.now();
        match app.engine.read_db.onboardings(SWEEP_SIZE).await {
            Ok(due) => {
                for Onboarding { user_id, welcome_failed, tried_at, .. } in due {
                    let settle = SETTLE_TIME * 2_u32.pow(u32::from(welcome_failed.min(10)));
                    if now.since(tried_at) >= settle {
                        let trigger = Trigger::Due { welcome_failed };
                        self.clone().onboard(app.clone(), user_id, trigger).await;
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the read models do not answer"),
        }
        let undecided =
            app.engine.read_db.undecided_referrals(SWEEP_SIZE).await.unwrap_or_default();
        for referral in undecided.into_iter().filter(|r| now.since(r.refused_at) >= SETTLE_TIME) {
            if let Err(error) = app.decide_again(&referral).await {
                tracing::warn!(error = %with_causes(&error), "a referral is still undecided");
            }
        }
    }
}

/// All steps, each of which does nothing when it was done before.
async fn steps(
    app: &App,
    user_id: UserId,
    trigger: Trigger,
) -> Result<(), HandleError<UserRejection>> {
    let cause = match trigger {
        Trigger::Registered(event_id) => Some(event_id),
        Trigger::Due { welcome_failed } => {
            // The row may be older than an attempt that ended since: then nothing is due yet.
            let user = app.engine.handler.load::<User>(&StreamId::User(user_id)).await;
            if user.map_err(HandleError::Store)?.state.welcome.failed != welcome_failed {
                return Ok(());
            }
            None
        }
    };
    let context = Context::of_system(cause);
    let code = app.issue_primary_code(user_id, &context).await?;
    let plan = UserCommand::ProvisionSubscription { plan: app.config.accounts.plan.clone() };
    app.run_user(user_id, &plan, &context).await?;
    welcome(app, user_id, code, &context).await
}

async fn welcome(
    app: &App,
    user_id: UserId,
    code: Option<String>,
    context: &Context,
) -> Result<(), HandleError<UserRejection>> {
    let stream = StreamId::User(user_id);
    let user = app.engine.handler.recent::<User>(&stream).await.map_err(HandleError::Store)?.state;
    let Some(account) = user.account.as_ref().filter(|_| !user.welcome.is_over()) else {
        return Ok(());
    };
    let opened = app.engine.vault.open(&stream, EMAIL_VERSION, "email", &account.email).await;
    let Some(email) = opened.map_err(HandleError::Store)? else { return Ok(()) };
    let sent = match code {
        Some(code) => {
            let mail = Mail::Welcome {
                site: app.config.mail.site.clone(),
                link: app.link(&code),
                reference: user_id.to_string(),
            };
            app.mailer.send(&email, &mail).await
        }
        None => Err(DeliveryFailure::Local),
    };
    // A crash right here sends the mail again, under the same Message-ID: mail knows no other way
    // to be sent exactly once.
    app.run_user(user_id, &UserCommand::RecordWelcome(sent), context).await.map(drop)
}

impl App {
    /// Does now what is done every few seconds anyway: goes on with onboardings and referrals that
    /// were left. Onboardings are started, not waited for.
    pub async fn sweep_now(self: &Arc<Self>) {
        self.onboarder.sweep(self).await;
    }

    /// A short link with this code.
    #[must_use]
    pub fn link(&self, code: &str) -> String {
        format!("{}/r/{code}", self.config.listening.public_url.as_str().trim_end_matches('/'))
    }

    /// The user's primary code, made if there is none.
    async fn issue_primary_code(
        &self,
        user_id: UserId,
        context: &Context,
    ) -> Result<Option<String>, HandleError<UserRejection>> {
        let stream = StreamId::User(user_id);
        for _ in 0..MAX_CODE_TRIES {
            let user = self
                .engine
                .handler
                .recent::<User>(&stream)
                .await
                .map_err(HandleError::Store)?
                .state;
            if let Some(issued) = user.codes.iter().find(|code| code.kind == CodeKind::Primary) {
                return Ok(Some(issued.code.as_str().to_owned()));
            }
            let code = new_referral_code();
            self.engine.handler.expect_empty::<Name>(StreamId::code(&code));
            match self.reserve(&StreamId::code(&code), user_id, context).await {
                Ok(()) => {}
                Err(HandleError::Rejected(NameTaken)) => continue,
                Err(HandleError::Store(error)) => return Err(HandleError::Store(error)),
            }
            let (now, kind) = (self.clock.now(), CodeKind::Primary);
            let issue = UserCommand::IssueReferralCode { now, code, kind };
            self.run_user(user_id, &issue, context).await?;
        }
        Ok(None)
    }

    /// Takes a name for a user.
    pub(crate) async fn reserve(
        &self,
        name: &StreamId,
        owner: UserId,
        context: &Context,
    ) -> Result<(), HandleError<NameTaken>> {
        self.engine.handler.run::<Name>(name, &ReserveName { owner }, context).await.map(drop)
    }

    /// Runs a command on a user and says whether it changed anything.
    pub(crate) async fn run_user(
        &self,
        user_id: UserId,
        command: &UserCommand,
        context: &Context,
    ) -> Result<bool, HandleError<UserRejection>> {
        let done =
            self.engine.handler.run::<User>(&StreamId::User(user_id), command, context).await?;
        Ok(!done.events.is_empty())
    }

    /// Decides a referral that could not be decided when it came.
    async fn decide_again(&self, referral: &UndecidedReferral) -> Result<(), StoreError> {
        let user_id = referral.user_id;
        let stream = StreamId::User(user_id);
        let user = self.engine.handler.recent::<User>(&stream).await?.state;
        let Some(account) = &user.account else { return Ok(()) };
        let email = self.engine.vault.open(&stream, EMAIL_VERSION, "email", &account.email).await?;
        let device = match &account.last_device {
            Some((device, version)) => {
                self.engine.vault.open(&stream, *version, "device", device).await?
            }
            None => None,
        };
        let (Some(email), client) = (email, device.unwrap_or_default()) else { return Ok(()) };
        let code = referral.code.clone();
        let ref_code = match (referral.touched_at, referral.touch_id) {
            (Some(touched_at), Some(touch_id)) => {
                RefCode::Signed(PlantedCode { code, touched_at, touch_id })
            }
            _ => RefCode::Bare(code),
        };
        let cookies = LandingCookies { ref_code: Some(ref_code), first_touch: None };
        let candidate =
            Candidate { user_id, email: &email, client: &client, country: account.last_country };
        // As of then: the user must not lose by the time that it took us.
        let attempt = self.attempt(candidate, &cookies, referral.via, referral.refused_at).await;
        let command = UserCommand::AttributeReferral { user_id, attempt: Box::new(attempt) };
        match self.run_user(user_id, &command, &Context::of_system(None)).await {
            Err(HandleError::Store(error)) => Err(error),
            Ok(_) | Err(HandleError::Rejected(_)) => Ok(()),
        }
    }

    /// Gives a user a creator handle: `/creators/{handle}` becomes a landing page of theirs.
    ///
    /// # Errors
    /// [`NameTaken`] inside when somebody else has it.
    pub async fn claim_handle(
        &self,
        user_id: UserId,
        handle: whence_events::Handle,
    ) -> anyhow::Result<()> {
        let context =
            Context::of_request(crate::infra::random::new_correlation_id(), Actor::System);
        self.reserve(&StreamId::Handle(handle.clone()), user_id, &context).await?;
        self.run_user(user_id, &UserCommand::ClaimHandle { handle }, &context).await?;
        Ok(())
    }

    /// Makes a code of a user attribute nothing from now on.
    ///
    /// # Errors
    /// [`UserRejection::NoSuchCode`] inside when it is not theirs, or disabled already.
    pub async fn disable_referral_code(
        &self,
        user_id: UserId,
        code: whence_events::ReferralCode,
        reason: &str,
    ) -> anyhow::Result<()> {
        let disable = UserCommand::DisableReferralCode { code, reason: reason.to_owned() };
        self.run_user(user_id, &disable, &Context::of_system(None)).await?;
        Ok(())
    }
}
