//! Work that is done in rounds, by one node for all.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::engine::progress::Progress;

/// Does a round at every interval while this node is the writer, until the service is dropped.
pub(crate) async fn while_writer(
    app: Weak<App>,
    progress: &Progress,
    interval: Duration,
    round: impl AsyncFn(&App),
) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(app) = app.upgrade() else { return };
        if progress.is_writer() {
            round(&app).await;
        }
    }
}
