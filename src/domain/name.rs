//! A name (referral code or creator handle), which keeps its owner permanently.

use whence_events::{Event, NameEvent, NameReserved, UserId};

use super::{Decider, EventContext};

/// The state of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The user who owns the name.
    pub owner: Option<UserId>,
}

/// The command that reserves the name.
#[derive(Clone, Copy, Debug)]
pub struct ReserveName {
    /// The user who is to own the name.
    pub owner: UserId,
}

/// The rejection of a name that another user owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name is taken")]
pub struct NameTaken;

impl Decider for Name {
    type Command = ReserveName;
    type Event = NameEvent;
    type Rejection = NameTaken;

    fn event(event: &Event) -> Option<&NameEvent> {
        if let Event::Name(event) = event { Some(event) } else { None }
    }

    fn evolve(self, event: &NameEvent, _: EventContext) -> Self {
        match event {
            NameEvent::NameReserved(NameReserved { owner }) => Self { owner: Some(*owner) },
        }
    }

    fn decide(&self, command: &ReserveName) -> Result<Vec<NameEvent>, NameTaken> {
        match self.owner {
            None => Ok(vec![NameReserved { owner: command.owner }.into()]),
            Some(owner) if owner == command.owner => Ok(vec![]),
            Some(_) => Err(NameTaken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{given, user};

    fn reserved(by: u8) -> NameEvent {
        NameReserved { owner: user(by) }.into()
    }

    #[test]
    fn a_free_name_is_taken() {
        given::<Name>([]).when(ReserveName { owner: user(1) }).then([reserved(1)]);
    }

    #[test]
    fn taking_ones_own_name_again_changes_nothing() {
        given::<Name>([reserved(1)]).when(ReserveName { owner: user(1) }).then([]);
    }

    #[test]
    fn a_name_keeps_its_owner() {
        given::<Name>([reserved(1)]).when(ReserveName { owner: user(2) }).rejected(NameTaken);
    }
}
