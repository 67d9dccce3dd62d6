//! The views against plain loops over the events, over random histories.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for its own events")]
#![expect(clippy::cast_precision_loss, reason = "the numbers here are small")]
#![expect(clippy::option_option, reason = "no code, one of nobody, one of somebody")]
#![expect(clippy::unnecessary_wraps, reason = "cells as text, any of which may be unknown")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clicks;
mod credit;
mod edges;
mod google;
mod independent;
mod paths;
mod plain;
mod properties;
mod shape;
mod users;
