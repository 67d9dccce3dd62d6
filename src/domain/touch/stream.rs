//! The stream of a touch, which holds one event.

use whence_events::{Event, TouchEvent, TouchRecorded};

use crate::rules::NeverRejected;
use crate::{Decider, EventContext};

/// The state of a touch stream: whether the touch is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TouchStream {
    recorded: bool,
}

impl Decider for TouchStream {
    type Command = TouchRecorded;
    type Event = TouchEvent;
    type Rejection = NeverRejected;

    fn event(event: &Event) -> Option<&TouchEvent> {
        if let Event::Touch(event) = event { Some(event) } else { None }
    }

    fn evolve(self, event: &TouchEvent, _: EventContext) -> Self {
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
