//! Stores that fail, or are late, in front of one that works.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use whence::store::{Append, Appended, Batch, EventStore, KeyRecord, StoreError};
use whence_events::{Position, Recorded, StreamId, Version};

/// What fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Appends to users, before they are written, this often.
    UsersUnwritten(u32),
    /// Any append, before it is written, this often.
    Unwritten(u32),
    /// Any append, after it was written, this often.
    Written(u32),
    /// Everything.
    Down,
}

/// Sets the fault, from outside of the store.
#[derive(Clone, Default)]
pub struct Switch(Arc<Mutex<Fault>>);

impl Switch {
    pub fn set(&self, fault: Fault) {
        *self.0.lock().unwrap() = fault;
    }

    /// The store with this switch.
    pub fn wrap(&self, inner: Arc<dyn EventStore>) -> Arc<dyn EventStore> {
        Arc::new(Faulty { inner, switch: self.clone() })
    }

    /// Counts an append against the fault; whether it fails before it is written, or after.
    fn on_append(&self, stream: &StreamId) -> (bool, bool) {
        let mut fault = self.0.lock().unwrap();
        let of_user = matches!(stream, StreamId::User(_));
        match &mut *fault {
            Fault::UsersUnwritten(left) if of_user => (take(left), false),
            Fault::Unwritten(left) => (take(left), false),
            Fault::Written(left) => (false, take(left)),
            Fault::Down => (true, false),
            Fault::None | Fault::UsersUnwritten(_) => (false, false),
        }
    }

    fn is_down(&self) -> bool {
        *self.0.lock().unwrap() == Fault::Down
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_down() { Err(unavailable()) } else { Ok(()) }
    }
}

fn take(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

fn unavailable() -> StoreError {
    StoreError::Unavailable(Arc::new(std::io::Error::other("the plug was pulled")))
}

struct Faulty {
    inner: Arc<dyn EventStore>,
    switch: Switch,
}

#[async_trait]
impl EventStore for Faulty {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let (before, after) = self.switch.on_append(&append.stream);
        if before {
            return Err(unavailable());
        }
        let appended = self.inner.append(append).await?;
        if after { Err(unavailable()) } else { Ok(appended) }
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.switch.check()?;
        self.inner.read_stream(stream, from, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        self.switch.check()?;
        self.inner.read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.switch.check()?;
        self.inner.head().await
    }

    fn tail(&self) -> broadcast::Receiver<Batch> {
        self.inner.tail()
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.switch.check()?;
        self.inner.read_key(subject).await
    }

    async fn destroy_key(&self, subject: &StreamId) -> Result<(), StoreError> {
        self.switch.check()?;
        self.inner.destroy_key(subject).await
    }
}

/// A store whose read models hear of nothing until somebody asks for its head, and then, unless they
/// are held, have all of it before the answer comes: the moment at which "not in the tables" is
/// easily misread.
pub struct Late {
    inner: Arc<dyn EventStore>,
    holding: Arc<AtomicBool>,
    held: Mutex<broadcast::Receiver<Batch>>,
    told: broadcast::Sender<Batch>,
}

impl Late {
    pub fn wrap(inner: Arc<dyn EventStore>, holding: &Arc<AtomicBool>) -> Arc<dyn EventStore> {
        let held = Mutex::new(inner.tail());
        let holding = holding.clone();
        Arc::new(Self { inner, holding, held, told: broadcast::channel(256).0 })
    }

    fn tell(&self) {
        while let Ok(batch) = self.held.lock().unwrap().try_recv() {
            let _ = self.told.send(batch);
        }
    }
}

#[async_trait]
impl EventStore for Late {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.inner.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.inner.read_stream(stream, from, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        self.inner.read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        let head = self.inner.head().await;
        if !self.holding.load(Ordering::SeqCst) {
            self.tell();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        head
    }

    fn tail(&self) -> broadcast::Receiver<Batch> {
        self.told.subscribe()
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.inner.read_key(subject).await
    }

    async fn destroy_key(&self, subject: &StreamId) -> Result<(), StoreError> {
        self.inner.destroy_key(subject).await
    }
}
