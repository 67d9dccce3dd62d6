//! `GET /v1/auth/me` of random sessions, against a server that only says "ok".

use std::time::Duration;

use anyhow::ensure;

use crate::args::Args;
use crate::client::Connection;
use crate::load::{self, Load, Work};
use crate::machine::Used;
use crate::report::{Row, Table};
use crate::seed::{TokenText, USER_AGENT};
use crate::service::{self, Log};

/// The session cache that `whence serve` has unless told otherwise.
const DEFAULT_CACHE: usize = 100_000;

/// For the read models to catch up, and for every session to be asked for once, at most.
const DRAIN: Duration = Duration::from_mins(10);

/// Measures over a log that holds the sessions of these tokens.
pub(crate) fn measure(args: &Args, log: &Log, tokens: &[TokenText]) -> anyhow::Result<Table> {
    let (bare, whence) =
        (service::runtime(args.server_threads)?, service::runtime(args.server_threads)?);
    let bare_address = service::serve_bare(&bare)?;
    // A cache drops a few before it is quite full.
    let (all, all_address) = log.serve(&whence, tokens.len() * 2)?;
    let (_few, few_address) = log.serve(&whence, DEFAULT_CACHE)?;
    service::drain(&whence, &all, DRAIN)?;
    let to = |address| Load {
        address,
        connections: args.connections,
        threads: args.load_threads,
        time: args.round(),
    };
    for address in [all_address, few_address] {
        load::run(Load { time: DRAIN, ..to(address) }, |number| {
            let sessions = (number..tokens.len()).step_by(args.connections);
            EachOnce { asker: Asker::new(tokens, number), sessions }
        })?;
    }
    let mut rows = [
        Row::new("bare axum GET /"),
        Row::new(format!("me, {} sessions, all in the cache", tokens.len())),
        Row::new(format!("me, cache of {DEFAULT_CACHE} as by default")),
    ];
    for _ in 0..args.rounds {
        let before = Used::by_servers();
        let done = load::run(to(bare_address), |_| Bare::new())?;
        rows[0].add_load(&done, Used::by_servers().since(before));
        for (row, address) in rows[1..].iter_mut().zip([all_address, few_address]) {
            let before = Used::by_servers();
            let done = load::run(to(address), |connection| Asker::new(tokens, connection))?;
            row.add_load(&done, Used::by_servers().since(before));
        }
    }
    let mut table = Table::new(format!(
        "who am I: requests a second, {} connections (bar: at least 0.75 of bare axum)",
        args.connections
    ));
    let [bare, all, few] = rows;
    let reference = table.reference(bare);
    table.subject(all, reference);
    table.subject(few, reference);
    Ok(table)
}

/// Asks the bare server.
pub(crate) struct Bare(Vec<u8>);

impl Bare {
    pub(crate) fn new() -> Self {
        Self(
            format!("GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: {USER_AGENT}\r\n\r\n").into(),
        )
    }
}

impl Work for Bare {
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>> {
        let answer = connection.call(&self.0).await?;
        ensure!(answer.status == 200 && answer.body == b"ok", "the bare server answers something");
        Ok(Some(()))
    }
}

/// Asks who a random session is.
pub(crate) struct Asker<'a> {
    request: Vec<u8>,
    place: usize,
    tokens: &'a [TokenText],
    random: u64,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(tokens: &'a [TokenText], seed: usize) -> Self {
        let head = format!(
            "GET /v1/auth/me HTTP/1.1\r\nhost: localhost\r\nuser-agent: {USER_AGENT}\r\ncookie: nl_session="
        );
        let place = head.len();
        let mut request = head.into_bytes();
        request.extend([b'.'; 64]);
        request.extend(b"\r\n\r\n");
        let random = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { request, place, tokens, random }
    }

    async fn ask(&mut self, connection: &mut Connection, session: usize) -> anyhow::Result<()> {
        let token = &self.tokens[session];
        self.request[self.place..self.place + token.len()].copy_from_slice(token);
        let answer = connection.call(&self.request).await?;
        ensure!(answer.status == 200, "me answers {}", answer.status);
        Ok(())
    }
}

impl Work for Asker<'_> {
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>> {
        // xorshift64: good enough to spread requests.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let session = usize::try_from(self.random >> 16).unwrap_or(0) % self.tokens.len();
        self.ask(connection, session).await.map(Some)
    }
}

/// Asks for each of its sessions once: fills the cache.
struct EachOnce<'a, I> {
    asker: Asker<'a>,
    sessions: I,
}

impl<I: Iterator<Item = usize>> Work for EachOnce<'_, I> {
    async fn once(&mut self, connection: &mut Connection) -> anyhow::Result<Option<()>> {
        let Some(session) = self.sessions.next() else { return Ok(None) };
        self.asker.ask(connection, session).await.map(Some)
    }
}
