//! What is appended, first where and then each event; and deletions.

use std::collections::HashMap;

use prost::bytes::Bytes;
use prost::{Message, Oneof};

use super::{Position, StreamName, Uuid};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AppendRequest {
    #[prost(oneof = "AppendContent", tags = "1, 2")]
    pub(crate) content: Option<AppendContent>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum AppendContent {
    #[prost(message, tag = "1")]
    Options(AppendOptions),
    #[prost(message, tag = "2")]
    Proposed(Proposed),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AppendOptions {
    #[prost(message, optional, tag = "1")]
    pub(crate) name: Option<StreamName>,
    #[prost(oneof = "Expected", tags = "2, 3, 4, 5")]
    pub(crate) expected: Option<Expected>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum Expected {
    #[prost(uint64, tag = "2")]
    Revision(u64),
    #[prost(message, tag = "3")]
    NoStream(()),
    #[prost(message, tag = "4")]
    Any(()),
    #[prost(message, tag = "5")]
    Exists(()),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Proposed {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<Uuid>,
    #[prost(map = "string, string", tag = "2")]
    pub(crate) metadata: HashMap<String, String>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) custom_metadata: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AppendAnswer {
    #[prost(oneof = "AppendResult", tags = "1, 2")]
    pub(crate) result: Option<AppendResult>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum AppendResult {
    #[prost(message, tag = "1")]
    Success(AppendSuccess),
    #[prost(message, tag = "2")]
    WrongExpectedVersion(WrongExpectedVersion),
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct AppendSuccess {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) revision: Option<u64>,
    #[prost(oneof = "AppendPosition", tags = "3, 4")]
    pub(crate) position: Option<AppendPosition>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum AppendPosition {
    #[prost(message, tag = "3")]
    Known(Position),
    #[prost(message, tag = "4")]
    Unknown(()),
}

/// The refusal twice: as clients up to 20.6 read it, and as later ones do.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct WrongExpectedVersion {
    #[prost(oneof = "OldCurrentRevision", tags = "1, 2")]
    pub(crate) old_current: Option<OldCurrentRevision>,
    #[prost(oneof = "OldExpectedRevision", tags = "3, 4, 5")]
    pub(crate) old_expected: Option<OldExpectedRevision>,
    #[prost(oneof = "CurrentRevision", tags = "6, 7")]
    pub(crate) current: Option<CurrentRevision>,
    #[prost(oneof = "ExpectedRevision", tags = "8, 9, 10, 11")]
    pub(crate) expected: Option<ExpectedRevision>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum OldCurrentRevision {
    #[prost(uint64, tag = "1")]
    Revision(u64),
    #[prost(message, tag = "2")]
    NoStream(()),
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum OldExpectedRevision {
    #[prost(uint64, tag = "3")]
    Revision(u64),
    #[prost(message, tag = "4")]
    Any(()),
    #[prost(message, tag = "5")]
    Exists(()),
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum CurrentRevision {
    #[prost(uint64, tag = "6")]
    Revision(u64),
    #[prost(message, tag = "7")]
    NoStream(()),
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum ExpectedRevision {
    #[prost(uint64, tag = "8")]
    Revision(u64),
    #[prost(message, tag = "9")]
    Any(()),
    #[prost(message, tag = "10")]
    Exists(()),
    #[prost(message, tag = "11")]
    NoStream(()),
}

/// A soft delete, or a tombstone: the same message.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DeleteRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) options: Option<AppendOptions>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct DeleteAnswer {
    #[prost(message, optional, tag = "1")]
    pub(crate) position: Option<Position>,
}

impl WrongExpectedVersion {
    /// Returns the refusal of an append to a stream whose last revision is `current`.
    pub(crate) fn new(current: Option<u64>, expected: Expected) -> Self {
        Self {
            old_current: Some(
                current.map_or(OldCurrentRevision::NoStream(()), OldCurrentRevision::Revision),
            ),
            old_expected: Some(match expected {
                Expected::Revision(revision) => OldExpectedRevision::Revision(revision),
                // "No stream" is revision -1 to them.
                Expected::NoStream(()) => OldExpectedRevision::Revision(u64::MAX),
                Expected::Any(()) => OldExpectedRevision::Any(()),
                Expected::Exists(()) => OldExpectedRevision::Exists(()),
            }),
            current: Some(current.map_or(CurrentRevision::NoStream(()), CurrentRevision::Revision)),
            expected: Some(match expected {
                Expected::Revision(revision) => ExpectedRevision::Revision(revision),
                Expected::NoStream(()) => ExpectedRevision::NoStream(()),
                Expected::Any(()) => ExpectedRevision::Any(()),
                Expected::Exists(()) => ExpectedRevision::Exists(()),
            }),
        }
    }
}

impl Proposed {
    /// Returns an event of a type with JSON in it.
    pub(crate) fn json(id: u128, event_type: &str, metadata: &str, data: &str) -> Self {
        let names = [("type", event_type), ("content-type", "application/json")];
        Self {
            id: Some(super::id(id)),
            metadata: names.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            custom_metadata: Bytes::copy_from_slice(metadata.as_bytes()),
            data: Bytes::copy_from_slice(data.as_bytes()),
        }
    }

    pub(crate) fn event_type(&self) -> &str {
        self.metadata.get("type").map_or("", String::as_str)
    }

    /// Returns the size that counts against the limit of an append, as the server counts it.
    pub(crate) fn size(&self) -> usize {
        self.data.len() + self.custom_metadata.len() + 2 * self.event_type().len()
    }
}
