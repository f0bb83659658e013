//! The pure relay and what it needs to act.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use dchat_wire::{Frame, PeerId};
use tokio::sync::{Notify, mpsc, watch};

use super::forward;
use crate::relay::proto::server::{Config, Event, Input, Output, Policy, Relay, Stats};
use crate::relay::proto::{ConnId, StreamId};
use crate::relay::stream::{self, Machine, ORDERS, Order};
use crate::sync::lock;

/// A relay's state, shared by the tasks of all its connections.
pub(crate) struct RelayServer {
    core: Mutex<Core>,
    wake: Notify,
    /// Streams that are followed.
    following: watch::Sender<usize>,
}

/// A stream that is followed; no longer when dropped.
pub(super) struct Following(Arc<RelayServer>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.following.send_modify(|streams| *streams -= 1);
    }
}

struct Core {
    relay: Relay,
    connections: BTreeMap<ConnId, Served>,
    /// Until when the timer sleeps; `None` while it waits for a wake-up only.
    asleep_until: Option<Instant>,
}

/// A connection known to the pure relay.
struct Served {
    quinn: quinn::Connection,
    streams: BTreeMap<StreamId, mpsc::Sender<Order>>,
    /// The largest datagram the relay knows it takes.
    largest: usize,
    /// Whether a task waits until it takes more datagrams.
    waited_for: bool,
}

impl RelayServer {
    pub(crate) fn new(config: Config, now: Instant) -> Self {
        Self {
            core: Mutex::new(Core {
                relay: Relay::new(config, now),
                connections: BTreeMap::new(),
                asleep_until: None,
            }),
            wake: Notify::new(),
            following: watch::Sender::new(0),
        }
    }

    /// Counters and sizes.
    pub(crate) fn stats(&self) -> Stats {
        lock(&self.core).relay.stats()
    }

    pub(crate) fn set_policy(self: &Arc<Self>, policy: Policy) {
        self.input(Input::Policy(policy));
    }

    /// Ends everything, and refuses what comes later.
    pub(crate) fn shut_down(self: &Arc<Self>) {
        self.input(Input::Shutdown);
    }

    /// Waits until what was said on all streams has arrived. After
    /// [`shut_down`](Self::shut_down) that is the last word on each.
    pub(crate) async fn quiesce(&self) {
        let mut following = self.following.subscribe();
        // It does not fail: the sender is ours.
        let _ = following.wait_for(|streams| *streams == 0).await;
    }

    pub(super) fn following(self: &Arc<Self>) -> Following {
        self.following.send_modify(|streams| *streams += 1);
        Following(Arc::clone(self))
    }

    /// Whether a peer holds a reservation.
    pub(super) fn holds(&self, peer: &PeerId) -> bool {
        lock(&self.core).relay.holds(peer)
    }

    /// Makes a connection known, if it is not.
    pub(super) fn up(
        self: &Arc<Self>,
        conn: ConnId,
        peer: PeerId,
        ip: IpAddr,
        quinn: &quinn::Connection,
    ) {
        let mut core = lock(&self.core);
        if core.connections.contains_key(&conn) {
            return;
        }
        let largest = quinn.max_datagram_size().unwrap_or(0);
        let served = Served {
            quinn: quinn.clone(),
            streams: BTreeMap::new(),
            largest,
            waited_for: false,
        };
        core.connections.insert(conn, served);
        let now = Instant::now();
        let up = Input::Up {
            conn,
            peer,
            ip,
            largest,
        };
        core.relay.handle_input(up, now);
        core.room(conn, now);
        self.settle(core, now, None);
    }

    /// A connection is over.
    pub(crate) fn gone(self: &Arc<Self>, conn: ConnId) {
        let mut core = lock(&self.core);
        if core.connections.remove(&conn).is_some() {
            let now = Instant::now();
            core.relay.handle_input(Input::Gone { conn }, now);
            self.settle(core, now, None);
        }
    }

    /// Whether datagrams of this connection are for the relay.
    pub(crate) fn serves(&self, conn: ConnId) -> bool {
        lock(&self.core).connections.contains_key(&conn)
    }

    /// Names a stream whose orders come from the receiver returned.
    pub(super) fn register(&self, conn: ConnId, stream: StreamId) -> mpsc::Receiver<Order> {
        let (orders, receiver) = mpsc::channel(ORDERS);
        if let Some(served) = lock(&self.core).connections.get_mut(&conn) {
            served.streams.insert(stream, orders);
        }
        receiver
    }

    /// Forwards what came, and empties `batch`.
    pub(super) fn datagrams(self: &Arc<Self>, conn: ConnId, batch: &mut Vec<Bytes>) {
        let now = Instant::now();
        let mut core = lock(&self.core);
        core.largest(conn, now);
        for datagram in batch.drain(..) {
            core.relay
                .handle_input(Input::Datagram { conn, datagram }, now);
        }
        self.settle(core, now, None);
    }

    /// Takes from the relay what one full connection gets next: at least one datagram when any
    /// wait. It has room for none of them, so they have to be waited with.
    pub(super) fn next_for(self: &Arc<Self>, conn: ConnId) -> Vec<Bytes> {
        let now = Instant::now();
        let mut core = lock(&self.core);
        let Some(served) = core.connections.get(&conn) else {
            return Vec::new();
        };
        let bytes = served.quinn.max_datagram_size().unwrap_or(0);
        let mut next = Vec::new();
        core.relay.handle_input(Input::Room { conn, bytes }, now);
        self.settle(core, now, Some((conn, &mut next)));
        next
    }

    /// A connection that was full takes datagrams again. If that is not enough, another task waits.
    pub(super) fn has_room(self: &Arc<Self>, conn: ConnId) {
        let now = Instant::now();
        let mut core = lock(&self.core);
        if let Some(served) = core.connections.get_mut(&conn) {
            served.waited_for = false;
        }
        core.room(conn, now);
        self.settle(core, now, None);
    }

    /// Does what is due, now and later, until `closed`.
    pub(crate) async fn drive(self: Arc<Self>, closed: impl Future<Output = ()>) {
        tokio::pin!(closed);
        loop {
            let until = self.pass_time();
            let due = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => core::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.wake.notified() => {}
                () = &mut closed => return,
            }
        }
    }

    /// Does what is due, and tells until when to sleep.
    fn pass_time(self: &Arc<Self>) -> Option<Instant> {
        let now = Instant::now();
        let mut core = lock(&self.core);
        core.relay.handle_timeout(now);
        self.settle(core, now, None);
        let mut core = lock(&self.core);
        core.asleep_until = core.relay.poll_timeout();
        core.asleep_until
    }

    fn input(self: &Arc<Self>, input: Input) {
        let now = Instant::now();
        let mut core = lock(&self.core);
        core.relay.handle_input(input, now);
        self.settle(core, now, None);
    }

    /// Does what the relay wants done. Datagrams for the connection of `aside` are put there.
    fn settle(
        self: &Arc<Self>,
        mut core: MutexGuard<'_, Core>,
        now: Instant,
        mut aside: Option<(ConnId, &mut Vec<Bytes>)>,
    ) {
        let mut sent = BTreeSet::new();
        loop {
            while let Some(output) = core.relay.poll_output() {
                match output {
                    Output::Transmit { conn, datagram } => match &mut aside {
                        Some((aside, datagrams)) if *aside == conn => datagrams.push(datagram),
                        _ => {
                            core.transmit(conn, datagram, now);
                            sent.insert(conn);
                        }
                    },
                    Output::Write {
                        conn,
                        stream,
                        frame,
                    } => core.order(conn, stream, Order::Write(*frame)),
                    Output::Close {
                        conn,
                        stream,
                        frame,
                    } => {
                        core.order(conn, stream, Order::Close(frame.map(|frame| *frame)));
                        if let Some(served) = core.connections.get_mut(&conn) {
                            served.streams.remove(&stream);
                        }
                    }
                    Output::Open {
                        conn,
                        stream,
                        frame,
                    } => self.open(&mut core, conn, stream, *frame),
                    Output::Waiting { conn } => self.wait_for(&mut core, conn),
                    Output::Event(event) => log(&event),
                }
            }
            // What was sent took room; what the buffer has given back since is room again.
            let Some(conn) = sent.pop_first() else { break };
            core.room(conn, now);
        }
        let due = core.relay.poll_timeout();
        let oversleeps = match (due, core.asleep_until) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(due), Some(until)) => due < until,
        };
        if oversleeps {
            core.asleep_until = due;
            self.wake.notify_one();
        }
    }

    fn open(self: &Arc<Self>, core: &mut Core, conn: ConnId, stream: StreamId, frame: Frame) {
        let Some(served) = core.connections.get_mut(&conn) else {
            return;
        };
        let (orders, receiver) = mpsc::channel(ORDERS);
        served.streams.insert(stream, orders);
        let quinn = served.quinn.clone();
        // Bounded by the unanswered and open channels of the connection, and ends with it.
        let (machine, following) = (Arc::new(Arc::clone(self)), self.following());
        tokio::spawn(async move {
            stream::call(machine, quinn, conn, stream, frame, receiver).await;
            drop(following);
        });
    }

    fn wait_for(self: &Arc<Self>, core: &mut Core, conn: ConnId) {
        let Some(served) = core.connections.get_mut(&conn) else {
            return;
        };
        if !core::mem::replace(&mut served.waited_for, true) {
            let quinn = served.quinn.clone();
            tokio::spawn(forward::wait_for_room(Arc::clone(self), conn, quinn));
        }
    }
}

impl Machine for Arc<RelayServer> {
    fn frame(&self, conn: ConnId, stream: StreamId, frame: Frame) {
        self.input(Input::Frame {
            conn,
            stream,
            frame,
            unix_ms: unix_ms(),
        });
    }

    fn ended(&self, conn: ConnId, stream: StreamId) {
        self.input(Input::Ended { conn, stream });
    }
}

impl Core {
    fn order(&mut self, conn: ConnId, stream: StreamId, order: Order) {
        let served = self.connections.get(&conn);
        if let Some(orders) = served.and_then(|served| served.streams.get(&stream)) {
            // A stream gets fewer orders than fit; one whose task is gone needs none.
            let _ = orders.try_send(order);
        }
    }

    fn transmit(&mut self, conn: ConnId, datagram: Bytes, now: Instant) {
        let Some(served) = self.connections.get(&conn) else {
            return;
        };
        if let Err(quinn::SendDatagramError::TooLarge) = served.quinn.send_datagram(datagram) {
            self.largest(conn, now);
        }
    }

    /// Tells the relay how much a connection takes.
    fn room(&mut self, conn: ConnId, now: Instant) {
        if let Some(served) = self.connections.get(&conn) {
            let bytes = served.quinn.datagram_send_buffer_space();
            self.relay.handle_input(Input::Room { conn, bytes }, now);
        }
    }

    /// Tells the relay how large a datagram may be, when that has changed.
    fn largest(&mut self, conn: ConnId, now: Instant) {
        if let Some(served) = self.connections.get_mut(&conn) {
            let bytes = served.quinn.max_datagram_size().unwrap_or(0);
            if core::mem::replace(&mut served.largest, bytes) != bytes {
                self.relay.handle_input(Input::Largest { conn, bytes }, now);
            }
        }
    }
}

fn log(event: &Event) {
    match event {
        Event::Reserved { peer, lifetime_s } => {
            tracing::debug!(?peer, lifetime_s, "relay: reserved");
        }
        Event::Released { peer, reason } => tracing::debug!(?peer, ?reason, "relay: released"),
        Event::Opened { caller, callee } => {
            tracing::debug!(?caller, ?callee, "relay: channel opened");
        }
        Event::Closed {
            caller,
            callee,
            packets,
            bytes,
        } => tracing::debug!(?caller, ?callee, packets, bytes, "relay: channel closed"),
        Event::Refused { peer, reason } => tracing::debug!(?peer, ?reason, "relay: refused"),
    }
}

/// Milliseconds since 1970; a clock set before that reads as 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl core::fmt::Debug for RelayServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RelayServer").finish_non_exhaustive()
    }
}
