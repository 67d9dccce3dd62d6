//! Events as arrays, one for each column, for statements that insert many.

use uuid::Uuid;
use whence_events::{Event, EventId, Metadata};

/// The columns of events that every insert has, whatever the position and the stream.
#[derive(Default)]
pub(super) struct EventColumns<'a> {
    pub(super) occurred: Vec<i64>,
    pub(super) ids: Vec<Uuid>,
    pub(super) correlations: Vec<Uuid>,
    pub(super) causations: Vec<Option<Uuid>>,
    pub(super) actors: Vec<String>,
    pub(super) types: Vec<&'a str>,
    pub(super) contents: Vec<&'a [u8]>,
}

impl<'a> EventColumns<'a> {
    /// Adds an event, with its bytes as they are to be stored.
    pub(super) fn push(
        &mut self,
        id: EventId,
        event: &'a Event,
        data: &'a [u8],
        metadata: &Metadata,
    ) {
        self.occurred.push(metadata.occurred_at.as_micros());
        self.ids.push(id.0);
        self.correlations.push(metadata.correlation_id.0);
        self.causations.push(metadata.causation_id.map(|id| id.0));
        self.actors.push(metadata.actor.to_string());
        self.types.push(event.event_type());
        self.contents.push(data);
    }
}
