//! The log and what is made of it: the contract of every store, replays of random histories, and
//! several nodes over one database; and the double of KurrentDB.

mod contract;
#[cfg(feature = "kurrentdb")]
mod double;
mod nodes;
mod replay;
