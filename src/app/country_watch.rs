//! Reads the country database again when its file is another one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::App;
use crate::infra::geo::Reread;

/// How often the file is looked at. Only its metadata is read unless it changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Looks at the file at intervals, until the service is dropped.
pub(super) async fn work(app: Weak<App>) {
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let Some(app) = app.upgrade() else { return };
        app.reread_countries(false).await;
        drop::<Arc<App>>(app);
    }
}

impl App {
    /// Reads the country database again when its file is another one, or `anyway`, and says in the
    /// log what became of it. Requests go on meanwhile with the database before it.
    pub async fn reread_countries(&self, anyway: bool) {
        let geo = self.config.landing.geo.clone();
        match tokio::task::spawn_blocking(move || geo.reread(anyway)).await {
            Ok(Reread::Unchanged) => {}
            Ok(Reread::Replaced) => tracing::info!("the country database was read again"),
            Ok(Reread::Kept(error)) => {
                tracing::warn!(%error, "the country database that was read before stays in use");
            }
            // The runtime stops.
            Err(error) => drop(error),
        }
    }
}
