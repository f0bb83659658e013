//! Two peers behind what they are behind, from knowing nothing to a direct path.

use std::time::{Duration, Instant};

use dchat_nat::agent::{Outcome, Reason};

use super::setting::{Setting, Site, Weather};
use crate::sim::node::World;
use crate::sim::site::Profile;
use crate::sim::time::Time;

/// How long a peer may take until it knows its NAT and holds its reservation.
const PREPARATION: Duration = Duration::from_secs(20);
/// After the dial: longer than any attempt of the agents.
const HORIZON: Duration = Duration::from_secs(25);
/// At most between being prepared and dialing.
const PAUSE: Duration = Duration::from_secs(2);

/// What came of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct NatRun {
    /// Both received a message of the other.
    pub reachable: bool,
    /// From a's dial until messages had come directly in both directions; `None` when that did not
    /// happen within 25 s.
    pub direct: Option<Duration>,
    /// The same until the first message had come directly, in either direction.
    pub first: Option<Duration>,
    /// From a's dial until a message had come to b, by whatever path.
    pub message: Option<Duration>,
    /// From a's dial until a had received HELLO.
    pub up: Option<Duration>,
    /// A round trip from a over the relay to b and back by the delays of the links, without jitter.
    pub round_trip: Duration,
    /// Path probes that both sent to real addresses, from the dial on.
    pub probes: u64,
    /// Why it stayed relayed, says a's agent.
    pub reason: Option<Reason>,
    /// Why, says b's.
    pub peer_reason: Option<Reason>,
    /// Hash of everything that happened.
    pub trace: [u8; 32],
    /// Things that happened.
    pub events: u64,
}

/// One run: `a` and `b` start, classify their NATs with two STUN servers and reserve at a relay;
/// then `a`, which knows b's circuit address, dials. `epoch` has no influence on the result.
#[must_use]
pub fn nat(a: Profile, b: Profile, seed: u64, weather: Weather, epoch: Instant) -> NatRun {
    let mut setting = Setting::new(seed, weather, 1, epoch);
    let [a, b] = [a, b].map(|profile| setting.peer(profile));
    let hosts = [a.place.host, b.place.host];
    let prepared = setting.world.run(Time::ZERO + PREPARATION, |world, _| {
        hosts.iter().all(|host| {
            let progress = world.peer(*host).map(|peer| peer.progress());
            progress.is_some_and(|progress| progress.classified && progress.reservations > 0)
        })
    });
    let pause = setting.rng().span(PAUSE);
    let until = setting.world.net.now() + pause;
    setting.world.run(until, |_, _| false);
    let relay = setting.relays().next();
    let relayed = relay.map_or(Duration::ZERO, |(_, _, delay)| delay);
    let round_trip = 2 * (a.delay + 2 * relayed + b.delay);
    let mut run = NatRun {
        reachable: false,
        direct: None,
        first: None,
        message: None,
        up: None,
        round_trip,
        probes: 0,
        reason: None,
        peer_reason: None,
        trace: [0; 32],
        events: 0,
    };
    let world = &mut setting.world;
    // The moment of the dial, also when nothing happened since the preparation.
    world.net.schedule(until.since(world.net.now()), DIAL);
    world.run(Time::NEVER, |_, token| token == Some(DIAL));
    let began = world.net.now();
    let before = probes(world, [&a, &b]);
    if let (true, Some((relay, ..))) = (prepared, relay) {
        let to = b.peer_id;
        world.with_peer(hosts[0], |peer, net| peer.dial(net, relay, to));
        world.run(began + HORIZON, |world, _| {
            observe(world, [&a, &b], began, &mut run)
        });
    }
    run.probes = probes(world, [&a, &b]) - before;
    let trace = world.net.trace();
    (run.trace, run.events) = (trace.digest(), trace.events());
    run
}

impl NatRun {
    fn reason_of(&mut self, side: usize) -> &mut Option<Reason> {
        match side {
            0 => &mut self.reason,
            _ => &mut self.peer_reason,
        }
    }
}

const DIAL: u64 = 1;

/// Notes what can be seen now. Whether there is nothing more to wait for.
fn observe(world: &World, sites: [&Site; 2], began: Time, run: &mut NatRun) -> bool {
    let since = || Some(world.net.now().since(began));
    let mut received = 0;
    let mut firsts = Vec::new();
    let mut settled = 0;
    for (index, site) in sites.into_iter().enumerate() {
        let Some(peer) = world.peer(site.place.host) else {
            continue;
        };
        let Some((virt, session)) = peer.sessions().first_key_value() else {
            continue;
        };
        if session.chat.received().messages > 0 {
            received += 1;
            if index == 1 && run.message.is_none() {
                run.message = since();
            }
        }
        if index == 0 && session.up.is_some() && run.up.is_none() {
            run.up = since();
        }
        if let Some(first) = peer.endpoint.direct(*virt).first {
            firsts.push(first);
        }
        match peer.outcome(*virt) {
            Some(Outcome::Relayed(reason)) if reason != Reason::StillTrying => {
                settled += 1;
                *run.reason_of(index) = Some(reason);
            }
            Some(Outcome::Direct { .. }) => *run.reason_of(index) = None,
            _ => {}
        }
    }
    run.reachable |= received == 2;
    if let (Some(first), None) = (firsts.iter().min(), run.first) {
        run.first = Some(first.since(began));
    }
    if firsts.len() == 2 && run.direct.is_none() {
        run.direct = firsts.iter().max().map(|last| last.since(began));
        (run.reason, run.peer_reason) = (None, None);
    }
    run.reachable && (run.direct.is_some() || settled == 2)
}

fn probes(world: &World, sites: [&Site; 2]) -> u64 {
    let peers = sites
        .into_iter()
        .filter_map(|site| world.peer(site.place.host));
    peers.map(|peer| peer.endpoint.probes()).sum()
}
