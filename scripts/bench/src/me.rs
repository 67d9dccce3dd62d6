//! Measures `GET /v1/auth/me` of random sessions, against a server that only answers "ok".

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use whence::app::App;

use crate::args::Args;
use crate::client::Connection;
use crate::kind::StoreKind;
use crate::load::{self, Load, Operation};
use crate::long_log::LongLog;
use crate::machine::Usage;
use crate::report::{Row, Table};
use crate::seed::{TokenText, USER_AGENT};
use crate::service::{self, Log};

/// The session cache that `whence serve` has by default.
const DEFAULT_CACHE: usize = 100_000;

/// The time in which the read models have to catch up, and every session is requested once.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(10);

/// The nodes of a service over one log, and their row.
struct MeSubject<'a> {
    row: Row,
    addresses: [SocketAddr; 2],
    tokens: &'a [TokenText],
}

/// Measures requests over logs that hold sessions.
pub(crate) fn measure(args: &Args, longs: &[LongLog]) -> anyhow::Result<Table> {
    let bare = service::runtime(args.server_threads)?;
    let bare_address = service::serve_bare(&bare)?;
    let mut nodes = Vec::new();
    let mut subjects = Vec::new();
    for long in longs {
        subjects.extend(open(args, long, &mut nodes)?);
    }
    let to = |[address, other]: [SocketAddr; 2]| Load {
        address,
        other: Some(other),
        connections: args.connections,
        threads: args.load_threads,
        time: args.round(),
    };
    for MeSubject { addresses, tokens, .. } in &subjects {
        for address in addresses {
            load::run(Load { time: DRAIN_TIMEOUT, ..to([*address; 2]) }, |number| {
                let sessions = (number..tokens.len()).step_by(args.connections);
                EachOnce { asker: Asker::new(tokens, number), sessions }
            })?;
        }
    }
    let mut yardstick = Row::new("bare axum GET /");
    for _ in 0..args.rounds {
        let before = Usage::now();
        let done = load::run(to([bare_address; 2]), |_| Bare::new())?;
        yardstick.add_load(&done, Usage::now().since(before));
        for MeSubject { row, addresses, tokens } in &mut subjects {
            let before = Usage::now();
            let done = load::run(to(*addresses), |connection| Asker::new(tokens, connection))?;
            row.add_load(&done, Usage::now().since(before));
        }
    }
    let mut table = Table::new(format!(
        "who am I: requests a second, {} connections (bar: at least 0.75 of bare axum)",
        args.connections
    ));
    let reference = table.reference(yardstick);
    for subject in subjects {
        table.subject(subject.row, reference);
    }
    if longs.iter().any(|long| long.target.kind != StoreKind::Sqlite) {
        table.note(
            "two nodes: two services over one database, in one process, on runtimes of their own",
        );
    }
    Ok(table)
}

/// Opens services over a log and lets their read models catch up. Opened logs are added to `nodes`.
fn open<'a>(
    args: &Args,
    long: &'a LongLog,
    nodes: &mut Vec<(Log, Arc<App>)>,
) -> anyhow::Result<Vec<MeSubject<'a>>> {
    let tokens = &long.tokens[..];
    let subject = |name: String, addresses| MeSubject { row: Row::new(name), addresses, tokens };
    let sessions = tokens.len();
    let first = Log::open(&long.target, args)?;
    // A cache evicts a few entries before it is completely full.
    let (app, address) = first.serve(sessions * 2)?;
    service::drain(&first.runtime, &app, DRAIN_TIMEOUT)?;
    Ok(match long.target.kind {
        StoreKind::Sqlite => {
            let (few, few_address) = first.serve(DEFAULT_CACHE)?;
            nodes.extend([(first, app)]);
            let all = subject(format!("me, {sessions} sessions, all in the cache"), [address; 2]);
            drop(few);
            vec![
                all,
                subject(format!("me, cache of {DEFAULT_CACHE} as by default"), [few_address; 2]),
            ]
        }
        kind @ (StoreKind::Postgres | StoreKind::KurrentdbDouble) => {
            let second = Log::open(&long.target, args)?;
            let (other_app, other) = second.serve(sessions * 2)?;
            service::drain(&second.runtime, &other_app, DRAIN_TIMEOUT)?;
            nodes.extend([(first, app), (second, other_app)]);
            let name = |where_from| format!("{}: me, {sessions} cached, {where_from}", kind.name());
            vec![
                subject(name("one node"), [address; 2]),
                subject(name("two nodes"), [address, other]),
            ]
        }
    })
}

/// The operation on the bare server.
pub(crate) struct Bare(Vec<u8>);

impl Bare {
    pub(crate) fn new() -> Self {
        Self(
            format!("GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: {USER_AGENT}\r\n\r\n").into(),
        )
    }
}

impl Operation for Bare {
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>> {
        let answer = connection.call(&self.0).await?;
        ensure!(answer.status == 200 && answer.body == b"ok", "the bare server answers something");
        Ok(Some(()))
    }
}

/// The operation that requests `me` of a random session.
pub(crate) struct Asker<'a> {
    request: Vec<u8>,
    token_offset: usize,
    tokens: &'a [TokenText],
    random: u64,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(tokens: &'a [TokenText], seed: usize) -> Self {
        let head = format!(
            "GET /v1/auth/me HTTP/1.1\r\nhost: localhost\r\nuser-agent: {USER_AGENT}\r\ncookie: nl_session="
        );
        let token_offset = head.len();
        let mut request = head.into_bytes();
        request.extend([b'.'; 64]);
        request.extend(b"\r\n\r\n");
        let random = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { request, token_offset, tokens, random }
    }

    async fn ask(&mut self, connection: &mut Connection, session: usize) -> anyhow::Result<()> {
        let token = &self.tokens[session];
        self.request[self.token_offset..self.token_offset + token.len()].copy_from_slice(token);
        let answer = connection.call(&self.request).await?;
        ensure!(answer.status == 200, "me answers {}", answer.status);
        Ok(())
    }
}

impl Operation for Asker<'_> {
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>> {
        // xorshift64: good enough to spread requests.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let session = usize::try_from(self.random >> 16).unwrap_or(0) % self.tokens.len();
        self.ask(connection, session).await.map(Some)
    }
}

/// The operation that requests each of its sessions once, which fills the cache.
struct EachOnce<'a, I> {
    asker: Asker<'a>,
    sessions: I,
}

impl<I: Iterator<Item = usize>> Operation for EachOnce<'_, I> {
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>> {
        let Some(session) = self.sessions.next() else { return Ok(None) };
        self.asker.ask(connection, session).await.map(Some)
    }
}
