//! What the log tells analysts and auditors: reports, charts, exports, audits, proofs.

pub mod audit;
pub mod bundle;
pub mod charts;
pub mod export;
pub mod report;
pub mod sessions;
pub mod verify;
