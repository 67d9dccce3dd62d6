//! What the log says about somebody, in words: why this referrer and not another, and who did what.

use whence_events::{AuditRead, Position};

use crate::domain::audit::Audit;
use crate::handle::{Context, HandleError, Handler};
use crate::store::StoreError;

use whence_events::StreamId;

/// Puts on record that the context's actor is about to be shown something. Whoever cannot be put on
/// record is shown nothing.
///
/// # Errors
/// When the store does not take it.
pub async fn record(
    handler: &Handler,
    read: AuditRead,
    context: &Context,
) -> Result<Position, StoreError> {
    match handler.run::<Audit>(&StreamId::Audit, &read, context).await {
        Ok(done) => Ok(done.position),
        Err(HandleError::Store(error)) => Err(error),
        Err(HandleError::Rejected(never)) => match never {},
    }
}
