//! The handle to the switch beneath a socket.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use super::shared::{Lease, SwitchHook, now, virtual_address};
use crate::path::{self, Input, LegId, PathInfo, ProbePair, Stats};

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
        let legs = self.0.0.legs().iter();
        legs.flat_map(|leg| leg.stands_for()).collect()
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

    /// Counters and table sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let dropped = self.0.0.events_dropped();
        let mut stats = self.0.0.look(path::Switch::stats);
        stats.outputs_dropped += dropped;
        stats
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
        let bound = |id: &LegId| self.0.0.leg(*id).map(|leg| leg.bound().ip());
        reaching
            .iter()
            .copied()
            .find(|id| source.is_some() && bound(id) == source)
            .unwrap_or(first)
    }
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
