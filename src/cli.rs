//! The commands of the program.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, ServeArgs};
use crate::{demo, http};

/// Passwordless login and attribution out of one append-only event log
#[derive(Debug, Parser)]
#[command(name = "whence", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(Box<ServeArgs>),
    /// See it work: a whole journey, from a landing to the snapshot, against a server of its own
    Demo,
}

/// Runs what the command line says.
///
/// # Errors
/// One clear sentence.
pub fn run() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    match cli.command {
        Command::Serve(args) => {
            log_to_stderr();
            runtime.block_on(serve(args.into_config()?))
        }
        Command::Demo => runtime.block_on(demo::run()),
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // First, so that a port in use is told before anything is touched.
    let listen = config.listen;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let app = App::open(config, Clock::system()).await?;
    tracing::info!(
        listen = %listener.local_addr()?,
        public_url = %app.config.public_url,
        data = %app.config.data.display(),
        mail = app.config.mail.split('@').next_back().unwrap_or(""),
        "whence is up"
    );
    http::serve(listener, http::router(app.clone()), told_to_stop()).await;
    tracing::info!("whence stops");
    Ok(())
}

/// Ctrl-C, or SIGTERM from whoever runs the service.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Lines for people on a terminal, JSON for machines elsewhere; `RUST_LOG` chooses what.
fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() { builder.init() } else { builder.json().init() }
}
