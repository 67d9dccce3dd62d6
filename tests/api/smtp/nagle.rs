//! Whether the end of a mail waits until the server has acknowledged its text.
//!
//! A mail server looks at what has arrived at the moment when its client has written everything. Client
//! and server share one thread, so that the client is between two writes at no such moment, and nothing
//! was read, so that the kernel acknowledges late. What is missing then is what Nagle's algorithm holds
//! back. The kernel may acknowledge early all the same, so each test takes several mails.

use std::sync::{Arc, Mutex};

use lettre::address::Envelope;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::BufReader;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use whence::infra::mail::Limits;

use crate::smtp::{address, limits, login_code, mailer_to};

/// The number of mails of a test.
const MAILS: usize = 5;

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Encryption {
    Never,
    AtOnce,
    Asked,
}

/// For each mail, whether its end was held back.
type Waits = Arc<Mutex<Vec<bool>>>;

/// A stream whose unread bytes can be looked at.
trait Peek: AsyncRead + AsyncWrite + Unpin {
    /// Returns the connection below.
    fn tcp(&self) -> &TcpStream;

    /// Returns whether these bytes hold a text and its end.
    fn is_whole(bytes: &[u8]) -> bool;
}

impl Peek for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }

    fn is_whole(bytes: &[u8]) -> bool {
        bytes.ends_with(b"\r\n.\r\n")
    }
}

impl Peek for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }

    /// Each write of the client is a record: five bytes, of which the last two are a length, and so
    /// many more.
    fn is_whole(mut bytes: &[u8]) -> bool {
        let mut records = 0;
        while let [_, _, _, high, low, rest @ ..] = bytes {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(after) = rest.get(length..) else { break };
            (records, bytes) = (records + 1, after);
        }
        records == 2
    }
}

/// Starts a server; returns its port, what it finds, and the limits of a mailer that trusts it.
async fn start(encryption: Encryption) -> (u16, Waits, Limits) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let waits = Waits::default();
    let found = Arc::clone(&waits);
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        match encryption {
            Encryption::Never => {
                tcp.write_all(b"220 ready\r\n").await.unwrap();
                talk(tcp, &found).await;
            }
            Encryption::AtOnce => {
                let mut tls = acceptor.accept(tcp).await.unwrap();
                tls.write_all(b"220 ready\r\n").await.unwrap();
                talk(tls, &found).await;
            }
            Encryption::Asked => {
                tcp.write_all(b"220 ready\r\n").await.unwrap();
                let tcp = talk(tcp, &found).await.unwrap();
                talk(acceptor.accept(tcp).await.unwrap(), &found).await;
            }
        }
    });
    (port, waits, Limits { extra_roots: made.cert.pem().into_bytes(), ..limits(30_000) })
}

/// Answers commands until the client goes, or asks for TLS, which returns the stream.
async fn talk<S: Peek>(stream: S, waits: &Waits) -> Option<S> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let reply = match line.trim_end() {
            "STARTTLS" => "220 go on",
            "DATA" => "354 go on",
            _ if line.starts_with("EHLO") => "250-here\r\n250 STARTTLS",
            _ => "250 fine",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        match line.trim_end() {
            "STARTTLS" => return Some(stream.into_inner()),
            "DATA" => {
                let waited = end_waits(stream.get_ref()).await;
                waits.lock().unwrap().push(waited);
                while line != ".\r\n" {
                    line.clear();
                    stream.read_line(&mut line).await.ok()?;
                }
                stream.write_all(b"250 taken\r\n").await.ok()?;
                stream.flush().await.ok()?;
            }
            _ => {}
        }
    }
}

/// Returns whether a text has arrived without its end.
async fn end_waits<S: Peek>(stream: &S) -> bool {
    let mut bytes = vec![0; 64 * 1024];
    stream.tcp().peek(&mut bytes).await.unwrap();
    // What was sent before this has arrived after it.
    cross_loopback().await;
    let arrived = stream.tcp().peek(&mut bytes).await.unwrap();
    !S::is_whole(&bytes[..arrived])
}

/// Sends one byte over a connection of its own.
async fn cross_loopback() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b".").await.unwrap();
    server.read_exact(&mut [0]).await.unwrap();
}

#[tokio::test]
async fn no_mail_waits_for_an_acknowledgement() {
    let mut found = Vec::new();
    for (encryption, scheme, tls) in [
        (Encryption::Never, "smtp", "?tls=none"),
        (Encryption::Asked, "smtp", "?tls=required"),
        (Encryption::AtOnce, "smtps", ""),
    ] {
        let (port, waits, limits) = start(encryption).await;
        let mailer = mailer_to(&format!("{scheme}://127.0.0.1:{port}{tls}"), &limits);
        for _ in 0..MAILS {
            mailer.send(&address("ada@example.org"), &login_code("042424")).await.unwrap();
        }
        found.push((encryption, waits.lock().unwrap().clone()));
    }
    let none = |encryption| (encryption, vec![false; MAILS]);
    assert_eq!(found, [Encryption::Never, Encryption::Asked, Encryption::AtOnce].map(none));
}

/// When this fails, `src/infra/mail/nodelay.rs` can go: `SmtpConnection::open` then calls
/// `AsyncSmtpConnection::connect_tokio1`, with the parameters of TLS if it is implicit.
#[tokio::test]
async fn a_connection_that_lettre_opens_still_waits() {
    let (port, waits, _) = start(Encryption::Never).await;
    let (server, hello) = (("127.0.0.1", port), ClientId::default());
    let mut connection =
        AsyncSmtpConnection::connect_tokio1(server, None, &hello, None, None).await.unwrap();
    let ada = "ada@example.org".parse::<lettre::Address>().unwrap();
    let envelope = Envelope::new(Some(ada.clone()), vec![ada]).unwrap();
    for _ in 0..MAILS {
        connection.send(&envelope, b"Subject: a\r\n\r\ntext").await.unwrap();
    }
    let waits = waits.lock().unwrap();
    assert!(waits.len() == MAILS && waits.contains(&true), "the workaround is not needed any more");
}
