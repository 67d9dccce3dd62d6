//! A store that fails, waits or lies where a test says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::broadcast;
use whence::store::{Append, Appended, Batch, EventStore, KeyRecord, StoreError};
use whence_events::{Position, Recorded, StreamId, Version};

/// A store whose tail can be cut off, so that the read models stay behind.
pub struct Stalling {
    inner: Arc<dyn EventStore>,
    stalled: Arc<AtomicBool>,
}

impl Stalling {
    /// Around a store; cut off while `stalled` says so.
    pub fn around(inner: Arc<dyn EventStore>, stalled: Arc<AtomicBool>) -> Arc<dyn EventStore> {
        Arc::new(Self { inner, stalled })
    }
}

/// What is asked of the store.
pub enum Call<'a> {
    Read(&'a StreamId),
    Append(&'a Append),
}

type Fails = Box<dyn FnMut(&Call<'_>) -> bool + Send>;

/// Fails what it is told to; everything else goes to the store behind it.
pub struct Faulty {
    pub inner: Arc<dyn EventStore>,
    fails: Arc<Mutex<Fails>>,
}

/// Says from outside what fails.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<Fails>>);

impl Faults {
    /// None at first.
    pub fn none() -> Self {
        Self(Arc::new(Mutex::new(Box::new(|_| false))))
    }

    /// Around a store.
    pub fn wrap(&self) -> impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore> + use<> {
        let fails = self.0.clone();
        move |inner| Arc::new(Faulty { inner, fails })
    }

    /// From now on these calls fail.
    pub fn set(&self, fails: impl FnMut(&Call<'_>) -> bool + Send + 'static) {
        *self.0.lock().unwrap() = Box::new(fails);
    }

    /// From now on nothing fails.
    pub fn clear(&self) {
        self.set(|_| false);
    }
}

impl Faulty {
    fn check(&self, call: &Call<'_>) -> Result<(), StoreError> {
        if (self.fails.lock().unwrap())(call) {
            return Err(StoreError::Unavailable(Arc::new(std::io::Error::other("broken"))));
        }
        Ok(())
    }
}

#[async_trait]
impl EventStore for Faulty {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.check(&Call::Append(&append))?;
        self.inner.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.check(&Call::Read(stream))?;
        self.inner.read_stream(stream, from, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        self.inner.read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.inner.head().await
    }

    fn tail(&self) -> broadcast::Receiver<Batch> {
        self.inner.tail()
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.inner.read_key(subject).await
    }

    async fn destroy_key(&self, subject: &StreamId) -> Result<(), StoreError> {
        self.inner.destroy_key(subject).await
    }
}

#[async_trait]
impl EventStore for Stalling {
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
        self.inner.head().await
    }

    fn tail(&self) -> broadcast::Receiver<Batch> {
        let (sender, receiver) = broadcast::channel(1024);
        let (mut tail, stalled) = (self.inner.tail(), self.stalled.clone());
        tokio::spawn(async move {
            while let Ok(batch) = tail.recv().await {
                if !stalled.load(Ordering::SeqCst) {
                    let _ = sender.send(batch);
                }
            }
        });
        receiver
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.inner.read_key(subject).await
    }

    async fn destroy_key(&self, subject: &StreamId) -> Result<(), StoreError> {
        self.inner.destroy_key(subject).await
    }
}
