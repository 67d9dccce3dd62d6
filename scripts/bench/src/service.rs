//! Servers to measure, each on a runtime of its own.

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
use crate::stores::Place;

/// How long a log may still be held by a service that was just dropped.
const RELEASE: Duration = Duration::from_secs(5);

/// Between two looks at whether all is done: looking costs the machine something, too.
const POLL: Duration = Duration::from_millis(5);

/// A log that is open, and what it takes to open a service over it.
pub(crate) struct Log {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) keys: Keys,
    pub(crate) store: Arc<dyn EventStore>,
    /// Where the store works, and the service: dropped last, so that it ends what is left of them.
    pub(crate) runtime: Runtime,
}

impl Log {
    /// Opens or makes the log in a place.
    pub(crate) fn open(place: &Place, args: &Args) -> anyhow::Result<Self> {
        let config = Config::from_flags(place.flags.iter().map(String::as_str))?;
        let (clock, keys) = (Clock::system(), Keys::derive(&config.storage.master_key));
        let runtime = runtime(args.server_threads)?;
        let begin = Instant::now();
        let store = loop {
            match runtime.block_on(config.open_log(clock.clone())) {
                Err(_) if begin.elapsed() < RELEASE => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                opened => break opened?,
            }
        };
        Ok(Self { config, clock, keys, store, runtime })
    }

    /// A service over it that keeps so many sessions in memory, and where it listens. Several may
    /// be open at a time as long as only one of them is written to.
    pub(crate) fn serve(&self, session_cache: usize) -> anyhow::Result<(Arc<App>, SocketAddr)> {
        let config = Config { session_cache, ..self.config.clone() };
        let mailer = Mailer::open("memory", &config.mail.sender)?;
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

/// A bare server: `GET /` answers "ok".
pub(crate) fn serve_bare(runtime: &Runtime) -> anyhow::Result<SocketAddr> {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port")?;
        let address = listener.local_addr()?;
        let router = axum::Router::new().route("/", axum::routing::get(async || "ok"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(address)
    })
}

/// A runtime for a server.
pub(crate) fn runtime(threads: usize) -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads.max(1)).thread_name("server").enable_all();
    Ok(builder.build()?)
}

/// Until the read models have everything, and nobody is owed a step of onboarding: how many events
/// there are then; `None` when that takes too long.
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
        std::thread::sleep(POLL);
    }
    Ok(None)
}
