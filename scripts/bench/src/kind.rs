//! The kinds of stores that can be measured.

use clap::ValueEnum;

/// A kind of store that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// Two files
    Sqlite,
    /// A server that the benchmark starts, with fsync and `synchronous_commit=on`
    Postgres,
    /// The client of KurrentDB, over a double in memory: shows what the client costs
    KurrentdbDouble,
}

impl StoreKind {
    /// Returns the name in a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
            Self::KurrentdbDouble => "KurrentDB double",
        }
    }
}
