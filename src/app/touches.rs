//! Records touches in the background, from a bounded queue that no landing waits for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::mpsc;
use whence_events::{CodeStatus, Pii, ReferralCode, StreamId, TouchId, TouchRecorded};
use whence_projections::report::source_entry;

use crate::app::App;
use crate::app::referral_codes::code_holder;
use crate::domain::rules::NeverRejected;
use crate::domain::touch::planting::CodeRecord;
use crate::domain::touch::stream::TouchStream;
use crate::domain::touch::{RecordedTouch, RefParam, registrable_domain};
use crate::domain::user::User;
use crate::engine::Engine;
use crate::engine::handler::{Context, HandleError, Handler};
use crate::infra::errors::with_causes;
use crate::infra::security::{SecurityEvent, SecurityLog};
use crate::store::EventStore;

/// The touches that are recorded at the same time, so that they share commits.
const MAX_BATCH: usize = 64;

/// The most erased visitors that are remembered.
const MAX_ERASED: usize = 10_000;

/// How long a landing waits to be told whether its visitor is erased.
const MAX_KEY_WAIT: Duration = Duration::from_millis(500);

/// How long a landing waits for what is on record of the codes that it has to choose from.
const MAX_CODE_WAIT: Duration = Duration::from_millis(500);

/// The sending side of the queue of touches to record. Clones share one queue.
#[derive(Clone)]
pub struct TouchRecorder {
    queue: mpsc::Sender<RecordedTouch>,
    lost: Arc<AtomicU64>,
    erased: Option<Arc<ErasedVisitors>>,
    codes: Option<Arc<IssuedCodes>>,
    security: Option<Arc<SecurityLog>>,
}

/// Returns what is on record of a code, which was issued to this user.
fn record_of(owner: &User, code: &ReferralCode) -> CodeRecord {
    let disabled_at = owner.code(code).and_then(|issued| issued.disabled_at);
    CodeRecord::Issued { disabled_at, blocked: owner.is_blocked(code) || owner.erased }
}

/// Looks up what is on record of codes, for landings.
struct IssuedCodes(Arc<Handler>);

impl IssuedCodes {
    /// Returns what is on record of a code now.
    async fn record(&self, code: &ReferralCode) -> CodeRecord {
        match code_holder(&self.0, code).await {
            Ok(Some((_, owner))) => record_of(&owner, code),
            Ok(None) => CodeRecord::Nobodys,
            Err(_) => CodeRecord::Unavailable,
        }
    }
}

/// Tells which visitors are erased: those whose first touch has a destroyed key.
struct ErasedVisitors {
    store: Arc<dyn EventStore>,
    /// Those that are known to be. Of others it is not known how long they are not.
    known: Cache<TouchId, ()>,
}

impl ErasedVisitors {
    /// Returns the erased visitors of a log.
    fn new(store: Arc<dyn EventStore>) -> Self {
        Self { store, known: Cache::new(MAX_ERASED) }
    }

    /// Returns whether a touch is of an erased visitor. When the store does not say so in time, it
    /// counts as one: a landing is not to wait, nor to be recorded under the id of an erased user.
    async fn holds(&self, touch: TouchId) -> bool {
        if self.known.get(&touch).is_some() {
            return true;
        }
        let stream = StreamId::Touch(touch);
        match tokio::time::timeout(MAX_KEY_WAIT, self.store.read_key(&stream)).await {
            Ok(Ok(Some(key))) if key.wrapped.is_none() => {
                self.known.insert(touch, ());
                true
            }
            Ok(Ok(_)) => false,
            Ok(Err(_)) | Err(_) => true,
        }
    }
}

impl TouchRecorder {
    /// Returns a queue for at most `capacity` touches (at least one), and its receiving side.
    #[must_use]
    pub fn bounded(capacity: usize) -> (Self, mpsc::Receiver<RecordedTouch>) {
        let (queue, receiver) = mpsc::channel(capacity.max(1));
        let lost = Arc::default();
        (Self { queue, lost, erased: None, codes: None, security: None }, receiver)
    }

    /// Returns the recorder of a service, which knows the visitors that are erased.
    pub(crate) fn of_service(self, engine: &Engine) -> Self {
        let erased = Some(Arc::new(ErasedVisitors::new(engine.store.clone())));
        let codes = Some(Arc::new(IssuedCodes(engine.handler.clone())));
        Self { erased, codes, security: Some(engine.security.clone()), ..self }
    }

    /// Counts a touch as lost, because its client is over its limit.
    pub(crate) fn count_limited(&self) {
        self.count_lost();
        if let Some(security) = &self.security {
            security.record(SecurityEvent::ClientTouches, None, None);
        }
    }

    /// Returns whether a touch is of an erased visitor.
    pub(crate) async fn is_of_erased(&self, touch: TouchId) -> bool {
        match &self.erased {
            Some(erased) => erased.holds(touch).await,
            None => false,
        }
    }

    /// Returns what is on record of codes, in their order. What does not come in time is unavailable:
    /// no landing fails or waits long for it.
    pub(crate) async fn records_of<'a>(
        &self,
        codes: impl IntoIterator<Item = &'a ReferralCode>,
    ) -> Vec<CodeRecord> {
        let records = codes.into_iter().map(|code| async move {
            let Some(codes) = &self.codes else { return CodeRecord::Unavailable };
            let record = tokio::time::timeout(MAX_CODE_WAIT, codes.record(code));
            record.await.unwrap_or(CodeRecord::Unavailable)
        });
        futures::future::join_all(records).await
    }

    /// Returns how many touches were lost: the queue was full or closed, or their client over its
    /// limit.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Queues a touch, or counts it as lost: a landing never waits for the log, and its cookies
    /// carry all that attribution needs.
    pub fn record(&self, touch: RecordedTouch) {
        if self.queue.try_send(touch).is_err() {
            self.count_lost();
        }
    }

    /// Counts a touch as lost.
    fn count_lost(&self) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        // At 1, 2, 4, 8, ...: an overload must not become a flood of its own.
        if lost.is_power_of_two() {
            tracing::warn!(lost, "touches were not recorded: too many at once, or of one client");
        }
    }
}

/// Records the touches of the queue, until the service is dropped.
pub(crate) async fn work(app: Weak<App>, mut queue: mpsc::Receiver<RecordedTouch>) {
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    while queue.recv_many(&mut waiting, MAX_BATCH).await > 0 {
        let Some(app) = app.upgrade() else { return };
        futures::future::join_all(waiting.drain(..).map(|touch| record(&app, touch))).await;
    }
}

/// Looks up the code and the creator of a touch and appends its event.
async fn record(app: &Arc<App>, touch: RecordedTouch) {
    if let Err(error) = record_now(app, touch).await {
        tracing::error!(error = %with_causes(&error), "a touch could not be recorded");
    }
}

/// Records a touch that a login is about to name.
pub(crate) async fn record_now(
    app: &App,
    touch: RecordedTouch,
) -> Result<(), HandleError<NeverRejected>> {
    let stream = StreamId::Touch(touch.touch_id);
    let recorded = event_of(app, touch).await;
    let context = Context::of_system(None);
    app.engine.handler.run_first::<TouchStream>(&stream, &recorded, &context).await.map(drop)
}

/// Returns the event of a touch, with what is on record of its code and its creator.
async fn event_of(app: &App, touch: RecordedTouch) -> TouchRecorded {
    let (code_status, owner) = match &touch.referral {
        RefParam::Absent => (CodeStatus::None, None),
        RefParam::Malformed => (CodeStatus::Malformed, None),
        // When the look-up fails, the code counts as unknown; the code itself is recorded all the
        // same.
        RefParam::Code(code) => match code_holder(&app.engine.handler, code).await {
            Ok(Some((owner, user))) => {
                (record_of(&user, code).status_at(touch.occurred_at), Some(owner))
            }
            Ok(None) | Err(_) => (CodeStatus::Unknown, None),
        },
    };
    let creator_id = match &touch.creator {
        Some(handle) => app.creator(handle).await,
        None => None,
    };
    TouchRecorded {
        code: touch.referral.code().cloned(),
        code_status,
        owner,
        other_codes: touch.other_codes,
        landing_page: touch.landing_page,
        referrer_domain: touch.referrer_url.as_deref().and_then(registrable_domain),
        referrer_site: touch.referrer_url.as_deref().and_then(source_entry),
        referrer_url: touch.referrer_url.map(Pii::Clear),
        referrer_kind: touch.referrer_kind,
        first_touch_id: Some(touch.first_touch_id),
        utm: touch.utm,
        click_ids: touch.click_ids,
        creator_id,
        device_class: touch.visitor.device_class,
        country: touch.visitor.country,
        bot: touch.visitor.bot,
        bot_rules_version: touch.visitor.bot_rules_version,
        consent: touch.consent,
        deduplicated: touch.deduplicated,
        fetch_site: touch.fetch_site,
        agent: touch.agent.map(Pii::Clear),
        said_by_client: touch.said_by_client,
    }
}
