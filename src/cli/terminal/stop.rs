//! Signals: those that stop a command, and the one that does not stop the service.

use anyhow::{Context as _, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Returns a future that ends with Ctrl-C or SIGTERM. Signals count from this call on.
pub(crate) fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns the stream of SIGHUP, which ends nothing from this call on.
pub(crate) fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
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
