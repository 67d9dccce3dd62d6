//! The log that a process left.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use whence::clock::Clock;
use whence::config::Config;
use whence::store::{EventStore, OpenError};
use whence_events::Recorded;
use whence_projections::ReadDb;

pub(crate) use crate::common_log::{check, rebuilt};
use crate::support::START;

/// Opens a log once nobody else has it. A process that was just forked here, and is about to become
/// another program, holds the lock for a moment, too.
pub(crate) async fn open(config: &Config, clock: &Clock) -> Arc<dyn EventStore> {
    for _ in 0..500 {
        match config.open_log(clock.clone()).await {
            Err(error) if matches!(error.downcast_ref(), Some(OpenError::InUse(_))) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("the log stays in use");
}

/// Every event in the log of a service that stops or has stopped.
pub(crate) async fn read(data: &Path) -> Vec<Recorded> {
    let flag = format!("sqlite:{}", data.display());
    let config = Config::from_flags(["--store", &flag]).unwrap();
    let store = open(&config, &Clock::manual(START)).await;
    let mut events = vec![];
    loop {
        let page = store.read_all(events.len() as u64, 10_000).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// The read models that a process left, caught up, are those that the log gives from its beginning.
pub(crate) async fn check_read_models(data: &Path, events: &[Recorded]) {
    let left = ReadDb::sqlite(&data.join("read.db")).unwrap();
    left.apply(events).await.unwrap();
    assert_eq!(left.dump().await.unwrap(), rebuilt(events).await);
}
