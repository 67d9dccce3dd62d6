//! The advisory locks of read models. Other crates take locks in the same database: no two numbers in
//! the workspace are the same.

/// Held by a connection while it makes tables, until they are committed.
pub(super) const MAKING_TABLES: i64 = 0x7768_656e_6365_0001;

/// Held by the connection of the writer for as long as its session lasts.
pub(super) const PROJECTING: i64 = 0x7768_656e_6365_0002;

/// Held by the process that has the scratch tables, whatever they are for.
pub(super) const REBUILDING: i64 = 0x7768_656e_6365_0004;
