//! The API through a real server on a socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod login;
mod slug;
mod support;
