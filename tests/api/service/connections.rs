//! Connections that do nothing, half of something or never read keep nobody out.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use whence::app::config::ConnectionLimits;
use whence::app::counters::Counters;

use crate::server::{Server, until};

/// Long enough for what a bound does, and short enough to wait for.
const SHORT: Duration = Duration::from_millis(200);

/// Longer than any test.
const LONG: Duration = Duration::from_mins(10);

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server whose bounds of time are longer than the test, but for those that are set here.
async fn bounded(flags: &[&str], bound: impl FnOnce(&mut ConnectionLimits)) -> Server {
    let patient = |limits: &mut ConnectionLimits| {
        (limits.keep_alive, limits.head, limits.stalled_write) = (LONG, LONG, LONG);
        bound(limits);
    };
    Server::bounded(flags, patient).await
}

/// A connection from a network of this machine, 127.0.0.N.
async fn from(network: u8, server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, network], 0))).unwrap();
    // Little is on its way to a client that does not read.
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(server.url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap()
}

/// A connection that waits for its next request.
async fn idle(network: u8, server: &Server) -> TcpStream {
    let mut stream = from(network, server).await;
    assert!(answers(&mut stream).await);
    stream
}

/// A connection that has sent these bytes and no more.
async fn sent(network: u8, server: &Server, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = from(network, server).await;
    stream.write_all(bytes.as_ref()).await.unwrap();
    stream
}

/// Whether a request over this connection is answered.
async fn answers(stream: &mut TcpStream) -> bool {
    stream.write_all(GET).await.is_ok() && answered(stream).await
}

/// Whether the answer to a request comes that was sent before.
async fn answered(stream: &mut TcpStream) -> bool {
    let mut answer = vec![];
    while !answer.ends_with(br#"{"status":"ok"}"#) {
        match stream.read_buf(&mut answer).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

/// Waits until the server has closed a connection.
async fn closed(stream: &mut TcpStream) {
    let mut rest = vec![];
    let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest));
    assert!(end.await.is_ok(), "the connection stays open");
}

/// A connection with more answers than its client takes.
async fn unread(network: u8, server: &Server) -> TcpStream {
    let stream = from(network, server).await;
    let many = b"GET /touch.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    until("the service stops reading", async || {
        for _ in 0..20 {
            if stream.try_write(&many).is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                return stream.try_write(&many).is_err();
            }
        }
        false
    })
    .await;
    stream
}

async fn open(server: &Server, connections: u64) {
    let open = &server.app.counters.open_connections;
    until("all are there", async || open.get() == connections).await;
}

fn counts(server: &Server, of: fn(&Counters) -> u64) -> u64 {
    of(&server.app.counters)
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let server = bounded(&[], |limits| limits.stalled_write = SHORT).await;
    let _unread = unread(1, &server).await;
    open(&server, 0).await;
    assert_eq!(counts(&server, |it| it.stalled_writes.get()), 1);
}

/// How many of many answers a client gets that reads on and on, but slowly.
async fn read_slowly(server: &Server) -> usize {
    let (mut read, mut write) = from(1, server).await.into_split();
    let writing = tokio::spawn(async move {
        let many = b"GET /touch.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3000);
        let _ = write.write_all(&many).await;
        let _ = write
            .write_all(b"GET /touch.js HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        write
    });
    let mut all = vec![];
    while let Ok(1..) = read.read_buf(&mut all).await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(writing.await);
    String::from_utf8_lossy(&all).matches("HTTP/1.1 200 OK").count()
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_it_above_the_least_rate() {
    let patient = bounded(&[], |limits| limits.stalled_write = Duration::from_secs(15)).await;
    assert_eq!(read_slowly(&patient).await, 3001);
    assert_eq!(counts(&patient, |it| it.stalled_writes.get()), 0);
    let demanding = bounded(&[], |limits| {
        (limits.stalled_write, limits.least_rate) = (Duration::from_millis(1), u64::MAX);
    });
    let demanding = demanding.await;
    assert!(read_slowly(&demanding).await < 3001);
    assert_eq!(counts(&demanding, |it| it.stalled_writes.get()), 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_own_time() {
    let server = bounded(&[], |limits| limits.keep_alive = SHORT).await;
    let mut idle = idle(1, &server).await;
    closed(&mut idle).await;
    assert_eq!(counts(&server, |it| it.idle_closures.get()), 1);

    let server = bounded(&[], |limits| limits.head = SHORT).await;
    let mut idle = self::idle(1, &server).await;
    tokio::time::sleep(SHORT * 3).await;
    assert!(answers(&mut idle).await, "the time of a head is none between requests");
}

#[tokio::test]
async fn a_head_that_is_not_complete_in_time_ends_its_connection() {
    let server = bounded(&[], |limits| limits.head = SHORT).await;
    let half = &GET[..GET.len() - 2];
    closed(&mut sent(1, &server, half).await).await;
    assert_eq!(counts(&server, |it| it.slow_heads.get()), 1);
    // Also when it is not the first, and when it came with the one before.
    let mut second = idle(1, &server).await;
    second.write_all(half).await.unwrap();
    closed(&mut second).await;
    assert_eq!(counts(&server, |it| it.slow_heads.get()), 2);
    let mut together = sent(1, &server, [GET, half].concat()).await;
    closed(&mut together).await;
    assert_eq!(counts(&server, |it| it.slow_heads.get()), 3);
    // Each byte gives no more time.
    let mut dripping = sent(1, &server, b"GET /").await;
    until("it is closed", async || {
        let _ = dripping.write_all(b"x").await;
        counts(&server, |it| it.slow_heads.get()) == 4
    })
    .await;
    closed(&mut from(1, &server).await).await;
    assert_eq!(counts(&server, |it| it.idle_closures.get()), 1, "nothing at all came");
}

#[tokio::test]
async fn a_new_client_takes_the_place_that_is_idle_longest() {
    let server = bounded(&[], |limits| limits.most = 3).await;
    let mut streams = vec![];
    for network in 1..=3 {
        streams.push(idle(network, &server).await);
    }
    assert!(answers(&mut streams[0]).await, "it is not idle longest any more");
    let mut newcomer = idle(4, &server).await;
    closed(&mut streams[1]).await;
    for stream in [0, 2] {
        assert!(answers(&mut streams[stream]).await);
    }
    assert!(answers(&mut newcomer).await);
    assert_eq!(counts(&server, |it| it.connections_displaced.get()), 1);
}

#[tokio::test]
async fn the_network_with_the_most_connections_makes_room() {
    let server = bounded(&[], |limits| limits.most = 6).await;
    let mut lone = idle(1, &server).await;
    let mut crowd = vec![
        idle(2, &server).await,
        sent(2, &server, b"GET / HTTP/1.1\r\n").await,
        unread(2, &server).await,
        sent(
            2,
            &server,
            b"POST /v1/auth/email/start HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n",
        )
        .await,
        from(2, &server).await,
    ];
    open(&server, 6).await;
    for newcomer in 3..=6 {
        let mut newcomer = idle(newcomer, &server).await;
        // It leaves, and gives its place to one more of the crowd.
        assert!(answers(&mut newcomer).await);
        drop(newcomer);
        open(&server, 5).await;
        crowd.push(from(2, &server).await);
        open(&server, 6).await;
    }
    for stream in &mut crowd[..1] {
        closed(stream).await;
    }
    assert!(answers(&mut lone).await, "it was idle longest, and alone in its network");
}

#[tokio::test]
async fn one_network_has_a_share_of_the_places() {
    let server = bounded(&[], |limits| limits.per_client = 3).await;
    let half = b"GET / HTTP/1.1\r\n";
    let mut other = idle(1, &server).await;
    let mut first = sent(2, &server, half).await;
    let (_second, _third) = (sent(2, &server, half).await, sent(2, &server, half).await);
    open(&server, 4).await;
    let mut fourth = idle(2, &server).await;
    closed(&mut first).await;
    assert!(answers(&mut fourth).await && answers(&mut other).await);
}

#[tokio::test]
async fn a_trusted_proxy_carries_as_many_clients_as_there_are_places() {
    let server = bounded(&["--trusted-proxy", "127.0.0.2"], |limits| limits.per_client = 2).await;
    let mut streams = vec![];
    for _ in 0..6 {
        streams.push(idle(2, &server).await);
    }
    for stream in &mut streams {
        assert!(answers(stream).await);
    }
}

#[tokio::test]
async fn a_connection_at_work_keeps_its_place() {
    let token = "grace=d2f1a86e3b3c4f0e97a1";
    let server = bounded(&["--admin-token", token], |limits| limits.most = 4).await;
    // The answers to wrong tokens wait, longer each time: long enough from the seventh on.
    let wrong = b"GET /v1/admin/projections HTTP/1.1\r\nhost: x\r\nx-admin-token: wrong\r\n\r\n";
    for sent_before in 1..=6 {
        drop(sent(1, &server, wrong).await);
        let counters = &server.app.counters;
        until("it is counted", async || counters.admin_tokens_wrong.get() == sent_before).await;
        open(&server, 0).await;
    }
    let mut at_work = vec![];
    for _ in 0..4 {
        at_work.push(sent(1, &server, wrong).await);
    }
    until("all wait", async || counts(&server, |it| it.admin_tokens_wrong.get()) == 10).await;
    assert!(!answers(&mut from(2, &server).await).await, "there is no place");
    assert_eq!(counts(&server, |it| it.connections_refused.get()), 1);
    assert_eq!(counts(&server, |it| it.connections_displaced.get()), 0);
    at_work.pop();
    open(&server, 3).await;
    assert!(answers(&mut from(2, &server).await).await);
}

#[tokio::test]
async fn unfinished_heads_have_a_bound_together() {
    let server = bounded(&[], |limits| limits.head_bytes = 100_000).await;
    let mut small = sent(1, &server, &GET[..20]).await;
    let large = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'y'; 20_000]].concat();
    let mut streams = vec![];
    for network in 2..=9 {
        streams.push(sent(network, &server, &large).await);
    }
    let closures = || counts(&server, |it| it.head_budget_closures.get());
    until("the first ones are closed", async || closures() >= 3).await;
    closed(&mut streams[0]).await;
    small.write_all(&GET[20..]).await.unwrap();
    assert!(answered(&mut small).await, "the largest go first");
    drop((small, streams));
    open(&server, 0).await;
    // Nothing is left of their bytes; a head counts also when it comes with a request before it.
    let (before, mut streams) = (closures(), vec![]);
    for network in 2..=5 {
        streams.push(sent(network, &server, [GET, &large].concat()).await);
    }
    for stream in &mut streams {
        assert!(answered(stream).await);
    }
    assert_eq!(closures(), before, "four of them are within the bound");
    for network in 6..=9 {
        streams.push(sent(network, &server, [GET, &large].concat()).await);
    }
    until("some are closed", async || closures() >= before + 3).await;
}

#[tokio::test]
async fn requests_one_after_another_are_no_unfinished_heads() {
    let server = bounded(&[], |limits| limits.head_bytes = 9000).await;
    let mut stream = from(1, &server).await;
    let headers = "accept: text/html\r\nx-padding: a\r\n".repeat(10);
    let request = format!("GET /healthz?x=1&y=2 HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    let body = r#"{"email":"nobody"}"#;
    let post = format!(
        "POST /v1/auth/email/start HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..100 {
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(answered(&mut stream).await);
        stream.write_all(post.as_bytes()).await.unwrap();
        let mut answer = vec![];
        while !answer.ends_with(b"\"}") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
    }
    assert_eq!(counts(&server, |it| it.head_budget_closures.get()), 0);
}

#[tokio::test]
async fn a_shutdown_closes_what_waits_at_once() {
    let server = bounded(&[], |_| ()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let router = whence::http::router(server.app.clone());
    let stopped = async { drop(stopped.await) };
    let serving = tokio::spawn(whence::http::serve(listener, router, stopped));
    let mut fresh = TcpStream::connect(address).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    assert!(answers(&mut idle).await);
    open(&server, 2).await;
    drop(stop);
    closed(&mut idle).await;
    closed(&mut fresh).await;
    serving.await.unwrap();
}
