//! What is wrong when there is no connection to KurrentDB: one sentence, and what to do about it.
//!
//! The client has few words for it, so the nodes are asked once more, step by step, over connections
//! of their own. Every step has a bound in time, and no sentence has a password in it.

mod certificate;
mod node;
mod question;
mod sentence;
#[cfg(test)]
mod tests;
mod version;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use eventstore::ClientSettings;
use futures::future::join_all;
use tokio::time::timeout;

use node::{NodeAddress, Prober, words};
use question::Login;
pub(super) use sentence::Diagnosis;
pub(super) use version::has_recent_server;

/// How long a diagnosis takes at most.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks all nodes what is wrong, after a call or a connection failed with `cause`.
pub(super) async fn diagnose(settings: &ClientSettings, cause: &impl Display) -> Diagnosis {
    let found = match timeout(DIAGNOSIS_TIMEOUT, examine_nodes(settings)).await {
        Ok(found) => found,
        Err(_) => Some(Diagnosis::Silent { at: super::settings::hosts(settings) }),
    };
    found.unwrap_or_else(|| Diagnosis::Passed { cause: words(&cause.to_string()) })
}

/// Returns what is wrong with the node that gets furthest; `None` when nothing is.
async fn examine_nodes(settings: &ClientSettings) -> Option<Diagnosis> {
    let tls = if settings.is_secure_mode_enabled() {
        let settings = settings.clone();
        // It reads files, and the certificates of the system.
        let read = tokio::task::spawn_blocking(move || certificate::config(&settings)).await;
        match read.ok()? {
            Ok(config) => Some(Arc::new(config)),
            Err(found) => return Some(found),
        }
    } else {
        None
    };
    let prober = Prober { settings, tls, login: Login::of(settings) };
    let nodes: Vec<_> =
        settings.hosts().iter().map(|node| NodeAddress::new(&node.host, node.port)).collect();
    let found = join_all(nodes.iter().map(|node| prober.node(node))).await;
    found.into_iter().max_by_key(|found| found.as_ref().map_or(u8::MAX, Diagnosis::step)).flatten()
}
