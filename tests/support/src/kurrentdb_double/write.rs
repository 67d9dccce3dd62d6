//! Appends and deletions of the double.
#![expect(clippy::result_large_err, reason = "the error of gRPC is what it is")]

use std::sync::atomic::Ordering;

use futures::Stream;
use futures::stream::poll_fn;
use tokio::sync::mpsc;
use tonic::codec::Streaming;
use tonic::{Code, Request, Response, Status};

use super::counts::Call;
use super::log::{Deletion, Outcome};
use super::service::Service;
use super::status::{self, MAX_APPEND};
use super::users::{Access, Caller};
use super::wire::{
    self, AnyMessage, AppendAnswer, AppendContent, AppendOptions, AppendPosition, AppendRequest,
    AppendResult, AppendSuccess, BatchAnswer, BatchError, BatchRequest, BatchResult, DeleteAnswer,
    DeleteRequest, Expected, MaximumAppendSizeExceeded, Nothing, Position, Proposed,
    RefusedExpected, RefusedVersion, StreamDeleted, StreamName, WrongExpectedVersion,
};

/// Answers of a stream of appends on their way.
const WINDOW: usize = 64;

/// Appends of one stream of requests that are not complete.
type Pending = Vec<(u128, AppendOptions, Vec<Proposed>)>;

impl Service {
    pub(crate) async fn append(
        &self,
        request: Request<Streaming<AppendRequest>>,
    ) -> Result<Response<AppendAnswer>, Status> {
        let (metadata, _, mut messages) = request.into_parts();
        let caller = self.admit(Call::Append, &metadata)?;
        self.check_leader(&metadata)?;
        let mut options = None;
        let mut events = Vec::new();
        let mut size = 0;
        while let Some(message) = messages.message().await.map_err(status::not_received)? {
            match message.content {
                Some(AppendContent::Options(first)) => {
                    caller.check(&self.shared.log(), &name_of(&first), Access::Write)?;
                    options = Some(first);
                }
                Some(AppendContent::Proposed(event)) => {
                    size += event.size();
                    if size > MAX_APPEND {
                        return Err(status::append_too_large());
                    }
                    events.push(event);
                }
                None => return Err(Status::invalid_argument("a message that says nothing")),
            }
        }
        let options = options.ok_or_else(|| Status::invalid_argument("append to what?"))?;
        // Again: it may have changed while the events came.
        self.check_leader(&metadata)?;
        let (name, expected) = target(&options)?;
        let result = match self.write(&name, expected, events) {
            Ok(success) => AppendResult::Success(success),
            Err(Refused::Tombstoned) => return Err(status::stream_deleted(&name)),
            Err(Refused::Version { current }) => {
                let refused = WrongExpectedVersion::new(current, expected);
                AppendResult::WrongExpectedVersion(refused)
            }
        };
        self.answer_is_lost().await;
        Ok(Response::new(AppendAnswer { result: Some(result) }))
    }

    /// Breaks the connection instead of answering, when a test wants that.
    async fn answer_is_lost(&self) {
        let unanswered = &self.shared.unanswered;
        let order = Ordering::SeqCst;
        if unanswered.fetch_update(order, order, |n| n.checked_sub(1)).is_ok() {
            self.broken.notify_one();
            std::future::pending::<()>().await;
        }
    }

    fn write(
        &self,
        name: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Result<AppendSuccess, Refused> {
        let outcome = self.shared.change(|log| log.append(name, expected, events));
        match outcome {
            Outcome::Written { revision, position, again } => {
                if !again {
                    self.shared.written.fetch_add(1, Ordering::SeqCst);
                }
                let is_forgotten = again && self.shared.forgetful.load(Ordering::SeqCst);
                let position = if is_forgotten {
                    AppendPosition::Unknown(())
                } else {
                    AppendPosition::Known(Position::of(position))
                };
                Ok(AppendSuccess { revision: Some(revision), position: Some(position) })
            }
            Outcome::WrongExpectedVersion { current } => Err(Refused::Version { current }),
            Outcome::Tombstoned => Err(Refused::Tombstoned),
        }
    }

    pub(crate) fn batch_append(
        &self,
        request: Request<Streaming<BatchRequest>>,
    ) -> Result<Response<impl Stream<Item = Result<BatchAnswer, Status>> + Send + use<>>, Status>
    {
        let (metadata, _, mut messages) = request.into_parts();
        let caller = self.admit(Call::BatchAppend, &metadata)?;
        self.check_leader(&metadata)?;
        let (sender, mut receiver) = mpsc::channel(WINDOW);
        let node = self.clone();
        tokio::spawn(async move {
            let mut pending = Vec::new();
            loop {
                let answer = match messages.message().await {
                    Ok(Some(message)) => match node.check_leader(&metadata) {
                        Ok(()) => node.part(&caller, &mut pending, message),
                        Err(status) => Some(Err(status)),
                    },
                    Ok(None) => return,
                    Err(status) => Some(Err(status::not_received(status))),
                };
                let Some(answer) = answer else { continue };
                node.answer_is_lost().await;
                let is_over = answer.is_err();
                if sender.send(answer).await.is_err() || is_over {
                    return;
                }
            }
        });
        Ok(Response::new(poll_fn(move |context| receiver.poll_recv(context))))
    }

    /// Takes a part of an append; returns the answer when it is the last, or one too many.
    fn part(
        &self,
        caller: &Caller,
        pending: &mut Pending,
        message: BatchRequest,
    ) -> Option<Result<BatchAnswer, Status>> {
        let id = wire::number(message.correlation.as_ref())?;
        let answer = |result, name: &str| {
            let name = Some(StreamName::new(name));
            let correlation = message.correlation.clone();
            Some(Ok(BatchAnswer { correlation, result: Some(result), name }))
        };
        if let Some(options) = message.options {
            let name = name_of(&options);
            if caller.check(&self.shared.log(), &name, Access::Write).is_err() {
                let details = AnyMessage::new("AccessDenied", &Nothing {});
                return answer(error(Code::PermissionDenied, "AccessDenied", details), &name);
            }
            pending.push((id, options, Vec::new()));
        }
        let index = pending.iter().position(|(known, ..)| *known == id)?;
        pending[index].2.extend(message.events);
        let size: usize = pending[index].2.iter().map(Proposed::size).sum();
        if size > MAX_APPEND {
            let (_, options, _) = pending.remove(index);
            let limit = u32::try_from(MAX_APPEND).unwrap_or(u32::MAX);
            let message = MaximumAppendSizeExceeded { max_append_size: limit };
            let details = AnyMessage::new("MaximumAppendSizeExceeded", &message);
            let refused = error(Code::InvalidArgument, "MaximumAppendSizeExceeded", details);
            return answer(refused, &name_of(&options));
        }
        if !message.is_final {
            return None;
        }
        let (_, options, events) = pending.remove(index);
        self.shared.counts.call(Call::Append);
        if let Some(failure) = self.shared.failure(Call::Append) {
            return Some(Err(failure));
        }
        let (name, expected) = match target(&options) {
            Ok(target) => target,
            Err(status) => return Some(Err(status)),
        };
        answer(self.batch_result(&name, expected, events), &name)
    }

    fn batch_result(&self, name: &str, expected: Expected, events: Vec<Proposed>) -> BatchResult {
        match self.write(name, expected, events) {
            Ok(success) => BatchResult::Success(success),
            Err(Refused::Tombstoned) => {
                let message = StreamDeleted { name: Some(StreamName::new(name)) };
                let details = AnyMessage::new("StreamDeleted", &message);
                error(Code::NotFound, "StreamDeleted", details)
            }
            Err(Refused::Version { current }) => {
                let expected = match expected {
                    Expected::Revision(revision) => RefusedExpected::Revision(revision),
                    Expected::NoStream(()) => RefusedExpected::NoStream(()),
                    Expected::Any(()) => RefusedExpected::Any(()),
                    Expected::Exists(()) => RefusedExpected::Exists(()),
                };
                let no_stream = current.is_none().then_some(());
                let message = RefusedVersion { current, no_stream, expected: Some(expected) };
                let details = AnyMessage::new("WrongExpectedVersion", &message);
                error(Code::AlreadyExists, "WrongExpectedVersion", details)
            }
        }
    }

    pub(crate) fn delete(
        &self,
        request: &Request<DeleteRequest>,
        for_good: bool,
    ) -> Result<Response<DeleteAnswer>, Status> {
        let caller = self.admit(Call::Delete, request.metadata())?;
        self.check_leader(request.metadata())?;
        let options = request.get_ref().options.as_ref();
        let options = options.ok_or_else(|| Status::invalid_argument("delete what?"))?;
        let (name, expected) = target(options)?;
        caller.check(&self.shared.log(), &name, Access::Write)?;
        let deletion = self.shared.change(|log| {
            if for_good { log.tombstone(&name, expected) } else { log.delete(&name, expected) }
        });
        match deletion {
            Deletion::Written(position) => {
                Ok(Response::new(DeleteAnswer { position: Some(Position::of(position)) }))
            }
            Deletion::Tombstoned => Err(status::stream_deleted(&name)),
            Deletion::WrongExpectedVersion { current } => {
                let expected = match expected {
                    Expected::Revision(revision) => revision.cast_signed(),
                    Expected::NoStream(()) => -1,
                    Expected::Any(()) => -2,
                    Expected::Exists(()) => -4,
                };
                Err(status::wrong_expected_version("Delete", &name, expected, current))
            }
        }
    }
}

/// Why an append was not written.
enum Refused {
    Version { current: Option<u64> },
    Tombstoned,
}

fn name_of(options: &AppendOptions) -> String {
    options.name.as_ref().map(StreamName::text).unwrap_or_default()
}

fn target(options: &AppendOptions) -> Result<(String, Expected), Status> {
    let expected = options.expected.filter(|_| options.name.is_some());
    let expected = expected.ok_or_else(|| Status::invalid_argument("append to what?"))?;
    Ok((name_of(options), expected))
}

fn error(code: Code, message: &str, details: AnyMessage) -> BatchResult {
    let error =
        BatchError { code: code as i32, message: message.to_owned(), details: Some(details) };
    BatchResult::Error(error)
}
