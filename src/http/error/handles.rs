//! Why a handle cannot be claimed.

use http::StatusCode;

/// The reason why a handle cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandleProblem {
    /// It is no handle.
    Invalid,
    /// Readers could take it for the service's own.
    Reserved,
    /// Another user has it.
    Taken,
    /// Another user has one that looks like it.
    Confusable,
    /// The user has as many as one may have.
    Limit,
}

impl HandleProblem {
    /// Returns the status, the code, and a sentence for developers.
    pub(super) fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Invalid => (
                S::BAD_REQUEST,
                "handle_invalid",
                "2 to 32 of a-z and 0-9, with single _ . and - between them; letters of other scripts \
                 look like these.",
            ),
            Self::Reserved => (S::CONFLICT, "handle_reserved", "This one cannot be had."),
            Self::Taken => (S::CONFLICT, "handle_taken", "Another user has this one."),
            Self::Confusable => {
                (S::CONFLICT, "handle_confusable", "It looks like a handle of another user.")
            }
            Self::Limit => (S::CONFLICT, "handle_limit", "There are five handles already."),
        }
    }
}
