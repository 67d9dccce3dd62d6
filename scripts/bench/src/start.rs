//! Start-up of `whence serve` over a long log, and its memory.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::Long;
use crate::args::Args;
use crate::client::Connection;
use crate::load::{self, Load};
use crate::me::Asker;
use crate::report::{Row, Table};
use crate::stores::{Kind, Stores};

/// For a service to be ready, at most.
const READY: Duration = Duration::from_mins(2);

/// Measures over a long log in files.
pub(crate) fn measure(args: &Args, long: &Long, stores: &Stores) -> anyhow::Result<Table> {
    let (directory, events, tokens) = (long.place.directory(), long.events, &long.tokens[..]);
    let empty = stores.make(Kind::Sqlite)?;
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

/// `whence serve` in a process of its own, which ends with this value.
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
        // Its end is what `Drop` brings about, also when it does not get ready.
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut service = Self { child, address: unspecified, ready_after: Duration::ZERO };
        let mut lines = BufReader::new(lines).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once(r#""listen":""#)?;
            rest.split('"').next()?.parse().ok()
        });
        service.address = address.context("the service does not say where it listens")?;
        // Goes on reading, so that the service is never held up by its own log.
        std::thread::spawn(move || lines.for_each(drop));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
        while begin.elapsed() < READY {
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
        // Its data is the benchmark's own and survives that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
