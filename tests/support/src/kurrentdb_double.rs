//! A double of a KurrentDB server: speaks enough of its protocol for the official client to append, to
//! read and to subscribe, over real sockets, out of a log in memory. What the real server does when
//! something goes wrong, it does when it is told to.
//!
//! It is no server: nothing is on disk, nobody logs in, and its nodes share one log instead of
//! agreeing on it.

mod log;
mod node;
mod read;
mod service;
mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use whence_events::Timestamp;

use log::Log;
use node::Node;

/// One node, or several of one cluster.
pub struct Double {
    shared: Arc<Shared>,
    nodes: Vec<Node>,
}

/// How a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As if there was nothing more to say.
    Cleanly,
    /// With an error.
    WithError,
}

/// What all nodes know.
struct Shared {
    log: Mutex<Log>,
    /// How many records there are, for whoever waits for more.
    grown: watch::Sender<usize>,
    members: Mutex<Members>,
    /// Ends every subscription of now.
    end: broadcast::Sender<End>,
    /// Appends that are still to be written but not answered.
    unanswered: AtomicUsize,
    /// Whether appends that were written before are answered without their position.
    forgetful: AtomicBool,
    /// Whether what arrives is acknowledged at once.
    prompt: AtomicBool,
    /// Appends that were written, and subscriptions that were begun.
    written: AtomicUsize,
    subscriptions: AtomicUsize,
}

/// Who is there, and who leads.
struct Members {
    addresses: Vec<SocketAddr>,
    alive: Vec<bool>,
    leader: Option<usize>,
}

impl Double {
    /// Starts one node.
    pub async fn single() -> std::io::Result<Self> {
        Self::start(1).await
    }

    /// Starts three nodes of one cluster; the first leads.
    pub async fn cluster() -> std::io::Result<Self> {
        Self::start(3).await
    }

    async fn start(count: usize) -> std::io::Result<Self> {
        let mut listeners = Vec::new();
        for _ in 0..count {
            listeners.push(node::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?);
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let members = Members { addresses, alive: vec![true; count], leader: Some(0) };
        let log = Log::new();
        let shared = Arc::new(Shared {
            grown: watch::Sender::new(log.records().len()),
            log: Mutex::new(log),
            members: Mutex::new(members),
            end: broadcast::channel(4).0,
            unanswered: AtomicUsize::new(0),
            forgetful: AtomicBool::new(false),
            prompt: AtomicBool::new(false),
            written: AtomicUsize::new(0),
            subscriptions: AtomicUsize::new(0),
        });
        let nodes = listeners.into_iter().enumerate();
        let nodes =
            nodes.map(|(number, listener)| Node::start(number, listener, &shared)).collect();
        Ok(Self { shared, nodes })
    }

    /// The connection string for all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let members = self.shared.members();
        let hosts: Vec<_> = members.addresses.iter().map(ToString::to_string).collect();
        format!("kurrentdb://{}?tls=false", hosts.join(","))
    }

    /// The connection string for one node alone.
    #[must_use]
    pub fn url_of(&self, node: usize) -> String {
        format!("kurrentdb://{}?tls=false", self.shared.members().addresses[node])
    }

    /// What somebody else writes to the same server: one event, with the metadata that is given.
    pub fn write(&self, stream: &str, event_type: &str, metadata: &str, data: &str) {
        let mut log = self.shared.log();
        log.write(stream, event_type, metadata, data);
        self.shared.grown.send_replace(log.records().len());
    }

    /// What stands beside the last event of a stream.
    pub fn last_metadata(&self, stream: &str) -> Option<String> {
        let log = self.shared.log();
        let last = log.stream(stream)?.pop()?;
        Some(String::from_utf8_lossy(&last.custom_metadata).into_owned())
    }

    /// All that is stored, one after the other.
    #[must_use]
    pub fn stored(&self) -> Vec<u8> {
        let log = self.shared.log();
        let records = log.records().iter();
        records.flat_map(|r| [r.stream.as_bytes(), &r.custom_metadata, &r.data].concat()).collect()
    }

    /// A node goes away with all its connections. If it led, nobody does.
    pub async fn kill(&mut self, node: usize) {
        {
            let mut members = self.shared.members();
            members.alive[node] = false;
            if members.leader == Some(node) {
                members.leader = None;
            }
        }
        self.nodes[node].stop().await;
    }

    /// A node comes back where it was. A node that is alone leads again.
    pub async fn revive(&mut self, node: usize) -> std::io::Result<()> {
        let address = self.shared.members().addresses[node];
        let listener = node::listen(address).await?;
        {
            let mut members = self.shared.members();
            members.alive[node] = true;
            if members.alive.len() == 1 {
                members.leader = Some(node);
            }
        }
        self.nodes[node] = Node::start(node, listener, &self.shared);
        Ok(())
    }

    /// Has a node lead from now on.
    pub fn elect(&self, node: usize) {
        self.shared.members().leader = Some(node);
    }

    /// Ends every subscription of now.
    pub fn end_subscriptions(&self, how: End) {
        let _ = self.shared.end.send(how);
    }

    /// Writes the next appends, and breaks the connection instead of answering.
    pub fn lose_answers(&self, appends: usize) {
        self.shared.unanswered.store(appends, Ordering::SeqCst);
    }

    /// Answers appends that were written before without their position, as some versions do.
    pub fn forget_positions(&self) {
        self.shared.forgetful.store(true, Ordering::SeqCst);
    }

    /// Its time from now on: what is appended is stamped with it.
    pub fn tell_time(&self, clock: impl Fn() -> Timestamp + Send + 'static) {
        self.shared.log().tell_time(Box::new(clock));
    }

    /// Acknowledges what arrives at once, on Linux. The client sends an append in several pieces, and
    /// its system keeps each until the one before was acknowledged, which a server's system delays by
    /// 40 ms when the server has nothing to say.
    pub fn be_prompt(&self) {
        self.shared.prompt.store(true, Ordering::SeqCst);
    }

    /// Appends that were written.
    #[must_use]
    pub fn written(&self) -> usize {
        self.shared.written.load(Ordering::SeqCst)
    }

    /// Subscriptions that were begun.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.shared.subscriptions.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
