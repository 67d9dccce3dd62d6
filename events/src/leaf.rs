//! The leaf of a stored event in the Merkle tree over the log.
//!
//! A leaf holds every column of the event but its position: a copied log keeps its proofs, even in
//! a store that numbers positions differently. The order of the log is the order of the leaves.
//! Numbers are big-endian; a text is preceded by its length in bytes, so that no two events give
//! the same leaf.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the number 1, the version of this format |
//! | 16 | event id |
//! | 4, n | stream name |
//! | 8 | version, the place in the stream |
//! | 4, n | type |
//! | 8 | `occurred_at`, signed, microseconds since 1970 |
//! | 16 | correlation id |
//! | 1 | 1 when a causation id follows, else 0 |
//! | 0 or 16 | causation id |
//! | 4, n | actor |
//! | 8 | `recorded_at`, signed, microseconds since 1970 |
//! | 4, n | data, exactly as stored |

use std::io::Write as _;

use uuid::Uuid;

use crate::Recorded;

/// The version of the format, which is the first byte of a leaf.
const FORMAT: u8 = 1;

/// The columns of a stored event, not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named as the columns")]
pub struct Leaf<'a> {
    pub event_id: Uuid,
    pub stream: &'a str,
    pub version: u64,
    pub event_type: &'a str,
    pub occurred_at: i64,
    pub correlation_id: Uuid,
    pub causation_id: Option<Uuid>,
    pub actor: &'a str,
    pub recorded_at: i64,
    pub data: &'a [u8],
}

impl<'a> Leaf<'a> {
    /// Appends the bytes of the leaf.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(self.event_id.as_bytes());
        write_counted(out, |out| out.extend_from_slice(self.stream.as_bytes()));
        out.extend_from_slice(&self.version.to_be_bytes());
        write_counted(out, |out| out.extend_from_slice(self.event_type.as_bytes()));
        out.extend_from_slice(&self.occurred_at.to_be_bytes());
        out.extend_from_slice(self.correlation_id.as_bytes());
        out.push(u8::from(self.causation_id.is_some()));
        out.extend_from_slice(self.causation_id.as_ref().map_or(&[], |id| id.as_bytes()));
        write_counted(out, |out| out.extend_from_slice(self.actor.as_bytes()));
        out.extend_from_slice(&self.recorded_at.to_be_bytes());
        write_counted(out, |out| out.extend_from_slice(self.data));
    }

    /// Returns the columns that [`Leaf::write`] wrote; `None` when the bytes are not a leaf.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let [FORMAT] = rest.array()? else { return None };
        let leaf = Self {
            event_id: Uuid::from_bytes(rest.array()?),
            stream: rest.text()?,
            version: u64::from_be_bytes(rest.array()?),
            event_type: rest.text()?,
            occurred_at: i64::from_be_bytes(rest.array()?),
            correlation_id: Uuid::from_bytes(rest.array()?),
            causation_id: match rest.array()? {
                [0] => None,
                [1] => Some(Uuid::from_bytes(rest.array()?)),
                _ => return None,
            },
            actor: rest.text()?,
            recorded_at: i64::from_be_bytes(rest.array()?),
            data: rest.counted()?,
        };
        rest.0.is_empty().then_some(leaf)
    }
}

impl Recorded {
    /// Appends the bytes of the event's [`Leaf`].
    pub fn write_leaf(&self, out: &mut Vec<u8>) {
        let metadata = &self.metadata;
        out.push(FORMAT);
        out.extend_from_slice(self.event_id.0.as_bytes());
        write_counted(out, |out| _ = write!(out, "{}", self.stream));
        out.extend_from_slice(&self.version.to_be_bytes());
        write_counted(out, |out| out.extend_from_slice(self.event.event_type().as_bytes()));
        out.extend_from_slice(&metadata.occurred_at.as_micros().to_be_bytes());
        out.extend_from_slice(metadata.correlation_id.0.as_bytes());
        out.push(u8::from(metadata.causation_id.is_some()));
        out.extend_from_slice(metadata.causation_id.as_ref().map_or(&[], |id| id.0.as_bytes()));
        write_counted(out, |out| _ = write!(out, "{}", metadata.actor));
        out.extend_from_slice(&self.recorded_at.as_micros().to_be_bytes());
        write_counted(out, |out| out.extend_from_slice(&self.data));
    }
}

/// Appends what `write` writes, preceded by its length.
fn write_counted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = u32::try_from(out.len() - begin - 4).expect("no column is as long as 4 GiB");
    out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
}

/// The bytes that are left to parse.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(length).ok()?)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.counted()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, CorrelationId, EventId, Metadata, StreamId, Timestamp, codec};

    /// Returns an event whose columns all differ.
    fn event(causation_id: Option<EventId>) -> Recorded {
        let data = br#"{"request_id":"00000000-0000-4000-8000-000000000005"}"#;
        Recorded {
            position: 7,
            stream: StreamId::Audit,
            version: 3,
            event_id: EventId(Uuid::from_u128(0x0102_0304)),
            event: codec::decode("CodeVerified.v1", data).unwrap(),
            data: data.as_slice().into(),
            metadata: Metadata {
                occurred_at: Timestamp::from_micros(1_000_000),
                correlation_id: CorrelationId(Uuid::from_u128(0x0506)),
                causation_id,
                actor: Actor::Operator("ada".into()),
            },
            recorded_at: Timestamp::from_micros(-2),
        }
    }

    fn bytes(event: &Recorded) -> Vec<u8> {
        let mut bytes = Vec::new();
        event.write_leaf(&mut bytes);
        bytes
    }

    /// Stored proofs depend on these bytes: they never change.
    #[test]
    fn the_bytes_of_a_leaf_are_pinned() {
        let mut expected = Vec::new();
        expected.push(1);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        expected.extend(b"\0\0\0\x05audit");
        expected.extend([0, 0, 0, 0, 0, 0, 0, 3]);
        expected.extend(b"\0\0\0\x0fCodeVerified.v1");
        expected.extend([0, 0, 0, 0, 0, 0x0f, 0x42, 0x40]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 6]);
        expected.push(1);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        expected.extend(b"\0\0\0\x0coperator:ada");
        expected.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
        expected.extend(b"\0\0\0\x35{\"request_id\":\"00000000-0000-4000-8000-000000000005\"}");
        assert_eq!(bytes(&event(Some(EventId(Uuid::from_u128(9))))), expected);
    }

    #[test]
    fn a_leaf_is_written_from_columns_as_from_the_event() {
        for causation_id in [None, Some(EventId(Uuid::from_u128(9)))] {
            let bytes = bytes(&event(causation_id));
            let leaf = Leaf::parse(&bytes).unwrap();
            assert_eq!(leaf.causation_id, causation_id.map(|id| id.0));
            let mut again = Vec::new();
            leaf.write(&mut again);
            assert_eq!(again, bytes);
            assert_eq!(Leaf::parse(&bytes[..bytes.len() - 1]), None);
            assert_eq!(Leaf::parse(&[&bytes[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn a_position_is_no_part_of_a_leaf() {
        let moved = Recorded { position: 8, ..event(None) };
        assert_eq!(bytes(&moved), bytes(&event(None)));
    }
}
