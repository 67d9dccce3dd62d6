//! Measures whole logins of new users: start, read the code from the mail, verify.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use whence::app::App;

use crate::args::Args;
use crate::client::Connection;
use crate::codes::Codes;
use crate::kind::StoreKind;
use crate::load::{self, Load, Operation};
use crate::machine::Usage;
use crate::me::Bare;
use crate::numbers::{float, rate};
use crate::report::{Row, Table};
use crate::seed::USER_AGENT;
use crate::service::{self, Log};
use crate::size::{self, Size};
use crate::stores::{Stores, Target};

/// The time in which onboarding has to end after a round.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// A service that users log in to, `in_flight` at a time.
pub(crate) struct LoginSubject {
    pub(crate) in_flight: usize,
    app: Arc<App>,
    pub(crate) address: SocketAddr,
    pub(crate) logins: usize,
    left: usize,
    pub(crate) acknowledged: Row,
    pub(crate) onboarded: Row,
    work: size::DatabaseWork,
    log: Log,
    pub(crate) target: Target,
}

/// Measures each number of logins in flight, on a log of its own in each store.
pub(crate) fn measure(args: &Args, stores: &Stores) -> anyhow::Result<Table> {
    let bare = service::runtime(args.server_threads)?;
    let bare_address = service::serve_bare(&bare)?;
    let mut subjects = Vec::new();
    for in_flight in &args.in_flight {
        for kind in &args.store {
            subjects.push(open(args, stores, *kind, *in_flight)?);
        }
    }
    let mut yardstick = Row::new("bare axum GET /");
    for round in 0..args.rounds {
        let to = |address, connections, time| Load {
            address,
            other: None,
            connections,
            threads: args.load_threads,
            time,
        };
        let before = Usage::now();
        let done =
            load::run(to(bare_address, args.connections, args.round() / 4), |_| Bare::new())?;
        yardstick.add_load(&done, Usage::now().since(before));
        for subject in &mut subjects {
            let load = to(subject.address, subject.in_flight, args.round());
            subject.round(load, round)?;
        }
    }
    let mut table = Table::new(
        "whole logins of new users, durable but for the double's: logins a second (bars: SQLite \
         4000, 4096 bytes each; Postgres 2700)",
    );
    let reference = table.reference(yardstick);
    let files = |in_flight| {
        let same = |subject: &&LoginSubject| {
            subject.target.kind == StoreKind::Sqlite && subject.in_flight == in_flight
        };
        subjects.iter().find(same).map(|subject| [&subject.acknowledged, &subject.onboarded])
    };
    let files = |in_flight| files(in_flight).map(|rows| rows.map(Row::median));
    let references: Vec<_> = subjects.iter().map(|subject| files(subject.in_flight)).collect();
    for (subject, same) in subjects.into_iter().zip(references) {
        let of = same.filter(|_| subject.target.kind != StoreKind::Sqlite);
        subject.add_rows(&mut table, of.unwrap_or([reference; 2]))?;
    }
    if args.store.len() > 1 {
        table.note("ratios of the other stores are to SQLite's row of the same name");
    }
    Ok(table)
}

/// Starts a service over an empty store.
pub(crate) fn open(
    args: &Args,
    stores: &Stores,
    kind: StoreKind,
    in_flight: usize,
) -> anyhow::Result<LoginSubject> {
    let target = stores.make(kind)?;
    let log = Log::open(&target, args)?;
    let (app, address) = log.serve(100_000)?;
    let name = match kind {
        StoreKind::Sqlite => String::new(),
        StoreKind::Postgres | StoreKind::KurrentdbDouble => format!("{}: ", kind.name()),
    };
    Ok(LoginSubject {
        in_flight,
        app,
        address,
        logins: 0,
        left: 0,
        acknowledged: Row::new(format!("{name}logins, {in_flight} in flight, until answered")),
        onboarded: Row::new(format!("{name}logins, {in_flight} in flight, until onboarded")),
        work: size::DatabaseWork::default(),
        log,
        target,
    })
}

impl LoginSubject {
    /// Runs a load of logins, and waits until all are onboarded.
    pub(crate) fn round(&mut self, load: Load, round: usize) -> anyhow::Result<()> {
        let runtime = &self.log.runtime;
        let worked = size::DatabaseWork::now(&self.target, &self.log)?;
        let (before, begin) = (Usage::now(), Instant::now());
        let memory = self.app.mailer.memory().context("mails go elsewhere")?;
        let done = load::run(load, |number| Visitor::new(memory, format!("u{number}-r{round}")))?;
        if service::drain(runtime, &self.app, DRAIN_TIMEOUT)?.is_none() {
            self.left = runtime.block_on(self.app.engine.read_db.onboardings(1_000_000))?.len();
        }
        // Measured from the same moment as the load, except for the time it took to connect.
        let until_onboarded = begin.elapsed().max(done.time);
        let used = Usage::now().since(before);
        self.work.add(worked, size::DatabaseWork::now(&self.target, &self.log)?);
        self.onboarded.add(rate(done.count, until_onboarded));
        self.logins += done.count;
        self.acknowledged.add_load_until(&done, until_onboarded, used);
        Ok(())
    }

    /// Adds rows and notes to the table.
    fn add_rows(self, table: &mut Table, references: [f64; 2]) -> anyhow::Result<()> {
        let size = Size::of(&self.target, &self.log)?;
        let each = |sum: f64| sum / float(self.logins.max(1));
        let left = match self.left {
            0 => String::new(),
            left => format!(", {left} onboardings left"),
        };
        let name = match self.target.kind {
            StoreKind::Sqlite => String::new(),
            kind @ (StoreKind::Postgres | StoreKind::KurrentdbDouble) => {
                format!("{}: ", kind.name())
            }
        };
        table.note(format!(
            "{name}{} in flight: {} logins done, {} users registered, {} events, {:.0} bytes of log a login{left}",
            self.in_flight,
            self.logins,
            size.users,
            size.events,
            each(size.bytes),
        ));
        let parts = size.parts.iter().map(|(name, bytes)| format!("{name} {:.0}", each(*bytes)));
        table.note(format!("    of which {}", parts.collect::<Vec<_>>().join(", ")));
        if self.target.url.is_some() {
            let size::DatabaseWork { wal, transactions, syncs } = self.work;
            table.note(format!(
                "    a login in Postgres: {:.1} transactions, {:.0} bytes of WAL, {:.2} syncs",
                each(transactions),
                each(wal),
                each(syncs)
            ));
        }
        table.note(format!("    {}", self.acknowledged.cpu()));
        table.subject(self.acknowledged, references[0]);
        table.subject(self.onboarded, references[1]);
        Ok(())
    }
}

/// A visitor who logs in repeatedly, each time with a new address.
pub(crate) struct Visitor<'a, C: ?Sized> {
    codes: &'a C,
    starter: Starter,
}

impl<'a, C: Codes + ?Sized> Visitor<'a, C> {
    pub(crate) fn new(codes: &'a C, name: String) -> Self {
        Self { codes, starter: Starter::new(name) }
    }
}

impl<C: Codes + ?Sized> Operation for Visitor<'_, C> {
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>> {
        let (email, request_id) = self.starter.start(connection).await?;
        let code = self.codes.take(&email)?;
        let body = format!(r#"{{"request_id":"{request_id}","code":"{code}"}}"#);
        self.starter.post("/v1/auth/email/verify", &body);
        let answer = connection.call(&self.starter.request).await?;
        ensure!(answer.status == 200, "verify answers {} {}", answer.status, answer.text());
        ensure!(answer.cookie(b"nl_session").is_some(), "verify answers without a session");
        Ok(Some(()))
    }
}

/// A visitor who asks for codes and does not use them, each time with a new address.
pub(crate) struct Starter {
    name: String,
    count: usize,
    request: Vec<u8>,
}

impl Starter {
    pub(crate) fn new(name: String) -> Self {
        Self { name, count: 0, request: Vec::new() }
    }

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

    /// Asks for a code; returns the address and the id of the request.
    async fn start(&mut self, connection: &mut Connection) -> anyhow::Result<(String, String)> {
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
        Ok((email, request_id.to_owned()))
    }
}

impl Operation for Starter {
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>> {
        self.start(connection).await.map(|_| Some(()))
    }
}
