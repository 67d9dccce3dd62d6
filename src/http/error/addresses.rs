//! Why an account cannot have an address.

use http::StatusCode;

/// The reason why an account cannot have an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressProblem {
    /// The account moved away from it, and it is held.
    Moved,
    /// Another account has it, or it is held for one.
    Taken,
    /// The account has it already.
    Unchanged,
    /// The previous address can object to the last change.
    ChangeOpen,
    /// Operators: its user is suspended.
    UserSuspended,
    /// Operators: its user asked to be erased.
    UserLeaves,
}

impl AddressProblem {
    /// Returns the status, the code, and a sentence for developers.
    pub(super) fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Moved => (
                S::CONFLICT,
                "email_moved",
                "The account has another address now. Log in with that one, or object by the mail that \
                 was sent to this one.",
            ),
            Self::Taken => (S::CONFLICT, "email_taken", "Another account has this address."),
            Self::ChangeOpen => (
                S::CONFLICT,
                "email_change_open",
                "The address was changed within the last 72 hours. While the previous one can object, \
                 the account can only move back to it.",
            ),
            Self::UserSuspended => {
                (S::CONFLICT, "user_suspended", "The user is suspended. Reinstate them first.")
            }
            Self::UserLeaves => (
                S::CONFLICT,
                "erasure_requested",
                "The user asked to be erased. An account that ends does not move.",
            ),
            Self::Unchanged => (S::CONFLICT, "email_unchanged", "The account has this address."),
        }
    }
}
