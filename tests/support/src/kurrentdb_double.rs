//! A double of a KurrentDB server, which keeps its log in memory.
//!
//! It speaks enough of the protocol over real sockets for the official client to append, to read and to
//! subscribe. The failures of a real server happen when a test asks for them.
//!
//! It is not a server: nothing is on disk, there are no users, and its nodes share one log instead of
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

/// A running double: one node, or the nodes of one cluster.
pub struct Double {
    shared: Arc<Shared>,
    nodes: Vec<Node>,
}

/// The ways in which a subscription can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream of answers ends without an error.
    Cleanly,
    /// The stream of answers ends with an error.
    WithError,
}

/// The state that all nodes share.
struct Shared {
    log: Mutex<Log>,
    /// The number of records, for readers that wait for more.
    grown: watch::Sender<usize>,
    members: Mutex<Members>,
    /// Ends every subscription that is open.
    end: broadcast::Sender<End>,
    /// The number of appends that are still to be written but not answered.
    unanswered: AtomicUsize,
    /// Whether appends that were written before are answered without their position.
    forgetful: AtomicBool,
    /// Whether what arrives is acknowledged at once.
    prompt: AtomicBool,
    /// The number of appends that were written.
    written: AtomicUsize,
    /// The number of subscriptions that were begun.
    subscriptions: AtomicUsize,
}

/// The nodes, and which of them leads.
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

    /// Returns the connection string for all nodes.
    pub fn url(&self) -> String {
        let members = self.shared.members();
        let hosts: Vec<_> = members.addresses.iter().map(ToString::to_string).collect();
        format!("kurrentdb://{}?tls=false", hosts.join(","))
    }

    /// Returns the connection string for one node alone.
    pub fn url_of(&self, node: usize) -> String {
        format!("kurrentdb://{}?tls=false", self.shared.members().addresses[node])
    }

    /// Writes one event with the given metadata, as another user of the same server would.
    pub fn write(&self, stream: &str, event_type: &str, metadata: &str, data: &str) {
        let mut log = self.shared.log();
        log.write(stream, event_type, metadata, data);
        self.shared.grown.send_replace(log.records().len());
    }

    /// Returns the custom metadata of the last event of a stream.
    pub fn last_metadata(&self, stream: &str) -> Option<String> {
        let log = self.shared.log();
        let last = log.stream(stream)?.pop()?;
        Some(String::from_utf8_lossy(&last.custom_metadata).into_owned())
    }

    /// Returns all stored bytes, joined in the order of the log.
    pub fn stored(&self) -> Vec<u8> {
        let log = self.shared.log();
        let records = log.records().iter();
        records.flat_map(|r| [r.stream.as_bytes(), &r.custom_metadata, &r.data].concat()).collect()
    }

    /// Stops a node and closes its connections; if it led, no node leads.
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

    /// Starts a stopped node again on its port; a single node leads again.
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

    /// Makes a node the leader.
    pub fn elect(&self, node: usize) {
        self.shared.members().leader = Some(node);
    }

    /// Ends every subscription that is open.
    pub fn end_subscriptions(&self, how: End) {
        let _ = self.shared.end.send(how);
    }

    /// Makes the double write the next appends but break the connection instead of answering.
    pub fn lose_answers(&self, appends: usize) {
        self.shared.unanswered.store(appends, Ordering::SeqCst);
    }

    /// Makes the double answer repeated appends without their position, as some versions do.
    pub fn forget_positions(&self) {
        self.shared.forgetful.store(true, Ordering::SeqCst);
    }

    /// Sets the clock that appended events are stamped by.
    pub fn tell_time(&self, clock: impl Fn() -> Timestamp + Send + 'static) {
        self.shared.log().tell_time(Box::new(clock));
    }

    /// Makes the double acknowledge what arrives at once, on Linux.
    ///
    /// The client sends an append in several pieces, and its system keeps each until the one before was
    /// acknowledged, which a server's system delays by 40 ms when the server has nothing to say.
    pub fn be_prompt(&self) {
        self.shared.prompt.store(true, Ordering::SeqCst);
    }

    /// Returns the number of appends that were written.
    pub fn written(&self) -> usize {
        self.shared.written.load(Ordering::SeqCst)
    }

    /// Returns the number of subscriptions that were begun.
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
