//! Summarises a log and a vault in numbers and a digest over every byte.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use whence_events::{Position, Recorded, Timestamp};

use crate::engine::log_pages::{LogPages, PAGE};
use crate::engine::pass::{PassStep, Watch};
use crate::store::{StoreError, StoredKey, Transfer};

/// The summary of a log. Positions are not in it: each store assigns its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSummary {
    /// The number of events.
    pub events: u64,
    /// The number of streams. Every stream begins with an event of version 0, and only the store's
    /// order of versions lets another one follow.
    pub streams: u64,
    /// SHA-256 over every byte of the log, in hexadecimal digits.
    pub digest: String,
}

/// The summary of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSummary {
    /// The number of keys.
    pub keys: u64,
    /// The number of keys that were destroyed.
    pub destroyed: u64,
    /// SHA-256 over every byte of the vault, in hexadecimal digits.
    pub digest: String,
}

/// Reads a log from its beginning up to `head` and returns its summary.
pub(super) async fn log(
    side: &dyn Transfer,
    head: Position,
    watch: Watch<'_>,
) -> Result<LogSummary, StoreError> {
    watch(PassStep::Begin { pass: "verifying", head });
    let mut bytes = Bytes::new();
    let (mut events, mut streams) = (0, 0);
    let mut pages = LogPages::new(side.log(), 0, PAGE).up_to(head);
    while let Some(page) = pages.next().await? {
        for event in &page {
            events += 1;
            streams += u64::from(event.version == 0);
            bytes.event(event);
        }
        watch(PassStep::At { position: pages.after(), events });
    }
    watch(PassStep::End { events });
    Ok(LogSummary { events, streams, digest: bytes.digest() })
}

/// A digest under construction. Every part is preceded by its length, so that no two lists of parts
/// give the same bytes.
pub(super) struct Bytes(Context);

impl Bytes {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn part(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    fn time(&mut self, time: Option<Timestamp>) {
        match time {
            Some(time) => self.part(&time.as_micros().to_le_bytes()),
            None => self.part(&[]),
        }
    }

    fn event(&mut self, event: &Recorded) {
        self.part(event.stream.to_string().as_bytes());
        self.part(&event.version.to_le_bytes());
        self.part(event.event_id.0.as_bytes());
        self.part(event.event.event_type().as_bytes());
        self.part(&event.data);
        let metadata = &event.metadata;
        self.time(Some(metadata.occurred_at));
        self.part(metadata.correlation_id.0.as_bytes());
        self.part(metadata.causation_id.as_ref().map_or(&[], |id| &id.0.as_bytes()[..]));
        self.part(metadata.actor.to_string().as_bytes());
        self.time(Some(event.recorded_at));
    }

    pub(super) fn key(&mut self, key: &StoredKey) {
        self.part(key.subject.to_string().as_bytes());
        self.part(&key.generation.to_le_bytes());
        self.part(if key.wrapped.is_some() { b"live" } else { b"destroyed" });
        self.part(key.wrapped.as_deref().unwrap_or_default());
        self.time(Some(key.created_at));
        self.time(key.destroyed_at);
    }

    /// Returns the digest in hexadecimal digits.
    pub(super) fn digest(self) -> String {
        let digest = self.0.finish();
        digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}
