//! What the floors below refuse or fail with, as problems of the API. Causes are logged here, once.

use super::{AddressProblem, HandleProblem, Problem};
use crate::app::sessions::SessionError;
use crate::domain::mailbox::MailboxRejection;
use crate::domain::user::address::OBJECTION_TIME;
use crate::domain::user::profile::UPDATE_WINDOW;
use crate::domain::user::refresh::ROTATION_WINDOW;
use crate::domain::user::{SLUG_WINDOW, UserRejection};
use crate::engine::handler::HandleError;
use crate::infra::errors::with_causes;
use crate::insight::audit::AuditError;
use crate::store::StoreError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %with_causes(&error), "the event store did not do it");
        match error {
            StoreError::Foreign(_) => Self::HistoryChanged,
            StoreError::TooLarge { .. } => Self::Internal,
            StoreError::Conflict { .. }
            | StoreError::ClockAhead(_)
            | StoreError::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        tracing::error!(error = %with_causes(&error), "a session could not be looked up");
        Self::Unavailable
    }
}

impl From<whence_projections::QueryError> for Problem {
    fn from(error: whence_projections::QueryError) -> Self {
        tracing::error!(%error, "the read models do not answer");
        Self::Unavailable
    }
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::NoSuchUser => Self::UserNotFound,
            AuditError::HistoryGone(_) => Self::HistoryChanged,
            AuditError::NoSuchCode => Self::CodeNotFound,
            AuditError::NoSuchPosition => {
                Self::InvalidParameter("after is 0, or the position of an event.")
            }
            AuditError::Store(error) => error.into(),
            AuditError::Query(error) => error.into(),
        }
    }
}

impl From<HandleError<UserRejection>> for Problem {
    fn from(error: HandleError<UserRejection>) -> Self {
        match error {
            HandleError::Store(error) => error.into(),
            HandleError::Rejected(
                UserRejection::NotRegistered | UserRejection::Erased | UserRejection::NoSuchSession,
            ) => Self::Unauthenticated,
            HandleError::Rejected(UserRejection::Suspended) => Self::Suspended,
            HandleError::Rejected(UserRejection::AddressLeft) => {
                Self::Address(AddressProblem::Moved)
            }
            HandleError::Rejected(UserRejection::ChangeOpen { .. }) => {
                Self::Address(AddressProblem::ChangeOpen)
            }
            HandleError::Rejected(UserRejection::Leaving) => {
                Self::Address(AddressProblem::UserLeaves)
            }
            HandleError::Rejected(UserRejection::CodeBlocked) => Self::SlugReserved,
            HandleError::Rejected(UserRejection::NoSuchCode | UserRejection::NoSuchChange) => {
                Self::NotFound
            }
            HandleError::Rejected(UserRejection::TooManyHandles) => {
                Self::Handle(HandleProblem::Limit)
            }
            HandleError::Rejected(UserRejection::TooManyCodes { .. }) => {
                Self::RateLimited { retry_after_seconds: SLUG_WINDOW.as_secs() }
            }
            HandleError::Rejected(UserRejection::TooManyUpdates { .. }) => {
                Self::RateLimited { retry_after_seconds: UPDATE_WINDOW.as_secs() }
            }
            HandleError::Rejected(UserRejection::TooManyChanges { .. }) => {
                Self::RateLimited { retry_after_seconds: OBJECTION_TIME.as_secs() }
            }
            HandleError::Rejected(UserRejection::TooManyRotations { .. }) => {
                Self::RateLimited { retry_after_seconds: ROTATION_WINDOW.as_secs() }
            }
            // Callers answer with the reason: being refused is not an error.
            HandleError::Rejected(UserRejection::NotAttributed(_)) => Self::Internal,
        }
    }
}

impl From<HandleError<MailboxRejection>> for Problem {
    fn from(error: HandleError<MailboxRejection>) -> Self {
        match error {
            HandleError::Store(error) => error.into(),
            // A caller that knows the time turns this into `rate_limited` itself.
            HandleError::Rejected(MailboxRejection::Throttled { .. }) => {
                Self::RateLimited { retry_after_seconds: 3600 }
            }
            HandleError::Rejected(MailboxRejection::Moved) => Self::Address(AddressProblem::Moved),
            HandleError::Rejected(MailboxRejection::Taken) => Self::Address(AddressProblem::Taken),
            HandleError::Rejected(
                MailboxRejection::UnknownRequest
                | MailboxRejection::Expired
                | MailboxRejection::Locked
                | MailboxRejection::AlreadyConsumed,
            ) => Self::InvalidRequest,
        }
    }
}
