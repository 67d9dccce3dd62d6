//! A mail server that takes every mail: ordinary sockets, whose acknowledgements the kernel delays.

use std::io::{ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::codes::CodeMap;

/// The longest mail that is taken, in bytes.
const MAX_MAIL: usize = 1024 * 1024;

/// A running mail server, on a thread of its own.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    pub(crate) inbox: Arc<Inbox>,
    _runtime: Runtime,
}

/// What the mail server has taken.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) codes: CodeMap,
    /// The number of connections.
    pub(crate) connections: AtomicUsize,
    /// The number of mails.
    pub(crate) mails: AtomicUsize,
}

impl Relay {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("relay").enable_io().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("no port")?;
        let address = listener.local_addr()?;
        let inbox = Arc::new(Inbox::default());
        runtime.spawn(accept(listener, Arc::clone(&inbox)));
        Ok(Self { address, inbox, _runtime: runtime })
    }
}

async fn accept(listener: TcpListener, inbox: Arc<Inbox>) {
    while let Ok((stream, _)) = listener.accept().await {
        inbox.connections.fetch_add(1, Ordering::Relaxed);
        let inbox = Arc::clone(&inbox);
        // A client that goes away ends its conversation.
        tokio::spawn(async move { converse(stream, &inbox).await });
    }
}

/// Answers the commands of one connection, each in one packet.
async fn converse(stream: TcpStream, inbox: &Inbox) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut mail) = (Vec::new(), Vec::new());
    stream.write_all(b"220 relay ready\r\n").await?;
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_slice() {
            b"DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                read_mail(&mut stream, &mut mail).await?;
                inbox.codes.read(&mail);
                inbox.mails.fetch_add(1, Ordering::Relaxed);
                stream.write_all(b"250 taken\r\n").await?;
            }
            b"QUIT" => return stream.write_all(b"221 bye\r\n").await,
            _ => stream.write_all(b"250 fine\r\n").await?,
        }
    }
}

/// Reads up to the line that is only a dot.
async fn read_mail(stream: &mut BufReader<TcpStream>, mail: &mut Vec<u8>) -> Result<()> {
    mail.clear();
    loop {
        let begin = mail.len();
        if stream.read_until(b'\n', mail).await? == 0 || mail.len() > MAX_MAIL {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if &mail[begin..] == b".\r\n" {
            return Ok(());
        }
    }
}
