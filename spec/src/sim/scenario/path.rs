//! A conversation whose paths come and go.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::quantile::quantile;
use super::setting::{Setting, Site, Weather};
use crate::sim::nat::{Filtering, Mapping};
use crate::sim::net::Action;
use crate::sim::node::Peer;
use crate::sim::site::{Home, Profile};
use crate::sim::time::Time;

/// How a run goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathConfig {
    /// The run ends after so many path switches, both sides together.
    pub switches: u64,
    /// Messages per second, both sides together.
    pub rate: u32,
    /// What the links do.
    pub weather: Weather,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PathRun {
    /// Path switches, both sides together.
    pub switches: u64,
    /// Things done to the network.
    pub actions: u64,
    /// Messages written.
    pub messages: u64,
    /// Messages read, each once.
    pub delivered: u64,
    /// Messages written and not read.
    pub lost: u64,
    /// Messages read more than once.
    pub doubled: u64,
    /// Messages read in another order than written.
    pub reordered: u64,
    /// Connections between the two that ended.
    pub closed: u64,
    /// From writing to reading.
    pub delay_p50: Duration,
    /// The same.
    pub delay_p99: Duration,
    /// The same.
    pub delay_max: Duration,
    /// Messages that took longer than a second.
    pub late: u64,
    /// The longest delay that was seen to end after each kind of action and before the next one.
    pub by_action: BTreeMap<&'static str, Duration>,
    /// The same over all actions, but only over those that hit a network in which for three seconds
    /// everything else had worked: the direct path and both relays. Then one way is left at least.
    pub delay_max_single: Duration,
    /// How long it was in the world.
    pub took: Duration,
    /// Hash of everything that happened.
    pub trace: [u8; 32],
}

/// Between two things that are done to the network: long enough that the agents find a direct path
/// again in between, most of the time.
const GAP: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));
/// How late the operating system tells of a new network.
const NOTICE: Duration = Duration::from_millis(200);
/// At the end, and at the beginning.
const QUIET: Duration = Duration::from_secs(20);
/// Actions at most for each switch that is wanted: some cause none.
const PATIENCE: u64 = 20;

/// How long everything must have worked for an action to count as the only trouble there is.
const CALM: Duration = Duration::from_secs(3);

const SAY: u64 = 1;
const ACT: u64 = 2;
const NOTICED: u64 = 3;

/// One conversation: both peers behind NATs with endpoint-independent mapping and the strictest
/// filter, two more such networks to move to, two relays, and messages at a fixed rate while at
/// random the direct path is cut and mended, a NAT reboots, a peer moves, or one relay dies and
/// comes back while the other stands.
#[must_use]
pub fn path(config: PathConfig, seed: u64, epoch: Instant) -> PathRun {
    Conversation::new(config, seed, epoch).run()
}

#[derive(Debug)]
struct Conversation {
    config: PathConfig,
    setting: Setting,
    sites: [Site; 2],
    /// For each side the networks it may be in, and in which one it is.
    homes: [Vec<Home>; 2],
    at: [usize; 2],
    parted: Option<[IpAddr; 2]>,
    /// The relay that is dead.
    dead: Option<usize>,
    actions: u64,
    moved: Option<usize>,
    turn: usize,
    by_action: BTreeMap<&'static str, Duration>,
    single: Duration,
    counted: [usize; 2],
    last: &'static str,
    /// Whether all was well for a while before the last action.
    calm: bool,
    /// When the last action was.
    acted: Time,
}

impl Conversation {
    fn new(config: PathConfig, seed: u64, epoch: Instant) -> Self {
        let profile = Profile::Nat(
            Mapping::EndpointIndependent,
            Filtering::AddressAndPortDependent,
        );
        let mut setting = Setting::new(seed, config.weather, 2, epoch);
        let sites = [0, 1].map(|_| setting.peer(profile));
        let homes = [0, 1].map(|side: usize| {
            let place = &sites[side].place;
            let first = Home {
                realm: place.realm,
                boxes: place.boxes.clone(),
                firewall: None,
                addresses: place.addresses.clone(),
            };
            vec![first, setting.home(profile), setting.home(profile)]
        });
        Self {
            config,
            setting,
            sites,
            homes,
            at: [0; 2],
            parted: None,
            dead: None,
            actions: 0,
            moved: None,
            turn: 0,
            by_action: BTreeMap::new(),
            single: Duration::ZERO,
            counted: [0; 2],
            last: "dial",
            calm: false,
            acted: Time::ZERO,
        }
    }

    fn run(mut self) -> PathRun {
        let hosts = [0, 1].map(|side: usize| self.sites[side].place.host);
        self.setting.world.run(Time::ZERO + QUIET, |world, _| {
            let mut ready = hosts.iter().filter_map(|host| world.peer(*host));
            ready.all(|peer| peer.progress().classified && peer.progress().reservations == 2)
        });
        self.link_relays();
        let world = &mut self.setting.world;
        let until = world.net.now() + QUIET;
        world.run(until, |world, _| {
            let mut up = hosts.iter().filter_map(|host| world.peer(*host));
            up.all(|peer| peer.sessions().values().any(|session| session.up.is_some()))
        });
        let gap = Duration::from_secs(1) / self.config.rate.max(1);
        world.net.schedule(gap, SAY);
        world.net.schedule(GAP.1, ACT);
        while self.switches() < self.config.switches
            && self.actions < self.config.switches * PATIENCE
        {
            match self.setting.world.step(Time::NEVER) {
                Some(Some(SAY)) => {
                    let host = hosts[self.turn % 2];
                    self.turn += 1;
                    self.setting.world.with_peer(host, Peer::say);
                    self.setting.world.net.schedule(gap, SAY);
                    self.note_worst();
                }
                Some(Some(ACT)) => self.act(),
                Some(Some(NOTICED)) => self.notice(),
                Some(_) => {}
                None => break,
            }
        }
        let until = self.setting.world.net.now() + QUIET;
        let world = &mut self.setting.world;
        world.run(until, |_, _| false);
        self.note_worst();
        self.report()
    }

    /// Asks for channels at the relays over which there is none.
    fn link_relays(&mut self) {
        let [a, b] = [0, 1].map(|side: usize| self.sites[side].clone());
        let world = &mut self.setting.world;
        let Some((open, own)) = world
            .peer(a.place.host)
            .map(|peer| (peer.channels_to(b.peer_id), peer.reserved_at()))
        else {
            return;
        };
        let theirs = world
            .peer(b.place.host)
            .map(Peer::reserved_at)
            .unwrap_or_default();
        for relay in own {
            if theirs.contains(&relay) && !open.contains(&relay) {
                let to = b.peer_id;
                world.with_peer(a.place.host, |peer, net| peer.dial(net, relay, to));
            }
        }
    }

    /// Whether both have a channel over both relays.
    fn is_linked(&self) -> bool {
        [0, 1].into_iter().all(|side: usize| {
            let other = self.sites[1 - side].peer_id;
            let peer = self.setting.world.peer(self.sites[side].place.host);
            let mut relays = peer.map(|peer| peer.channels_to(other)).unwrap_or_default();
            relays.sort_unstable();
            relays.dedup();
            relays.len() == 2
        })
    }

    fn act(&mut self) {
        self.actions += 1;
        self.link_relays();
        let linked = self.is_linked() && self.dead.is_none();
        let rng = self.setting.rng();
        let (choice, side) = (rng.below(10), rng.below(2) as usize);
        let next = rng.between(GAP.0, GAP.1);
        self.setting.world.net.schedule(next, ACT);
        match choice {
            0..=4 => match self.parted.take() {
                Some([one, other]) => {
                    self.say_last("mend");
                    self.setting
                        .world
                        .net
                        .apply(Action::Part(one, other, false));
                }
                None => {
                    self.say_last("part");
                    let ends = self.public();
                    self.setting
                        .world
                        .net
                        .apply(Action::Part(ends[0], ends[1], true));
                    self.parted = Some(ends);
                }
            },
            5 | 6 => {
                self.say_last("reboot");
                let home = &self.homes[side][self.at[side]];
                let boxes = home.boxes.clone();
                for at in boxes {
                    self.setting.world.net.apply(Action::Reboot(at));
                }
            }
            7 | 8 => self.roam(side),
            _ => self.relay(linked),
        }
    }

    /// A relay dies while the other carries what it carried, or comes back.
    fn relay(&mut self, linked: bool) {
        let relays: Vec<_> = self.setting.relays().map(|(_, host, _)| host).collect();
        match self.dead.take() {
            Some(dead) => {
                self.say_last("revive");
                if let Some(host) = relays.get(dead) {
                    self.setting.revive(*host);
                }
            }
            None if linked => {
                self.say_last("kill");
                let which = self.setting.rng().below(2) as usize;
                if let Some(host) = relays.get(which) {
                    self.setting.world.net.apply(Action::Kill(*host));
                    self.dead = Some(which);
                }
            }
            None => {}
        }
    }

    fn roam(&mut self, side: usize) {
        self.say_last("roam");
        // What was parted were the addresses of before.
        if let Some([one, other]) = self.parted.take() {
            self.setting
                .world
                .net
                .apply(Action::Part(one, other, false));
        }
        let homes = self.homes[side].len();
        let step = 1 + self.setting.rng().below(homes as u64 - 1) as usize;
        self.at[side] = (self.at[side] + step) % homes;
        let home = self.homes[side][self.at[side]].clone();
        let place = &self.sites[side].place;
        let roam = Action::Roam(place.host, place.interface, home.realm, home.addresses);
        self.setting.world.net.apply(roam);
        self.notice();
        self.moved = Some(side);
        let late = self.setting.rng().span(NOTICE);
        self.setting.world.net.schedule(late, NOTICED);
    }

    /// The operating system tells who moved.
    fn notice(&mut self) {
        if let Some(side) = self.moved.take() {
            let host = self.sites[side].place.host;
            self.setting.world.with_peer(host, Peer::interfaces_changed);
        }
    }

    /// The public address of each side.
    fn public(&self) -> [IpAddr; 2] {
        [0, 1].map(|side: usize| {
            let home = &self.homes[side][self.at[side]];
            let outermost = home
                .boxes
                .last()
                .and_then(|at| self.setting.world.net.translator(*at));
            let public = outermost.and_then(|translator| translator.public().first());
            public
                .copied()
                .unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
        })
    }

    /// Something is about to be done.
    fn say_last(&mut self, what: &'static str) {
        self.note_worst();
        let now = self.setting.world.net.now();
        let rested = now.since(self.acted) >= CALM;
        let direct = [0, 1].into_iter().all(|side| self.is_direct(side));
        self.calm = rested && direct && self.dead.is_none() && self.is_linked();
        self.acted = now;
        self.last = what;
    }

    fn is_direct(&self, side: usize) -> bool {
        let direct = self.peer(side).and_then(|peer| {
            let (virt, _) = peer.sessions().first_key_value()?;
            Some(peer.endpoint.is_direct(*virt))
        });
        direct.unwrap_or(false)
    }

    fn note_worst(&mut self) {
        for side in [0, 1] {
            let received = self.peer(side).and_then(|peer| {
                let session = peer.sessions().values().next()?;
                let delays = session.chat.received().delays.get(self.counted[side]..)?;
                Some((delays.len(), delays.iter().max().copied()))
            });
            let Some((new, longest)) = received else {
                continue;
            };
            self.counted[side] += new;
            let longest = longest.unwrap_or_default();
            let worst = self.by_action.entry(self.last).or_default();
            *worst = longest.max(*worst);
            if self.calm {
                self.single = longest.max(self.single);
            }
        }
    }

    fn peer(&self, side: usize) -> Option<&Peer> {
        self.setting.world.peer(self.sites[side].place.host)
    }

    fn switches(&self) -> u64 {
        let peers = [0, 1].into_iter().filter_map(|side| self.peer(side));
        peers.map(Peer::switches).sum()
    }

    fn report(self) -> PathRun {
        let mut run = PathRun {
            switches: self.switches(),
            actions: self.actions,
            messages: 0,
            delivered: 0,
            lost: 0,
            doubled: 0,
            reordered: 0,
            closed: 0,
            delay_p50: Duration::ZERO,
            delay_p99: Duration::ZERO,
            delay_max: Duration::ZERO,
            late: 0,
            by_action: self.by_action.clone(),
            delay_max_single: self.single,
            took: self.setting.world.net.now().since(Time::ZERO),
            trace: self.setting.world.net.trace().digest(),
        };
        let mut delays = Vec::new();
        for peer in [0, 1].into_iter().filter_map(|side| self.peer(side)) {
            run.closed += peer.closed();
            for chat in peer.chats() {
                let received = chat.received();
                run.messages += chat.written();
                run.delivered += received.messages;
                run.doubled += received.doubled;
                run.reordered += received.reordered;
                delays.extend_from_slice(&received.delays);
            }
        }
        run.lost = run.messages.saturating_sub(run.delivered);
        run.late = delays
            .iter()
            .filter(|delay| **delay > Duration::from_secs(1))
            .count() as u64;
        run.delay_p50 = quantile(&mut delays, 0.5).unwrap_or_default();
        run.delay_p99 = quantile(&mut delays, 0.99).unwrap_or_default();
        run.delay_max = quantile(&mut delays, 1.0).unwrap_or_default();
        run
    }
}
