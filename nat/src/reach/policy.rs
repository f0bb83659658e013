//! What a node does that is asked for a REACH.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_wire::address::Address;
use dchat_wire::defect::{self, Defect};
use dchat_wire::id::PeerId;
use dchat_wire::nat::{Reach, ReachFrom, ReachResult};

use super::bucket::{Bucket, Buckets, Rate};
use crate::scope::{self, Scope, scope, subnet};

/// Lowest port that is sent to: no service of a system listens above it unasked.
const LOWEST_PORT: u16 = 1024;

/// Bounds of a [`Policy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Datagrams a peer may ask for at once; one more every 5 s. A classification with two witnesses
    /// takes 6 of each node.
    pub asker: u32,
    /// Datagrams one IP address may be sent at once; one more every 5 s. Twice an asker's, as two
    /// peers may share it.
    pub address: u32,
    /// Datagrams one subnet (/24, /48) may be sent at once; one more every second.
    pub subnet: u32,
    /// Datagrams in all at once; 20 more a second, which is 10 kbit/s.
    pub node: u32,
    /// Askers, addresses and subnets remembered, of each. Some 100 bytes an entry.
    pub entries: usize,
}

impl Default for Limits {
    /// 16, 32, 64 and 128 at once; 1,024 entries, 300 KiB in all.
    fn default() -> Self {
        Self {
            asker: 16,
            address: 32,
            subnet: 64,
            node: 128,
            entries: 1_024,
        }
    }
}

/// What is to be done for who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Send the token from another port than the usual one.
    OtherPort {
        /// There.
        target: SocketAddr,
    },
    /// Ask another node in another subnet with [`ReachFrom::Here`]; [`Policy::other_node`] chooses it.
    OtherNode {
        /// There.
        target: SocketAddr,
    },
    /// Send the token from the usual socket.
    Here {
        /// There.
        target: SocketAddr,
    },
}

/// Decides about others' REACH requests.
#[derive(Debug)]
pub struct Policy {
    node: Bucket,
    node_rate: Rate,
    askers: Buckets<PeerId>,
    addresses: Buckets<IpAddr>,
    subnets: Buckets<IpAddr>,
}

impl Policy {
    /// Everybody may ask for the first time.
    #[must_use]
    pub fn new(limits: Limits, now: Instant) -> Self {
        let rate = |burst, every| Rate {
            burst,
            every: Duration::from_millis(every),
        };
        Self {
            node: Bucket::full(now),
            node_rate: rate(limits.node, 50),
            askers: Buckets::new(rate(limits.asker, 5_000), limits.entries),
            addresses: Buckets::new(rate(limits.address, 5_000), limits.entries),
            subnets: Buckets::new(rate(limits.subnet, 1_000), limits.entries),
        }
    }

    /// What to do for `asker`, whose packets come from `seen`.
    ///
    /// # Errors
    /// The result to answer with: `Forbidden` if the target is not the asker's to name, `Limited` if
    /// there were too many, which leaves all buckets as they were.
    pub fn decide(
        &mut self,
        request: &Reach,
        asker: PeerId,
        seen: SocketAddr,
        now: Instant,
    ) -> Result<Task, ReachResult> {
        let Address::Direct { socket: target, .. } = request.target else {
            return Err(ReachResult::Forbidden);
        };
        let task = match request.from {
            ReachFrom::OtherPort => Task::OtherPort { target },
            ReachFrom::OtherNode => Task::OtherNode { target },
            ReachFrom::Here => Task::Here { target },
        };
        if !permitted(request.from, target, seen) && !defect::is(Defect::ReachesAnybody) {
            return Err(ReachResult::Forbidden);
        }
        let (address, network) = (target.ip().to_canonical(), subnet(target.ip()));
        let allowed = self.node.allows(self.node_rate, now)
            && self.askers.allows(asker, now)
            && self.addresses.allows(address, now)
            && self.subnets.allows(network, now);
        if !allowed {
            return Err(ReachResult::Limited);
        }
        self.node.take(self.node_rate, now);
        self.askers.take(asker, now);
        self.addresses.take(address, now);
        self.subnets.take(network, now);
        Ok(task)
    }

    /// The first of `nodes`, which are peers that can be asked, that is of the target's family and in
    /// another subnet than `ours` and the target's. Give them in another order each time.
    #[must_use]
    pub fn other_node(
        nodes: &[(PeerId, SocketAddr)],
        ours: &[IpAddr],
        target: SocketAddr,
    ) -> Option<PeerId> {
        let taken: Vec<IpAddr> = ours
            .iter()
            .copied()
            .chain([target.ip()])
            .map(subnet)
            .collect();
        nodes
            .iter()
            .filter(|(_, at)| {
                at.ip().to_canonical().is_ipv4() == target.ip().to_canonical().is_ipv4()
            })
            .filter(|(_, at)| scope(at.ip()) == scope(target.ip()))
            .find(|(_, at)| !taken.contains(&subnet(at.ip())))
            .map(|(peer, _)| *peer)
    }
}

/// Its own address, any port; or, on behalf of a third node, an address in a scope that the asker's own
/// shows it to be in, so that nobody outside makes us send into our site.
fn permitted(from: ReachFrom, target: SocketAddr, seen: SocketAddr) -> bool {
    let own = target.ip().to_canonical() == seen.ip().to_canonical();
    if target.port() < LOWEST_PORT || scope(target.ip()) == Scope::Nobody {
        return false;
    }
    match from {
        ReachFrom::OtherPort | ReachFrom::OtherNode => own,
        ReachFrom::Here => {
            own || scope::is_global(target.ip()) || scope(target.ip()) == scope(seen.ip())
        }
    }
}
