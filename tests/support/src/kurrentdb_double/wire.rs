//! The messages that the double understands, by the field numbers of KurrentDB's protocol. Fields
//! that it does not look at are left out; a reader of the wire format skips what it does not know.

mod append;
mod batch;
mod node;
mod read;

use prost::bytes::Bytes;
use prost::{Message, Oneof};

pub(crate) use append::{
    AppendAnswer, AppendContent, AppendOptions, AppendPosition, AppendRequest, AppendResult,
    AppendSuccess, DeleteAnswer, DeleteRequest, Expected, Proposed, WrongExpectedVersion,
};
pub(crate) use batch::{
    AnyMessage, BatchAnswer, BatchError, BatchRequest, BatchResult, MaximumAppendSizeExceeded,
    Nothing, RefusedExpected, RefusedVersion, StreamDeleted,
};
pub(crate) use node::{Endpoint, Member, Members, SupportedMethod, SupportedMethods};
pub(crate) use read::{
    AllSource, Checkpoint, Confirmed, EventPosition, Extent, Filter, FromPosition, FromRevision,
    NoStream, ReadAnswer, ReadContent, ReadEvent, ReadOptions, ReadRequest, RecordedEvent, Source,
    StreamSource, UuidForm, Window,
};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Uuid {
    #[prost(oneof = "UuidValue", tags = "1, 2")]
    pub(crate) value: Option<UuidValue>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum UuidValue {
    #[prost(message, tag = "1")]
    Halves(UuidHalves),
    #[prost(string, tag = "2")]
    Text(String),
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct UuidHalves {
    #[prost(int64, tag = "1")]
    pub(crate) most: i64,
    #[prost(int64, tag = "2")]
    pub(crate) least: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamName {
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) name: Bytes,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Position {
    #[prost(uint64, tag = "1")]
    pub(crate) commit: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) prepare: u64,
}

impl Position {
    /// Returns the position of an event, whose two parts are the same.
    pub(crate) fn of(position: u64) -> Self {
        Self { commit: position, prepare: position }
    }
}

impl StreamName {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: Bytes::copy_from_slice(name.as_bytes()) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }
}

/// Returns the id of an event as one number.
pub(crate) fn number(id: Option<&Uuid>) -> Option<u128> {
    match id?.value.as_ref()? {
        UuidValue::Halves(halves) => {
            let (most, least) = (halves.most.cast_unsigned(), halves.least.cast_unsigned());
            Some(u128::from(most) << 64 | u128::from(least))
        }
        UuidValue::Text(text) => u128::from_str_radix(&text.replace('-', ""), 16).ok(),
    }
}

/// Returns a number as an id that is written as text.
pub(crate) fn id(number: u128) -> Uuid {
    let digits = format!("{number:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Uuid { value: Some(UuidValue::Text(parts.join("-"))) }
}

/// Returns a number as an id in two halves.
pub(crate) fn halved_id(number: u128) -> Uuid {
    let half = |shift: u32| {
        let bytes = (number >> shift).to_be_bytes();
        let mut half = [0; 8];
        half.copy_from_slice(&bytes[8..]);
        i64::from_be_bytes(half)
    };
    Uuid { value: Some(UuidValue::Halves(UuidHalves { most: half(64), least: half(0) })) }
}
