//! The audit stream: every read access to the log is recorded, one after the other.

use whence_events::{AuditEvent, AuditRead, Event};

use super::rules::NeverRejected;
use super::{Decider, EventContext};

/// The state of the audit stream, which is empty: every read access can be recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit;

impl Decider for Audit {
    type Command = AuditRead;
    type Event = AuditEvent;
    type Rejection = NeverRejected;

    fn event(event: &Event) -> Option<&AuditEvent> {
        if let Event::Audit(event) = event { Some(event) } else { None }
    }

    fn evolve(self, event: &AuditEvent, _: EventContext) -> Self {
        match event {
            AuditEvent::AuditRead(_) => self,
        }
    }

    fn decide(&self, read: &AuditRead) -> Result<Vec<AuditEvent>, NeverRejected> {
        Ok(vec![read.clone().into()])
    }
}

#[cfg(test)]
mod tests {
    use whence_events::AuditSubject;

    use super::*;
    use crate::spec::{given, user};

    #[test]
    fn every_read_is_recorded_also_when_repeated() {
        let read = || AuditRead {
            subject: AuditSubject::User,
            user_id: Some(user(1)),
            code: None,
            personal_data: false,
        };
        given::<Audit>([]).when(read()).then([read().into()]);
        given::<Audit>([read().into()]).when(read()).then([read().into()]);
    }
}
