//! Reads of the double.
#![expect(clippy::result_large_err, reason = "the error of gRPC is what it is")]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::poll_fn;
use tokio::sync::mpsc;
use tonic::Status;

use super::counts::{Call, Scan};
use super::filter::Matcher;
use super::log::{Record, StreamPage, StreamRead};
use super::shared::Shared;
use super::users::{Access, Caller};
use super::wire::{
    self, AllSource, EventPosition, Extent, FromPosition, FromRevision, NoStream, ReadAnswer,
    ReadContent, ReadEvent, ReadOptions, ReadRequest, RecordedEvent, Source, StreamName,
    StreamSource, UuidForm,
};
use super::{status, subscription};

/// Answers on their way to one reader.
const WINDOW: usize = 64;

/// The most events that the server takes from the log in one go.
pub(crate) const PAGE: usize = 32;

pub(crate) type Answer = Result<ReadAnswer, Status>;

/// The answers to one call.
pub(crate) type Answers = Pin<Box<dyn Stream<Item = Answer> + Send>>;

/// How a reader wants to see events.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// Whether ids are two numbers rather than text.
    has_halved_ids: bool,
    /// Whether positions are told at all: versions before 22.6 do not in reads of one stream.
    has_positions: bool,
    /// Whether the reader knows messages about the ends of a stream.
    knows_ends: bool,
}

/// Returns which kind of call a request is.
pub(crate) fn call(request: &ReadRequest) -> Call {
    let options = request.options.as_ref();
    let is_subscription = |o: &ReadOptions| matches!(o.extent, Some(Extent::Subscription(())));
    if options.is_some_and(is_subscription) {
        return Call::Subscribe;
    }
    match options.and_then(|options| options.source.as_ref()) {
        Some(Source::All(_)) => Call::ReadAll,
        Some(Source::Stream(_)) | None => Call::ReadStream,
    }
}

/// Answers a read, or begins a subscription.
pub(crate) fn read(
    shared: &Arc<Shared>,
    caller: &Caller,
    request: ReadRequest,
) -> Result<Answers, Status> {
    let options = request.options.ok_or_else(|| Status::invalid_argument("read what?"))?;
    let stream = match &options.source {
        Some(Source::Stream(source)) => name_of(source),
        Some(Source::All(_)) => "$all".to_owned(),
        None => return Err(Status::invalid_argument("read what?")),
    };
    caller.check(&shared.log(), &stream, Access::Read)?;
    let (sender, mut receiver) = mpsc::channel(WINDOW);
    match options.extent {
        Some(Extent::Count(0)) => return Err(Status::invalid_argument("a read of nothing")),
        Some(Extent::Count(count)) => begin(shared, &options, count, sender)?,
        Some(Extent::Subscription(())) => subscription::begin(shared, &options, sender)?,
        None => return Err(Status::invalid_argument("how much?")),
    }
    Ok(Box::pin(poll_fn(move |context| receiver.poll_recv(context))))
}

fn begin(
    shared: &Arc<Shared>,
    options: &ReadOptions,
    count: u64,
    sender: mpsc::Sender<Answer>,
) -> Result<(), Status> {
    let form = Form::of(options, shared);
    let is_backwards = options.direction == 1;
    match &options.source {
        Some(Source::Stream(source)) => {
            let from = revision(source)?;
            let reader = StreamReader {
                shared: shared.clone(),
                name: name_of(source),
                is_backwards,
                form,
                sender,
            };
            // The first page decides between an answer and an error.
            let first = match shared.log().read_stream(&reader.name, from, is_backwards, PAGE) {
                StreamRead::Tombstoned => return Err(status::stream_deleted(&reader.name)),
                StreamRead::NoStream => None,
                StreamRead::Page(page) => Some(page),
            };
            tokio::spawn(reader.run(first, from, count));
        }
        Some(Source::All(source)) => {
            let from = position(shared, *source, status::read_inside_of_an_event)?;
            let filter = options.filter.as_ref().map(Matcher::new).transpose()?;
            let reader = AllReader { shared: shared.clone(), is_backwards, filter, form, sender };
            tokio::spawn(reader.run(from, count));
        }
        None => return Err(Status::invalid_argument("read what?")),
    }
    Ok(())
}

pub(crate) fn name_of(source: &StreamSource) -> String {
    source.name.as_ref().map(StreamName::text).unwrap_or_default()
}

/// Returns the revision at which a reader of a stream begins; the end is a number too large.
fn revision(source: &StreamSource) -> Result<u64, Status> {
    match source.from {
        Some(FromRevision::Revision(revision)) if i64::try_from(revision).is_err() => {
            Err(Status::unknown("a revision is too large for a signed number"))
        }
        Some(FromRevision::Revision(revision)) => Ok(revision),
        Some(FromRevision::Start(())) => Ok(0),
        Some(FromRevision::End(())) | None => Ok(u64::MAX),
    }
}

/// Returns the position at which a reader begins, which no event may be around.
pub(crate) fn position(
    shared: &Shared,
    source: AllSource,
    inside: fn() -> Status,
) -> Result<u64, Status> {
    let log = shared.log();
    match source.from {
        Some(FromPosition::Position(position)) if log.is_readable_at(position.commit) => {
            Ok(position.commit)
        }
        Some(FromPosition::Position(_)) => Err(inside()),
        Some(FromPosition::Start(())) => Ok(0),
        Some(FromPosition::End(())) | None => Ok(log.end()),
    }
}

/// A read of one stream.
struct StreamReader {
    shared: Arc<Shared>,
    name: String,
    is_backwards: bool,
    form: Form,
    sender: mpsc::Sender<Answer>,
}

impl StreamReader {
    async fn run(self, first: Option<StreamPage>, from: u64, count: u64) {
        let Some(mut page) = first else {
            let name = Some(StreamName::new(&self.name));
            let _ = self.sender.send(Ok(said(ReadContent::NoStream(NoStream { name })))).await;
            return;
        };
        let is_empty = page.events.is_empty() && !self.is_backwards;
        if self.form.knows_ends && is_empty && page.next != from {
            let first = ReadContent::FirstStreamPosition(page.next);
            let _ = self.sender.send(Ok(said(first))).await;
        }
        let mut left = count;
        loop {
            for record in page.events {
                if left > 0 {
                    left -= 1;
                    let event = self.form.stream_event(record);
                    if self.sender.send(Ok(said(event))).await.is_err() {
                        return;
                    }
                }
            }
            if page.is_end || left == 0 {
                break;
            }
            let next =
                self.shared.log().read_stream(&self.name, page.next, self.is_backwards, PAGE);
            let StreamRead::Page(next) = next else { break };
            page = next;
        }
        if self.form.knows_ends {
            let last = ReadContent::LastStreamPosition(page.last);
            let _ = self.sender.send(Ok(said(last))).await;
        }
    }
}

/// A read of `$all`.
struct AllReader {
    shared: Arc<Shared>,
    is_backwards: bool,
    filter: Option<Matcher>,
    form: Form,
    sender: mpsc::Sender<Answer>,
}

impl AllReader {
    /// Sends up to `count` events. Like the server it does not stop at the last of them but looks for
    /// the one after it, through whatever does not pass the filter.
    async fn run(self, mut from: u64, count: u64) {
        let window = self.filter.as_ref().map_or(u64::MAX, |filter| filter.window);
        let most = PAGE.min(usize::try_from(count).unwrap_or(PAGE));
        let scan = if self.is_backwards { Scan::Backwards } else { Scan::Forwards };
        let (mut left, mut owed) = (count, Duration::ZERO);
        loop {
            let page = {
                let log = self.shared.log();
                let filter = self.filter.as_ref();
                if self.is_backwards {
                    log.backwards(from, filter, most, window)
                } else {
                    log.forwards(from, filter, most, window)
                }
            };
            if self.filter.is_some() {
                self.shared.counts.window(scan, page.examined, &mut owed).await;
            }
            for record in page.events {
                if left == 0 {
                    return;
                }
                left -= 1;
                if self.sender.send(Ok(said(self.form.event(record)))).await.is_err() {
                    return;
                }
            }
            if page.is_end || self.sender.is_closed() || (left == 0 && self.filter.is_none()) {
                return;
            }
            from = page.next;
        }
    }
}

impl Form {
    pub(crate) fn of(options: &ReadOptions, shared: &Shared) -> Self {
        let form = options.uuid_option.and_then(|option| option.form);
        Self {
            has_halved_ids: matches!(form, Some(UuidForm::Halves(()))),
            has_positions: shared.is_at_least(22, 6),
            knows_ends: options.control.is_some_and(|control| control.compatibility >= 1),
        }
    }

    /// Returns an event as readers of one stream see it.
    pub(crate) fn stream_event(self, record: Record) -> ReadContent {
        let mut content = self.event(record);
        if !self.has_positions
            && let ReadContent::Event(event) = &mut content
        {
            event.position = Some(EventPosition::None(()));
            if let Some(event) = &mut event.event {
                (event.commit, event.prepare) = (u64::MAX, u64::MAX);
            }
        }
        content
    }

    /// Returns an event as readers of `$all` see it.
    pub(crate) fn event(self, record: Record) -> ReadContent {
        let mut metadata = record.metadata;
        metadata.insert("created".into(), record.created.to_string());
        let id = if self.has_halved_ids { wire::halved_id } else { wire::id };
        ReadContent::Event(ReadEvent {
            event: Some(RecordedEvent {
                id: Some(id(record.id)),
                stream: Some(StreamName::new(&record.stream)),
                revision: record.revision,
                prepare: record.position,
                commit: record.position,
                metadata,
                custom_metadata: record.custom_metadata,
                data: record.data,
            }),
            position: Some(EventPosition::Commit(record.position)),
        })
    }
}

pub(crate) fn said(content: ReadContent) -> ReadAnswer {
    ReadAnswer { content: Some(content) }
}
