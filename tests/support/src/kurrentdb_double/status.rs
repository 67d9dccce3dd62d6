//! The errors of the server, word for word.

use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// The most bytes of one append.
pub(crate) const MAX_APPEND: usize = 1_048_576;

/// The most bytes of one message.
pub(crate) const MAX_MESSAGE: usize = 16 * 1024 * 1024;

fn with_trailers(code: Code, message: impl Into<String>, trailers: &[(&str, &str)]) -> Status {
    let mut metadata = MetadataMap::new();
    for (name, value) in trailers {
        let name = MetadataKey::<Ascii>::from_bytes(name.as_bytes());
        // A name of a stream may have letters that no header has.
        if let (Ok(name), Ok(value)) = (name, MetadataValue::<Ascii>::try_from(*value)) {
            metadata.insert(name, value);
        }
    }
    Status::with_metadata(code, message, metadata)
}

pub(crate) fn stream_deleted(stream: &str) -> Status {
    let trailers = [("exception", "stream-deleted"), ("stream-name", stream)];
    let message = format!("Event stream '{stream}' is deleted.");
    with_trailers(Code::FailedPrecondition, message, &trailers)
}

pub(crate) fn append_too_large() -> Status {
    let limit = MAX_APPEND.to_string();
    let trailers =
        [("exception", "maximum-append-size-exceeded"), ("maximum-append-size", limit.as_str())];
    let message = format!("Maximum Append Size of {limit} Exceeded.");
    with_trailers(Code::InvalidArgument, message, &trailers)
}

/// Returns the error of a message that could not be received.
pub(crate) fn not_received(status: Status) -> Status {
    if status.code() == Code::OutOfRange {
        let message = "Received message exceeds the maximum configured message size.";
        return Status::resource_exhausted(message);
    }
    status
}

pub(crate) fn read_inside_of_an_event() -> Status {
    Status::unknown("Unexpected ReadAllResult: Error")
}

pub(crate) fn thrown() -> Status {
    Status::unknown("Exception was thrown by handler.")
}

pub(crate) fn consumer_too_slow() -> Status {
    Status::aborted(
        "Operation timed out: Consumer too slow to handle event while live. \
         Client resubscription required.",
    )
}

pub(crate) fn unauthenticated() -> Status {
    Status::unauthenticated("Unauthenticated")
}

pub(crate) fn access_denied() -> Status {
    let trailers = [("exception", "access-denied")];
    with_trailers(Code::PermissionDenied, "Access Denied", &trailers)
}

pub(crate) fn not_leader(host: &str, port: u16) -> Status {
    let port = port.to_string();
    let trailers = [
        ("exception", "not-leader"),
        ("leader-endpoint-host", host),
        ("leader-endpoint-port", port.as_str()),
    ];
    with_trailers(Code::NotFound, "Leader info available", &trailers)
}

pub(crate) fn no_leader() -> Status {
    Status::unknown("No leader info available in response")
}

/// Returns the error of a deletion; an append that expects another revision is no error.
pub(crate) fn wrong_expected_version(
    operation: &str,
    stream: &str,
    expected: i64,
    current: Option<u64>,
) -> Status {
    let expected = expected.to_string();
    let current = current.map_or("-1".to_owned(), |revision| revision.to_string());
    let message = format!(
        "{operation} failed due to WrongExpectedVersion. Stream: {stream}, \
         Expected version: {expected}, Actual version: {current}"
    );
    let trailers = [
        ("exception", "wrong-expected-version"),
        ("stream-name", stream),
        ("expected-version", expected.as_str()),
        ("actual-version", current.as_str()),
    ];
    with_trailers(Code::FailedPrecondition, message, &trailers)
}
