//! Which pairs can be traversed without guessing a port: found by trying, with no agent and no plan.
//!
//! Both sides send from their usual sockets to every address they were told or were asked from, for
//! as long as that teaches them new addresses. A pair is traversable when a question and its answer
//! pass, the answer from where the question went.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::nat::Nat;
use crate::profile::Profile;

const ROUNDS: usize = 6;

struct End {
    nats: Vec<Nat>,
    local: SocketAddr,
    public: IpAddr,
}

impl End {
    fn out(&mut self, to: SocketAddr) -> Option<SocketAddr> {
        let local = self.local;
        self.nats
            .iter_mut()
            .try_fold(local, |from, nat| nat.out(from, to))
    }

    fn inward(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let mut nats = self.nats.iter().rev();
        to.ip() == self.public
            && nats.try_fold(to, |to, nat| nat.inward(from, to)) == Some(self.local)
    }
}

pub(crate) fn traversable(a: &Profile, b: &Profile) -> bool {
    if a.v6.is_some() && b.v6.is_some() {
        // Both know the other's only address; only a port would have to be guessed, and none is.
        return true;
    }
    let mut ends = [end(1, a), end(2, b)];
    let reflector = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)), 3478);
    let seen = ends
        .each_mut()
        .map(|end| end.out(reflector).expect("ports are left"));
    let mut known = [BTreeSet::from([seen[1]]), BTreeSet::from([seen[0]])];
    for _ in 0..ROUNDS {
        for index in [0, 1] {
            for remote in known[index].clone() {
                let source = ends[index].out(remote).expect("ports are left");
                if !ends[1 - index].inward(source, remote) {
                    continue;
                }
                known[1 - index].insert(source);
                let back = ends[1 - index].out(source).expect("ports are left");
                if back == remote && ends[index].inward(back, source) {
                    return true;
                }
            }
        }
    }
    false
}

fn end(side: u8, profile: &Profile) -> End {
    let public = IpAddr::V4(Ipv4Addr::new(20, side, 0, 1));
    let mut nats = Vec::new();
    for (level, class) in profile.nats.iter().enumerate() {
        let outermost = level + 1 == profile.nats.len();
        let inner = IpAddr::V4(Ipv4Addr::new(100, 64, side, 1));
        let ip = if outermost { public } else { inner };
        nats.push(Nat::new(
            ip,
            class.clone(),
            u64::from(side) * 100 + level as u64,
        ));
    }
    let ip = if nats.is_empty() {
        public
    } else {
        IpAddr::V4(Ipv4Addr::new(192, 168, side, 2))
    };
    End {
        nats,
        local: SocketAddr::new(ip, 4001),
        public,
    }
}
