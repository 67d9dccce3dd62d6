//! Appends over one stream of requests, each answered by its correlation id.

use prost::bytes::Bytes;
use prost::{Message, Oneof};

use super::{AppendOptions, AppendSuccess, Proposed, StreamName, Uuid};

/// A part of an append: the first says where, the last that it is the last.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BatchRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) correlation: Option<Uuid>,
    #[prost(message, optional, tag = "2")]
    pub(crate) options: Option<AppendOptions>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) events: Vec<Proposed>,
    #[prost(bool, tag = "4")]
    pub(crate) is_final: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BatchAnswer {
    #[prost(message, optional, tag = "1")]
    pub(crate) correlation: Option<Uuid>,
    #[prost(oneof = "BatchResult", tags = "2, 3")]
    pub(crate) result: Option<BatchResult>,
    #[prost(message, optional, tag = "4")]
    pub(crate) name: Option<StreamName>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum BatchResult {
    #[prost(message, tag = "2")]
    Error(BatchError),
    #[prost(message, tag = "3")]
    Success(AppendSuccess),
}

/// The error of one append, with a message of its own kind inside.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BatchError {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) details: Option<AnyMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AnyMessage {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

impl AnyMessage {
    /// Returns a message of the package `event_store.client` with its name.
    pub(crate) fn new(name: &str, message: &impl Message) -> Self {
        let type_url = format!("type.googleapis.com/event_store.client.{name}");
        Self { type_url, value: message.encode_to_vec().into() }
    }
}

/// `WrongExpectedVersion`, which has other field numbers here than in the answer of a single append.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct RefusedVersion {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) current: Option<u64>,
    #[prost(message, optional, tag = "2")]
    pub(crate) no_stream: Option<()>,
    #[prost(oneof = "RefusedExpected", tags = "3, 4, 5, 6")]
    pub(crate) expected: Option<RefusedExpected>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum RefusedExpected {
    #[prost(uint64, tag = "3")]
    Revision(u64),
    #[prost(message, tag = "4")]
    Any(()),
    #[prost(message, tag = "5")]
    Exists(()),
    #[prost(message, tag = "6")]
    NoStream(()),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamDeleted {
    #[prost(message, optional, tag = "1")]
    pub(crate) name: Option<StreamName>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct MaximumAppendSizeExceeded {
    #[prost(uint32, tag = "1")]
    pub(crate) max_append_size: u32,
}

/// A message without fields, such as `AccessDenied`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Nothing {}
