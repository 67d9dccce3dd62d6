//! What users do about their addresses, and about leaving.

use std::time::Duration;

use whence_events::{
    EmailAddress, EmailChangeNoticed, EmailChangeUndone, EmailChanged, EmailKey, ErasureCancelled,
    ErasureRequested, Hash, MailboxMoved, MailboxReclaimed, Pii, UserEvent,
};

use super::{DOMAIN, World};

impl World {
    /// Writes what came of a wish. The facts are those of a whole change, whose steps are decided elsewhere.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: it is an address")]
    pub(super) fn account(&mut self, n: usize, what: u8) {
        let (now, user_id) = (self.log.now, self.users[n].user_id);
        let user = &mut self.users[n].stream;
        if !user.state.is_active() {
            return;
        }
        let later = now + Duration::from_hours(72);
        let email = Pii::Clear(EmailAddress::parse(&format!("ada{what}@{DOMAIN}")).unwrap());
        let (email_key, previous_key) = (EmailKey([what | 128; 16]), EmailKey([what & 127; 16]));
        let event: UserEvent = match what % 5 {
            0 => EmailChanged {
                email,
                email_key,
                previous_key,
                objection_until: later,
                objection_hash: Hash([what; 32]),
                reason: None,
            }
            .into(),
            1 => {
                let failed = None;
                EmailChangeNoticed { previous_key, attempt: 1, failed, again_at: later }.into()
            }
            2 => EmailChangeUndone { email, email_key: previous_key, voided_key: email_key }.into(),
            3 => ErasureRequested { due_at: later }.into(),
            _ => ErasureCancelled { due_at: later }.into(),
        };
        self.log.write(user, vec![event]);
        let owned = self.mailboxes.iter_mut().find(|(it, _)| it.state.is_kept_by(user_id));
        let Some((mailbox, _)) = owned else { return };
        let event = if what.is_multiple_of(2) {
            MailboxMoved { user_id, held_until: later }.into()
        } else {
            MailboxReclaimed { user_id }.into()
        };
        self.log.write(mailbox, vec![event]);
    }
}
