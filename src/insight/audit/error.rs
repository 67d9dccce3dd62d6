//! Errors of audits.

use whence_projections::QueryError;

use crate::store::{ForeignEvent, StoreError};

/// The reasons why there is no story; then nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No user registered under this id.
    #[error("there is no such user")]
    NoSuchUser,
    /// The events of the user are gone.
    #[error("the operator of the store has cut the history of this user: {0}")]
    HistoryGone(ForeignEvent),
    /// No user has this code.
    #[error("there is no such code")]
    NoSuchCode,
    /// The log has no event at the position to continue from.
    #[error("there is no event at this position")]
    NoSuchPosition,
    /// The log does not answer, or could not record the reader.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The read models do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
}
