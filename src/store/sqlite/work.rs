//! What the writer thread is asked to do.

use tokio::sync::oneshot;
use whence_events::{Position, Recorded, StreamId};

use crate::store::{Append, Appended, StoreError, StoredKey, VaultChange};

/// A piece of work for the writer, and the caller that waits for its outcome.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
}

/// What the writer can do inside a transaction.
pub(super) enum Work {
    Append(Append),
    DestroyKey(StreamId, Option<u32>),
    Import(Import),
    ImportKeys(Vec<StoredKey>),
    ChangeVault(VaultChange),
}

impl Work {
    /// Returns whether it may destroy keys.
    pub(super) fn destroys(&self) -> bool {
        match self {
            Self::Append(_) | Self::Import(_) => false,
            Self::DestroyKey(..) => true,
            // What the old master key sealed is not to outlive it in the WAL.
            Self::ChangeVault(change) => matches!(change, VaultChange::EndMaster { .. }),
            Self::ImportKeys(keys) => keys.iter().any(|key| key.wrapped.is_none()),
        }
    }
}

/// Events of another log, and the position in this log that they come after.
pub(super) struct Import {
    pub(super) after: Position,
    pub(super) events: Vec<Recorded>,
}
