//! Puts landings on record, behind the landings' backs.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;
use whence_events::{CodeStatus, Pii, StreamId, TouchRecorded};

use crate::app::App;
use crate::domain::touch::recorded::RecordedOnce;
use crate::domain::touch::{RecordedTouch, RefParam};
use crate::http::error::chain;

/// Touches recorded at a time, so that they share commits.
const AT_A_TIME: usize = 64;

/// Records what the queue brings, until the service is dropped.
pub(crate) async fn work(app: Weak<App>, mut queue: mpsc::Receiver<RecordedTouch>) {
    let mut waiting = Vec::with_capacity(AT_A_TIME);
    while queue.recv_many(&mut waiting, AT_A_TIME).await > 0 {
        let Some(app) = app.upgrade() else { return };
        futures::future::join_all(waiting.drain(..).map(|touch| record(&app, touch))).await;
    }
}

async fn record(app: &Arc<App>, touch: RecordedTouch) {
    let stream = StreamId::Touch(touch.touch_id);
    let (code_status, owner) = match &touch.referral {
        RefParam::Absent => (CodeStatus::None, None),
        RefParam::Malformed => (CodeStatus::Malformed, None),
        // A look-up that fails leaves the touch with an unknown code: the code itself is on record.
        RefParam::Code(code) => match app.code_owner(code).await {
            Ok(Some((owner, _))) => (CodeStatus::Known, Some(owner)),
            Ok(None) | Err(_) => (CodeStatus::Unknown, None),
        },
    };
    let creator_id = match &touch.creator {
        Some(handle) => app.creator(handle).await,
        None => None,
    };
    let recorded = TouchRecorded {
        code: touch.referral.code().cloned(),
        code_status,
        owner,
        other_codes: touch.other_codes,
        landing_page: touch.landing_page,
        referrer_url: touch.referrer_url.map(Pii::Clear),
        referrer_kind: touch.referrer_kind,
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
    };
    let context = App::system_context(None);
    if let Err(error) = app.handler.run::<RecordedOnce>(&stream, &recorded, &context).await {
        tracing::error!(error = %chain(&error), "a touch could not be recorded");
    }
}
