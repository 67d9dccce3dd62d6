//! Does what follows a registration: a referral code, a plan, a welcome mail.
//!
//! None of it blocks or fails a login. Each step is an event of the user, so it happens once, and
//! what a crash interrupts is found again: the tail names new users at once, and a sweep over the
//! read model finds the users for whom something is due. The same sweep decides referrals that could
//! not be decided before.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast};
use whence_events::{DeliveryFailure, Event, EventId, Recorded, StreamId, UserEvent, UserId};
use whence_projections::Onboarding;

use crate::app::App;
use crate::domain::user::{User, UserCommand, UserRejection};
use crate::engine::handler::{Context, HandleError};
use crate::engine::progress::Progress;
use crate::infra::errors::with_causes;
use crate::infra::mail::Mail;
use crate::store::Batch;

/// The users that are onboarded at the same time.
const MAX_CONCURRENT: usize = 256;

/// The users that may wait to be onboarded; the sweep finds those that come past that.
const MAX_QUEUE: usize = 100_000;

/// The time between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// The users, and the referrals, of one sweep.
const SWEEP_SIZE: u64 = 500;

/// How long ago an attempt has to be for a sweep to repeat it; doubled with each failed mail.
const SETTLE_TIME: Duration = Duration::from_secs(30);

/// Onboards new users until the service is dropped.
pub(crate) async fn work(
    onboarder: Arc<Onboarder>,
    app: Weak<App>,
    progress: Arc<Progress>,
    mut tail: broadcast::Receiver<Batch>,
) {
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The tail is read without waiting for a permit: a receiver that is too slow loses events.
    let mut queue = VecDeque::new();
    loop {
        tokio::select! {
            batch = tail.recv() => match batch {
                // One node welcomes. When it is gone, the sweep of the next one finds the other users.
                Ok(batch) if progress.is_writer() => {
                    let room = MAX_QUEUE - queue.len();
                    queue.extend(registrations(&batch.events).take(room));
                }
                Ok(_) => queue.clear(),
                // The sweep finds the users that were missed.
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
                // Checked now: a condition of the branch would be as old as the last batch.
                if progress.is_writer() {
                    onboarder.sweep(&app).await;
                }
            }
        }
    }
}

/// Returns the users that a batch registers, with the event that did.
fn registrations(batch: &[Recorded]) -> impl Iterator<Item = (UserId, EventId)> {
    batch.iter().filter_map(|recorded| match (&recorded.stream, &recorded.event) {
        (StreamId::User(user_id), Event::User(event)) => {
            let registered = matches!(event.as_ref(), UserEvent::UserRegistered(_));
            registered.then_some((*user_id, recorded.event_id))
        }
        _ => None,
    })
}

/// The onboardings that are under way.
pub(crate) struct Onboarder {
    permits: Arc<Semaphore>,
    /// The users under way, so that a sweep does not send a mail that is being sent already.
    busy: Mutex<HashSet<UserId>>,
}

impl Default for Onboarder {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_CONCURRENT)), busy: Mutex::default() }
    }
}

/// Why a user is onboarded.
#[derive(Clone, Copy)]
enum Trigger {
    /// This event registered them.
    Registered(EventId),
    /// The read model says that something is due, and that this many welcome mails have failed.
    Due { welcome_failed: u8 },
}

/// The mark of a user under way, which ends when it is dropped.
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
    /// Starts the onboarding of a user, once fewer than [`MAX_CONCURRENT`] are under way.
    async fn onboard(self: Arc<Self>, app: Arc<App>, user_id: UserId, trigger: Trigger) {
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(user_id) {
            return;
        }
        // Dropped however the task ends.
        let busy = InProgress { user_id, onboarder: self.clone() };
        // The semaphore is never closed; without a permit the task runs all the same.
        let permit = self.permits.clone().acquire_owned().await;
        tokio::spawn(async move {
            let _held = (busy, permit);
            if let Err(error) = steps(&app, user_id, trigger).await {
                tracing::warn!(error = %with_causes(&error), "an onboarding is not complete yet");
            }
        });
    }

    /// Starts the onboardings, and decides the referrals, that the read models say are due.
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
        app.sweep_addresses().await;
    }
}

/// Takes all steps of an onboarding, each of which does nothing when it was done before.
async fn steps(
    app: &App,
    user_id: UserId,
    trigger: Trigger,
) -> Result<(), HandleError<UserRejection>> {
    let cause = match trigger {
        Trigger::Registered(event_id) => Some(event_id),
        Trigger::Due { welcome_failed } => {
            // The row may be older than an attempt that has ended since: then nothing is due yet.
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

/// Sends the welcome mail, unless it was sent or given up before, and records how that went.
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
    let opened =
        app.engine.vault.open(&stream, account.email_version, "email", &account.email).await;
    let Some(email) = opened.map_err(HandleError::Store)? else { return Ok(()) };
    let sent = match code {
        Some(code) => {
            // Beyond the mails of the hour it waits: a sweep finds it again.
            if app.mail_budget.take(false, app.clock.now()).is_err() {
                return Ok(());
            }
            let mail = Mail::Welcome {
                site: app.config.mail.site.clone(),
                link: app.link(&code),
                reference: user_id.to_string(),
            };
            let sent = app.mailer.send(&email, &mail).await;
            if sent.is_err_and(DeliveryFailure::certainly_not_sent) {
                app.mail_budget.give_back();
            }
            sent
        }
        None => Err(DeliveryFailure::Local),
    };
    // A crash right here sends the mail again, under the same Message-ID: mail has no other way to
    // be sent exactly once.
    app.run_user(user_id, &UserCommand::RecordWelcome(sent), context).await.map(drop)
}

impl App {
    /// Does now what is done every few seconds anyway: takes up onboardings and referrals that were
    /// not completed. Onboardings are started, not waited for.
    pub async fn sweep_now(self: &Arc<Self>) {
        self.onboarder.sweep(self).await;
    }
}
