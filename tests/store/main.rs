//! The log and what is made of it: the contract of every store, replays of random histories, and
//! several nodes over one database.

mod contract;
mod nodes;
mod replay;
