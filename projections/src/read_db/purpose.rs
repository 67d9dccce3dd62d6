//! What scratch tables are for.

/// What scratch tables are for. Each purpose has tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To replace the live tables. A rebuild that was interrupted continues with those it left.
    Rebuild,
    /// To be compared with the live tables. They are always emptied first.
    Check,
}
