//! A touch's stream holds one event.

use whence_events::{Event, TouchEvent, TouchRecorded};

use crate::rules::NeverRejected;
use crate::{Decider, Stamp};

/// Whether the touch is on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordedOnce {
    recorded: bool,
}

impl Decider for RecordedOnce {
    type Command = TouchRecorded;
    type Event = TouchEvent;
    type Rejection = NeverRejected;

    fn event(event: &Event) -> Option<&TouchEvent> {
        if let Event::Touch(event) = event { Some(event) } else { None }
    }

    fn evolve(self, event: &TouchEvent, _: Stamp) -> Self {
        match event {
            TouchEvent::TouchRecordedV1(_) | TouchEvent::TouchRecorded(_) => {
                Self { recorded: true }
            }
        }
    }

    fn decide(&self, touch: &TouchRecorded) -> Result<Vec<TouchEvent>, NeverRejected> {
        Ok(if self.recorded { vec![] } else { vec![touch.clone().into()] })
    }
}
