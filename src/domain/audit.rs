//! Who looked into the log: every look is on record, one after the other.

use whence_events::{AuditEvent, AuditRead, Event};

use super::rules::NeverRejected;
use super::{Decider, Stamp};

/// The state of the audit: nothing has to be known to write one more look down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit;

impl Decider for Audit {
    type Command = AuditRead;
    type Event = AuditEvent;
    type Rejection = NeverRejected;

    fn event(event: &Event) -> Option<&AuditEvent> {
        if let Event::Audit(event) = event { Some(event) } else { None }
    }

    fn evolve(self, event: &AuditEvent, _: Stamp) -> Self {
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
    fn every_look_is_on_record_also_the_same_one_again() {
        let look = || AuditRead {
            subject: AuditSubject::User,
            user_id: Some(user(1)),
            code: None,
            personal_data: false,
        };
        given::<Audit>([]).when(look()).then([look().into()]);
        given::<Audit>([look().into()]).when(look()).then([look().into()]);
    }
}
