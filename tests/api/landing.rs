//! Landings through a real server: the layer, the short link, the report and the script.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clicks;
mod layer;
mod parameters;
mod report;
mod script;
mod short_link;
mod site;
