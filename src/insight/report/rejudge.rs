//! Judges touches again by the rules about bots of today, for a report that asks for it.
//!
//! The log keeps the verdict of its day, by which every other report counts. What has no agent, or
//! none that opens any more, keeps that verdict here too, and so does what the rules of today judged
//! already.

use whence_events::{Event, Recorded, TouchEvent, TouchRecorded};

use crate::domain::bots::{BOT_RULES_VERSION, is_bot};
use crate::engine::vault::Vault;
use crate::store::StoreError;

/// How many keys are asked for at a time: each touch has one of its own.
const KEYS_AT_ONCE: usize = 32;

/// Sets the verdict of the touches among these events to that of the rules of today.
pub(super) async fn rejudge(vault: &Vault, events: &mut [Recorded]) -> Result<(), StoreError> {
    let places: Vec<usize> = (0..events.len()).filter(|at| again(&events[*at]).is_some()).collect();
    for places in places.chunks(KEYS_AT_ONCE) {
        let verdicts = places.iter().map(|at| verdict(vault, &events[*at]));
        let verdicts = futures::future::try_join_all(verdicts).await?;
        for (at, verdict) in places.iter().zip(verdicts) {
            if let Some(bot) = verdict
                && let Event::Touch(event) = &mut events[*at].event
                && let TouchEvent::TouchRecorded(touch) = &mut **event
            {
                touch.bot = bot;
            }
        }
    }
    Ok(())
}

/// Returns whether the agent of a touch is a bot's; `None` when it does not open.
async fn verdict(vault: &Vault, event: &Recorded) -> Result<Option<bool>, StoreError> {
    let Some(agent) = again(event).and_then(|touch| touch.agent.as_ref()) else { return Ok(None) };
    let opened = vault.open(&event.stream, event.version, "agent", agent).await?;
    Ok(opened.map(|agent| is_bot(Some(&agent))))
}

/// Returns the touch that an event is, when other rules than those of today judged it and it has an
/// agent.
fn again(event: &Recorded) -> Option<&TouchRecorded> {
    let Event::Touch(event) = &event.event else { return None };
    match &**event {
        // The first version of the event has no agent.
        TouchEvent::TouchRecordedV1(_) => None,
        TouchEvent::TouchRecorded(touch) => {
            let other = touch.bot_rules_version != BOT_RULES_VERSION;
            (other && touch.agent.is_some()).then_some(touch)
        }
    }
}
