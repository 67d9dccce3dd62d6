//! `whence serve`: runs the service.

mod loopback;

use std::io::IsTerminal as _;
use std::sync::{Arc, Weak};

use anyhow::{Context as _, ensure};
use futures::FutureExt as _;
use futures::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;

use crate::app::App;
use crate::app::config::Config;
use crate::cli::flags::ServeArgs;
use crate::cli::terminal::logging::init_tracing;
use crate::cli::terminal::stderr::note;
use crate::cli::terminal::stop::{hangups, shutdown_signal};
use crate::http;
use crate::infra::clock::{Clock, Span};
use crate::infra::descriptors;

/// Runs the service until a signal stops it.
pub(crate) async fn run(mut args: ServeArgs) -> anyhow::Result<()> {
    init_tracing(args.development.log_filter())?;
    let hangups = hangups().context("cannot listen for signals")?;
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
    // Another address is refused with the other settings.
    let local = args.development.is_on() && args.listening.address().ip().is_loopback();
    let beside = if local { loopback::beside(&listener).await? } else { None };
    let metrics_listener = match args.metrics.listen() {
        Some(listen) => {
            let bound = TcpListener::bind(listen).await;
            Some(bound.with_context(|| format!("cannot listen on {listen} (--metrics-listen)"))?)
        }
        None => None,
    };
    // Signals count before the line that says the service is up: a reader of that line may stop it
    // at once.
    let stop = shutdown_signal().context("cannot listen for signals")?;
    let mut config = args.into_config()?;
    limit_connections(&mut config, descriptors::raise_limit());
    let app = App::open(config, Clock::system()).await?;
    if app.config.listening.development {
        tracing::warn!(
            "--development: everybody on this machine can read all mails and log in as \
             test+123456@example.com with the code 123456; never serve people this way"
        );
    }
    log_start(&app);
    if let Some(ahead) = app.clock.ahead_of_wall() {
        let ahead = Span(ahead);
        tracing::warn!(
            "the log is {ahead} ahead of the clock of this machine: time goes on from there"
        );
    }
    tokio::spawn(reread_on(hangups, Arc::downgrade(&app)));
    let stop = stop.shared();
    let metrics = metrics_listener
        .map(|listener| http::serve(listener, http::metrics_router(app.clone()), stop.clone()));
    let beside =
        beside.map(|listener| http::serve(listener, http::router(app.clone()), stop.clone()));
    futures::join!(
        OptionFuture::from(metrics),
        OptionFuture::from(beside),
        http::serve(listener, http::router(app.clone()), stop)
    );
    app.activity.flush().await;
    tracing::info!("whence stops");
    Ok(())
}

/// Reads again what can be read again, at each SIGHUP.
async fn reread_on(mut hangups: Signal, app: Weak<App>) {
    while hangups.recv().await.is_some() {
        let Some(app) = app.upgrade() else { return };
        app.reread_countries(true).await;
    }
}

/// Allows no more connections than there are descriptors for, and warns when they are few.
fn limit_connections(config: &mut Config, descriptors: usize) {
    let connections = &mut config.limits.connections;
    let wanted = connections.most;
    connections.most = wanted.min(descriptors);
    if connections.most < wanted {
        let most = connections.most;
        tracing::warn!(
            connections = most,
            "the limit of open files leaves {most} connections of {wanted}: raise the hard limit \
             (ulimit -Hn, LimitNOFILE=)"
        );
    }
}

/// Returns where the mails of a service for development are seen.
fn mails_to_see(app: &App, mails: &str) -> String {
    match app.mailer.directory() {
        Some(_) => format!("mails at {}", app.config.listening.page("dev/mail")),
        None => mails.to_owned(),
    }
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
    let line = if config.listening.development {
        let (url, mails) = (public_url.as_str().trim_end_matches('/'), mails_to_see(app, &mails));
        format!("whence is up at {url} for development, data in {store}, {mails}")
    } else {
        let public = if here { String::new() } else { format!(" for {public_url}") };
        format!("whence is up at http://{listen}{public}, data in {store}, {mails}")
    };
    if std::io::stderr().is_terminal() {
        note(line);
    } else {
        let development = app.mailer.is_development();
        tracing::info!(%listen, %public_url, %store, development, "{line}");
    }
}
