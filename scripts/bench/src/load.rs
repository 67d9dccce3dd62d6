//! The load generator: a closed loop over persistent connections, on threads of its own.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::try_join_all;

use crate::client::Connection;
use crate::outcome::Outcome;

/// The size and the duration of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// The second address, which every other connection goes to.
    pub(crate) other: Option<SocketAddr>,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) time: Duration,
}

impl Load {
    fn address_of(&self, number: usize) -> SocketAddr {
        // In pairs: each thread has every other number, and should have connections to both.
        let other = self.other.filter(|_| number / 2 % 2 == 1);
        other.unwrap_or(self.address)
    }
}

/// The operation that one connection repeats.
pub(crate) trait Operation {
    /// Runs the operation once; returns `None` when there is nothing left to do. An error ends the
    /// run, because the service is expected to answer correctly.
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>>;
}

/// Runs a load. `make` returns the operation of each connection.
pub(crate) fn run<O: Operation>(
    load: Load,
    make: impl Fn(usize) -> O + Sync,
) -> anyhow::Result<Outcome> {
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
        handles.into_iter().map(join).collect::<anyhow::Result<Vec<Outcome>>>()
    })?;
    let mut done = Outcome::default();
    for part in parts {
        done.count += part.count;
        done.time = done.time.max(part.time);
        done.latencies.extend(part.latencies);
    }
    done.latencies.sort_unstable();
    Ok(done)
}

fn on_thread<O: Operation>(
    load: Load,
    numbers: &[usize],
    ready: &Barrier,
    make: &(impl Fn(usize) -> O + Sync),
) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let connections = runtime.block_on(try_join_all(
        numbers.iter().map(|number| connected(load.address_of(*number), make(*number))),
    ));
    // Also when this thread failed: the others must not wait endlessly.
    ready.wait();
    let begin = Instant::now();
    let loops = connections?.into_iter().map(|(connection, operation)| async move {
        repeat(connection, operation, begin + load.time).await
    });
    let latencies = runtime.block_on(try_join_all(loops))?.concat();
    Ok(Outcome { count: latencies.len(), time: begin.elapsed(), latencies })
}

async fn connected<O>(address: SocketAddr, operation: O) -> anyhow::Result<(Connection, O)> {
    Ok((Connection::open(address).await.context("no connection")?, operation))
}

async fn repeat<O: Operation>(
    mut connection: Connection,
    mut operation: O,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut begin = Instant::now();
    while begin < end {
        if operation.once(&mut connection).await?.is_none() {
            break;
        }
        let now = Instant::now();
        latencies.push(now - begin);
        begin = now;
    }
    Ok(latencies)
}
