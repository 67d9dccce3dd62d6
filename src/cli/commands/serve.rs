//! `whence serve`: runs the service.

use std::io::IsTerminal as _;

use anyhow::{Context as _, ensure};
use tokio::net::TcpListener;

use crate::app::App;
use crate::cli::flags::ServeArgs;
use crate::cli::terminal::logging::init_tracing;
use crate::cli::terminal::stderr::note;
use crate::cli::terminal::stop::shutdown_signal;
use crate::http;
use crate::infra::clock::{Clock, Span};

/// Runs the service until a signal stops it.
pub(crate) async fn run(mut args: ServeArgs) -> anyhow::Result<()> {
    init_tracing(args.development.log_filter())?;
    ensure!(
        !args.mail.is_memory(),
        "--mail memory: nobody could read the mails of a running service; directory:DIR and \
         smtp://HOST are the ways"
    );
    // The port comes first, so that one in use is reported before anything is touched.
    let listen = args.listening.address();
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    args.listening.set_address(listener.local_addr()?);
    // Signals count before the line that says the service is up: a reader of that line may stop it
    // at once.
    let stop = shutdown_signal().context("cannot listen for signals")?;
    let app = App::open(args.into_config()?, Clock::system()).await?;
    log_start(&app);
    if let Some(ahead) = app.clock.ahead_of_wall() {
        let ahead = Span(ahead);
        tracing::warn!(
            "the log is {ahead} ahead of the clock of this machine: time goes on from there"
        );
    }
    http::serve(listener, http::router(app), stop).await;
    tracing::info!("whence stops");
    Ok(())
}

/// Says in one line that the service is up, and where.
fn log_start(app: &App) {
    let config = &app.config;
    let mails = match config.mail.way.strip_prefix("directory:") {
        Some(directory) => format!("mails in {directory}"),
        None => format!("mails by {:?}", app.mailer),
    };
    let (listen, store) = (config.listening.listen, &config.storage.store);
    let public_url = &config.listening.public_url;
    let here = public_url.as_str() == format!("http://{listen}/");
    let public = if here { String::new() } else { format!(" for {public_url}") };
    let line = format!("whence is up at http://{listen}{public}, data in {store}, {mails}");
    if std::io::stderr().is_terminal() {
        note(line);
    } else {
        let development = app.mailer.is_development();
        tracing::info!(%listen, %public_url, %store, development, "{line}");
    }
}
