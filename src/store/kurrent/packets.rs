//! Sees to it that no call waits for an acknowledgement, and can go together with `whence-nodelay`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// A call that has no answer after this time may wait for an acknowledgement, as the first one on a
/// new connection does.
const SUSPICIOUS: Duration = Duration::from_millis(2);

/// The least time between two looks at the sockets of the process: a look takes longer the more
/// there are.
const INTERVAL: Duration = Duration::from_secs(1);

/// Sends what the sockets of a client keep back.
pub(super) struct Packets {
    created: Instant,
    /// When the sockets were looked at, in microseconds since `created`; 0 when they never were.
    looked_at: AtomicU64,
}

impl Default for Packets {
    fn default() -> Self {
        Self { created: Instant::now(), looked_at: AtomicU64::new(0) }
    }
}

impl Packets {
    /// Returns the answer of a call, which waits for no acknowledgement.
    pub(super) async fn sent_at_once<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = std::pin::pin!(answer);
        let mut wait = SUSPICIOUS;
        loop {
            if let Ok(answer) = timeout(wait, &mut answer).await {
                return answer;
            }
            wait = self.interval();
            if self.is_due() {
                look().await;
            }
        }
    }

    /// Returns how often the sockets are looked at now: while a client is new, its connections are.
    fn interval(&self) -> Duration {
        if self.created.elapsed() < INTERVAL { SUSPICIOUS } else { INTERVAL }
    }

    /// Returns whether the caller has to look, which no other one does then.
    fn is_due(&self) -> bool {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let now = micros(self.created.elapsed()).max(1);
        let before = self.looked_at.load(Ordering::Relaxed);
        let order = Ordering::Relaxed;
        (before == 0 || now.saturating_sub(before) >= micros(self.interval()))
            && self.looked_at.compare_exchange(before, now, order, order).is_ok()
    }
}

async fn look() {
    match tokio::task::spawn_blocking(whence_nodelay::set_on_all_sockets).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(sockets)) => tracing::debug!(sockets, "TCP_NODELAY is set"),
        Ok(Err(error)) => tracing::warn!(%error, "TCP_NODELAY cannot be set"),
    }
}
