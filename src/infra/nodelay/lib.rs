//! Sets `TCP_NODELAY` on the sockets of this process, and can go when a release of the `kurrentdb`
//! client has KurrentDB-Client-Rust's pull request 233.
//!
//! Up to 1.2.0 that client turns the option off. A request leaves as two packets, and the second waits
//! until the server's kernel acknowledges the first, which it delays by 40 ms. The client shows
//! nobody its sockets, so they are found by their descriptors. On every other TCP socket of
//! whence the option is set anyway.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use socket2::SockRef;

/// Sets `TCP_NODELAY` on each TCP socket of this process that does not have it, and returns how many
/// those were. What such a socket has kept back is sent at once.
///
/// It lists the open descriptors, which takes a millisecond for some thousands of them.
pub fn set_on_all_sockets() -> io::Result<usize> {
    let mut set = 0;
    for entry in fs::read_dir("/dev/fd")? {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.parse().ok()) {
            set += usize::from(set_on(number));
        }
    }
    Ok(set)
}

/// Returns whether the option was off and is on now.
#[expect(unsafe_code, reason = "the client lends no socket, and safe code cannot borrow a number")]
fn set_on(number: RawFd) -> bool {
    // SAFETY: the descriptor was open a moment ago. If it was closed since, the calls fail; if its
    // number was given to another file, they fail, or set the option on another TCP socket of
    // this process, where it is right as well. Nothing is read, written or closed.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    let socket = SockRef::from(&descriptor);
    // Anything but a TCP socket answers with an error.
    matches!(socket.tcp_nodelay(), Ok(false)) && socket.set_tcp_nodelay(true).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::time::Duration;

    use eventstore::ReadStreamOptions;
    use tokio::sync::Mutex;

    use super::*;

    /// Each test sees the sockets of the other.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

    #[test]
    fn only_sockets_without_the_option_get_it() {
        let _alone = ONE_AT_A_TIME.blocking_lock();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let slow = TcpStream::connect(address).expect("a connection");
        let quick = TcpStream::connect(address).expect("a connection");
        quick.set_nodelay(true).expect("an option");
        let _other = UdpSocket::bind("127.0.0.1:0").expect("a port");
        assert!(!slow.nodelay().expect("an option"));
        assert!(set_on_all_sockets().expect("a list of descriptors") >= 1);
        assert!(slow.nodelay().expect("an option") && quick.nodelay().expect("an option"));
    }

    /// Fails when this crate is no longer needed.
    #[tokio::test]
    async fn the_client_of_kurrentdb_still_turns_the_option_off() {
        let _alone = ONE_AT_A_TIME.lock().await;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("kurrentdb://{}?tls=false", listener.local_addr().expect("an address"));
        let settings = url.parse().expect("a connection string");
        let client = eventstore::Client::new(settings).expect("a client");
        let asking = tokio::spawn(async move {
            let _ = client.read_stream("a-stream", &ReadStreamOptions::default()).await;
        });
        // Accepted: the client has a socket now, and the option comes before the first byte.
        let (server, _) = tokio::task::spawn_blocking(move || listener.accept())
            .await
            .expect("a thread")
            .expect("a connection");
        server.set_nodelay(true).expect("an option");
        let mut first = [0];
        server.set_read_timeout(Some(Duration::from_secs(10))).expect("an option");
        let server = tokio::task::spawn_blocking(move || {
            std::io::Read::read_exact(&mut &server, &mut first).expect("a byte");
            server
        });
        let server = server.await.expect("a thread");
        assert_eq!(set_on_all_sockets().expect("a list of descriptors"), 1);
        drop(server);
        asking.abort();
    }
}
