//! What a server keeps, in a double of KurrentDB and a Postgres database of its own.

use whence::infra::clock::Clock;
use whence_test_support::kurrentdb_double::Double;

use super::postgres;

/// What is there before a server starts and after it stopped.
pub struct Home {
    log: Double,
    beside: postgres::Home,
}

impl Home {
    pub async fn new() -> Self {
        let log = Double::single().await.unwrap();
        Self { log, beside: postgres::Home::new().await }
    }

    /// Flags that make a server live here, beside those of a test. What is stored is stamped with the
    /// time of this clock, or of the server's, which is the same one.
    pub fn flags(&self, clock: &Clock, given: &[&str]) -> Vec<String> {
        let clock = clock.clone();
        self.log.tell_time(move || clock.now());
        let mut flags = self.beside.flags(given);
        flags[0] = "--read-db".into();
        flags.extend(["--store".into(), self.log.url()]);
        flags
    }

    /// All that is stored of read models and keys, and of the log, as an attacker would find it: a
    /// name, and bytes.
    pub async fn stored(&self) -> Vec<(String, Vec<u8>)> {
        let mut stored = self.beside.stored().await;
        stored.push(("KurrentDB".into(), self.log.stored()));
        stored
    }
}
