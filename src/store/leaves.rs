//! Leaves of consecutive events: what the tree over the log is made of.

use whence_events::Position;

/// Any number of leaves, their bytes in one buffer: a page of them costs two allocations.
#[derive(Clone, Debug, Default)]
pub struct Leaves {
    bytes: Vec<u8>,
    /// The position of each leaf's event, and where the bytes of the leaf end.
    ends: Vec<(Position, usize)>,
}

impl Leaves {
    /// Adds the leaf that `write` appends to what it is given.
    pub fn add(&mut self, position: Position, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push((position, self.bytes.len()));
    }

    /// Adds the leaf that `write` appends, or one without bytes when it cannot.
    pub(super) fn try_add<E>(
        &mut self,
        position: Position,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) {
        let begin = self.bytes.len();
        if write(&mut self.bytes).is_err() {
            self.bytes.truncate(begin);
        }
        self.ends.push((position, self.bytes.len()));
    }

    /// Returns the number of leaves.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no leaves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the position of the last leaf's event.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        self.ends.last().map(|(position, _)| *position)
    }

    /// Returns the bytes of each leaf with the position of its event.
    pub fn iter(&self) -> impl Iterator<Item = (Position, &[u8])> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends
            .iter()
            .zip(begins)
            .map(|((position, end), begin)| (*position, &self.bytes[begin..*end]))
    }
}
