//! Looks for keys that another node, or a command, has made.

use std::sync::{Arc, Weak};

use super::App;
use crate::engine::service_keys::{LOOK_INTERVAL, load};
use crate::infra::errors::with_causes;

/// Takes over new keys of the vault at intervals, until the service is dropped. A failure is logged once,
/// and the keys that are known stay in use.
pub(super) async fn work(app: Weak<App>) {
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let mut failing = false;
    loop {
        look.tick().await;
        let Some(app) = app.upgrade() else { return };
        let loaded = load(&app.engine.keys, &*app.engine.store, app.clock.now()).await;
        match loaded {
            Ok(_) => failing = false,
            Err(error) if failing => drop(error),
            Err(error) => {
                let error = with_causes(&error);
                tracing::error!(%error, "the keys of the vault are not read");
                failing = true;
            }
        }
        drop::<Arc<App>>(app);
    }
}
