//! Connections of one network, more than it may have, leave the program small, and quick for everybody else.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::support::Service;

/// As many as an attacker opens, if the environment does not say how many: more than one network may
/// have, and few enough to be opened in seconds. `WHENCE_TEST_CONNECTIONS=10000` tries that many.
const CONNECTIONS: usize = 1200;

/// The most memory that the program may have, in kB.
const MAX_MEMORY: usize = 150 * 1024;

/// Lets this process have a descriptor for each connection.
fn raise_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// A connection from a network of its own, 127.0.0.N, whose client takes little of an answer.
async fn connect(network: u8, server: SocketAddr) -> Option<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, network], 0))).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(server).await.ok()
}

/// The answer that another client gets, over a connection of its own.
fn health(server: SocketAddr) -> String {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The memory of a process, in kB.
fn memory(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Opens all connections, each of which sends these bytes, and looks how the service is meanwhile.
async fn attack(service: &Service, what: &str, networks: u8, bytes: &[u8]) {
    #[expect(clippy::disallowed_methods, reason = "how a person asks the test for more")]
    let asked = std::env::var("WHENCE_TEST_CONNECTIONS").ok();
    let connections = asked.map_or(CONNECTIONS, |text| text.parse().unwrap());
    let mut streams = Vec::with_capacity(connections);
    for number in 0..connections {
        let network = 2 + u8::try_from(number % usize::from(networks)).unwrap();
        if let Some(stream) = connect(network, service.address).await {
            // What the kernel does not take at once is not sent.
            let _ = stream.try_write(bytes);
            streams.push(stream);
        }
        if number % 200 == 199 {
            assert!(health(service.address).starts_with("HTTP/1.1 200"), "{what}, {number}");
        }
    }
    let memory = memory(service.id());
    assert!(memory < MAX_MEMORY, "{what}: {memory} kB");
    println!("{what}: {memory} kB of memory");
}

#[tokio::test]
async fn connections_of_one_network_shut_nobody_out() {
    raise_limit();
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    let half = [b"GET / HTTP/1.1\r\nhost: x\r\nx: ".to_vec(), vec![b'y'; 31_000]].concat();
    let unread = b"GET /touch.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    attack(&service, "nothing sent, one network", 1, b"").await;
    attack(&service, "half a head, one network", 1, &half).await;
    attack(&service, "nothing read, one network", 1, &unread).await;
    attack(&service, "nothing read, twenty networks", 20, &unread).await;
    assert_eq!(service.stop().0, Some(0));
}
