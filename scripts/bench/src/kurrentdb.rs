//! Measures whence over the double of KurrentDB, against the official client as it is, which leaves
//! Nagle's algorithm on.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::append;
use crate::args::Args;
use crate::bare_client::{self, Work};
use crate::derive;
use crate::kind::StoreKind;
use crate::load::Load;
use crate::login::{self, LoginSubject};
use crate::machine::Usage;
use crate::numbers::{float, rate};
use crate::outcome::Outcome;
use crate::report::{Row, Table};
use crate::seed::{self, EVENTS_OF_LOGIN};
use crate::service::Log;
use crate::stores::{Stores, Target};

/// The number of events in an append of the client alone that stands for those of a copy: a login's ten
/// events are three appends.
const EVENTS_OF_APPEND: usize = 3;

/// The number of calls of a new user's login with onboarding when no call is spared: seven appends and
/// three reads.
const CALLS_OF_LOGIN: usize = 10;

const KIND: StoreKind = StoreKind::KurrentdbDouble;

/// Measures lone appends, a copy, its verification and whole logins.
pub(crate) fn measure(args: &Args, stores: &Stores) -> anyhow::Result<Table> {
    let in_flight = args.in_flight.first().copied().unwrap_or(64);
    let mut alone = Alone::open(stores, in_flight)?;
    let mut copy = CopySubject::open(args, stores)?;
    let append_target = stores.make(KIND)?;
    let append_log = Log::open(&append_target, args)?;
    let mut append = Row::new("append, 1 in flight");
    let mut logins = login::open(args, stores, KIND, in_flight)?;
    let mut calls = 0;
    for round in 0..args.rounds {
        alone.round(args)?;
        let before = Usage::now();
        let done = append::store_round(&append_log.runtime, &append_log.store, 1, 1, args.round())?;
        append.add_load(&done, Usage::now().since(before));
        copy.round(stores)?;
        calls += login_round(args, &mut logins, round)?;
    }
    let mut table = Table::new(
        "KurrentDB, over a double in memory whose kernel delays acknowledgements: a second (bars: a lone \
         append 30 and 3000 us, copy 50, verify 100000, logins until answered 4)",
    );
    let Alone { one, several, login, .. } = alone;
    let reference = table.reference(one);
    table.subject(append, reference);
    let reference = table.reference(several);
    table.subject(copy.copied, reference);
    table.reference(copy.verified);
    let reference = table.reference(login);
    table.note(
        "copy and verify are whole commands, start to exit; a copy reads both sides once more",
    );
    table.note(logins.acknowledged.cpu());
    let each = float(calls) / float(logins.logins.max(1));
    table.note(format!("    {each:.1} calls a login of a new user, onboarding included"));
    table.note(format!(
        "\"client alone\" is KurrentDB's client as it is, in a process of its own: one append after the \
         other (for the copy: of {EVENTS_OF_APPEND} events, counted as events), and the \
         {CALLS_OF_LOGIN} calls of a login in a sequence, with no service around them: more than a \
         service could do with that client"
    ));
    table.subject(logins.acknowledged, reference);
    table.subject(logins.onboarded, reference);
    Ok(table)
}

/// Runs a round of logins; returns the number of calls that they made.
fn login_round(args: &Args, logins: &mut LoginSubject, round: usize) -> anyhow::Result<usize> {
    let load = Load {
        address: logins.address,
        other: None,
        connections: logins.in_flight,
        threads: args.load_threads,
        time: args.round(),
    };
    let double = |logins: &LoginSubject| {
        let calls = logins.target.double.as_ref().map(|double| double.calls().waited_for());
        usize::try_from(calls.unwrap_or(0)).unwrap_or(usize::MAX)
    };
    let before = double(logins);
    logins.round(load, round)?;
    Ok(double(logins) - before)
}

/// The client alone, in a process of its own: whence would mend its sockets in this one.
struct Alone {
    target: Target,
    in_flight: usize,
    one: Row,
    several: Row,
    login: Row,
}

impl Alone {
    fn open(stores: &Stores, in_flight: usize) -> anyhow::Result<Self> {
        let login = format!("client alone: {CALLS_OF_LOGIN} calls, {in_flight} in flight");
        Ok(Self {
            target: stores.make(KIND)?,
            in_flight,
            one: Row::new("client alone: append, 1 in flight"),
            several: Row::new(format!("client alone: append of {EVENTS_OF_APPEND}, 1 in flight")),
            login: Row::new(login),
        })
    }

    fn round(&mut self, args: &Args) -> anyhow::Result<()> {
        let time = args.round();
        let work = |calls, events, in_flight| Work { calls, events, in_flight, time };
        let none = Usage::default();
        self.one.add_load(&self.run(work(1, 1, 1))?, none);
        self.several.add_many(&self.run(work(1, EVENTS_OF_APPEND, 1))?, EVENTS_OF_APPEND, none);
        self.login.add_load(&self.run(work(CALLS_OF_LOGIN, 1, self.in_flight))?, none);
        Ok(())
    }

    fn run(&self, work: Work) -> anyhow::Result<Outcome> {
        let url = self.target.flags.get(1).context("a store without a URL")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(bare_client::COMMAND).arg(url).args(work.to_words());
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut text = String::new();
        child.stdout.take().context("no output")?.read_to_string(&mut text)?;
        ensure!(child.wait()?.success(), "the client alone failed");
        let times: Result<Vec<_>, _> = text.lines().map(str::parse).collect();
        let mut times = times?.into_iter().map(Duration::from_micros);
        let time = times.next().context("no time")?;
        let latencies: Vec<_> = times.collect();
        Ok(Outcome { count: latencies.len(), time, latencies })
    }
}

/// A log of whole logins that is copied out of SQLite, into a new double each time.
struct CopySubject {
    source: Target,
    events: usize,
    copied: Row,
    verified: Row,
}

impl CopySubject {
    fn open(args: &Args, stores: &Stores) -> anyhow::Result<Self> {
        let mut source = stores.make(StoreKind::Sqlite)?;
        source.flags.extend(Stores::master_key());
        let log = Log::open(&source, args)?;
        let logins = args.replay.div_ceil(EVENTS_OF_LOGIN);
        log.runtime.block_on(seed::seed(&log, logins, logins))?;
        let events = logins * EVENTS_OF_LOGIN;
        Ok(Self {
            source,
            events,
            copied: Row::new("copy out of SQLite"),
            verified: Row::new("verify of the copy"),
        })
    }

    fn round(&mut self, stores: &Stores) -> anyhow::Result<()> {
        let target = stores.make(KIND)?;
        let url = |target: &Target| target.flags.get(1).cloned().context("a store without a URL");
        let database = target.url.clone().context("a store without a database")?;
        let mut flags = vec!["--from".to_owned(), url(&self.source)?];
        flags.extend(["--to".to_owned(), url(&target)?, "--read-db".to_owned(), database]);
        flags.extend(Stores::master_key());
        self.copied.add(rate(self.events, derive::run(&flags, &["copy"])?.time));
        self.verified.add(rate(self.events, derive::run(&target.flags, &["verify"])?.time));
        Ok(())
    }
}
