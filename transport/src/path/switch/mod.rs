//! The switch: whose is a datagram, and which way does it go.

mod ids;
mod inbound;
mod legs;
mod life;
mod table;
mod traversal;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use dchat_nat::agent::{self, Agent};
use dchat_wire::PeerId;
use dchat_wire::nat::{Candidates, Punch};

use super::address::{ChannelAddress, Route, VirtualAddress, canonical};
use super::attached::{Attached, ProbePair};
use super::connection::{Class, Connection, Stage};
use super::context::{Common, Output};
use super::leg::{Leg, LegId};
use super::packet::{Cid, Packet};
use super::path::PathInfo;
use super::replies::Replies;
use super::sizes;
use super::stats::Stats;

pub use traversal::ExtraArrival;

/// How large the tables may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Virtual addresses in all, default 4096: connections, attempts, and lately released ones.
    /// One takes about 2 KiB while attached.
    pub virtual_addresses: usize,
    /// Attempts of strangers that have shown no round trip, default 1024. It has to hold one batch
    /// of Initials (32 senders) until quinn has answered them; beyond that it only saves work.
    pub provisional: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            virtual_addresses: 4096,
            provisional: 1024,
        }
    }
}

/// What becomes of an inbound datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is QUIC, and comes from this virtual address.
    Deliver(VirtualAddress),
    /// It is QUIC and of one of these connections, all with the same peer address, or a reset of
    /// one: to be delivered under each. quinn drops what comes to a connection from another's.
    Ambiguous(Vec<VirtualAddress>),
    /// It was ours and is dealt with, or is dropped; either way it is counted.
    Consumed,
}

/// The ways an outbound datagram takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The active path's.
    pub route: Route,
    /// That of another path which is known to work, while the active one is in doubt: the same
    /// datagram is sent there as well. quinn drops whichever comes second.
    pub copy: Option<Route>,
}

impl Outbound {
    fn once(route: Route) -> Self {
        Self { route, copy: None }
    }
}

/// What is told to the switch, besides datagrams.
#[derive(Clone, Debug)]
pub enum Input {
    /// TLS and HELLO are done. Without an entry (it was evicted) the address is
    /// [`Lost`](Output::Lost) at once.
    Attach {
        /// The connection.
        virt: VirtualAddress,
        /// What its probes are keyed with.
        keys: ProbePair,
    },
    /// The peer's addresses, replacing earlier ones. The first [`bounds::OFFERED`](super::bounds::OFFERED) are looked at.
    Offer {
        /// The connection.
        virt: VirtualAddress,
        /// Real addresses.
        remotes: Vec<SocketAddr>,
    },
    /// The connection was closed. Its packets are still routed for [`bounds::LINGER`](super::bounds::LINGER).
    Release {
        /// The connection.
        virt: VirtualAddress,
    },
    /// The operating system refused to send that way: no route, no such source address, interface
    /// down.
    SendFailed {
        /// The connection.
        virt: VirtualAddress,
        /// The way it was to go.
        route: Route,
    },
    /// Interfaces or routes of this host are others now.
    InterfacesChanged,
    /// The peer is an accepted contact: look for direct paths with it. Replaces an agent from before,
    /// and [`Offer`](Self::Offer)s. Ignored unless attached.
    Traverse {
        /// The connection.
        virt: VirtualAddress,
        /// What the agent may do.
        config: agent::Config,
        /// We.
        ours: PeerId,
        /// The peer.
        theirs: PeerId,
        /// Different for each connection.
        seed: [u8; 32],
    },
    /// Our own addresses and NAT, as the peer was told them with the first write of the control
    /// stream ([`agent::Local::opening`]).
    Told {
        /// The connection.
        virt: VirtualAddress,
        /// What was told.
        local: agent::Local,
    },
    /// Our own addresses and NAT, for the agent of a connection.
    Local {
        /// The connection.
        virt: VirtualAddress,
        /// What is known.
        local: agent::Local,
    },
    /// CANDIDATES came on the control stream.
    Candidates {
        /// The connection.
        virt: VirtualAddress,
        /// The frame.
        candidates: Candidates,
    },
    /// PUNCH came on the control stream.
    Punch {
        /// The connection.
        virt: VirtualAddress,
        /// The frame.
        punch: Punch,
    },
    /// What a new mapping of ours was, asked for by [`Output::Sample`].
    Sampled {
        /// The connection it was asked for.
        virt: VirtualAddress,
        /// Our address outside; `None` when nobody told.
        address: Option<SocketAddr>,
    },
    /// A leg is no more. Every connection on it takes another proven path at once, or is
    /// [`Lost`](Output::Lost).
    LegGone {
        /// Which.
        leg: LegId,
    },
    /// A channel of a relay is no more; as [`LegGone`](Self::LegGone) for what went over it.
    ChannelClosed {
        /// The relay's leg.
        leg: LegId,
        /// The channel.
        channel: u32,
    },
    /// A further channel leads to the peer: it is probed, and kept for when the active path fails.
    /// Ignored unless attached.
    OfferRelayed {
        /// The connection.
        virt: VirtualAddress,
        /// The relay's leg.
        leg: LegId,
        /// The channel.
        channel: u32,
    },
}

/// The path switch; see the [module](super) for the contract.
#[derive(Debug)]
pub struct Switch {
    config: Config,
    key: [u8; 32],
    serial: u64,
    connections: BTreeMap<VirtualAddress, Connection>,
    cids: BTreeMap<Cid, VirtualAddress>,
    tags: BTreeMap<[u8; 8], VirtualAddress>,
    homes: BTreeSet<(LegId, SocketAddr, VirtualAddress)>,
    evictable: BTreeMap<(Class, u64), VirtualAddress>,
    unproven: usize,
    timers: BTreeSet<(Instant, VirtualAddress)>,
    replies: Replies,
    common: Common,
}

impl Switch {
    /// A switch over these legs, of which the first [`bounds::LEGS`](super::bounds::LEGS) are used. `seed` keys virtual
    /// addresses and transaction ids and must be secret and fresh.
    #[must_use]
    pub fn new(config: Config, legs: Vec<Leg>, seed: [u8; 32]) -> Self {
        Self {
            config,
            key: seed,
            serial: 0,
            connections: BTreeMap::new(),
            cids: BTreeMap::new(),
            tags: BTreeMap::new(),
            homes: BTreeSet::new(),
            evictable: BTreeMap::new(),
            unproven: 0,
            timers: BTreeSet::new(),
            replies: Replies::new(),
            common: Common::new(legs, seed),
        }
    }

    /// Which way a datagram of quinn's goes: `datagram` is one, or the first of a batch of `len`
    /// bytes. `None` for one that goes nowhere; it is counted.
    pub fn outbound(
        &mut self,
        virt: VirtualAddress,
        datagram: &[u8],
        len: usize,
        now: Instant,
    ) -> Option<Outbound> {
        let Some(connection) = self.connections.get_mut(&virt) else {
            let reply = self.replies.route(virt);
            self.common.stats.unmapped += u64::from(reply.is_none());
            return reply.map(Outbound::once);
        };
        if let Stage::Provisional {
            proven: false,
            allowance,
        } = &mut connection.stage
            && !allowance.send(len)
        {
            self.common.stats.unallowed += 1;
            return None;
        }
        let route = connection.route();
        let mut outbound = Some(Outbound::once(route));
        let relayed = ChannelAddress::from_socket_addr(route.remote).is_some();
        if matches!(connection.stage, Stage::Attached(_)) {
            self.attached(virt, now, |attached, cx| {
                outbound = attached.data_out(datagram.len(), len, cx);
            });
        } else if relayed && datagram.len() == len && len > sizes::BASE {
            // Nothing of a handshake is as large; see the module for the rest.
            self.common.stats.oversized += 1;
            return None;
        }
        if let Packet::Long {
            scid,
            names_source: true,
            ..
        } = Packet::of(datagram)
            && let Some(cid) = Cid::new(scid)
        {
            self.issue(virt, cid);
        }
        outbound
    }

    /// Adds one of our ends. `None` when there are as many of its kind as [`bounds`](super::bounds) allow.
    pub fn add_leg(&mut self, leg: Leg) -> Option<LegId> {
        self.common.legs.add(leg)
    }

    /// A virtual address for one attempt to reach `remote` over `leg`. When the table is full of
    /// connections, or the leg does not reach there, it leads nowhere and the attempt times out.
    pub fn dial(&mut self, leg: LegId, remote: SocketAddr) -> VirtualAddress {
        self.serial += 1;
        let virt = VirtualAddress::dialed(&self.key, self.serial);
        let remote = canonical(remote);
        let usable = self
            .common
            .legs
            .get(leg)
            .is_some_and(|leg| leg.reaches(remote));
        if usable && self.make_room(Class::Proven) {
            let route = Route {
                leg,
                local: None,
                remote,
            };
            self.insert(virt, Connection::new(Stage::Dialed { lost: false }, route));
        }
        virt
    }

    /// The legs for everybody from which `remote` can be reached, in their order.
    pub fn legs_to(&self, remote: SocketAddr) -> impl Iterator<Item = LegId> {
        let remote = canonical(remote);
        self.common.legs.reaching(remote)
    }

    /// The path of a virtual address; `None` for one that leads nowhere.
    #[must_use]
    pub fn current(&self, virt: VirtualAddress, now: Instant) -> Option<PathInfo> {
        self.connections.get(&virt)?.info(&self.common.legs, now)
    }

    /// Whether probe keys are attached to this address.
    #[must_use]
    pub fn is_attached(&self, virt: VirtualAddress) -> bool {
        let connection = self.connections.get(&virt);
        connection.is_some_and(|connection| matches!(connection.stage, Stage::Attached(_)))
    }

    /// Counters and table sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            virtual_addresses: self.connections.len(),
            provisional: self.evictable.range((Class::Unproven, 0)..).count(),
            cids: self.cids.len(),
            ..self.common.stats
        }
    }

    /// Takes what happened. Unknown virtual addresses are ignored.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Attach { virt, keys } => self.attach(virt, keys, now),
            Input::Offer { virt, remotes } => self.offer(virt, &remotes, now),
            Input::Release { virt } => self.release(virt, now),
            Input::SendFailed { virt, route } => self.send_failed(virt, route, now),
            Input::InterfacesChanged => {
                let all: Vec<_> = self.connections.keys().copied().collect();
                for virt in all {
                    self.attached(virt, now, Attached::interfaces_changed);
                }
            }
            Input::Traverse {
                virt,
                config,
                ours,
                theirs,
                seed,
            } => {
                let loopback = config.loopback;
                let agent = Agent::new(config, ours, theirs, seed, now);
                self.attached(virt, now, |attached, cx| {
                    attached.traverse(agent, loopback, cx);
                });
            }
            Input::Told { virt, local } => {
                self.tell_agent(virt, agent::Input::Told(local), now);
            }
            Input::Local { virt, local } => {
                self.tell_agent(virt, agent::Input::Local(local), now);
            }
            Input::Candidates { virt, candidates } => {
                self.tell_agent(virt, agent::Input::Candidates(candidates), now);
            }
            Input::Punch { virt, punch } => {
                self.tell_agent(virt, agent::Input::Punch(punch), now);
            }
            Input::Sampled { virt, address } => {
                self.tell_agent(virt, agent::Input::Sampled(address), now);
            }
            Input::LegGone { leg } => self.leg_gone(leg, now),
            Input::ChannelClosed { leg, channel } => self.channel_closed(leg, channel, now),
            Input::OfferRelayed { virt, leg, channel } => {
                let remote = ChannelAddress(channel).socket_addr();
                self.attached(virt, now, |attached, cx| {
                    attached.offer_relayed(leg, remote, cx);
                });
            }
        }
    }

    fn tell_agent(&mut self, virt: VirtualAddress, input: agent::Input, now: Instant) {
        self.attached(virt, now, |attached, cx| attached.tell_agent(input, cx));
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, virt)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, virt));
            let Some(connection) = self.connections.get_mut(&virt) else {
                continue;
            };
            connection.armed = None;
            match connection.stage {
                Stage::Lingering { until } if until <= now => self.remove(virt),
                Stage::Attached(_) => {
                    self.attached(virt, now, Attached::handle_timeout);
                }
                Stage::Lingering { .. } | Stage::Provisional { .. } | Stage::Dialed { .. } => {
                    self.rearm(virt);
                }
            }
        }
    }

    /// The next thing to do, in order; to be drained after every call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.common.poll_output()
    }

    /// Whether [`poll_output`](Self::poll_output) has something.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.common.has_output()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, possibly a little early. `None` when
    /// nothing is in doubt and nothing is pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }
}
