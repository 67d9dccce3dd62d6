//! Stores that fail, or are late, where a test says so, in front of one that works.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use whence::store::{Append, Appended, Batch, EventStore, KeyRecord, StoreError};
use whence_events::{Position, Recorded, StreamId, Version};
use whence_test_macros::passes_on;

/// A call of the store that may be made to fail.
pub enum Call<'a> {
    Read(&'a StreamId),
    /// The append itself: one that fails here is not written.
    Append(&'a Append),
    /// The answer of an append: one that fails here is written, and its caller does not learn of
    /// it. Asked before the append is written, unless the append itself fails.
    Answer,
    /// Any other call: a read of the whole log, or of a key.
    Other,
}

/// Fails every call.
pub fn down(_: &Call<'_>) -> bool {
    true
}

/// Fails appends to users, before they are written.
pub fn users_unwritten(call: &Call<'_>) -> bool {
    matches!(call, Call::Append(append) if matches!(append.stream, StreamId::User(_)))
}

/// Fails this many appends, before they are written.
pub fn unwritten(mut left: u32) -> impl FnMut(&Call<'_>) -> bool + Send {
    move |call| matches!(call, Call::Append(_)) && take(&mut left)
}

/// Fails this many appends, after they were written.
pub fn written(mut left: u32) -> impl FnMut(&Call<'_>) -> bool + Send {
    move |call| matches!(call, Call::Answer) && take(&mut left)
}

fn take(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

type Fails = Box<dyn FnMut(&Call<'_>) -> bool + Send>;

/// A store that fails the calls that [`Faults`] names; every other call goes to the inner store.
struct Faulty {
    inner: Arc<dyn EventStore>,
    fails: Arc<Mutex<Fails>>,
}

/// Names, from outside, the calls of a [`Faulty`] store that fail.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<Fails>>);

impl Faults {
    /// Returns faults of which none is set yet.
    pub fn none() -> Self {
        Self(Arc::new(Mutex::new(Box::new(|_| false))))
    }

    /// Returns a function that puts these faults around a store.
    pub fn wrap(&self) -> impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore> + use<> {
        let fails = self.0.clone();
        move |inner| Arc::new(Faulty { inner, fails })
    }

    /// Makes these calls fail from now on.
    pub fn set(&self, fails: impl FnMut(&Call<'_>) -> bool + Send + 'static) {
        *self.0.lock().unwrap() = Box::new(fails);
    }

    /// Makes no call fail from now on.
    pub fn clear(&self) {
        self.set(|_| false);
    }
}

impl Faulty {
    async fn check(&self, call: &Call<'_>) -> Result<(), StoreError> {
        // Does not block its thread: a fault may itself wait for the store, whose tasks need threads.
        let fails = loop {
            if let Ok(mut fails) = self.fails.try_lock() {
                break fails(call);
            }
            tokio::task::yield_now().await;
        };
        if fails {
            return Err(StoreError::Unavailable(Arc::new(std::io::Error::other("broken"))));
        }
        Ok(())
    }
}

#[passes_on(whence::store)]
#[async_trait]
impl EventStore for Faulty {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.check(&Call::Append(&append)).await?;
        let answer = self.check(&Call::Answer).await;
        let appended = self.inner.append(append).await?;
        answer.map(|()| appended)
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.check(&Call::Read(stream)).await?;
        self.inner.read_stream(stream, from, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        self.check(&Call::Other).await?;
        self.inner.read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.check(&Call::Other).await?;
        self.inner.head().await
    }

    async fn read_key(&self, subject: &StreamId) -> Result<Option<KeyRecord>, StoreError> {
        self.check(&Call::Other).await?;
        self.inner.read_key(subject).await
    }

    async fn destroy_key(&self, subject: &StreamId, up_to: Option<u32>) -> Result<(), StoreError> {
        self.check(&Call::Other).await?;
        self.inner.destroy_key(subject, up_to).await
    }
}

/// A store whose read models hear of nothing until somebody asks for its head, and then, unless
/// they are held, have all of it before the answer comes: the moment at which "not in the tables"
/// is easily misread.
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

#[passes_on(whence::store)]
#[async_trait]
impl EventStore for Late {
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
}
