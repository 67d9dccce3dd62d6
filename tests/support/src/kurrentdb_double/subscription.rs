//! Subscriptions of the double.
#![expect(clippy::result_large_err, reason = "the error of gRPC is what it is")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc};
use tonic::Status;

use super::counts::Scan;
use super::filter::Matcher;
use super::log::{Record, StreamRead};
use super::read::{self, Answer, Form, PAGE, said};
use super::shared::Shared;
use super::wire::{
    AllSource, Checkpoint, Confirmed, FromPosition, FromRevision, ReadContent, ReadOptions, Source,
    StreamSource,
};
use super::{End, status};

/// Why a subscription ends.
enum Stop {
    /// The reader went away.
    Gone,
    /// The server ends it, with an error or without.
    Ended(Option<Status>),
}

/// Begins a subscription.
pub(crate) fn begin(
    shared: &Arc<Shared>,
    options: &ReadOptions,
    sender: mpsc::Sender<Answer>,
) -> Result<(), Status> {
    // Before anything else is done, so that no end is missed.
    let ends = shared.end.subscribe();
    let form = Form::of(options, shared);
    match &options.source {
        Some(Source::All(source)) => {
            let next = first_after(shared, *source)?;
            let filter = options.filter.as_ref().map(Matcher::new).transpose()?;
            let shared = shared.clone();
            let subscription =
                AllSubscription { shared, filter, form, next, passed: 0, sender: sender.clone() };
            tokio::spawn(until_it_ends(subscription.run(), ends, sender));
        }
        Some(Source::Stream(source)) => {
            let (name, next) = (read::name_of(source), revision_after(shared, source));
            if shared.log().is_tombstoned(&name) {
                return Err(status::stream_deleted(&name));
            }
            let shared = shared.clone();
            let subscription =
                StreamSubscription { shared, name, form, next, sender: sender.clone() };
            tokio::spawn(until_it_ends(subscription.run(), ends, sender));
        }
        None => return Err(Status::invalid_argument("subscribe to what?")),
    }
    Ok(())
}

/// Returns where a subscription to `$all` begins: strictly after its position.
fn first_after(shared: &Shared, source: AllSource) -> Result<u64, Status> {
    let from = read::position(shared, source, status::thrown)?;
    if !matches!(source.from, Some(FromPosition::Position(_))) {
        return Ok(from);
    }
    let log = shared.log();
    Ok(log.forwards(from.min(log.end()), None, 1, 1).next)
}

fn revision_after(shared: &Shared, source: &StreamSource) -> u64 {
    match source.from {
        Some(FromRevision::Revision(revision)) => revision.saturating_add(1),
        Some(FromRevision::Start(())) => 0,
        Some(FromRevision::End(())) | None => {
            match shared.log().read_stream(&read::name_of(source), u64::MAX, true, 1) {
                StreamRead::Page(page) => page.last + 1,
                StreamRead::NoStream | StreamRead::Tombstoned => 0,
            }
        }
    }
}

/// Runs a subscription until the reader goes away or the server ends it.
async fn until_it_ends(
    run: impl Future<Output = Stop>,
    mut ends: broadcast::Receiver<End>,
    sender: mpsc::Sender<Answer>,
) {
    let stop = tokio::select! {
        stop = run => stop,
        end = ends.recv() => match end {
            Ok(End::WithError) => Stop::Ended(Some(Status::unavailable("the subscription broke"))),
            Ok(End::TooSlow) => Stop::Ended(Some(status::consumer_too_slow())),
            Ok(End::Cleanly) | Err(_) => Stop::Ended(None),
        },
        () = sender.closed() => Stop::Gone,
    };
    if let Stop::Ended(Some(status)) = stop {
        let _ = sender.send(Err(status)).await;
    }
}

async fn send(sender: &mpsc::Sender<Answer>, content: ReadContent) -> Result<(), Stop> {
    sender.send(Ok(said(content))).await.map_err(|_| Stop::Gone)
}

fn confirmation(next: u64) -> ReadContent {
    ReadContent::Confirmed(Confirmed { subscription: format!("subscription-{next}") })
}

/// A subscription to `$all`.
struct AllSubscription {
    shared: Arc<Shared>,
    filter: Option<Matcher>,
    form: Form,
    next: u64,
    /// The number of events since the last checkpoint.
    passed: u64,
    sender: mpsc::Sender<Answer>,
}

impl AllSubscription {
    async fn run(mut self) -> Stop {
        self.tell().await.unwrap_or_else(|stop| stop)
    }

    async fn tell(&mut self) -> Result<Stop, Stop> {
        send(&self.sender, confirmation(self.next)).await?;
        self.catch_up().await?;
        send(&self.sender, ReadContent::CaughtUp(())).await?;
        let mut grown = self.shared.grown.subscribe();
        loop {
            let next = self.next;
            if grown.wait_for(|end| *end > next).await.is_err() {
                return Ok(Stop::Gone);
            }
            self.live().await?;
        }
    }

    /// Tells what is there already. Every so many events a checkpoint says how far it is.
    async fn catch_up(&mut self) -> Result<(), Stop> {
        let window = self.filter.as_ref().map_or(u64::MAX, |filter| filter.window);
        let mut owed = Duration::ZERO;
        loop {
            let page = self.shared.log().forwards(self.next, self.filter.as_ref(), PAGE, window);
            self.shared.counts.window(Scan::Subscription, page.examined, &mut owed).await;
            let reached = page.events.last().map_or(page.from, |last| last.position);
            for record in page.events {
                send(&self.sender, self.form.event(record)).await?;
            }
            self.next = page.next;
            self.passed += page.examined;
            let Some(interval) = self.filter.as_ref().map(|filter| filter.interval) else {
                if page.is_end {
                    return Ok(());
                }
                continue;
            };
            if page.is_end {
                if self.is_ahead() && self.passed > 0 {
                    self.checkpoint(page.next).await?;
                }
                return Ok(());
            }
            if self.passed >= interval {
                self.passed %= interval;
                self.checkpoint(if self.is_ahead() { page.next } else { reached }).await?;
            }
        }
    }

    /// Tells what is new. Of what does not pass the filter only a full window is told.
    async fn live(&mut self) -> Result<(), Stop> {
        loop {
            let interval = self.filter.as_ref().map_or(u64::MAX, |filter| filter.interval);
            let window = interval.saturating_sub(self.passed).max(1);
            let page = self.shared.log().forwards(self.next, self.filter.as_ref(), PAGE, window);
            let mut owed = Duration::ZERO;
            self.shared.counts.window(Scan::Subscription, page.examined, &mut owed).await;
            self.passed += page.examined - page.events.len() as u64;
            self.next = page.next;
            for record in page.events {
                self.deliver(record).await?;
            }
            if self.filter.is_some() && self.passed >= interval {
                self.passed = 0;
                let last = page.last.unwrap_or(page.next);
                self.checkpoint(if self.is_ahead() { page.next } else { last }).await?;
            }
            if page.is_end {
                return Ok(());
            }
        }
    }

    /// Sends a live event. A reader for whom too many others wait by then is dropped.
    async fn deliver(&mut self, record: Record) -> Result<(), Stop> {
        let position = record.position;
        let answer = match self.sender.try_send(Ok(said(self.form.event(record)))) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Stop::Gone),
            Err(TrySendError::Full(answer)) => answer,
        };
        let mut grown = self.shared.grown.subscribe();
        loop {
            let most = self.shared.live_buffer.load(Ordering::SeqCst);
            if self.shared.log().has_more_than(most, position, self.filter.as_ref()) {
                return Err(Stop::Ended(Some(status::consumer_too_slow())));
            }
            tokio::select! {
                permit = self.sender.reserve() => {
                    permit.map_err(|_| Stop::Gone)?.send(answer);
                    return Ok(());
                }
                _ = grown.changed() => {}
            }
        }
    }

    fn is_ahead(&self) -> bool {
        self.shared.checkpoints_ahead.load(Ordering::SeqCst)
    }

    async fn checkpoint(&self, position: u64) -> Result<(), Stop> {
        let checkpoint = Checkpoint { commit: position, prepare: position };
        send(&self.sender, ReadContent::Checkpoint(checkpoint)).await
    }
}

/// A subscription to one stream.
struct StreamSubscription {
    shared: Arc<Shared>,
    name: String,
    form: Form,
    next: u64,
    sender: mpsc::Sender<Answer>,
}

impl StreamSubscription {
    async fn run(mut self) -> Stop {
        self.tell().await.unwrap_or_else(|stop| stop)
    }

    async fn tell(&mut self) -> Result<Stop, Stop> {
        send(&self.sender, confirmation(self.next)).await?;
        let mut grown = self.shared.grown.subscribe();
        let mut is_live = false;
        loop {
            grown.mark_unchanged();
            let read = self.shared.log().read_stream(&self.name, self.next, false, PAGE);
            let is_end = match read {
                StreamRead::NoStream => true,
                StreamRead::Tombstoned => {
                    return Ok(Stop::Ended(Some(status::stream_deleted(&self.name))));
                }
                StreamRead::Page(page) => {
                    for record in page.events {
                        self.next = record.revision + 1;
                        send(&self.sender, self.form.stream_event(record)).await?;
                    }
                    page.is_end
                }
            };
            if !is_end {
                continue;
            }
            if !std::mem::replace(&mut is_live, true) {
                send(&self.sender, ReadContent::CaughtUp(())).await?;
            }
            if grown.changed().await.is_err() {
                return Ok(Stop::Gone);
            }
        }
    }
}
