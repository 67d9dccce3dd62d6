//! Makes wrong operators' tokens cost time, without keeping out a right one.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::client_address::ClientAddress;
use super::config::OperatorConfig;
use super::counters::Counters;

/// The most client networks whose wrong tokens are remembered at a time.
const MAX_CLIENTS: usize = 50_000;

/// The time after which a client's wrong tokens are forgotten, from the last one on.
const MEMORY: Duration = Duration::from_hours(1);

/// How long the answer to the first wrong token waits; each further one waits twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// How long the answer to a wrong token waits at most: less than a shutdown.
const MAX_DELAY: Duration = Duration::from_secs(8);

/// The answers of one client network that wait at a time.
const MAX_WAITING_OF_CLIENT: u32 = 16;

/// The answers that wait at a time.
const MAX_WAITING: u32 = 512;

/// Why an operator's token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    /// The token is no operator's, and the answer has waited.
    Wrong {
        /// How many wrong ones this client has sent in a row.
        in_a_row: u32,
    },
    /// The token is no operator's, and too many answers wait for this one to do so as well.
    WrongAgain {
        /// How long an answer of this client would wait.
        delay: Duration,
    },
}

/// Compares operators' tokens.
pub(crate) struct OperatorTokens {
    clients: Cache<IpAddr, Arc<ClientTokens>>,
    waiting: AtomicU32,
}

/// The wrong tokens of one client network.
struct ClientTokens {
    wrong: Mutex<(u32, Instant)>,
    waiting: AtomicU32,
}

/// An answer that waits, which ends when this is dropped, also with its connection.
struct WaitingAnswer<'a>([&'a AtomicU32; 2]);

impl OperatorTokens {
    pub(crate) fn new() -> Self {
        Self { clients: Cache::new(MAX_CLIENTS), waiting: AtomicU32::new(0) }
    }

    /// Returns the operator who has this token. A right one is never kept waiting or refused, so that
    /// no client keeps an operator out who shares its network.
    pub(crate) async fn find<'a>(
        &self,
        token: &[u8],
        operators: &'a [OperatorConfig],
        client: ClientAddress,
        counters: &Counters,
    ) -> Result<&'a OperatorConfig, TokenRefusal> {
        if let Some(operator) = operators.iter().find(|operator| operator.has(token)) {
            return Ok(operator);
        }
        counters.admin_tokens_wrong.add();
        let client = client.network();
        let fresh = || {
            let wrong = Mutex::new((0, Instant::now()));
            let tokens = ClientTokens { wrong, waiting: AtomicU32::new(0) };
            Ok::<_, std::convert::Infallible>(Arc::new(tokens))
        };
        let Ok(tokens) = self.clients.get_or_insert_with(&client, fresh);
        let in_a_row = tokens.count();
        let delay = delay_after(in_a_row);
        let Some(_waiting) = self.wait_with(&tokens) else {
            counters.admin_tokens_undelayed.add();
            return Err(TokenRefusal::WrongAgain { delay });
        };
        tokio::time::sleep(delay).await;
        Err(TokenRefusal::Wrong { in_a_row })
    }

    /// Returns a waiting answer, unless too many wait.
    fn wait_with<'a>(&'a self, client: &'a ClientTokens) -> Option<WaitingAnswer<'a>> {
        let of_client = client.waiting.fetch_add(1, Ordering::Relaxed);
        let of_all = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = WaitingAnswer([&client.waiting, &self.waiting]);
        (of_client < MAX_WAITING_OF_CLIENT && of_all < MAX_WAITING).then_some(waiting)
    }
}

impl ClientTokens {
    /// Counts a wrong token, and returns how many there are in a row.
    fn count(&self) -> u32 {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = *wrong;
        let before = if last.elapsed() >= MEMORY { 0 } else { count };
        *wrong = (before.saturating_add(1), Instant::now());
        wrong.0
    }
}

impl Drop for WaitingAnswer<'_> {
    fn drop(&mut self) {
        for count in self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Returns how long the answer to this wrong token in a row waits.
fn delay_after(in_a_row: u32) -> Duration {
    let doubled = 1_u32.checked_shl(in_a_row.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_DELAY.saturating_mul(doubled).min(MAX_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "grace=2b7e151628aed2a6abf7158809cf4f3c";

    async fn find(
        tokens: &OperatorTokens,
        token: &str,
        client: &str,
    ) -> (Option<TokenRefusal>, u64) {
        let operators = [OperatorConfig::parse(RIGHT).unwrap()];
        let began = Instant::now();
        let counters = Counters::default();
        let client = client.parse().map_or(ClientAddress::Unknown, ClientAddress::Known);
        let found = tokens.find(token.as_bytes(), &operators, client, &counters).await;
        let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
        assert_eq!(counters.admin_tokens_wrong.get(), u64::from(found.is_err()));
        (found.err(), waited)
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_tokens_of_a_network_wait_longer_and_longer() {
        let tokens = OperatorTokens::new();
        let mut waits = vec![];
        for host in 0..9 {
            waits.push(find(&tokens, "wrong", &format!("2001:db8::{host}")).await.1);
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 8000, 8000]);
        assert_eq!(find(&tokens, "wrong", "2001:db8:0:1::").await.1, 100, "another network");
        assert_eq!(find(&tokens, "wrong", "nobody").await.1, 100, "an unknown client");
        assert_eq!(find(&tokens, "wrong", "nobody").await.1, 200);
        tokio::time::advance(MEMORY).await;
        assert_eq!(find(&tokens, "wrong", "2001:db8::").await.1, 100, "it is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_wrong_tokens_keeps_no_right_one_out() {
        let tokens = Arc::new(OperatorTokens::new());
        let flood: Vec<_> = (0..100)
            .map(|_| {
                let tokens = tokens.clone();
                tokio::spawn(async move { find(&tokens, "wrong", "192.0.2.1").await.0 })
            })
            .collect();
        tokio::task::yield_now().await;
        let right = find(&tokens, &RIGHT["grace=".len()..], "192.0.2.1").await;
        assert_eq!(right, (None, 0));
        let mut waited = 0;
        for task in flood {
            waited += u32::from(matches!(task.await.unwrap(), Some(TokenRefusal::Wrong { .. })));
        }
        assert_eq!(waited, MAX_WAITING_OF_CLIENT);
        assert_eq!(tokens.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_hangs_up_frees_its_wait() {
        let tokens = OperatorTokens::new();
        for _ in 0..100 {
            let hung_up = find(&tokens, "wrong", "192.0.2.1");
            let short = tokio::time::timeout(Duration::from_millis(1), hung_up).await;
            assert!(short.is_err(), "every one of them waits");
        }
        assert_eq!(tokens.waiting.load(Ordering::Relaxed), 0);
    }
}
