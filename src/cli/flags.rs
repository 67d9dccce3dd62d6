//! The flags that commands share, and the sections of those of `whence serve`.

mod accounts;
mod checkpoints;
mod development;
pub(crate) mod environment;
pub(crate) mod files;
mod landing;
mod limits;
mod listening;
pub(crate) mod log;
mod mail;
mod metrics;
pub(crate) mod operate;
mod operators;
mod referrals;
pub(crate) mod secrets;
mod serve;
mod urls;
pub(crate) mod view;

pub(crate) use self::serve::ServeArgs;
