//! How far a projector is.

use uuid::Uuid;
use whence_events::{EventId, Position};

use super::error::ProjectError;
use super::sql::Sql;
use crate::projector::Projector;

/// How far a projector is: the last event whose changes are in its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectorPosition {
    /// The name of the projector.
    pub projector: &'static str,
    /// The version of its tables; not that of the projector while they are still to be rebuilt.
    pub version: u32,
    /// The position of the last event in its tables; 0 when there is none.
    pub position: Position,
    /// The id of that event, which tells whether the log is still the same one.
    pub event_id: Option<EventId>,
}

/// A place in the log up to which all events are in the tables, although it is not that of the last
/// one: after that, others have written to the same log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoveredPosition {
    /// The position.
    pub position: Position,
    /// The id of the event there, which tells whether the log is still the same one.
    pub event_id: EventId,
}

/// The name of the row of the table `checkpoints` that is a [`CoveredPosition`].
const COVERED: &str = "covered";

/// Notes a [`CoveredPosition`].
pub(super) static COVER: Sql = Sql::new(
    "INSERT INTO {checkpoints} (projector, version, position, event_id)
     VALUES ('covered', 1, {1}, {2})
     ON CONFLICT (projector) DO UPDATE
       SET position = excluded.position, event_id = excluded.event_id",
);

impl CoveredPosition {
    /// Returns the covered position; `None` unless it is one of all projectors, which a new one that
    /// is still to be filled rules out.
    pub(crate) fn find(rows: &[StoredPosition]) -> Option<Self> {
        let (covered, projectors): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| row.projector == COVERED);
        let covered = covered.first()?;
        let first = projectors.first()?.position;
        let together = projectors.iter().all(|row| row.position == first);
        let event_id = covered.event_id.map(EventId)?;
        (together && covered.position > first)
            .then(|| Self { position: covered.position.cast_unsigned(), event_id })
    }
}

/// A row of the table `checkpoints`.
pub(crate) struct StoredPosition {
    pub(super) projector: String,
    pub(super) version: i64,
    pub(super) position: i64,
    pub(super) event_id: Option<Uuid>,
}

/// Selects the columns of [`StoredPosition`] of all projectors.
pub(super) static POSITIONS: Sql =
    Sql::new("SELECT projector, version, position, event_id FROM {checkpoints}");

impl ProjectorPosition {
    /// Returns the position that all of these have reached; 0 when there are none.
    #[must_use]
    pub fn lowest(positions: &[Self]) -> Position {
        positions.iter().map(|reached| reached.position).min().unwrap_or(0)
    }

    /// Returns how far a projector is; `None` when it has no row.
    pub(crate) fn find(rows: &[StoredPosition], projector: &dyn Projector) -> Option<Self> {
        let row = rows.iter().find(|row| row.projector == projector.name())?;
        Some(Self {
            projector: projector.name(),
            version: u32::try_from(row.version).unwrap_or(0),
            position: row.position.cast_unsigned(),
            event_id: row.event_id.map(EventId),
        })
    }

    /// Returns how far each of these projectors is, in their order.
    pub(super) fn all(
        rows: &[StoredPosition],
        projectors: &[&'static dyn Projector],
    ) -> Result<Vec<Self>, ProjectError> {
        let find = |projector: &&'static dyn Projector| {
            let moved = ProjectError::TablesMoved(projector.name());
            Self::find(rows, *projector).ok_or(moved)
        };
        projectors.iter().map(find).collect()
    }
}
