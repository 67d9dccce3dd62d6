//! The API through a real server on a socket: the same tests over every store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "the modules of one binary")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for its own events")]

mod admin;
mod analytics;
mod api_keys;
mod attribution;
mod audit;
mod bots;
mod broken;
mod calls;
mod clients;
mod connections;
mod cookies;
mod creators;
mod cross_site;
mod devices;
mod email_change;
mod erased_visitors;
mod erasure;
mod faults;
mod forward;
mod frame;
mod guesses;
mod hostile;
mod introspect;
mod keys;
mod login;
mod mails;
mod measures;
mod metrics;
mod nobodys_address;
mod onboarding;
mod openapi;
mod operator_move;
mod own_data;
mod own_erasure;
mod portal;
mod profile;
mod races;
mod raw;
mod referrals;
mod retention;
mod rust_service;
mod secrecy;
mod session;
mod session_list;
mod short_links;
mod slug;
mod time;
mod typed;
