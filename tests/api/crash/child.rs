//! Processes that kill themselves. This test binary starts itself as one of its own tests, and says to it
//! in a variable where to die.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use whence::store::{Append, Appended, EventStore, StoreError};
use whence_events::StreamId;
use whence_test_macros::passes_on;

use crate::server::until;

/// kill -9, by whoever is about to do something.
pub(crate) fn die() -> ! {
    let id = std::process::id().to_string();
    let _ = Command::new("kill").args(["-KILL", &id]).status();
    std::process::abort()
}

/// Starts this binary as one of its tests, which is told something.
pub(crate) fn spawn(test: &str, variable: &str, told: String) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(variable, told)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Until a process has killed itself.
pub(crate) async fn killed(mut process: Child, what: &str) {
    until("the child dies", async || process.try_wait().unwrap().is_some()).await;
    assert_eq!(process.wait().unwrap().signal(), Some(9), "{what}: it did not die");
}

/// A store that kills its process at one step: an append by its first event, or the destruction of a key
/// by its number.
pub(crate) struct Deadly {
    inner: Arc<dyn EventStore>,
    at: String,
    after: bool,
    keys: AtomicU32,
}

impl Deadly {
    /// Dies before or after a step, as `when` says.
    pub(crate) fn over(inner: Arc<dyn EventStore>, when: &str, at: &str) -> Arc<dyn EventStore> {
        let (at, after) = (at.to_owned(), when == "after");
        Arc::new(Self { inner, at, after, keys: AtomicU32::new(0) })
    }
}

#[passes_on(whence::store)]
#[async_trait]
impl EventStore for Deadly {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        if append.events[0].event.event_type() != self.at {
            return self.inner.append(append).await;
        }
        if self.after {
            self.inner.append(append).await?;
        }
        die()
    }

    async fn destroy_key(&self, subject: &StreamId, up_to: Option<u32>) -> Result<(), StoreError> {
        let number = 1 + self.keys.fetch_add(1, Ordering::SeqCst);
        if self.at != format!("key {number}") {
            return self.inner.destroy_key(subject, up_to).await;
        }
        if self.after {
            self.inner.destroy_key(subject, up_to).await?;
        }
        die()
    }
}
