//! What the flags of `whence serve` say about checkpoints of the log.

use std::time::Duration;

use anyhow::Context as _;
use url::Url;

use super::ServeArgs;
use crate::proof::Verifier;
use crate::proof::keeper::Keeping;
use crate::store::Location;

impl ServeArgs {
    /// What the log is called.
    pub(super) fn log_origin(&self, public_url: &Url) -> anyhow::Result<String> {
        let host = public_url.host_str().unwrap_or("localhost");
        let origin = self.log_origin.clone().unwrap_or_else(|| format!("{host}/whence"));
        // Whether it can be the name of a key; which key makes no difference.
        Verifier::new(&origin, [0; 32]).with_context(|| format!("--log-origin {origin}"))?;
        Ok(origin)
    }

    /// Where and when checkpoints are left.
    pub(super) fn keeping(&self, store: &Location) -> Option<Keeping> {
        let beside = store.directory().map(|directory| directory.join("checkpoints"));
        Some(Keeping {
            directory: self.checkpoints.clone().or(beside)?,
            events: self.checkpoint_events,
            time: Duration::from_secs(self.checkpoint_seconds.into()),
        })
    }
}
