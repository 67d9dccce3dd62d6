//! Signals that stop a command.

use anyhow::{Context as _, bail};

/// Returns a future that ends with Ctrl-C or SIGTERM. Signals count from this call on.
pub(crate) fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The error of a long command that was stopped and can be continued.
pub(crate) const RESUMABLE: &str = "stopped; the same command goes on where this one was";

/// Runs a piece of work to its end, or until a signal stops it; then `stopped` is the error.
pub(crate) async fn unless_stopped(
    work: impl Future<Output = anyhow::Result<()>>,
    stopped: &'static str,
) -> anyhow::Result<()> {
    let stop = shutdown_signal().context("cannot listen for signals")?;
    tokio::select! {
        done = work => done,
        () = stop => bail!(stopped),
    }
}
