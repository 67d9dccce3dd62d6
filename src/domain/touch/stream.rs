//! The stream of a touch, which holds one event.

use whence_events::{Event, TouchEvent, TouchRecorded};

use crate::rules::NeverRejected;
use crate::{Decider, EventContext};

/// The state of a touch stream: whether the touch is recorded, and of whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TouchStream {
    recorded: bool,
    /// Whether a bot made it, by the rules of that day.
    pub bot: bool,
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
            TouchEvent::TouchRecordedV1(touch) => Self { recorded: true, bot: touch.bot },
            TouchEvent::TouchRecorded(touch) => Self { recorded: true, bot: touch.bot },
        }
    }

    fn decide(&self, touch: &TouchRecorded) -> Result<Vec<TouchEvent>, NeverRejected> {
        Ok(if self.recorded { vec![] } else { vec![touch.clone().into()] })
    }
}
