//! Ports for servers that are told where to listen.

use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;

/// Returns a port of this machine on which nothing listens, below those that the kernel gives to
/// outgoing connections (one of theirs could be taken before the server has it) and above those that
/// browsers refuse (the Fetch standard, "port blocking").
pub fn free_port() -> u16 {
    loop {
        let random = RandomState::new().hash_one(());
        let port = 11_000 + u16::try_from(random % 21_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
