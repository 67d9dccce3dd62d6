//! The load generator: a closed loop over kept connections, on threads of its own.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::try_join_all;

use crate::client::Connection;

/// How hard, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// Where every other connection goes instead.
    pub(crate) other: Option<SocketAddr>,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) time: Duration,
}

impl Load {
    fn address_of(&self, number: usize) -> SocketAddr {
        // By pairs: each thread has every other number, and is to have connections to both.
        let other = self.other.filter(|_| number / 2 % 2 == 1);
        other.unwrap_or(self.address)
    }
}

/// What one connection does again and again.
pub(crate) trait Work {
    /// One operation, or nothing when there is no more to do. An error ends the run: the service is
    /// expected to answer as it should.
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>>;
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Operations.
    pub(crate) count: usize,
    /// From the first to the end of the last.
    pub(crate) time: Duration,
    /// Of each operation, sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Done {
    /// Operations a second.
    pub(crate) fn rate(&self) -> f64 {
        crate::report::rate(self.count, self.time)
    }

    /// The latency that this share of all operations stays below.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len().max(1) - 1);
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Runs a load. `make` gives the work of each connection.
pub(crate) fn run<W: Work>(load: Load, make: impl Fn(usize) -> W + Sync) -> anyhow::Result<Done> {
    let threads = load.threads.clamp(1, load.connections.max(1));
    let ready = Barrier::new(threads);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let (ready, make) = (&ready, &make);
        let start = |thread| {
            let numbers: Vec<_> = (thread..load.connections).step_by(threads).collect();
            std::thread::Builder::new().name("load".into()).spawn_scoped(scope, move || {
                let done = on_thread(load, &numbers, ready, make);
                crate::machine::generator_ends();
                done
            })
        };
        let handles: Vec<_> = (0..threads).map(start).collect();
        let join = |handle: std::io::Result<std::thread::ScopedJoinHandle<'_, _>>| {
            handle?.join().map_err(|_| anyhow::anyhow!("the load generator panicked"))?
        };
        handles.into_iter().map(join).collect::<anyhow::Result<Vec<Done>>>()
    })?;
    let mut done = Done::default();
    for part in parts {
        done.count += part.count;
        done.time = done.time.max(part.time);
        done.latencies.extend(part.latencies);
    }
    done.latencies.sort_unstable();
    Ok(done)
}

fn on_thread<W: Work>(
    load: Load,
    numbers: &[usize],
    ready: &Barrier,
    make: &(impl Fn(usize) -> W + Sync),
) -> anyhow::Result<Done> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let connections = runtime.block_on(try_join_all(
        numbers.iter().map(|number| connected(load.address_of(*number), make(*number))),
    ));
    // Also when this thread failed: the others must not wait for ever.
    ready.wait();
    let begin = Instant::now();
    let loops = connections?
        .into_iter()
        .map(|(connection, work)| async move { repeat(connection, work, begin + load.time).await });
    let latencies = runtime.block_on(try_join_all(loops))?.concat();
    Ok(Done { count: latencies.len(), time: begin.elapsed(), latencies })
}

async fn connected<W>(address: SocketAddr, work: W) -> anyhow::Result<(Connection, W)> {
    Ok((Connection::open(address).await.context("no connection")?, work))
}

async fn repeat<W: Work>(
    mut connection: Connection,
    mut work: W,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut begin = Instant::now();
    while begin < end {
        if work.once(&mut connection).await?.is_none() {
            break;
        }
        let now = Instant::now();
        latencies.push(now - begin);
        begin = now;
    }
    Ok(latencies)
}
