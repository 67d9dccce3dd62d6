//! Measures whether the time of an answer tells known addresses from unknown ones.
//!
//! Every address is asked about once, over one connection, in random order. Two samples are compared by
//! the test of Mann and Whitney, which needs no shape of their distribution. The control compares two
//! samples of the same kind: what differs there is noise.

use std::fmt;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tokio::runtime::Runtime;
use whence::infra::random::random_bytes;

use crate::args::Args;
use crate::client::Connection;
use crate::kind::StoreKind;
use crate::long_log::CATCH_UP_TIMEOUT;
use crate::rank_test::{RankTest, median};
use crate::seed::{self, USER_AGENT};
use crate::service::{self, Log};
use crate::stores::Stores;

/// Starts before the first one that counts.
const WARM_UP: usize = 200;

/// What the service knows of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing.
    Unknown,
    /// It belongs to a user, who was not there since the service started.
    Known,
    /// The same: the control.
    Control,
    /// It belongs to a user, who asked for a code a moment ago.
    Recent,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Unknown, Self::Known, Self::Control, Self::Recent];

    /// Returns an address of this kind, all of the same length; `seed` makes those of users.
    fn address(self, number: usize, count: usize) -> String {
        match self {
            Self::Unknown => format!("none{number:0>6}@users.example.com"),
            Self::Known => seed::address(number),
            Self::Control => seed::address(count + number),
            Self::Recent => seed::address(2 * count + number),
        }
    }
}

/// One address, and the login that was started for it.
struct Subject {
    kind: Kind,
    address: String,
    request_id: String,
}

/// The times of the answers of each kind, in microseconds.
#[derive(Default)]
struct Times([Vec<f64>; 4]);

impl Times {
    fn of(&self, kind: Kind) -> &[f64] {
        &self.0[kind as usize]
    }
}

/// The comparisons of a store.
pub(crate) struct Comparisons {
    store: StoreKind,
    count: usize,
    lines: Vec<String>,
}

/// Measures each store.
pub(crate) fn measure(args: &Args, stores: &Stores) -> anyhow::Result<Vec<Comparisons>> {
    args.store.iter().map(|kind| compare(args, stores, *kind)).collect()
}

fn compare(args: &Args, stores: &Stores, store: StoreKind) -> anyhow::Result<Comparisons> {
    let count = args.timings;
    let target = stores.make(store)?;
    let mut log = Log::open(&target, args)?;
    log.config.limits.starts_per_client = u32::MAX;
    log.config.limits.verifies_per_client = u32::MAX;
    log.runtime.block_on(seed::seed(&log, 3 * count, 3 * count))?;
    let (app, address) = log.serve(100_000)?;
    service::drain(&log.runtime, &app, CATCH_UP_TIMEOUT)?
        .context("the read models do not catch up")?;
    let client = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let connection = client.block_on(Connection::open(address))?;
    let mut asker = TimedClient { client, connection };
    for number in 0..WARM_UP {
        asker.start(&format!("warm{number:0>6}@users.example.com"))?;
    }
    for number in 0..count {
        asker.start(&Kind::Recent.address(number, count))?;
    }
    let subject = |kind: Kind, number| Subject {
        kind,
        address: kind.address(number, count),
        request_id: String::new(),
    };
    let of_kind = |kind| (0..count).map(move |number| subject(kind, number));
    let mut subjects: Vec<_> = Kind::ALL.into_iter().flat_map(of_kind).collect();
    let (mut starts, mut verifies) = (Times::default(), Times::default());
    shuffle(&mut subjects);
    for subject in &mut subjects {
        let (request_id, micros) = asker.start(&subject.address)?;
        subject.request_id = request_id;
        starts.0[subject.kind as usize].push(micros);
    }
    shuffle(&mut subjects);
    for subject in &subjects {
        verifies.0[subject.kind as usize].push(asker.guess(&subject.request_id)?);
    }
    let lines = [("start", &starts), ("verify of a wrong code", &verifies)];
    let lines = lines.into_iter().flat_map(|(name, times)| lines_of(name, times)).collect();
    Ok(Comparisons { store, count, lines })
}

/// Returns the lines that compare the samples of a call.
fn lines_of(name: &str, times: &Times) -> [String; 3] {
    [
        ("unknown against known", Kind::Unknown, Kind::Known),
        ("unknown against known and recent", Kind::Unknown, Kind::Recent),
        ("control: known against known", Kind::Control, Kind::Known),
    ]
    .map(|(what, one, other)| {
        let (one, other) = (times.of(one), times.of(other));
        let RankTest { auc, p } = RankTest::of(one, other);
        let (a, b) = (median(one), median(other));
        let name = format!("{name}, {what}");
        format!("{name:<57} {a:>9.1} {b:>9.1} {:>+9.1} {auc:>7.3} {p:>9.2e}", a - b)
    })
}

/// A client that asks for one thing at a time.
struct TimedClient {
    client: Runtime,
    connection: Connection,
}

impl TimedClient {
    /// Asks for a code; returns the id of the request and the microseconds until the answer.
    fn start(&mut self, email: &str) -> anyhow::Result<(String, f64)> {
        let request = post("/v1/auth/email/start", &format!(r#"{{"email":"{email}"}}"#));
        let begin = Instant::now();
        let answer = self.client.block_on(self.connection.call(&request))?;
        let micros = begin.elapsed().as_secs_f64() * 1e6;
        ensure!(answer.status == 200, "start answers {} {}", answer.status, answer.text());
        let text = std::str::from_utf8(answer.body)?;
        let id = text.strip_prefix(r#"{"request_id":""#).and_then(|rest| rest.get(..36));
        Ok((id.context("start answers without a request id")?.to_owned(), micros))
    }

    /// Tries a code that is hardly right; returns the microseconds until the answer.
    fn guess(&mut self, request_id: &str) -> anyhow::Result<f64> {
        let body = format!(r#"{{"request_id":"{request_id}","code":"000000"}}"#);
        let request = post("/v1/auth/email/verify", &body);
        let begin = Instant::now();
        let answer = self.client.block_on(self.connection.call(&request))?;
        let micros = begin.elapsed().as_secs_f64() * 1e6;
        ensure!([200, 400].contains(&answer.status), "verify answers {}", answer.text());
        Ok(micros)
    }
}

fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: {USER_AGENT}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let random = u64::from_le_bytes(random_bytes());
        let chosen = random % (last as u64 + 1);
        items.swap(last, usize::try_from(chosen).unwrap_or(0));
    }
}

impl fmt::Display for Comparisons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\ntime of answers over {}, {} addresses of each kind in random order, one at a time",
            self.store.name(),
            self.count
        )?;
        writeln!(
            f,
            "  {:<57} {:>9} {:>9} {:>9} {:>7} {:>9}",
            "", "median us", "median us", "apart", "AUC", "p"
        )?;
        self.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f, "  AUC 0.5: the times of both kinds cannot be told apart")
    }
}
