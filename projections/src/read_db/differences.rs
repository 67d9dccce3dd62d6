//! How live tables differ from scratch tables.

/// How many differences are kept as lines of text. The others are only counted.
const LINES: u64 = 20;

/// How live tables and a fold of the log differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// How many rows were compared.
    pub rows: u64,
    /// How many of them differ.
    pub count: u64,
    /// The first of those, each described in a line of text.
    pub first: Vec<String>,
}

impl Differences {
    pub(super) fn add(&mut self, line: impl FnOnce() -> String) {
        self.count += 1;
        if self.count <= LINES {
            self.first.push(line());
        }
    }
}
