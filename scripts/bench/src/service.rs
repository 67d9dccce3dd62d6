//! The servers to measure, each on a runtime of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use whence::app::App;
use whence::app::config::Config;
use whence::infra::clock::Clock;
use whence::infra::keys::Keys;
use whence::infra::mail::Mailer;
use whence::store::EventStore;

use crate::args::Args;
use crate::stores::Target;

/// The time for which a service that was just dropped may still hold its log.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// The time between two checks whether everything is done: a check costs CPU time, too.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// An open log, with everything that it takes to open a service over it.
pub(crate) struct Log {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) keys: Keys,
    pub(crate) store: Arc<dyn EventStore>,
    /// The runtime of the store and the service, dropped last so that it ends their tasks.
    pub(crate) runtime: Runtime,
}

impl Log {
    /// Opens or creates the log of a store.
    pub(crate) fn open(target: &Target, args: &Args) -> anyhow::Result<Self> {
        let config = Config::from_flags(target.flags.iter().map(String::as_str))?;
        let (clock, keys) = (Clock::system(), Keys::derive(&config.storage.master_key));
        let runtime = runtime(args.server_threads)?;
        let begin = Instant::now();
        let store = loop {
            match runtime.block_on(config.open_log(clock.clone())) {
                Err(_) if begin.elapsed() < RELEASE_TIMEOUT => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                opened => break opened?,
            }
        };
        Ok(Self { config, clock, keys, store, runtime })
    }

    /// Starts a service that caches `session_cache` sessions; returns it with its address. Several
    /// may be open at a time as long as only one of them is written to.
    pub(crate) fn serve(&self, session_cache: usize) -> anyhow::Result<(Arc<App>, SocketAddr)> {
        self.serve_with(session_cache, Mailer::open("memory", &self.config.mail.sender)?)
    }

    /// Starts a service as [`Log::serve`] does, whose mails go to `mailer`.
    pub(crate) fn serve_with(
        &self,
        session_cache: usize,
        mailer: Mailer,
    ) -> anyhow::Result<(Arc<App>, SocketAddr)> {
        let mut config = self.config.clone();
        config.limits.session_cache = session_cache;
        config.mail.per_hour = 0;
        self.runtime.block_on(async {
            let app =
                App::open_with(config, self.clock.clone(), mailer, self.store.clone()).await?;
            let listener = TcpListener::bind("127.0.0.1:0").await.context("no port")?;
            let address = listener.local_addr()?;
            let router = whence::http::router(app.clone());
            tokio::spawn(whence::http::serve(listener, router, std::future::pending()));
            Ok((app, address))
        })
    }
}

/// Starts a bare server, whose `GET /` answers "ok"; returns its address.
pub(crate) fn serve_bare(runtime: &Runtime) -> anyhow::Result<SocketAddr> {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port")?;
        let address = listener.local_addr()?;
        let router = axum::Router::new().route("/", axum::routing::get(async || "ok"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(address)
    })
}

/// Makes a runtime for a server.
pub(crate) fn runtime(threads: usize) -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads.max(1)).thread_name("server").enable_all();
    Ok(builder.build()?)
}

/// Waits until the read models have caught up and no onboarding is pending; returns the number of
/// events, or `None` when that takes too long.
pub(crate) fn drain(
    runtime: &Runtime,
    app: &App,
    longest: Duration,
) -> anyhow::Result<Option<u64>> {
    let begin = Instant::now();
    while begin.elapsed() < longest {
        let head = runtime.block_on(app.engine.store.head())?;
        if app.progress.projected() >= head
            && runtime.block_on(app.engine.read_db.onboardings(1))?.is_empty()
        {
            return Ok(Some(head));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(None)
}
