//! The state that all nodes of a double share.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Status};

use super::End;
use super::counts::{Call, Counts};
use super::log::Log;
use super::users::User;

/// The version that the double reports unless a test sets another.
const VERSION: &str = "23.10.8";

/// How many events may wait for one subscriber unless a test sets another number.
const LIVE_BUFFER: u64 = 4096;

/// The state that all nodes share.
pub(crate) struct Shared {
    log: Mutex<Log>,
    /// The position that the next event will have, for readers that wait for more.
    pub(crate) grown: watch::Sender<u64>,
    members: Mutex<Members>,
    /// Ends every subscription that is open.
    pub(crate) end: broadcast::Sender<End>,
    /// The number of appends that are still to be written but not answered.
    pub(crate) unanswered: AtomicUsize,
    /// Whether appends that were written before are answered without their position.
    pub(crate) forgetful: AtomicBool,
    /// Whether checkpoints have the position that the next event is then given.
    pub(crate) checkpoints_ahead: AtomicBool,
    /// How many events may wait for one subscriber.
    pub(crate) live_buffer: AtomicU64,
    /// The number of appends that were written.
    pub(crate) written: AtomicUsize,
    pub(crate) counts: Counts,
    version: Mutex<String>,
    users: Mutex<Vec<User>>,
    failures: Mutex<VecDeque<(Call, Status)>>,
    tls: Mutex<Option<TlsAcceptor>>,
}

/// The nodes, and which of them leads.
pub(crate) struct Members {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) alive: Vec<bool>,
    pub(crate) leader: Option<usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(members: Members, tls: Option<TlsAcceptor>) -> Self {
        let log = Log::new();
        Self {
            grown: watch::Sender::new(log.end()),
            log: Mutex::new(log),
            members: Mutex::new(members),
            end: broadcast::channel(4).0,
            unanswered: AtomicUsize::new(0),
            forgetful: AtomicBool::new(false),
            checkpoints_ahead: AtomicBool::new(false),
            live_buffer: AtomicU64::new(LIVE_BUFFER),
            written: AtomicUsize::new(0),
            counts: Counts::default(),
            version: Mutex::new(VERSION.to_owned()),
            users: Mutex::default(),
            failures: Mutex::default(),
            tls: Mutex::new(tls),
        }
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    /// Changes the log, and wakes who waits for more.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        let mut log = self.log();
        let changed = change(&mut log);
        self.grown.send_replace(log.end());
        changed
    }

    pub(crate) fn members(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }

    pub(crate) fn version(&self) -> MutexGuard<'_, String> {
        lock(&self.version)
    }

    /// Returns whether the version is at least this one.
    pub(crate) fn is_at_least(&self, major: u32, minor: u32) -> bool {
        let version = self.version();
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
    }

    pub(crate) fn users(&self) -> MutexGuard<'_, Vec<User>> {
        lock(&self.users)
    }

    pub(crate) fn tls(&self) -> MutexGuard<'_, Option<TlsAcceptor>> {
        lock(&self.tls)
    }

    /// Makes the next calls of a kind fail.
    pub(crate) fn fail(&self, call: Call, calls: usize, code: Code, message: &str) {
        let mut failures = lock(&self.failures);
        failures.retain(|(failing, _)| *failing != call);
        failures.extend((0..calls).map(|_| (call, Status::new(code, message))));
    }

    /// Returns how a call has to fail, if it has to.
    pub(crate) fn failure(&self, call: Call) -> Option<Status> {
        let mut failures = lock(&self.failures);
        let index = failures.iter().position(|(failing, _)| *failing == call)?;
        failures.remove(index).map(|(_, status)| status)
    }
}
