//! Signs the checkpoints of a service and stores them outside of the database. It never signs one that
//! contradicts the last.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use whence_events::Hash;
use whence_projections::{QueryError, ReadDb};

use super::checkpoint::Checkpoint;
use super::note::{NoteError, Signer, Verifier};
use super::{continues, directory};
use crate::engine::progress::Progress;
use crate::infra::errors::with_causes;

/// The time between two checks whether a checkpoint is due.
const DUE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// When a checkpoint is due, and where it is stored.
#[derive(Clone, Debug)]
pub struct CheckpointPolicy {
    /// The directory to store checkpoints in, outside of the database.
    pub directory: PathBuf,
    /// The number of new events after which one is due.
    pub events: u64,
    /// The time after which one is due when there is a new event.
    pub time: Duration,
}

/// Signs and stores checkpoints of the log, one at a time, so that each follows from the one before.
pub struct Checkpointer {
    signer: Signer,
    read_db: Arc<ReadDb>,
    policy: Option<CheckpointPolicy>,
    state: Mutex<CheckpointerState>,
}

/// What a checkpointer remembers between two checkpoints.
#[derive(Default)]
struct CheckpointerState {
    /// The last checkpoint that was signed here, or that was found in the directory.
    last: Option<SignedCheckpoint>,
    /// The size of the last checkpoint that was stored, and when that was.
    stored: Option<(u64, Instant)>,
    /// The last error that was logged, so that it is logged once.
    last_error: Option<String>,
}

/// A checkpoint and its note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The statement of the checkpoint.
    pub checkpoint: Checkpoint,
    /// The signed note with the statement.
    pub note: String,
}

/// Why no checkpoint is signed or stored.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The tree does not begin with what was signed.
    #[error(
        "the log contradicts its own checkpoint over {0} events, which is signed: nothing is signed \
         any more; run whence verify"
    )]
    Contradiction(u64),
    /// The tree is shorter than what was signed: the read models are behind, or the log was cut.
    #[error("the tree has {size} leaves, and a checkpoint over {signed} is signed")]
    Shorter {
        /// The number of leaves of the tree.
        size: u64,
        /// The size of the checkpoint.
        signed: u64,
    },
    /// The last checkpoint in the directory is not signed by this key.
    #[error("the checkpoint {}: {source}", .path.display())]
    NotOurs {
        /// The path of the checkpoint.
        path: PathBuf,
        /// Why the note is not accepted.
        source: NoteError,
    },
    /// A checkpoint cannot be read or written.
    #[error("checkpoints in {}: {source}", .path.display())]
    File {
        /// The directory of the checkpoints.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The read models, which hold the tree, do not answer.
    #[error(transparent)]
    ReadDb(#[from] QueryError),
}

impl Checkpointer {
    /// Returns a checkpointer that stores its checkpoints by a policy; without one it only signs
    /// them on request.
    #[must_use]
    pub fn new(signer: Signer, read_db: Arc<ReadDb>, policy: Option<CheckpointPolicy>) -> Self {
        Self { signer, read_db, policy, state: Mutex::default() }
    }

    /// Returns the public key of its checkpoints.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.signer.verifier()
    }

    /// Returns the notes by which each earlier key names the one after it, oldest first.
    #[must_use]
    pub fn successions(&self) -> Vec<String> {
        self.signer.successions()
    }

    /// Returns a checkpoint over all that the tree holds now.
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, CheckpointError> {
        self.sign(&mut *self.state.lock().await).await
    }

    /// Signs what the tree holds now. It takes the locked state, so that each checkpoint follows
    /// from the one before.
    async fn sign(
        &self,
        state: &mut CheckpointerState,
    ) -> Result<SignedCheckpoint, CheckpointError> {
        if state.last.is_none() {
            state.last = self.latest()?;
        }
        let edge = self.read_db.tree_edge().await?;
        let (size, root) = (edge.size(), edge.root());
        if let Some(last) = &state.last {
            // Under the name that the log has now; it may have had another.
            let same = Checkpoint { origin: self.verifier().name().to_owned(), size, root };
            if last.checkpoint == same && self.verifier().open(&last.note).is_ok() {
                return Ok(last.clone());
            }
            self.follows(&last.checkpoint, size, root).await?;
        }
        let checkpoint = Checkpoint { origin: self.verifier().name().to_owned(), size, root };
        let note = checkpoint.sign(&self.signer);
        Ok(state.last.insert(SignedCheckpoint { checkpoint, note }).clone())
    }

    /// Requires the tree to begin with what was signed.
    async fn follows(
        &self,
        last: &Checkpoint,
        size: u64,
        root: Hash,
    ) -> Result<(), CheckpointError> {
        if size < last.size {
            return Err(CheckpointError::Shorter { size, signed: last.size });
        }
        let new = Checkpoint { origin: last.origin.clone(), size, root };
        let path = match last.size {
            0 => Some(vec![]),
            signed => self.read_db.tree_consistency(signed, size).await?,
        };
        let proved = path.is_some_and(|path| continues(&new, last, &path));
        if proved { Ok(()) } else { Err(CheckpointError::Contradiction(last.size)) }
    }

    /// Returns the last checkpoint in the directory. The log may have had another name then; the
    /// key is the same.
    fn latest(&self) -> Result<Option<SignedCheckpoint>, CheckpointError> {
        let Some(policy) = &self.policy else { return Ok(None) };
        let path = policy.directory.clone();
        let note = match directory::latest(&path) {
            Ok(Some(note)) => note,
            Ok(None) => return Ok(None),
            Err(source) => return Err(CheckpointError::File { path, source }),
        };
        let origin = Checkpoint::origin_of(&note).unwrap_or_default();
        let keys = self.signer.verifiers();
        let opened = open_with_any(&note, keys.iter().map(|key| key.named(origin)));
        let path = path.join(directory::LATEST);
        let checkpoint = opened.map_err(|source| CheckpointError::NotOurs { path, source })?;
        Ok(Some(SignedCheckpoint { checkpoint, note }))
    }

    /// Stores a checkpoint in the directory when one is due. An error is logged once, and stops
    /// nothing else.
    async fn store_due(&self, policy: &CheckpointPolicy) {
        let mut state = self.state.lock().await;
        match self.try_to_store(policy, &mut state).await {
            Ok(()) => state.last_error = None,
            Err(error) => {
                let last_error = with_causes(&error);
                if state.last_error.as_ref() != Some(&last_error) {
                    tracing::error!(error = %last_error, "no checkpoint of the log");
                }
                state.last_error = Some(last_error);
            }
        }
    }

    /// Signs and stores a checkpoint when one is due.
    async fn try_to_store(
        &self,
        policy: &CheckpointPolicy,
        state: &mut CheckpointerState,
    ) -> Result<(), CheckpointError> {
        let size = self.read_db.tree_edge().await?.size();
        let due = match state.stored {
            Some((stored, at)) => {
                let new = size.saturating_sub(stored);
                new >= policy.events || new > 0 && at.elapsed() >= policy.time
            }
            None => size > 0,
        };
        if !due {
            return Ok(());
        }
        let signed = self.sign(state).await?;
        let (path, size) = (policy.directory.clone(), signed.checkpoint.size);
        let successions = self.successions();
        let store = move || {
            directory::store_successions(&path, &successions)?;
            directory::store(&path, &signed.checkpoint, &signed.note)
        };
        let stored = match tokio::task::spawn_blocking(store).await {
            // The service ends; the next one stores what is due.
            Err(stopped) if stopped.is_cancelled() => return Ok(()),
            done => done.unwrap_or_else(|panic| Err(panic.into())),
        };
        let path = policy.directory.clone();
        stored.map_err(|source| CheckpointError::File { path, source })?;
        state.stored = Some((size, Instant::now()));
        Ok(())
    }
}

/// Opens a checkpoint that one of several keys signed; the error is that of the last one.
pub fn open_with_any(
    note: &str,
    keys: impl Iterator<Item = Result<Verifier, NoteError>>,
) -> Result<Checkpoint, NoteError> {
    let mut opened = Err(NoteError::Key);
    for key in keys {
        opened = key.and_then(|key| Checkpoint::open(note, &key));
        // A wrong signature of a key that signed is not made good by another key.
        if matches!(opened, Ok(_) | Err(NoteError::Malformed | NoteError::Signature)) {
            break;
        }
    }
    opened
}

/// Stores checkpoints while this node is the writer, until its checkpointer is dropped.
pub async fn work(checkpointer: Weak<Checkpointer>, progress: Arc<Progress>) {
    let mut check = tokio::time::interval(DUE_CHECK_INTERVAL);
    loop {
        check.tick().await;
        let Some(checkpointer) = checkpointer.upgrade() else { return };
        if let (true, Some(policy)) = (progress.is_writer(), &checkpointer.policy) {
            checkpointer.store_due(policy).await;
        }
    }
}
