//! Bounds how many proofs about the log are made, for one client and at a time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use whence_events::Timestamp;

use super::client_address::ClientAddress;
use super::counters::Counters;
use super::rate_limits::Limit;

/// The proofs that are made at a time.
const AT_A_TIME: usize = 1;

/// The requests of one client network that are answered or wait.
const MAX_OF_CLIENT: u32 = 8;

/// The requests that are answered or wait.
const MAX_OF_ALL: usize = 64;

/// How long a request waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why no proof is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProofRefusal {
    /// The client has asked as often as it may until then.
    TooOften {
        /// When the client may ask again.
        until: Timestamp,
    },
    /// The client has as many requests under way as it may.
    TooMany,
    /// All clients together have as many requests under way as they may.
    Busy,
}

/// The turns of requests for proofs.
pub(crate) struct ProofTurns {
    limit: Limit,
    clients: Arc<Mutex<HashMap<IpAddr, u32>>>,
    all: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// The turn of one request, which ends when this is dropped.
pub(crate) struct ProofTurn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
    _client: ClientPlace,
}

/// One of the requests that a client may have under way.
struct ClientPlace {
    clients: Arc<Mutex<HashMap<IpAddr, u32>>>,
    client: IpAddr,
}

impl ProofTurns {
    /// Returns the turns of a service where one client may ask so often in an hour; 0 is any number.
    pub(crate) fn new(proofs_per_client: u32) -> Self {
        Self {
            limit: Limit::new(proofs_per_client),
            clients: Arc::default(),
            all: Arc::new(Semaphore::new(MAX_OF_ALL)),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// Waits for the turn of a request.
    pub(crate) async fn take(
        &self,
        client: ClientAddress,
        now: Timestamp,
        counters: &Counters,
    ) -> Result<ProofTurn, ProofRefusal> {
        let turn = self.wait(client, now).await;
        match turn {
            Ok(_) => {}
            Err(ProofRefusal::TooOften { .. } | ProofRefusal::TooMany) => {
                counters.proofs_limited.add();
            }
            Err(ProofRefusal::Busy) => counters.proofs_unserved.add(),
        }
        turn
    }

    async fn wait(&self, client: ClientAddress, now: Timestamp) -> Result<ProofTurn, ProofRefusal> {
        self.limit.count(client, now).map_err(|until| ProofRefusal::TooOften { until })?;
        let client = client.network();
        let client = ClientPlace::take(&self.clients, client).ok_or(ProofRefusal::TooMany)?;
        let place = self.all.clone().try_acquire_owned().map_err(|_| ProofRefusal::Busy)?;
        let waited = tokio::time::timeout(TURN_TIMEOUT, self.turns.clone().acquire_owned()).await;
        let turn = waited.ok().and_then(Result::ok).ok_or(ProofRefusal::Busy)?;
        Ok(ProofTurn { _turn: turn, _place: place, _client: client })
    }
}

impl ClientPlace {
    fn take(clients: &Arc<Mutex<HashMap<IpAddr, u32>>>, client: IpAddr) -> Option<Self> {
        let mut counts = clients.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= MAX_OF_CLIENT {
            return None;
        }
        *count += 1;
        Some(Self { clients: clients.clone(), client })
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut counts = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    async fn refusal(turns: &ProofTurns, client: &str) -> Option<ProofRefusal> {
        turns
            .take(ClientAddress::Known(client.parse().unwrap()), NOW, &Counters::default())
            .await
            .err()
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_waits_with_few_requests_and_all_with_some_more() {
        let turns = ProofTurns::new(0);
        let held = turns.take(ClientAddress::Unknown, NOW, &Counters::default()).await.unwrap();
        let mut waiting = vec![];
        for client in 1..=8 {
            for _ in 0..8 {
                let client = format!("192.0.2.{client}");
                waiting.push(async { refusal(&turns, &{ client }).await });
            }
        }
        let extra = async {
            tokio::task::yield_now().await;
            (refusal(&turns, "192.0.2.1").await, refusal(&turns, "192.0.2.99").await)
        };
        let (waited, extra) = tokio::join!(futures::future::join_all(waiting), extra);
        assert_eq!(extra, (Some(ProofRefusal::TooMany), Some(ProofRefusal::Busy)));
        assert!(waited.iter().all(|refusal| *refusal == Some(ProofRefusal::Busy)), "no turn came");
        drop(held);
        assert_eq!(refusal(&turns, "192.0.2.1").await, None);
        assert!(turns.clients.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_client_asks_so_often_in_an_hour() {
        let turns = ProofTurns::new(2);
        let asked = [refusal(&turns, "2001:db8::1").await, refusal(&turns, "2001:db8::2").await];
        assert_eq!(asked, [None, None]);
        let until = NOW + Duration::from_hours(1);
        assert_eq!(refusal(&turns, "2001:db8::3").await, Some(ProofRefusal::TooOften { until }));
    }
}
