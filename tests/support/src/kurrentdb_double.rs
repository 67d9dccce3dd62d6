//! A double of a KurrentDB server, which keeps its log in memory.
//!
//! It speaks enough of the protocol over real sockets for official clients to append, to read, to
//! subscribe and to delete, and it answers as a real server of version 23.10 was seen to answer. The
//! failures of a real server happen when a test asks for them.
//!
//! It is not a server: nothing is on disk, and its nodes share one log instead of agreeing on it.

mod counts;
mod filter;
mod log;
mod node;
mod read;
mod service;
mod shared;
mod status;
mod subscription;
mod tls;
mod users;
mod wire;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpListener;
use whence_events::Timestamp;

pub use counts::{Bytes, Call, Calls, Examined};
use node::Node;
use shared::{Members, Shared};
pub use tls::{Authority, Certificate};
pub use tonic::Code;
use users::User;
use wire::Expected;

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
    /// The server says that the consumer is too slow.
    TooSlow,
}

/// What runs.
impl Double {
    /// Starts one node.
    pub async fn single() -> std::io::Result<Self> {
        Self::start(1, None).await
    }

    /// Starts three nodes of one cluster; the first leads.
    pub async fn cluster() -> std::io::Result<Self> {
        Self::start(3, None).await
    }

    /// Starts one node that speaks TLS.
    pub async fn with_tls(certificate: &Certificate) -> std::io::Result<Self> {
        Self::start(1, Some(certificate)).await
    }

    async fn start(count: usize, certificate: Option<&Certificate>) -> std::io::Result<Self> {
        let mut listeners = Vec::new();
        for _ in 0..count {
            listeners.push(node::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?);
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let members = Members { addresses, alive: vec![true; count], leader: Some(0) };
        let tls = certificate.map(Certificate::acceptor).transpose()?;
        let shared = Arc::new(Shared::new(members, tls));
        let nodes = listeners.into_iter().enumerate();
        let nodes =
            nodes.map(|(number, listener)| Node::start(number, listener, &shared)).collect();
        Ok(Self { shared, nodes })
    }

    /// Returns the connection string for all nodes, without a user.
    pub fn url(&self) -> String {
        self.url_to(&self.shared.members().addresses, "")
    }

    /// Returns the connection string for all nodes and one user.
    pub fn url_as(&self, name: &str, password: &str) -> String {
        self.url_to(&self.shared.members().addresses, &format!("{name}:{password}@"))
    }

    /// Returns the connection string for one node alone.
    pub fn url_of(&self, node: usize) -> String {
        self.url_to(&self.shared.members().addresses[node..=node], "")
    }

    fn url_to(&self, addresses: &[SocketAddr], user: &str) -> String {
        let hosts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let tls = self.shared.tls().is_some();
        format!("kurrentdb://{user}{}?tls={tls}", hosts.join(","))
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

    /// Takes the lead from whichever node has it.
    pub fn depose(&self) {
        self.shared.members().leader = None;
    }

    /// Shows another certificate to those who connect from now on.
    pub fn show_certificate(&self, certificate: &Certificate) -> std::io::Result<()> {
        *self.shared.tls() = Some(certificate.acceptor()?);
        Ok(())
    }

    /// Reports another version, with what such a server can; `23.10.8` is that of a new double.
    pub fn set_version(&self, version: &str) {
        version.clone_into(&mut self.shared.version());
    }

    /// Adds a user. From the first on, calls are refused that have no user, or not the right.
    ///
    /// Members of the group `$admins` may do everything, others may append to and read streams whose
    /// names begin with no `$`, and `$all` when they are among the `$r` of its `$acl`:
    /// `set_metadata("$all", r#"{"$acl":{"$r":["ann"]}}"#)`.
    pub fn add_user(&self, name: &str, password: &str, groups: &[&str]) {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        let user = User { name: name.to_owned(), password: password.to_owned(), groups };
        self.shared.users().push(user);
    }

    /// Sets the clock that appended events are stamped by.
    pub fn tell_time(&self, clock: impl Fn() -> Timestamp + Send + 'static) {
        self.shared.log().tell_time(Box::new(clock));
    }
}

/// What others do to the log.
impl Double {
    /// Writes one event with the given metadata, as another user of the same server would.
    pub fn write(&self, stream: &str, event_type: &str, metadata: &str, data: &str) {
        self.shared.change(|log| log.write(stream, event_type, metadata, data));
    }

    /// Writes many events of another application at once, each with so many bytes of data.
    ///
    /// They take no room, however many they are, and no time of those whose filter they do not pass;
    /// what the real server would need for them is counted ([`Double::examined`]).
    pub fn write_foreign(&self, stream: &str, count: u64, bytes_each: usize) {
        self.shared.change(|log| log.write_foreign(stream, count, bytes_each));
    }

    /// Writes what is set for a stream: an event in the stream of its name after `$$`.
    pub fn set_metadata(&self, stream: &str, json: &str) {
        self.shared.change(|log| log.write_settings(stream, json));
    }

    /// Deletes a stream that may be appended to again.
    pub fn soft_delete(&self, stream: &str) {
        self.shared.change(|log| log.delete(stream, Expected::Any(())));
    }

    /// Deletes a stream for good.
    pub fn tombstone(&self, stream: &str) {
        self.shared.change(|log| log.tombstone(stream, Expected::Any(())));
    }

    /// Removes deleted and truncated events from the log. The last event of a stream stays in it
    /// unless the stream has a tombstone, as on the real server.
    pub fn scavenge(&self) {
        self.shared.change(log::Log::scavenge);
    }

    /// Returns the custom metadata of the last event of a stream.
    pub fn last_metadata(&self, stream: &str) -> Option<String> {
        self.shared.log().last_metadata(stream)
    }

    /// Returns the names of all streams, in order.
    pub fn streams(&self) -> Vec<String> {
        self.shared.log().names()
    }

    /// Returns all stored bytes, joined in the order of the log, but for those of `write_foreign`.
    pub fn stored(&self) -> Vec<u8> {
        let log = self.shared.log();
        let records = log.records();
        records.flat_map(|r| [r.stream.as_bytes(), &r.custom_metadata, &r.data].concat()).collect()
    }
}

/// What goes wrong.
impl Double {
    /// Makes the next calls of a kind fail, instead of what earlier calls of this method said of it.
    pub fn fail_next(&self, call: Call, calls: usize, code: Code, message: &str) {
        self.shared.fail(call, calls, code, message);
    }

    /// Makes the double write the next appends but break the connection instead of answering.
    pub fn lose_answers(&self, appends: usize) {
        self.shared.unanswered.store(appends, Ordering::SeqCst);
    }

    /// Makes the double answer repeated appends without their position, as some versions do.
    pub fn forget_positions(&self) {
        self.shared.forgetful.store(true, Ordering::SeqCst);
    }

    /// Ends every subscription that is open.
    pub fn end_subscriptions(&self, how: End) {
        let _ = self.shared.end.send(how);
    }

    /// Sets how many live events may wait for one subscriber to `$all` before it is dropped as too
    /// slow; those not counted that are already on their way.
    pub fn set_live_buffer(&self, events: u64) {
        self.shared.live_buffer.store(events, Ordering::SeqCst);
    }

    /// Makes checkpoints carry the position that the next event is then given, also one at the end of
    /// catching up (issue 4970 of KurrentDB).
    pub fn run_checkpoints_ahead(&self) {
        self.shared.checkpoints_ahead.store(true, Ordering::SeqCst);
    }

    /// Makes filtered reads take the time that the real server needs for the events that it examines.
    pub fn take_time(&self) {
        self.shared.counts.takes_time.store(true, Ordering::SeqCst);
    }
}

/// What is counted.
impl Double {
    /// Returns the numbers of calls.
    pub fn calls(&self) -> Calls {
        self.shared.counts.calls()
    }

    /// Returns the numbers of events that filters were applied to.
    pub fn examined(&self) -> Examined {
        self.shared.counts.examined()
    }

    /// Returns the number of bytes on the wire.
    pub fn bytes(&self) -> Bytes {
        self.shared.counts.bytes()
    }

    /// Begins to count calls, examined events and bytes from 0.
    pub fn reset_counts(&self) {
        self.shared.counts.reset();
    }

    /// Returns the number of appends that were written since the double started.
    pub fn written(&self) -> usize {
        self.shared.written.load(Ordering::SeqCst)
    }

    /// Returns the number of subscriptions that were begun.
    pub fn subscriptions(&self) -> usize {
        usize::try_from(self.calls().subscriptions).unwrap_or(usize::MAX)
    }
}
