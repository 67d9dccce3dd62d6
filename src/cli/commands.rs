//! The commands, one file each: its flags, whose doc is its help, and its run.

pub(super) mod api_key;
pub(super) mod audit;
pub(super) mod code;
pub(super) mod copy;
pub(super) mod demo;
pub(super) mod doctor;
pub(super) mod erase;
pub(super) mod export;
pub(super) mod keys;
mod measures;
pub(super) mod replay;
pub(super) mod report;
pub(super) mod serve;
pub(super) mod user;
pub(super) mod verify;
