//! Whole logins of new users: start, the code out of the mail, verify.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rusqlite::Connection as Database;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use whence::app::App;
use whence_events::EmailAddress;

use crate::args::Args;
use crate::client::Connection;
use crate::load::{self, Load, Work};
use crate::machine::Used;
use crate::me::Bare;
use crate::report::{Row, Table, float, rate};
use crate::seed::USER_AGENT;
use crate::service::{self, Log};

/// For onboarding to end after a round, at most.
const DRAIN: Duration = Duration::from_secs(20);

/// A service that people log in to, so many at a time.
struct Subject {
    in_flight: usize,
    app: Arc<App>,
    address: SocketAddr,
    logins: usize,
    left: usize,
    acknowledged: Row,
    onboarded: Row,
}

/// Measures each number of logins in flight on a log of its own.
pub(crate) fn measure(args: &Args, parent: &Path) -> anyhow::Result<Table> {
    let bare = service::runtime(args.server_threads)?;
    let bare_address = service::serve_bare(&bare)?;
    let runtime = service::runtime(args.server_threads)?;
    let directory = TempDir::new_in(parent)?;
    let open = |in_flight: &usize| open(*in_flight, directory.path(), &runtime);
    let mut subjects = args.in_flight.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
    let mut yardstick = Row::new("bare axum GET /");
    for round in 0..args.rounds {
        let to = |address, connections, time| Load {
            address,
            connections,
            threads: args.load_threads,
            time,
        };
        let before = Used::by_servers();
        let done =
            load::run(to(bare_address, args.connections, args.round() / 4), |_| Bare::new())?;
        yardstick.add_load(&done, Used::by_servers().since(before));
        for subject in &mut subjects {
            let load = to(subject.address, subject.in_flight, args.round());
            subject.round(&runtime, load, round)?;
        }
    }
    let mut table = Table::new(
        "whole logins of new users, synchronous=FULL: logins a second (bar: 4000, 4096 bytes each)",
    );
    let reference = table.reference(yardstick);
    for subject in subjects {
        let size = Size::of(&directory.path().join(subject.in_flight.to_string()))?;
        let logins = subject.logins.max(1);
        table.note(format!(
            "{} in flight: {} logins done, {} users registered, {} events, {:.0} bytes of log a login{}",
            subject.in_flight,
            subject.logins,
            size.users,
            size.events,
            size.bytes / float(logins),
            if subject.left > 0 { format!(", {} onboardings left", subject.left) } else { String::new() },
        ));
        let parts =
            size.parts.iter().map(|(name, bytes)| format!("{name} {:.0}", bytes / float(logins)));
        table.note(format!("    of which {}", parts.collect::<Vec<_>>().join(", ")));
        table.subject(subject.acknowledged, reference);
        table.subject(subject.onboarded, reference);
    }
    Ok(table)
}

fn open(in_flight: usize, parent: &Path, runtime: &Runtime) -> anyhow::Result<Subject> {
    let directory = parent.join(in_flight.to_string());
    let log = Log::open(&directory)?;
    let (app, address) = log.serve(runtime, 100_000)?;
    Ok(Subject {
        in_flight,
        app,
        address,
        logins: 0,
        left: 0,
        acknowledged: Row::new(format!("logins, {in_flight} in flight, until answered")),
        onboarded: Row::new(format!("logins, {in_flight} in flight, until onboarded")),
    })
}

impl Subject {
    fn round(&mut self, runtime: &Runtime, load: Load, round: usize) -> anyhow::Result<()> {
        let (before, begin) = (Used::by_servers(), Instant::now());
        let done = load::run(load, |number| Visitor {
            app: self.app.clone(),
            name: format!("u{number}-r{round}"),
            count: 0,
            request: Vec::new(),
        })?;
        if service::drain(runtime, &self.app, DRAIN)?.is_none() {
            self.left = runtime.block_on(self.app.reads.onboardings(1_000_000))?.len();
        }
        // From the same moment on as the load, but for the time it took to connect.
        let until_onboarded = begin.elapsed();
        self.acknowledged.add_load(&done, Used::by_servers().since(before));
        self.onboarded.add(rate(done.count, until_onboarded.max(done.time)));
        self.logins += done.count;
        Ok(())
    }
}

/// Logs in again and again, each time with a new address.
struct Visitor {
    app: Arc<App>,
    name: String,
    count: usize,
    request: Vec<u8>,
}

impl Visitor {
    fn post(&mut self, path: &str, body: &str) {
        use std::io::Write as _;
        self.request.clear();
        let written = write!(
            self.request,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: {USER_AGENT}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        written.expect("a vector takes everything");
    }
}

impl Work for Visitor {
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>> {
        let email = format!("{}-{}@users.example.com", self.name, self.count);
        self.count += 1;
        self.post("/v1/auth/email/start", &format!(r#"{{"email":"{email}"}}"#));
        let answer = connection.call(&self.request).await?;
        ensure!(answer.status == 200, "start answers {} {}", answer.status, answer.text());
        let body = std::str::from_utf8(answer.body)?;
        let request_id = body
            .strip_prefix(r#"{"request_id":""#)
            .and_then(|rest| rest.get(..36))
            .context("start answers without a request id")?;
        let memory = self.app.mailer.memory().context("mails go elsewhere")?;
        let code = memory.take_code(&EmailAddress::parse(&email)?).context("no mail came")?;
        let body = format!(r#"{{"request_id":"{request_id}","code":"{code}"}}"#);
        self.post("/v1/auth/email/verify", &body);
        let answer = connection.call(&self.request).await?;
        ensure!(answer.status == 200, "verify answers {} {}", answer.status, answer.text());
        ensure!(answer.cookie(b"nl_session").is_some(), "verify answers without a session");
        Ok(Some(()))
    }
}

/// What a log takes on the disk.
struct Size {
    bytes: f64,
    users: usize,
    events: usize,
    parts: Vec<(String, f64)>,
}

impl Size {
    fn of(directory: &Path) -> anyhow::Result<Self> {
        let database = Database::open(directory.join("log.db"))?;
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let count = |sql| database.query_row(sql, [], |row| row.get::<_, usize>(0));
        let sql = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 6";
        let mut statement = database.prepare(sql)?;
        let parts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self {
            bytes: float(count(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            )?),
            users: count("SELECT count(*) FROM events WHERE type = 'UserRegistered.v1'")?,
            events: count("SELECT count(*) FROM events")?,
            parts: parts.collect::<rusqlite::Result<_>>()?,
        })
    }
}
