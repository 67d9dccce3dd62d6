//! Measures logins whose mails go to a mail server, against logins whose mails go to a directory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use whence::app::App;
use whence::infra::mail::Mailer;

use crate::args::Args;
use crate::codes::{Codes, Files};
use crate::kind::StoreKind;
use crate::load::{self, Load};
use crate::login::{Starter, Visitor};
use crate::machine::Usage;
use crate::numbers::rate;
use crate::relay::Relay;
use crate::report::{Row, Table};
use crate::service::{self, Log};
use crate::stores::{Stores, Target};

/// The time in which onboarding, with its welcome mails, has to end after a round.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(1);

/// A service whose mails go one way.
struct MailSubject<'a> {
    in_flight: usize,
    codes: &'a dyn Codes,
    app: Arc<App>,
    address: SocketAddr,
    started: Row,
    answered: Row,
    onboarded: Row,
    log: Log,
    _target: Target,
}

/// Measures both ways in turns, over SQLite: a `start` alone, and whole logins.
pub(crate) fn measure(args: &Args, stores: &Stores) -> anyhow::Result<Table> {
    let mails = TempDir::new()?;
    let files = Files::new(mails.path().to_owned());
    let relay = Relay::start()?;
    let directory = format!("directory:{}", mails.path().display());
    let server = format!("smtp://{}?tls=none", relay.address);
    let mut subjects = [
        MailSubject::open(args, stores, "a directory", &directory, &files)?,
        MailSubject::open(args, stores, "SMTP", &server, &relay.inbox.codes)?,
    ];
    for round in 0..args.rounds {
        for subject in &mut subjects {
            subject.round(args, round)?;
        }
    }
    let mut table = Table::new(
        "logins with mails that leave: a second (bars over SMTP: a start alone under 3000 us, \
         whole logins 0.7)",
    );
    let [directory, server] = subjects;
    table.note(directory.answered.cpu());
    table.note(server.answered.cpu());
    table.note(format!(
        "the mail server took {} mails over {} connections",
        relay.inbox.mails.load(Ordering::Relaxed),
        relay.inbox.connections.load(Ordering::Relaxed),
    ));
    let started = table.reference(directory.started);
    table.subject(server.started, started);
    let answered = table.reference(directory.answered);
    table.subject(server.answered, answered);
    let onboarded = table.reference(directory.onboarded);
    table.subject(server.onboarded, onboarded);
    Ok(table)
}

impl<'a> MailSubject<'a> {
    fn open(
        args: &Args,
        stores: &Stores,
        name: &str,
        way: &str,
        codes: &'a dyn Codes,
    ) -> anyhow::Result<Self> {
        let target = stores.make(StoreKind::Sqlite)?;
        let log = Log::open(&target, args)?;
        let mailer = Mailer::open(way, &log.config.mail.sender)?;
        let (app, address) = log.serve_with(100_000, mailer)?;
        let in_flight = args.in_flight.first().copied().unwrap_or(64);
        Ok(Self {
            in_flight,
            codes,
            app,
            address,
            started: Row::new(format!("start alone, mails to {name}")),
            answered: Row::new(format!("logins, {in_flight} in flight, mails to {name}")),
            onboarded: Row::new(format!("the same until onboarded, mails to {name}")),
            log,
            _target: target,
        })
    }

    fn round(&mut self, args: &Args, round: usize) -> anyhow::Result<()> {
        let load = |connections, time| Load {
            address: self.address,
            other: None,
            connections,
            threads: args.load_threads,
            time,
        };
        let before = Usage::now();
        let done = load::run(load(1, args.round() / 4), |_| Starter::new(format!("s-r{round}")))?;
        self.started.add_load(&done, Usage::now().since(before));

        let (before, begin) = (Usage::now(), Instant::now());
        let done = load::run(load(self.in_flight, args.round()), |number| {
            Visitor::new(self.codes, format!("u{number}-r{round}"))
        })?;
        service::drain(&self.log.runtime, &self.app, DRAIN_TIMEOUT)?;
        let until_onboarded = begin.elapsed().max(done.time);
        let used = Usage::now().since(before);
        self.onboarded.add(rate(done.count, until_onboarded));
        self.answered.add_load_until(&done, until_onboarded, used);
        Ok(())
    }
}
