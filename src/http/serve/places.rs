//! The places of open connections: how many there are, whose they are, and who has to leave when
//! there are too many.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::activity::{Activity, Closing, Waiting};
use crate::app::App;
use crate::app::client_address::network;
use crate::app::config::ConnectionLimits;
use crate::app::counters::Counters;
use crate::infra::security::SecurityEvent;

/// Of this many connections, one more is closed when room is made, so that it is seldom made.
const ROOM: usize = 32;

/// The connections beyond the bound that may be there while those that have to leave do so.
const LEAVING: usize = 64;

/// The places of open connections.
pub(super) struct ConnectionPlaces {
    app: Arc<App>,
    table: Mutex<Table>,
    /// The bytes of unfinished heads.
    head_bytes: AtomicIsize,
}

#[derive(Default)]
struct Table {
    networks: HashMap<IpAddr, Network>,
    open: usize,
    next: u64,
}

/// The requests of a network with many connections that are begun at a time.
const TURNS: usize = 4;

/// The connections of a network from which on its requests are begun in turn.
const MANY: usize = 16;

/// What the connections of one client network share.
struct Share {
    open: AtomicUsize,
    turns: Semaphore,
}

/// The connections of one client network.
struct Network {
    share: Arc<Share>,
    is_proxy: bool,
    connections: HashMap<u64, Arc<Activity>>,
}

/// The place of one connection, which is free again when this is dropped.
pub(super) struct ConnectionPlace {
    places: Arc<ConnectionPlaces>,
    network: IpAddr,
    id: u64,
    share: Arc<Share>,
    is_proxy: bool,
    pub(super) activity: Arc<Activity>,
}

impl ConnectionPlaces {
    pub(super) fn new(app: Arc<App>) -> Arc<Self> {
        Arc::new(Self { app, table: Mutex::default(), head_bytes: AtomicIsize::new(0) })
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.app.config.limits.connections
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.app.counters
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a place for a connection of this peer; others have to leave for it. `None` when no
    /// place is free and all the others are at work.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Arc<ConnectionPlace>> {
        let peer = peer.to_canonical();
        let is_proxy = self.app.config.listening.trusts(peer);
        let network = if is_proxy { peer } else { network(peer) };
        let limits = self.limits();
        let mut table = self.table();
        let own = table.networks.get(&network).map_or(0, |it| it.connections.len());
        let has_room = |open: usize, most: usize, only: Option<IpAddr>| {
            open < most || open < most + LEAVING && self.make_room(&table, only)
        };
        let is_free = (is_proxy || has_room(own, limits.per_client, Some(network)))
            && has_room(table.open, limits.most, None);
        if !is_free {
            self.counters().connections_refused.add();
            self.app.engine.security.record(SecurityEvent::ClientConnections, None, None);
            return None;
        }
        let activity = Arc::new(Activity::new(Instant::now()));
        let id = table.next;
        table.next += 1;
        table.open += 1;
        let connections = table.networks.entry(network).or_insert_with(|| Network::new(is_proxy));
        connections.connections.insert(id, activity.clone());
        let share = connections.share.clone();
        share.open.fetch_add(1, Ordering::Relaxed);
        self.counters().open_connections.add();
        Some(Arc::new(ConnectionPlace {
            places: self.clone(),
            network,
            id,
            share,
            is_proxy,
            activity,
        }))
    }

    /// Has some connections closed, when no more can be opened for lack of descriptors.
    pub(super) fn make_room_for_files(&self) {
        self.make_room(&self.table(), None);
    }

    /// Has those connections of one network, or of all, closed that others miss least, and returns
    /// whether there is one: of the network with the most connections those that wait longest for
    /// a request, for a reader, for their turn, for the rest of a request. Proxies come last, since
    /// one carries many clients.
    fn make_room(&self, table: &Table, only: Option<IpAddr>) -> bool {
        let mut waiting = Vec::new();
        for (address, network) in &table.networks {
            if only.is_some_and(|only| only != *address) {
                continue;
            }
            let size = network.connections.len();
            for activity in network.connections.values() {
                if let Some(waits) = activity.waiting() {
                    waiting.push(((network.is_proxy, Reverse(size), waits), activity));
                }
            }
        }
        waiting.sort_unstable_by_key(|(order, _)| *order);
        let wanted = 1 + waiting.len() / ROOM;
        for (_, activity) in waiting.iter().take(wanted) {
            self.count_heads(-activity.close(Closing::Displaced).cast_signed());
        }
        !waiting.is_empty()
    }

    /// Adds to the bytes of unfinished heads, and returns whether they have become too many.
    fn count_heads(&self, grown: isize) -> bool {
        let now = self.head_bytes.fetch_add(grown, Ordering::Relaxed) + grown;
        grown > 0 && now > self.limits().head_bytes.cast_signed()
    }

    /// Has those connections closed that have the largest unfinished heads, among equals the oldest.
    fn shed_heads(&self) {
        let table = self.table();
        let all = table.networks.values().flat_map(|network| network.connections.values());
        let mut heads: Vec<_> = all
            .filter_map(|activity| {
                let (bytes, since) = activity.head_waiting()?;
                Some((Reverse(bytes), since, activity))
            })
            .collect();
        heads.sort_unstable_by_key(|(bytes, since, _)| (*bytes, *since));
        // An eighth more than has to, so that it is not done for every read.
        let enough = (self.limits().head_bytes / 8 * 7).cast_signed();
        for (_, _, activity) in heads {
            if self.head_bytes.load(Ordering::Relaxed) <= enough {
                break;
            }
            self.count_heads(-activity.close(Closing::HeadBudget).cast_signed());
        }
    }
}

impl Network {
    fn new(is_proxy: bool) -> Self {
        let share = Share { open: AtomicUsize::new(0), turns: Semaphore::new(TURNS) };
        Self { share: Arc::new(share), is_proxy, connections: HashMap::new() }
    }
}

impl ConnectionPlace {
    /// Waits until it is this connection's turn among those of its network, when they are many: all
    /// of them together then take no more of the service than a few connections do.
    pub(super) async fn turn(&self) {
        if self.is_proxy || self.share.open.load(Ordering::Relaxed) <= MANY {
            return;
        }
        self.activity.request_waits(Some(Waiting::Turn));
        let turn = self.share.turns.acquire().await;
        // The next one has its turn once this one has come to run behind those of all others.
        tokio::task::yield_now().await;
        drop(turn);
        self.activity.request_waits(None);
    }

    /// Notes that bytes were read.
    pub(super) fn read(&self, bytes: usize) {
        if self.places.count_heads(self.activity.read(bytes)) {
            self.places.shed_heads();
        }
    }

    /// Notes that a head is complete.
    pub(super) fn head_parsed(&self, parts: &Parts) {
        self.places.count_heads(self.activity.head_parsed(parts));
    }

    /// Has the connection closed.
    pub(super) fn close(&self, why: Closing) {
        self.places.count_heads(-self.activity.close(why).cast_signed());
    }

    /// Returns the bounds of connections.
    pub(super) fn limits(&self) -> &ConnectionLimits {
        self.places.limits()
    }

    /// Counts that the connection is closed.
    pub(super) fn count(&self, why: Closing) {
        let counters = self.places.counters();
        match why {
            Closing::Idle => counters.idle_closures.add(),
            Closing::SlowHead => counters.slow_heads.add(),
            Closing::StalledWrite => counters.stalled_writes.add(),
            Closing::Displaced => counters.connections_displaced.add(),
            Closing::HeadBudget => counters.head_budget_closures.add(),
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.places.count_heads(-self.activity.charge().cast_signed());
        let mut table = self.places.table();
        table.open -= 1;
        self.share.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(network) = table.networks.get_mut(&self.network) {
            network.connections.remove(&self.id);
            if network.connections.is_empty() {
                table.networks.remove(&self.network);
            }
        }
        self.places.counters().open_connections.subtract();
    }
}
