//! Whose an address is, when accounts move.

use whence_events::{MailboxClaimed, MailboxEvent, MailboxMoved, Pii, UserId};

use super::{ClaimMailbox, LeaveMailbox, Mailbox, MailboxRejection};
use crate::EventContext;

impl Mailbox {
    /// Gives the address to a user as an operator wants, where nobody else has it. An address that is
    /// the user's already is left as it is.
    pub(super) fn claim(
        &self,
        command: &ClaimMailbox,
    ) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        let user_id = command.user_id;
        if !self.can_be_of(user_id) {
            return Err(MailboxRejection::Taken);
        }
        if self.owner == Some(user_id) {
            return Ok(vec![]);
        }
        let claimed = MailboxClaimed {
            user_id,
            by_change: true,
            email: Some(Pii::Clear(command.email.clone())),
            reason: Some(Pii::Clear(command.reason.clone())),
        };
        let mut events = vec![claimed.into()];
        events.extend(self.forget_devices());
        Ok(events)
    }

    /// Holds the address of a user who moved to another one.
    pub(super) fn leave(&self, command: LeaveMailbox) -> Vec<MailboxEvent> {
        let LeaveMailbox { user_id, held_until, forget_devices } = command;
        if self.owner != Some(user_id) {
            return vec![];
        }
        let mut events = vec![MailboxMoved { user_id, held_until }.into()];
        if forget_devices {
            events.extend(self.forget_devices());
        }
        events
    }

    /// The address has an owner.
    pub(super) fn claimed(&mut self, claimed: &MailboxClaimed, context: EventContext) {
        self.owner = Some(claimed.user_id);
        self.held = None;
        self.moved_here_at = claimed.by_change.then_some(context.at);
        let version = context.version;
        self.moved_because = claimed.reason.clone().map(|reason| (reason, version));
        if let Some(email) = &claimed.email {
            self.email = Some((email.clone(), version));
        }
    }

    fn forget_devices(&self) -> impl Iterator<Item = MailboxEvent> + '_ {
        self.devices.iter().flat_map(|device| self.forget_device(device.id))
    }

    /// Returns whether an account may move to this address: it is nobody else's, nor held for anybody
    /// else.
    #[must_use]
    pub fn can_be_of(&self, user_id: UserId) -> bool {
        let kept_by = self.owner.or(self.held.map(|(held_by, _)| held_by));
        kept_by.is_none_or(|kept_by| kept_by == user_id)
    }

    /// Returns whether the address is this user's, or held for them.
    #[must_use]
    pub fn is_kept_by(&self, user_id: UserId) -> bool {
        self.owner == Some(user_id) || self.held.is_some_and(|(held_by, _)| held_by == user_id)
    }
}
