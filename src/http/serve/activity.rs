//! What one connection is doing, as the bounds of connections need to know it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::task::AtomicWaker;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use tokio::time::Instant;

use crate::app::config::ConnectionLimits;

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// It sent no request for too long.
    Idle,
    /// Its head was not complete in time.
    SlowHead,
    /// Its client does not read the answer.
    StalledWrite,
    /// Another connection needs its place.
    Displaced,
    /// Unfinished heads take too much memory.
    HeadBudget,
}

/// What a connection that may be closed is waiting for. The first ones go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiting {
    /// It waits for the first byte of a request.
    NextRequest,
    /// It waits for its client to read.
    Reader,
    /// It waits for its turn among the requests of its network.
    Turn,
    /// It waits for the rest of a request.
    Rest,
}

/// The part of an exchange that a connection is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No byte has come yet.
    New,
    /// Some bytes of a head have come.
    Head,
    /// A request is being answered.
    Request,
    /// The whole answer has been made, and may not have left yet.
    Answered,
    /// The last answer has left.
    Idle,
}

/// What one connection is doing.
pub(super) struct Activity {
    state: Mutex<State>,
    /// Wakes the task of the connection once it is to close.
    waker: AtomicWaker,
}

struct State {
    phase: Phase,
    since: Instant,
    /// The bytes that were read and may not have been parsed yet, rather more than less; negative
    /// as long as bytes of a body are still to come.
    unparsed: i64,
    /// The bytes of the last read: more than that is never left of a parsed head.
    last_read: i64,
    /// Whether the length of the request's body is unknown, and so what is left after it.
    inexact: bool,
    /// What a request waits for that is not at work.
    request_waits: Option<Waiting>,
    /// The writing that waits for the client to read.
    stalled: Option<Stalled>,
    /// Why the connection is to close.
    ending: Option<Closing>,
}

/// A writing that waits for the client to read.
#[derive(Clone, Copy)]
struct Stalled {
    began: Instant,
    last_progress: Instant,
    written: u64,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Self {
        let state = State {
            phase: Phase::New,
            since: now,
            unparsed: 0,
            last_read: 0,
            inexact: false,
            request_waits: None,
            stalled: None,
            ending: None,
        };
        Self { state: Mutex::new(state), waker: AtomicWaker::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the next byte begins a request.
    pub(super) fn is_between_requests(&self) -> bool {
        matches!(self.state().phase, Phase::New | Phase::Idle | Phase::Answered)
    }

    /// Notes that bytes were read, and returns by how much the bytes of unfinished heads grew.
    pub(super) fn read(&self, bytes: usize) -> isize {
        let mut state = self.state();
        if bytes > 0 && matches!(state.phase, Phase::New | Phase::Idle | Phase::Answered) {
            state.enter(Phase::Head);
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        state.last_read = bytes;
        state.change(|state| state.unparsed = state.unparsed.saturating_add(bytes))
    }

    /// Notes that a head is complete, and returns by how much the bytes of unfinished heads grew.
    pub(super) fn head_parsed(&self, parts: &Parts) -> isize {
        let size = HeadSize::of(parts);
        let mut state = self.state();
        state.enter(Phase::Request);
        state.inexact = parts.headers.contains_key(TRANSFER_ENCODING);
        state.change(|state| {
            let as_usual = state.unparsed - size.usual - size.body;
            state.unparsed = if as_usual <= 0 {
                // All that was read is this head, and perhaps some of its body.
                as_usual.max(-size.body)
            } else {
                (state.unparsed - size.least - size.body).min(state.last_read)
            };
        })
    }

    /// Notes what a request waits for, or that it is at work.
    pub(super) fn request_waits(&self, what: Option<Waiting>) {
        self.state().request_waits = what;
    }

    /// Notes that the whole answer has been made.
    pub(super) fn answered(&self) {
        self.state().enter(Phase::Answered);
    }

    /// Notes that the kernel took bytes.
    pub(super) fn wrote(&self, bytes: usize) {
        if let Some(stalled) = &mut self.state().stalled {
            stalled.last_progress = Instant::now();
            stalled.written += bytes as u64;
        }
    }

    /// Notes that the kernel takes no more bytes until the client reads.
    pub(super) fn write_stalls(&self) {
        let mut state = self.state();
        if state.stalled.is_none() {
            let now = Instant::now();
            state.stalled = Some(Stalled { began: now, last_progress: now, written: 0 });
        }
    }

    /// Notes that everything that was to be written has left.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        state.stalled = None;
        if state.phase == Phase::Answered {
            // The beginning of the next request may have come with the last one.
            let begun = state.unparsed > 0 && !state.inexact;
            state.enter(if begun { Phase::Head } else { Phase::Idle });
        }
    }

    /// Returns when the connection is to close unless something happens, and why.
    pub(super) fn deadline(&self, limits: &ConnectionLimits) -> Option<(Instant, Closing)> {
        let state = self.state();
        if let Some(stalled) = state.stalled {
            let rate = limits.least_rate.max(1);
            let slow = limits.stalled_write + Duration::from_millis(stalled.written * 1000 / rate);
            let none = stalled.last_progress + limits.stalled_write;
            return Some((none.min(stalled.began + slow), Closing::StalledWrite));
        }
        match state.phase {
            Phase::New => Some((state.since + limits.head, Closing::Idle)),
            Phase::Idle => Some((state.since + limits.keep_alive, Closing::Idle)),
            Phase::Head => Some((state.since + limits.head, Closing::SlowHead)),
            Phase::Request | Phase::Answered => None,
        }
    }

    /// Returns what the connection waits for and since when; `None` when it is at work, or is
    /// already to close.
    pub(super) fn waiting(&self) -> Option<(Waiting, Instant)> {
        let state = self.state();
        state.waiting().filter(|_| state.ending.is_none())
    }

    /// Returns the bytes of an unfinished head, and since when they wait; `None` when there are
    /// none that closing the connection would free.
    pub(super) fn head_waiting(&self) -> Option<(usize, Instant)> {
        let state = self.state();
        let (_, since) = state.waiting().filter(|_| state.ending.is_none())?;
        (state.charge() > 0).then(|| (state.charge(), since))
    }

    /// Returns the bytes of an unfinished head.
    pub(super) fn charge(&self) -> usize {
        self.state().charge()
    }

    /// Has the connection closed, unless it is at work by then. Returns the bytes of its unfinished
    /// head, which no longer count.
    pub(super) fn close(&self, why: Closing) -> usize {
        let freed = {
            let mut state = self.state();
            state.ending = Some(why);
            let freed = state.charge();
            state.unparsed = state.unparsed.min(0);
            freed
        };
        self.waker.wake();
        freed
    }

    /// Returns why the connection is to close; its task is woken when it is to close later on. One
    /// that got to work again stays.
    pub(super) fn poll_closing(&self, cx: &std::task::Context<'_>) -> Option<Closing> {
        self.waker.register(cx.waker());
        let mut state = self.state();
        if state.ending.is_some() && state.waiting().is_none() {
            state.ending = None;
        }
        state.ending
    }

    /// Returns whether what was sent or received last is given up when the connection closes.
    pub(super) fn is_given_up(&self) -> bool {
        let state = self.state();
        match state.ending {
            Some(Closing::SlowHead | Closing::StalledWrite | Closing::HeadBudget) => true,
            Some(Closing::Idle | Closing::Displaced) => state.stalled.is_some(),
            None => false,
        }
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }

    fn charge(&self) -> usize {
        usize::try_from(self.unparsed).unwrap_or(0)
    }

    fn change(&mut self, change: impl FnOnce(&mut Self)) -> isize {
        let before = self.charge();
        change(self);
        self.charge().cast_signed() - before.cast_signed()
    }

    fn waiting(&self) -> Option<(Waiting, Instant)> {
        if let Some(stalled) = self.stalled {
            return Some((Waiting::Reader, stalled.last_progress));
        }
        match self.phase {
            Phase::New | Phase::Idle => Some((Waiting::NextRequest, self.since)),
            Phase::Head => Some((Waiting::Rest, self.since)),
            Phase::Request => self.request_waits.map(|what| (what, self.since)),
            Phase::Answered => None,
        }
    }
}

/// The bytes of a request that was parsed.
struct HeadSize {
    /// The bytes of its head in the usual spelling.
    usual: i64,
    /// The bytes of its head in the shortest spelling.
    least: i64,
    /// The bytes of its body, by its `Content-Length`.
    body: i64,
}

impl HeadSize {
    fn of(parts: &Parts) -> Self {
        let uri = &parts.uri;
        let target = uri.path_and_query().map_or(1, |it| it.as_str().len())
            + uri.scheme_str().map_or(0, |it| it.len() + 3)
            + uri.authority().map_or(0, |it| it.as_str().len());
        let mut text = parts.method.as_str().len() + target + " HTTP/1.1".len() + 1;
        for (name, value) in &parts.headers {
            text += name.as_str().len() + 1 + value.len();
        }
        let (text, lines) = (text.cast_signed() as i64, parts.headers.len().cast_signed() as i64);
        let body = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let body = body.and_then(|value| value.parse().ok()).unwrap_or(0_i64).clamp(0, 1 << 40);
        // A head ends each line, and itself, with CRLF; LF alone is understood, and a missing blank.
        Self { usual: text + 3 * lines + 4, least: text + lines + 2, body }
    }
}
