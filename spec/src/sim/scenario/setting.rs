//! The internet of a scenario: two STUN servers, some relays, and the nodes it is about.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_nat::classify::{Server, ServerKind};
use dchat_transport::relay::proto::client::reservations::Candidate;
use dchat_wire::PeerId;
use dchat_wire::sign::Identity;

use crate::sim::net::{Action, HostId, Net, Quality};
use crate::sim::node::{Node, PORT, Peer, PeerConfig, RelayNode, StunServer, World};
use crate::sim::rng::Rng;
use crate::sim::site::{Home, Place, Profile, Terrain};
use crate::sim::time::Clock;

/// What links of a scenario do besides delaying.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Part of the packets lost between two sites, in each direction. A relayed packet crosses
    /// twice as many links as a direct one.
    pub loss: f64,
    /// Part that comes late, on each link.
    pub reorder: f64,
}

/// One-way delays of a site's link, in milliseconds: a node from fibre to a bad radio link, a
/// server near an exchange.
const NODE_MS: (u64, u64) = (5, 40);
const SERVER_MS: (u64, u64) = (2, 20);
/// Jitter, as a part of the delay.
const JITTER: u32 = 20;

/// A world with servers, to which nodes are added.
#[derive(Debug)]
pub struct Setting {
    /// The world.
    pub world: World,
    seed: u64,
    clock: Clock,
    terrain: Terrain,
    rng: Rng,
    weather: Weather,
    servers: Vec<Server>,
    relays: Vec<(Candidate, HostId, Duration)>,
    keys: Vec<(Identity, HostId)>,
    nodes: u64,
}

/// A node of a setting.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its name.
    pub peer_id: PeerId,
    /// Where it stands.
    pub place: Place,
    /// One-way delay of its link.
    pub delay: Duration,
}

impl Setting {
    /// Two STUN servers with two addresses each, and this many relays.
    #[must_use]
    pub fn new(seed: u64, weather: Weather, relays: u8, epoch: Instant) -> Self {
        let clock = Clock::new(epoch);
        let mut setting = Self {
            world: World::new(Net::new(seed), clock),
            seed,
            clock,
            terrain: Terrain::new(seed),
            rng: Rng::new(seed, "setting", 0),
            weather,
            servers: Vec::new(),
            relays: Vec::new(),
            keys: Vec::new(),
            nodes: 0,
        };
        let mut stun = Vec::new();
        for _ in 0..2 {
            let (quality, _) = setting.quality(SERVER_MS);
            let place = setting.terrain.server(&mut setting.world.net, 2, quality);
            let server = StunServer::new(place.host);
            setting.world.start(place.host, Node::Stun(server));
            stun.push(place);
        }
        for v6 in [false, true] {
            for place in &stun {
                let mut own = place.addresses.iter().filter(|ip| ip.is_ipv6() == v6);
                setting.servers.extend(own.next().map(|ip| Server {
                    address: SocketAddr::new(*ip, 3478),
                    kind: ServerKind::Stun,
                }));
            }
        }
        for _ in 0..relays {
            setting.relay();
        }
        setting
    }

    fn relay(&mut self) {
        let identity = self.identity();
        let (quality, delay) = self.quality(SERVER_MS);
        let place = self.terrain.server(&mut self.world.net, 1, quality);
        let sockets = place.addresses.iter().map(|ip| SocketAddr::new(*ip, PORT));
        let candidate = Candidate {
            relay: identity.peer_id(),
            sockets: sockets.collect(),
            configured: true,
        };
        self.keys.push((identity.clone(), place.host));
        let relay = RelayNode::new(place.host, identity, self.clock, self.seed);
        self.world.start(place.host, Node::Relay(Box::new(relay)));
        self.relays.push((candidate, place.host, delay));
    }

    /// Adds a peer behind what its profile says and lets it begin.
    pub fn peer(&mut self, profile: Profile) -> Site {
        let (quality, delay) = self.quality(NODE_MS);
        let place = self.terrain.node(&mut self.world.net, profile, quality);
        let peer_id = self.identity().peer_id();
        let config = PeerConfig {
            peer_id,
            servers: self.servers.clone(),
            relays: self
                .relays
                .iter()
                .map(|(candidate, ..)| candidate.clone())
                .collect(),
        };
        let peer = Peer::new(&self.world.net, place.host, config, self.clock, self.seed);
        self.world.start(place.host, Node::Peer(Box::new(peer)));
        Site {
            peer_id,
            place,
            delay,
        }
    }

    /// Adds a network that a node could move to.
    pub fn home(&mut self, profile: Profile) -> Home {
        let (quality, _) = self.quality(NODE_MS);
        self.terrain.home(&mut self.world.net, profile, quality)
    }

    /// Brings a relay that was killed back, with its key and nothing else.
    pub fn revive(&mut self, host: HostId) {
        let Some((identity, ..)) = self.keys.iter().find(|(_, of)| *of == host) else {
            return;
        };
        let relay = RelayNode::new(host, identity.clone(), self.clock, self.seed);
        self.world.net.apply(Action::Revive(host));
        self.world.start(host, Node::Relay(Box::new(relay)));
    }

    /// The relays: who, where, and the one-way delay of each.
    pub fn relays(&self) -> impl Iterator<Item = (PeerId, HostId, Duration)> {
        let relays = self.relays.iter();
        relays.map(|(candidate, host, delay)| (candidate.relay, *host, *delay))
    }

    /// Randomness for what the scenario itself decides.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The clock of its world.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    fn identity(&mut self) -> Identity {
        self.nodes += 1;
        Identity::from_seed(&Rng::secret(self.seed, "identity", self.nodes))
    }

    fn quality(&mut self, (least, most): (u64, u64)) -> (Quality, Duration) {
        let ms = Duration::from_millis;
        let delay = self.rng.between(ms(least), ms(most));
        let quality = Quality {
            delay,
            jitter: delay / JITTER,
            // A way between two sites has two links.
            loss: 1.0 - (1.0 - self.weather.loss).sqrt(),
            reorder: self.weather.reorder,
            ..Quality::IDEAL
        };
        (quality, delay)
    }
}
