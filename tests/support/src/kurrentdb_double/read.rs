//! Reads and subscriptions of the double.
#![expect(clippy::result_large_err, reason = "the error of gRPC is what it is")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::Stream;
use futures::stream::poll_fn;
use tokio::sync::{broadcast, mpsc};
use tonic::Status;

use super::log::{Log, Record};
use super::wire::{
    AllSource, Confirmed, Expression, Extent, Filter, FromPosition, FromRevision, NoStream,
    ReadAnswer, ReadContent, ReadEvent, ReadOptions, ReadRequest, RecordedEvent, Source,
    StreamName, StreamSource, id,
};
use super::{End, Shared};

/// Answers on their way to one reader.
const WINDOW: usize = 64;

type Answer = Result<ReadAnswer, Status>;

/// Answers a read, or begins a subscription.
pub(crate) fn read(
    shared: &Arc<Shared>,
    request: ReadRequest,
) -> Result<impl Stream<Item = Answer> + Send + use<>, Status> {
    let options = request.options.ok_or_else(|| Status::invalid_argument("read what?"))?;
    let (sender, mut receiver) = mpsc::channel(WINDOW);
    match options.extent {
        Some(Extent::Count(count)) => {
            let answers = counted(&shared.log(), &options, count)?;
            tokio::spawn(async move {
                for answer in answers {
                    if sender.send(Ok(answer)).await.is_err() {
                        return;
                    }
                }
            });
        }
        Some(Extent::Subscription(())) => {
            let Some(Source::All(source)) = options.source else {
                return Err(Status::unimplemented("the double subscribes to everything only"));
            };
            let next = first_after(&shared.log(), source)?;
            shared.subscriptions.fetch_add(1, Ordering::SeqCst);
            // Before anything else is done, so that no end is missed.
            let ends = shared.end.subscribe();
            let subscription =
                Subscription { shared: shared.clone(), filter: options.filter, next, sender };
            tokio::spawn(subscription.run(ends));
        }
        None => return Err(Status::invalid_argument("how much?")),
    }
    Ok(poll_fn(move |context| receiver.poll_recv(context)))
}

fn counted(log: &Log, options: &ReadOptions, count: u64) -> Result<Vec<ReadAnswer>, Status> {
    if count == 0 {
        return Err(Status::invalid_argument("a read of nothing"));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let backwards = options.direction == 1;
    let content = match &options.source {
        Some(Source::Stream(source)) => of_stream(log, source, backwards, count)?,
        Some(Source::All(source)) => {
            of_all(log, *source, backwards, options.filter.as_ref(), count)?
        }
        None => return Err(Status::invalid_argument("read what?")),
    };
    Ok(content.into_iter().map(said).collect())
}

fn of_stream(
    log: &Log,
    source: &StreamSource,
    backwards: bool,
    count: usize,
) -> Result<Vec<ReadContent>, Status> {
    let name = source.name.clone().unwrap_or_default();
    let Some(records) = log.stream(&String::from_utf8_lossy(&name.name)) else {
        return Ok(vec![ReadContent::NoStream(NoStream { name: Some(name) })]);
    };
    let from = match source.from {
        Some(FromRevision::Revision(revision)) => i64::try_from(revision)
            .ok()
            .and_then(|revision| usize::try_from(revision).ok())
            .ok_or_else(|| Status::unknown("a revision is too large for a signed number"))?,
        Some(FromRevision::Start(())) => 0,
        Some(FromRevision::End(())) | None => usize::MAX,
    };
    Ok(if backwards {
        let end = from.saturating_add(1).min(records.len());
        records[..end].iter().rev().take(count).map(|record| event(record)).collect()
    } else {
        records.iter().skip(from).take(count).map(|record| event(record)).collect()
    })
}

fn of_all(
    log: &Log,
    source: AllSource,
    backwards: bool,
    filter: Option<&Filter>,
    count: usize,
) -> Result<Vec<ReadContent>, Status> {
    let records = log.records();
    let from = match source.from {
        Some(FromPosition::Position(position)) => place(log, position.commit)?,
        Some(FromPosition::Start(())) => 0,
        Some(FromPosition::End(())) | None => records.len(),
    };
    let wanted = |record: &&Record| passes(filter, record);
    // Forwards the event at the position is the first, backwards the one before it is.
    Ok(if backwards {
        records[..from].iter().rev().filter(wanted).take(count).map(event).collect()
    } else {
        records[from..].iter().filter(wanted).take(count).map(event).collect()
    })
}

/// Returns the number of records before a position; the real server reads at exactly the byte it is given.
fn place(log: &Log, position: u64) -> Result<usize, Status> {
    let (before, is_one) = log.place(position);
    let beyond = before == log.records().len();
    if is_one || beyond || position == 0 {
        Ok(before)
    } else {
        Err(Status::unknown("no record begins at this position"))
    }
}

/// Returns the number of records up to a position: a subscription begins strictly after it.
fn first_after(log: &Log, source: AllSource) -> Result<usize, Status> {
    Ok(match source.from {
        Some(FromPosition::Position(position)) => {
            place(log, position.commit)? + usize::from(log.place(position.commit).1)
        }
        Some(FromPosition::Start(())) => 0,
        Some(FromPosition::End(())) | None => log.records().len(),
    })
}

struct Subscription {
    shared: Arc<Shared>,
    filter: Option<Filter>,
    next: usize,
    sender: mpsc::Sender<Answer>,
}

impl Subscription {
    /// Sends records until the reader goes away or the subscription is ended.
    async fn run(mut self, mut ends: broadcast::Receiver<End>) {
        let sender = self.sender.clone();
        tokio::select! {
            () = self.tell() => {}
            end = ends.recv() => if end == Ok(End::WithError) {
                let _ = sender.send(Err(Status::unavailable("the subscription broke"))).await;
            },
            () = sender.closed() => {}
        }
    }

    async fn tell(&mut self) {
        let confirmed = Confirmed { subscription: format!("subscription-{}", self.next) };
        if self.sender.send(Ok(said(ReadContent::Confirmed(confirmed)))).await.is_err() {
            return;
        }
        let mut grown = self.shared.grown.subscribe();
        let mut live = false;
        loop {
            let page: Vec<_> = {
                let log = self.shared.log();
                let records = &log.records()[self.next..];
                let page = records.iter().filter(|record| passes(self.filter.as_ref(), record));
                let page = page.map(|record| said(event(record))).collect();
                self.next = log.records().len();
                page
            };
            for answer in page {
                if self.sender.send(Ok(answer)).await.is_err() {
                    return;
                }
            }
            if !live {
                live = true;
                let _ = self.sender.send(Ok(said(ReadContent::CaughtUp(())))).await;
            }
            let next = self.next;
            if grown.wait_for(|length| *length > next).await.is_err() {
                return;
            }
        }
    }
}

fn passes(filter: Option<&Filter>, record: &Record) -> bool {
    let Some(filter) = filter else { return true };
    let event_type = record.metadata.get("type").map_or("", String::as_str);
    let matches = |expression: Option<&Expression>, text: &str| {
        expression.is_none_or(|expression| {
            let system = !text.starts_with('$') && expression.regex == "^[^\\$].*";
            system || expression.prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))
        })
    };
    matches(filter.stream.as_ref(), &record.stream)
        && matches(filter.event_type.as_ref(), event_type)
}

fn said(content: ReadContent) -> ReadAnswer {
    ReadAnswer { content: Some(content) }
}

fn event(record: &Record) -> ReadContent {
    let mut metadata = record.metadata.clone();
    metadata.insert("created".into(), record.created.to_string());
    ReadContent::Event(ReadEvent {
        event: Some(RecordedEvent {
            id: Some(id(record.id)),
            stream: Some(StreamName { name: record.stream.clone().into_bytes() }),
            revision: record.revision,
            prepare: record.position,
            commit: record.position,
            metadata,
            custom_metadata: record.custom_metadata.clone(),
            data: record.data.clone(),
        }),
        commit: Some(record.position),
    })
}
