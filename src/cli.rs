//! The commands of the program.

use std::io::IsTerminal as _;

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::clock::Clock;
use crate::config::{
    self, AuditArgs, CopyArgs, DoctorArgs, EraseArgs, ExportArgs, ReplayArgs, ReportArgs,
    ServeArgs, VerifyArgs,
};
use crate::{audit, copy, demo, doctor, erasure, export, http, replay, report, verify};

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
    /// Move to another store: copy log and keys, as they are, and verify the copy
    Copy(CopyArgs),
    /// Check all that serve with the same flags would use, and say what to do; changes nothing
    Doctor(Box<DoctorArgs>),
    /// Rebuild read models out of the log while they go on answering, or check them against it
    Replay(ReplayArgs),
    /// Say why this referrer and not another, with what evidence, and who did what; on record
    Audit(AuditArgs),
    /// Forget who a user was: keys destroyed, sessions ended, address released; cannot be undone
    Erase(EraseArgs),
    /// Write events, or what a view answers, into a file that analysts' tools read
    Export(Box<ExportArgs>),
    /// Ask the log a question: signups, funnel, referrals, retention and more, as of any moment
    Report(Box<ReportArgs>),
    /// Read the whole log again and say what was altered, removed, inserted, reordered or cut off
    Verify(VerifyArgs),
}

/// Runs what the command line says.
///
/// # Errors
/// One clear sentence; see [`sentence`].
pub fn run() -> anyhow::Result<()> {
    let cli: Cli = match config::parse() {
        Ok(cli) => cli,
        // Help that was asked for, on stdout, or that is all there is to say, on stderr.
        Err(error) if shows_help(&error) => error.exit(),
        Err(error) => anyhow::bail!("{}", one_line(&error)),
    };
    // The KurrentDB client compiles a second one in; nothing is to choose between them by itself.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    match cli.command {
        Command::Serve(args) => runtime.block_on(serve(*args)),
        Command::Demo => runtime.block_on(demo::run()),
        Command::Copy(args) => runtime.block_on(copy_stores(args)),
        Command::Doctor(args) => runtime.block_on(doctor::run(*args)),
        Command::Replay(args) => runtime.block_on(rebuild(args)),
        Command::Audit(args) => runtime.block_on(audit::run(args)),
        Command::Erase(args) => runtime.block_on(erasure::run(args)),
        Command::Export(args) => runtime.block_on(export_log(*args)),
        Command::Report(args) => runtime.block_on(report::run(*args)),
        Command::Verify(args) => runtime.block_on(verify::run(args.into_config()?)),
    }
}

/// An error and its causes in one line; a cause that a message quotes already is not said twice.
#[must_use]
pub fn sentence(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        if said.is_empty() {
            cause
        } else if said.contains(&cause) {
            said
        } else {
            format!("{said}: {cause}")
        }
    })
}

fn shows_help(error: &clap::Error) -> bool {
    use clap::error::ErrorKind as K;
    matches!(
        error.kind(),
        K::DisplayHelp | K::DisplayVersion | K::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// What clap says, without the usage that it adds to every error.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let text = lines.join("; ");
    format!("{} (see --help)", text.strip_prefix("error: ").unwrap_or(&text))
}

async fn serve(mut args: ServeArgs) -> anyhow::Result<()> {
    log_to_stderr(&args.log)?;
    ensure!(
        args.mail.as_deref() != Some("memory"),
        "--mail memory: nobody could read the mails of a running service; directory:DIR and \
         smtp://HOST are the ways"
    );
    // First, so that a port in use is told before anything is touched.
    let listen = args.listen;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    args.listen = listener.local_addr()?;
    // Before the line that says it is up: whoever reads that may stop it at once.
    let stop = told_to_stop().context("cannot listen for signals")?;
    let app = App::open(args.into_config()?, Clock::system()).await?;
    say_where_to_look(&app);
    http::serve(listener, http::router(app), stop).await;
    tracing::info!("whence stops");
    Ok(())
}

/// What a command that takes long says when it was stopped and leaves something to go on with.
const GOES_ON: &str = "stopped; the same command goes on where this one was";

/// Ctrl-C leaves what was copied so far; what is on its way then is taken wholly or not at all.
async fn copy_stores(args: CopyArgs) -> anyhow::Result<()> {
    let config = args.into_config()?;
    unless_stopped(Box::pin(copy::run(config)), GOES_ON).await
}

/// Ctrl-C leaves the tables in use as they are; what was folded so far is gone on with.
async fn rebuild(args: ReplayArgs) -> anyhow::Result<()> {
    let config = args.into_config()?;
    unless_stopped(Box::pin(replay::run(config)), GOES_ON).await
}

/// Ctrl-C leaves no file behind.
async fn export_log(args: ExportArgs) -> anyhow::Result<()> {
    let config = args.into_config()?;
    unless_stopped(Box::pin(export::run(config)), "stopped before the export was complete").await
}

/// Works until it is done or somebody stops it, and says so then.
async fn unless_stopped(
    work: impl Future<Output = anyhow::Result<()>>,
    stopped: &'static str,
) -> anyhow::Result<()> {
    let stop = told_to_stop().context("cannot listen for signals")?;
    tokio::select! {
        done = work => done,
        () = stop => bail!(stopped),
    }
}

/// The one line of a start.
fn say_where_to_look(app: &App) {
    let config = &app.config;
    let mails = match config.mail.strip_prefix("directory:") {
        Some(directory) => format!("mails in {directory}"),
        None => format!("mails by {:?}", app.mailer),
    };
    let (listen, store) = (config.listen, &config.store);
    let here = config.public_url.as_str() == format!("http://{listen}/");
    let public = if here { String::new() } else { format!(" for {}", config.public_url) };
    let line = format!("whence is up at http://{listen}{public}, data in {store}, {mails}");
    if std::io::stderr().is_terminal() {
        eprintln!("{line}");
    } else {
        let development = app.mailer.is_development();
        tracing::info!(%listen, public_url = %config.public_url, %store, development, "{line}");
    }
}

/// Ctrl-C, or SIGTERM from whoever runs the service; listened for from this call on.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
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

/// Lines for people on a terminal, JSON for machines elsewhere.
fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let parsed = EnvFilter::try_new(filter)
        .with_context(|| format!("--log {filter}: not a filter like info or whence=debug,info"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.with_ansi(!config::no_color()).init();
    } else {
        builder.json().init();
    }
    Ok(())
}
