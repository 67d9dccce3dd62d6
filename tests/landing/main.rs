//! Landings through a real server: the layer, the short link, the report and the script.

mod layer;
mod report;
mod script;
mod short_link;
mod site;
