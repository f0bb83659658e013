//! The relay: its tables, the four verbs, and connections that come and go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use dchat_wire::relay::{Refusal, RelayRefused};
use dchat_wire::sign::Identity;
use dchat_wire::{Frame, PeerId};

use super::config::{Config, Limits, Policy};
use super::event::{Event, Input, Output, Release};
use super::stats::Stats;
use super::tables::{Channel, Holder, Link, Peer, Timer, counted};
use crate::relay::proto::bucket::Bucket;
use crate::relay::proto::slab::Slab;
use crate::relay::proto::subnet::Subnet;
use crate::relay::proto::{ConnId, StreamId};

/// A relay; see the [module](super) for the contract.
#[derive(Debug)]
pub struct Relay {
    pub(super) identity: Identity,
    pub(super) limits: Limits,
    pub(super) policy: Policy,
    pub(super) links: BTreeMap<ConnId, Link>,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    pub(super) subnets: BTreeMap<Subnet, Holder>,
    pub(super) channels: Slab<Channel>,
    pub(super) timers: BTreeSet<(Instant, Timer)>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) bytes_in_all: Option<Bucket>,
    /// Streams opened.
    pub(super) serial: u64,
    /// Of the voucher issued last.
    pub(super) sequence: u64,
    /// Peers without a connection.
    pub(super) away: usize,
    pub(super) shutting_down: bool,
    pub(super) stats: Stats,
}

impl Relay {
    /// A relay without connections.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let Config {
            identity,
            limits,
            policy,
        } = config;
        Self {
            identity,
            limits,
            policy,
            links: BTreeMap::new(),
            peers: BTreeMap::new(),
            subnets: BTreeMap::new(),
            channels: Slab::new(),
            timers: BTreeSet::new(),
            outputs: VecDeque::new(),
            bytes_in_all: limits.bytes_in_all.map(|rate| Bucket::new(rate, now)),
            serial: 0,
            sequence: 0,
            away: 0,
            shutting_down: false,
            stats: Stats::default(),
        }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Datagram { conn, datagram } => self.forward(conn, datagram, now),
            Input::Room { conn, bytes } => self.room(conn, bytes),
            Input::Frame {
                conn,
                stream,
                frame,
                unix_ms,
            } => self.frame(conn, stream, frame, unix_ms, now),
            Input::Ended { conn, stream } => self.stream_ended(conn, stream),
            Input::Up {
                conn,
                peer,
                ip,
                largest,
            } => self.up(conn, peer, ip, largest, now),
            Input::Gone { conn } => self.gone(conn, now),
            Input::Largest { conn, bytes } => {
                if let Some(link) = self.links.get_mut(&conn) {
                    link.largest = bytes;
                }
            }
            Input::Policy(policy) => self.adopt(policy),
            Input::Shutdown => self.shut_down(),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(due, timer)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            match timer {
                Timer::Peer(peer) => self.peer_due(peer, now),
                Timer::Channel(channel) => self.channel_due(channel, now),
            }
        }
    }

    /// The next thing to do for the caller.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        // A shutdown's worth of outputs is not kept allocated for ever.
        if self.outputs.is_empty() && self.outputs.capacity() > 1024 {
            self.outputs = VecDeque::new();
        }
        output
    }

    /// When [`Relay::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|&(due, _)| due)
    }

    /// Whether a peer holds a reservation, here or away.
    #[must_use]
    pub fn holds(&self, peer: &PeerId) -> bool {
        let peer = self.peers.get(peer);
        peer.is_some_and(|peer| peer.reservation.is_some())
    }

    /// Counters and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            connections: self.links.len(),
            channels: self.channels.len() - self.stats.unanswered,
            ..self.stats
        }
    }

    /// How long `peer`'s reservation still lasts, if it holds one.
    #[must_use]
    pub fn reserved_until(&self, peer: &PeerId) -> Option<Instant> {
        let reservation = self.peers.get(peer)?.reservation?;
        Some(reservation.until)
    }

    fn up(&mut self, conn: ConnId, peer: PeerId, ip: IpAddr, largest: usize, now: Instant) {
        if self.links.contains_key(&conn) {
            return;
        }
        self.make_way(&peer, now);
        if self.links.len() >= self.limits.connections {
            return;
        }
        let subnet = counted(ip, self.policy.private_exempt);
        self.links.insert(
            conn,
            Link {
                peer,
                subnet,
                largest,
                room: 0,
                next_number: 0,
                places: Vec::new(),
                queue: None,
            },
        );
        let limits = self.limits;
        let entry = self.peers.entry(peer).or_insert_with(|| Peer {
            links: Vec::new(),
            reservation: None,
            channels: 0,
            unanswered: 0,
            requests: Bucket::new(limits.requests_per_peer, now),
            bytes: limits.bytes_per_peer.map(|rate| Bucket::new(rate, now)),
            subnet: None,
            forgotten: None,
            timer: None,
        });
        entry.links.reserve_exact(1);
        entry.links.push(conn);
        let before = std::mem::replace(&mut entry.subnet, subnet);
        if entry.forgotten.take().is_some() {
            self.away -= 1;
        }
        // Once for the connection, once for the peer.
        for subnet in [subnet, subnet].into_iter().flatten() {
            let holder = self.subnets.entry(subnet).or_insert_with(|| Holder {
                users: 0,
                reservations: 0,
                requests: Bucket::new(limits.requests_per_subnet, now),
            });
            holder.users += 1;
        }
        self.leave_subnet(before);
        self.arm_peer(peer);
    }

    /// With as many connections as one may have, a peer's oldest gives way to its newest: it is
    /// probably dead and not known to be so yet.
    fn make_way(&mut self, peer: &PeerId, now: Instant) {
        let Some(peer) = self.peers.get(peer) else {
            return;
        };
        let Some(&oldest) = peer.links.first() else {
            return;
        };
        if peer.links.len() < self.limits.connections_per_peer {
            return;
        }
        let link = self.links.get(&oldest);
        let places = link.map(|link| link.places.clone()).unwrap_or_default();
        for place in places {
            self.end_both(place.channel);
        }
        self.gone(oldest, now);
    }

    fn gone(&mut self, conn: ConnId, now: Instant) {
        let Some(link) = self.links.remove(&conn) else {
            return;
        };
        if let Some(queue) = &link.queue {
            self.stats.queued -= queue.charged();
            self.stats.drops.ended += queue.len() as u64;
        }
        for place in link.places {
            self.end_by(place.channel, place.side);
        }
        self.leave_subnet(link.subnet);
        let grace = now + self.limits.grace;
        if let Some(peer) = self.peers.get_mut(&link.peer) {
            peer.links.retain(|&other| other != conn);
            if peer.links.is_empty() {
                // Those that come and go faster than they are forgotten are not remembered.
                let remembered = self.away < self.limits.connections;
                peer.forgotten = Some(if remembered { grace } else { now });
                self.away += 1;
            }
        }
        self.arm_peer(link.peer);
    }

    /// What is due for a peer: its reservation's end, or being forgotten.
    fn peer_due(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.timer = None;
        let forgotten = peer.forgotten.is_some_and(|at| at <= now);
        let expired = peer.reservation.is_some_and(|held| held.until <= now);
        if expired {
            self.release(id, Release::Expired);
        } else if forgotten {
            self.release(id, Release::Left);
        }
        if forgotten && let Some(peer) = self.peers.remove(&id) {
            self.away -= 1;
            self.leave_subnet(peer.subnet);
        } else {
            self.arm_peer(id);
        }
    }

    /// Ends a peer's reservation, if it has one.
    pub(super) fn release(&mut self, id: PeerId, reason: Release) {
        let peer = self.peers.get_mut(&id);
        let Some(held) = peer.and_then(|peer| peer.reservation.take()) else {
            return;
        };
        self.stats.reservations -= 1;
        self.unreserve(held.subnet);
        self.outputs
            .push_back(Output::Event(Event::Released { peer: id, reason }));
        self.arm_peer(id);
    }

    /// One reservation less in a subnet.
    pub(super) fn unreserve(&mut self, subnet: Option<Subnet>) {
        if let Some(subnet) = subnet
            && let Some(holder) = self.subnets.get_mut(&subnet)
        {
            holder.reservations -= 1;
            self.sweep(subnet);
        }
    }

    fn leave_subnet(&mut self, subnet: Option<Subnet>) {
        if let Some(subnet) = subnet
            && let Some(holder) = self.subnets.get_mut(&subnet)
        {
            holder.users -= 1;
            self.sweep(subnet);
        }
    }

    fn sweep(&mut self, subnet: Subnet) {
        let unused = |holder: &Holder| holder.users == 0 && holder.reservations == 0;
        if self.subnets.get(&subnet).is_some_and(unused) {
            self.subnets.remove(&subnet);
        }
    }

    /// Sets a peer's one timer to the first of what it waits for.
    pub(super) fn arm_peer(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let expires = peer.reservation.map(|held| held.until);
        let due = [expires, peer.forgotten].into_iter().flatten().min();
        if peer.timer == due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut peer.timer, due) {
            self.timers.remove(&(before, Timer::Peer(id)));
        }
        if let Some(due) = due {
            self.timers.insert((due, Timer::Peer(id)));
        }
    }

    pub(super) fn write(&mut self, conn: ConnId, stream: StreamId, frame: Frame) {
        let frame = Box::new(frame);
        self.outputs.push_back(Output::Write {
            conn,
            stream,
            frame,
        });
    }

    pub(super) fn close(&mut self, conn: ConnId, stream: StreamId, frame: Option<Frame>) {
        let frame = frame.map(Box::new);
        self.outputs.push_back(Output::Close {
            conn,
            stream,
            frame,
        });
    }

    /// A refusal, counted.
    pub(super) fn refusal(&mut self, reason: Refusal, retry_after_s: u32) -> Frame {
        self.stats.refusals.count(reason);
        Frame::RelayRefused(RelayRefused {
            reason,
            retry_after_s,
            extensions: Default::default(),
        })
    }
}
