//! The end of an account: asked for by its user, with a grace time, or by an operator, at once.

use whence_events::{
    ErasureCancelled, ErasureCompleted, ErasureRequested, RevokeReason, Timestamp, UserErased,
    UserEvent,
};

use super::{User, UserCommand, UserRejection};

/// The request of a user to be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasureRequest {
    /// The time at which it was made.
    pub requested_at: Timestamp,
    /// The time from which the erasure is done.
    pub due_at: Timestamp,
}

impl User {
    /// Takes note of an event about the end of the account.
    pub(super) fn leaves(&mut self, event: &UserEvent, at: Timestamp) {
        if let UserEvent::ErasureRequested(requested) = event {
            let due_at = requested.due_at;
            self.erasure = Some(ErasureRequest { requested_at: at, due_at });
        } else if let UserEvent::ErasureCancelled(_) = event {
            self.erasure = None;
        } else if let UserEvent::ErasureCompleted(_) = event {
            self.erasure_complete = true;
        } else if let UserEvent::UserErased(_) = event {
            self.erased = true;
            self.erasure = None;
            self.sessions.clear();
        }
    }

    pub(super) fn erase(&self, requested_by: &str, mode: &str) -> Vec<UserEvent> {
        let ended = self.sessions.iter().map(|session| session.revoked(RevokeReason::Erased));
        let mut events: Vec<UserEvent> = ended.collect();
        let (requested_by, mode) = (requested_by.to_owned(), mode.to_owned());
        events.push(UserErased { requested_by, mode }.into());
        events
    }

    /// Asks for the erasure; a request that stands keeps its time.
    pub(super) fn request_erasure(&self, due_at: Timestamp) -> Vec<UserEvent> {
        match self.erasure {
            Some(_) => vec![],
            None => vec![ErasureRequested { due_at }.into()],
        }
    }

    /// Withdraws the request that stands, also after its time, as long as nothing was erased.
    pub(super) fn cancel_erasure(&self) -> Vec<UserEvent> {
        let standing = self.erasure.iter();
        standing.map(|request| ErasureCancelled { due_at: request.due_at }.into()).collect()
    }

    pub(super) fn erase_if_due(&self, now: Timestamp) -> Vec<UserEvent> {
        let is_due = self.erasure.is_some_and(|request| request.due_at <= now);
        if is_due { self.erase("owner", "self") } else { vec![] }
    }

    /// Decides what is left to decide about a user who was erased.
    pub(super) fn complete_erasure(
        &self,
        command: &UserCommand,
    ) -> Result<Vec<UserEvent>, UserRejection> {
        let UserCommand::CompleteErasure { touches } = *command else {
            return Err(UserRejection::Erased);
        };
        let done = self.erasure_complete;
        Ok(if done { vec![] } else { vec![ErasureCompleted { touches }.into()] })
    }
}
