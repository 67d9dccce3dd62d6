//! Measures the start-up of `whence serve` over a long log, and its memory.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::args::Args;
use crate::client::Connection;
use crate::kind::StoreKind;
use crate::load::{self, Load};
use crate::long_log::LongLog;
use crate::me::Asker;
use crate::report::{Row, Table};
use crate::stores::Stores;

/// The time in which a service has to be ready.
const READY_TIMEOUT: Duration = Duration::from_mins(2);

/// Measures start-up and memory over a long log in files.
pub(crate) fn measure(args: &Args, long: &LongLog, stores: &Stores) -> anyhow::Result<Table> {
    let (directory, events, tokens) = (long.target.directory(), long.events, &long.tokens[..]);
    let empty = stores.make(StoreKind::Sqlite)?;
    let empty = empty.directory();
    let mut none = Row::new("ready over an empty log, ms");
    let mut long = Row::new(format!("ready over a log of {events} events, ms"));
    let mut idle = Row::new("resident after start, MB");
    let mut busy =
        Row::new(format!("resident after a burst of me of {} sessions, MB", tokens.len()));
    // The first start makes the files.
    Service::start(empty)?;
    for _ in 0..args.rounds {
        none.add(Service::start(empty)?.ready_after.as_secs_f64() * 1e3);
        let service = Service::start(directory)?;
        long.add(service.ready_after.as_secs_f64() * 1e3);
        idle.add(service.resident_mb());
        let load = Load {
            address: service.address,
            other: None,
            connections: args.connections,
            threads: args.load_threads,
            time: args.round(),
        };
        load::run(load, |number| Asker::new(tokens, number))?;
        busy.add(service.resident_mb());
    }
    let mut table = Table::new("start-up and memory of `whence serve` (bars: 1000 ms, 64 MB)");
    let reference = table.reference(none);
    table.subject(long, reference);
    let reference = table.reference(idle);
    table.subject(busy, reference);
    Ok(table)
}

/// A process of `whence serve`, which is killed when this value is dropped.
struct Service {
    child: Child,
    address: SocketAddr,
    ready_after: Duration,
}

impl Service {
    fn start(directory: &Path) -> anyhow::Result<Self> {
        let begin = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(format!("sqlite:{}", directory.display()))
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = child.stderr.take().context("no output")?;
        // From here on `Drop` kills it, also when it does not get ready.
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut service = Self { child, address: unspecified, ready_after: Duration::ZERO };
        let mut lines = BufReader::new(lines).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once(r#""listen":""#)?;
            rest.split('"').next()?.parse().ok()
        });
        service.address = address.context("the service does not say where it listens")?;
        // Keep reading, so that the service never blocks on writing its own log.
        std::thread::spawn(move || lines.for_each(drop));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
        while begin.elapsed() < READY_TIMEOUT {
            let ready = runtime.block_on(async {
                let mut connection = Connection::open(service.address).await?;
                connection.call(request).await.map(|answer| answer.status == 200)
            })?;
            if ready {
                service.ready_after = begin.elapsed();
                return Ok(service);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("the service does not get ready")
    }

    fn resident_mb(&self) -> f64 {
        crate::machine::resident_mb(self.child.id())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Its data belongs to the benchmark and survives a kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
