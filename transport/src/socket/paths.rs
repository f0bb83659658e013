//! The handle to the switch beneath a socket.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use bytes::Bytes;
use dchat_nat::agent;
use dchat_wire::PeerId;
use dchat_wire::nat::{Candidates, Punch};

use super::carrier::{Carrier, RelayLeg, TooManyLegs};
use super::ends::End;
use super::inner::Inner;
use super::leg::Sent;
use super::shared::{Lease, SwitchHook, now, virtual_address};
use super::side::{self, SideChannel};
use crate::path::{self, ChannelAddress, Input, LegId, PathInfo, ProbePair, Route, Stats};

/// Handle to the paths under a [`VirtualSocket`](super::VirtualSocket). Calls are brief and never
/// block on the network. A virtual address that is unknown, or of another socket, is ignored.
#[derive(Clone, Debug)]
pub struct Paths(Arc<Lease>);

impl Paths {
    pub(super) fn new(lease: Arc<Lease>) -> Self {
        Self(lease)
    }

    /// The bound addresses, with their real ports. An IPv6 wildcard that carries IPv4 as well is
    /// two: itself and the IPv4 wildcard with its port.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.0.0.bound()
    }

    /// A fresh virtual address for one outgoing attempt to one real address; the caller releases
    /// it, whatever becomes of the attempt. Where no socket reaches there, or the table is full of
    /// connections, it leads nowhere: [`current`](Self::current) is `None`.
    #[must_use]
    pub fn dial(&self, remote: SocketAddr) -> SocketAddr {
        let remote = path::canonical(remote);
        let leg = self.best_leg(remote);
        self.0
            .0
            .act(|switch| switch.dial(leg, remote))
            .socket_addr()
    }

    /// After TLS and HELLO: from now on the connection may take other paths. When its address was
    /// evicted meanwhile there is a [`Lost`](super::PathEvent::Lost).
    pub fn attach(&self, virt: SocketAddr, keys: ProbePair, on_switch: SwitchHook) {
        if let Some(virt) = virtual_address(virt) {
            self.0.0.attach(virt, keys, on_switch);
        }
    }

    /// The addresses the peer announced, replacing those of an earlier offer. They are probed, and
    /// the best is taken.
    pub fn offer(&self, virt: SocketAddr, remotes: &[SocketAddr]) {
        if let Some(virt) = virtual_address(virt) {
            let remotes = remotes
                .iter()
                .take(path::bounds::OFFERED)
                .copied()
                .collect();
            self.tell(Input::Offer { virt, remotes });
        }
    }

    /// The path of a connection or attempt, provisional ones included.
    #[must_use]
    pub fn current(&self, virt: SocketAddr) -> Option<PathInfo> {
        let virt = virtual_address(virt)?;
        self.0.0.look(|switch| switch.current(virt, now()))
    }

    /// The connection is closed: forget it. Its packets are still routed for
    /// [`LINGER`](path::bounds::LINGER), so this may be called together with quinn's `close`.
    pub fn release(&self, virt: SocketAddr) {
        if let Some(virt) = virtual_address(virt) {
            self.tell(Input::Release { virt });
            self.0.0.unhook(virt);
        }
    }

    /// Interfaces or routes of this host changed: all paths are probed now.
    pub fn interfaces_changed(&self) {
        self.tell(Input::InterfacesChanged);
    }

    /// A connection to a relay carries channels from now on.
    ///
    /// # Errors
    /// [`TooManyLegs`]: there are [`RELAY_LEGS`](path::bounds::RELAY_LEGS).
    pub fn add_relay(
        &self,
        relay: PeerId,
        socket: SocketAddr,
        carrier: Arc<dyn Carrier>,
    ) -> Result<LegId, TooManyLegs> {
        let leg = RelayLeg {
            relay,
            socket: path::canonical(socket),
            carrier,
        };
        self.0.0.add_relay(leg).ok_or(TooManyLegs)
    }

    /// The connection to a relay is over. Every connection with a path there takes another proven
    /// one at once, or is [`Lost`](super::PathEvent::Lost). Only what was added can be removed.
    pub fn remove_leg(&self, leg: LegId) {
        self.0.0.remove_leg(leg);
    }

    /// A packet came in over a channel of a relay. It waits for quinn; when as many wait as may of
    /// one relay it is dropped and counted.
    pub fn relayed(&self, leg: LegId, channel: u32, packet: Bytes) {
        self.0.0.relayed(Inner {
            leg,
            channel,
            packet,
        });
    }

    /// A channel is closed; as [`remove_leg`](Self::remove_leg) for what went over it.
    pub fn channel_closed(&self, leg: LegId, channel: u32) {
        self.tell(Input::ChannelClosed { leg, channel });
    }

    /// A virtual address for one attempt to reach a peer over a channel; as [`dial`](Self::dial).
    #[must_use]
    pub fn dial_relayed(&self, leg: LegId, channel: u32) -> SocketAddr {
        let remote = ChannelAddress(channel).socket_addr();
        let virt = self.0.0.act(|switch| switch.dial(leg, remote));
        virt.socket_addr()
    }

    /// A further channel leads to the peer of an attached connection, over another relay: it is
    /// probed, and kept for when the active path fails.
    pub fn offer_relayed(&self, virt: SocketAddr, leg: LegId, channel: u32) {
        if let Some(virt) = virtual_address(virt) {
            self.tell(Input::OfferRelayed { virt, leg, channel });
        }
    }

    /// The peer is an accepted contact: a direct path is looked for with its help, over whatever path
    /// the connection has. From now on [`Signal`](super::PathEvent::Signal),
    /// [`Sample`](super::PathEvent::Sample) and [`Outcome`](super::PathEvent::Outcome) come for it,
    /// and [`offer`](Self::offer)s are ignored. To be called after [`attach`](Self::attach); `seed`
    /// is 32 random bytes. Loopback addresses are probed only where the path itself is a loopback's.
    pub fn traverse(&self, virt: SocketAddr, ends: (PeerId, PeerId), traverse: Traverse) {
        let Some(virt) = virtual_address(virt) else {
            return;
        };
        let (ours, theirs) = ends;
        let Traverse {
            mut config,
            seed,
            told,
            local,
        } = traverse;
        self.0.0.act(|switch| {
            let current = switch.current(virt, now());
            config.loopback |= current.is_some_and(|path| path.remote.ip().is_loopback());
            let traverse = Input::Traverse {
                virt,
                config,
                ours,
                theirs,
                seed,
            };
            switch.handle_input(traverse, now());
            if let Some(local) = told {
                switch.handle_input(Input::Told { virt, local }, now());
            }
            if let Some(local) = local {
                switch.handle_input(Input::Local { virt, local }, now());
            }
        });
    }

    /// The CANDIDATES with which [`traverse`](Self::traverse) would begin, to be told before it.
    #[must_use]
    pub fn opening(
        &self,
        virt: SocketAddr,
        mut config: agent::Config,
        local: &agent::Local,
    ) -> Candidates {
        let current = self.current(virt);
        config.loopback |= current.is_some_and(|path| path.remote.ip().is_loopback());
        local.opening(&config)
    }

    /// Our own addresses and NAT are these now, for the search of one connection.
    pub fn set_local(&self, virt: SocketAddr, local: agent::Local) {
        if let Some(virt) = virtual_address(virt) {
            self.tell(Input::Local { virt, local });
        }
    }

    /// CANDIDATES came on the control stream.
    pub fn candidates(&self, virt: SocketAddr, candidates: Candidates) {
        if let Some(virt) = virtual_address(virt) {
            self.tell(Input::Candidates { virt, candidates });
        }
    }

    /// PUNCH came on the control stream.
    pub fn punch(&self, virt: SocketAddr, punch: Punch) {
        if let Some(virt) = virtual_address(virt) {
            self.tell(Input::Punch { virt, punch });
        }
    }

    /// Answers a [`Sample`](super::PathEvent::Sample): where the fresh socket was seen, or `None`.
    pub fn sampled(&self, virt: SocketAddr, address: Option<SocketAddr>) {
        if let Some(virt) = virtual_address(virt) {
            self.tell(Input::Sampled { virt, address });
        }
    }

    /// How the search for a direct path stands; `None` where there is none.
    #[must_use]
    pub fn outcome(&self, virt: SocketAddr) -> Option<agent::Outcome> {
        let virt = virtual_address(virt)?;
        self.0.0.look(|switch| switch.outcome(virt))
    }

    /// STUN and REACH datagrams go there from now on; an earlier channel ends. Without one they are
    /// dropped.
    #[must_use]
    pub fn side_channel(&self) -> SideChannel {
        self.0.0.side_channel(side::Kind::Nat)
    }

    /// Pulses go there from now on; an earlier channel ends. Without one they are dropped.
    #[must_use]
    pub fn pulse_channel(&self) -> SideChannel {
        self.0.0.side_channel(side::Kind::Pulse)
    }

    /// Sends a STUN or REACH datagram or a pulse over a UDP leg; without one over that which would be dialed
    /// from. `local` is the address to send from where the leg has several, as in
    /// [`SideDatagram::local`](super::SideDatagram). Which leg took it; `None` when none did: other
    /// bytes, an address out of reach, or a full buffer.
    pub fn send_side(
        &self,
        leg: Option<LegId>,
        local: Option<IpAddr>,
        to: SocketAddr,
        bytes: &[u8],
    ) -> Option<LegId> {
        let remote = path::canonical(to);
        let leg = leg.unwrap_or_else(|| self.best_leg(remote));
        let reaches = self
            .0
            .0
            .look(|switch| switch.legs_to(remote).any(|id| id == leg));
        if !reaches || side::kind(bytes).is_none() {
            return None;
        }
        let route = Route { leg, local, remote };
        let sent = self.0.0.end(leg)?.send(&route, bytes, None, None);
        (sent == Sent::Done).then_some(leg)
    }

    /// Counters and table sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let dropped = self.0.0.dropped();
        let mut stats = self.0.0.look(path::Switch::stats);
        stats.outputs_dropped += dropped.events;
        stats.relayed_dropped += dropped.relayed;
        stats.sides_dropped += dropped.sides;
        stats
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<super::shared::Shared> {
        &self.0.0
    }

    fn tell(&self, input: Input) {
        self.0.0.act(|switch| switch.handle_input(input, now()));
    }

    /// The leg to dial from: the one bound to the address the operating system would choose, else
    /// the first that reaches there.
    fn best_leg(&self, remote: SocketAddr) -> LegId {
        let reaching: Vec<LegId> = self.0.0.look(|switch| switch.legs_to(remote).collect());
        let first = reaching.first().copied().unwrap_or(LegId(0));
        if reaching.len() < 2 {
            return first;
        }
        let source = source_address(remote);
        let bound = |id: &LegId| match self.0.0.end(*id) {
            Some(End::Udp(leg)) => Some(leg.bound().ip()),
            Some(End::Relay(_)) | None => None,
        };
        reaching
            .iter()
            .copied()
            .find(|id| source.is_some() && bound(id) == source)
            .unwrap_or(first)
    }
}

/// How a direct path is looked for.
#[derive(Clone, Debug)]
pub struct Traverse {
    /// What the agent may do.
    pub config: agent::Config,
    /// Different for each connection.
    pub seed: [u8; 32],
    /// What the peer was told of us already, as [`Paths::opening`].
    pub told: Option<agent::Local>,
    /// Our own addresses and NAT, where they are known already.
    pub local: Option<agent::Local>,
}

/// Which address of ours the routing table picks: connecting a UDP socket asks it and sends
/// nothing.
fn source_address(remote: SocketAddr) -> Option<std::net::IpAddr> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|addr| addr.ip())
}
