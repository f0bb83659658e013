//! The node on the network: one socket, many peers, one connection with each.
//!
//! [`Endpoint`] is a handle; the work is done by tasks on the tokio runtime it was bound in: one that
//! accepts, one that keeps peers connected, one each that follows the interfaces, the paths and the
//! local network, and one for each connection.
//!
//! * Inputs: packets, the operating system's interfaces, what the application asks. Outputs:
//!   [`Events`], [`Connection`]s and their streams.
//! * Invariants: at most one connection a peer is up; a stranger costs no task before
//!   [`Limits`](crate::Limits) allow it; our addresses go to trusted peers and, where discovery is
//!   on, to the local network.
//! * Bounds: [`Limits`](crate::Limits).

mod accept;
mod admission;
mod candidates;
mod config;
mod events;
mod interfaces;
mod outbox;
mod quic;
mod registry;
mod shared;
mod tasks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat_nat::classify::Report;
use dchat_wire::close::Code;
use dchat_wire::codec::List;
use dchat_wire::hello::{Capabilities, capability, role};
use dchat_wire::nat::{Candidate, CandidateKind, NatClass};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, PeerId};
use quinn::TokioRuntime;
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::sync::{mpsc, watch};

use crate::connection::Connection;
use crate::dht::{self, Dht, Table};
use crate::dial::{TooManyKept, dial};
use crate::discovery;
use crate::entropy::Entropy;
use crate::error::{DialError, EndpointError};
use crate::limits::{DIAL_ADDRESSES, Limits};
use crate::nat::{self, Nat, NatConfig, NatStatus, StunServer};
use crate::path::PathKind;
use crate::relay::proto::server;
use crate::relay::server::RelayServer;
use crate::relay::{self, RelayInfo, Relays};
use crate::socket;

pub use config::{EndpointConfig, MdnsConfig, RelaySettings};
pub use events::{Event, Events, Via};

pub(crate) use admission::Permit;
pub(crate) use interfaces::is_alone;
pub(crate) use outbox::Identified;
pub(crate) use quic::Use;
pub(crate) use shared::{Admitted, DialTurn, Shared, VirtualAddress};

use shared::{Parts, Phase};

/// Suspicions that wait for discovery at a time.
const SUSPECTS: usize = 64;

/// A node's end of all its connections. Clones are handles of the same one; when the last is dropped
/// without [`shutdown`](Self::shutdown), connections are closed but nobody waits for it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    shared: Arc<Shared>,
    _life: Arc<Life>,
}

#[derive(Debug)]
struct Life {
    shared: Arc<Shared>,
    discovery: std::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
    nat: std::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Drop for Life {
    fn drop(&mut self) {
        close(&self.shared);
        self.shared.enter(Phase::Finished);
    }
}

fn close(shared: &Shared) {
    shared.enter(Phase::Closing);
    let code = Code::Done;
    shared
        .quinn
        .close((code as u32).into(), code.text().as_bytes());
}

impl Endpoint {
    /// Binds the sockets and starts. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`EndpointError`]; nothing is left bound.
    pub fn bind(config: EndpointConfig) -> Result<(Self, Events), EndpointError> {
        let EndpointConfig {
            identity,
            listen,
            roles,
            nat,
            relay,
            relays,
            relay_only,
            dht,
            limits,
            mdns,
            seed,
        } = config;
        // It would announce what shall not be known.
        let mdns = mdns.filter(|_| !relay_only);
        let nat = if relay_only { nat.hidden() } else { nat };
        // Who asks shows its address.
        let dht = dht.filter(|_| !relay_only);
        let relays_for_others = roles & role::RELAY != 0;
        let entropy = Entropy::new(match seed {
            Some(seed) => seed,
            None => system_random()?,
        });
        let settings = quic::ConnectionSettings::new(&identity, &limits, relays_for_others)?;
        let (udp, paths, path_events) =
            socket::bind_with(&listen, entropy.derive("socket"), socket_tables(&limits))?;
        let quinn = quinn::Endpoint::new_with_abstract_socket(
            quic::endpoint_config(&identity, &entropy),
            Some(settings.default_server()),
            udp,
            Arc::new(TokioRuntime),
        )?;
        let us = identity.peer_id();
        let relay_seed = entropy.derive("relays");
        let table = dht
            .as_ref()
            .map(|dht| Arc::new(Table::new(us, dht, entropy.derive("dht"))));
        let strangers = limits.stranger_channels;
        let (streams, waiting) = mpsc::channel(limits.waiting_streams.max(1));
        let (suspects, suspected) = mpsc::channel(SUSPECTS);
        let shared = Arc::new(Shared::new(Parts {
            us,
            roles,
            limits,
            entropy,
            settings,
            quinn,
            capabilities: capabilities(&nat, table.is_some(), relay_only),
            nat: Nat::new(paths.clone(), nat),
            paths,
            relay_only,
            relay_server: relays_for_others.then(|| relay_server(&identity, relay)),
            relays: Relays::new(us, relay_seed, strangers),
            dht: table.clone(),
            streams,
            suspects,
        }));
        let addrs = interfaces::concrete(&shared.paths.local_addrs(), &interfaces::interface_ips());
        shared.interfaces_changed(addrs);
        tokio::spawn(accept::accept(Arc::clone(&shared)));
        tokio::spawn(tasks::keep(Arc::clone(&shared)));
        tokio::spawn(tasks::follow_paths(Arc::clone(&shared), path_events));
        tokio::spawn(tasks::follow_interfaces(Arc::clone(&shared)));
        let nat = tokio::spawn(nat::run(Arc::clone(&shared)));
        tokio::spawn(relay::client::drive(Arc::clone(&shared)));
        if let Some(server) = &shared.relay_server {
            tokio::spawn(tasks::relay(Arc::clone(&shared), Arc::clone(server)));
        }
        if let Some((table, config)) = table.zip(dht) {
            tokio::spawn(dht::drive(Arc::clone(&shared), table, config.known));
        }
        relay::client::set_relays(&shared, &relays);
        let discovery = mdns
            .map(|mdns| tokio::spawn(discovery::discover(Arc::clone(&shared), mdns, suspected)));
        let events = Events::new(Arc::clone(&shared), waiting);
        let life = Life {
            shared: Arc::clone(&shared),
            discovery: std::sync::Mutex::new(discovery),
            nat: std::sync::Mutex::new(Some(nat)),
        };
        let endpoint = Self {
            shared,
            _life: Arc::new(life),
        };
        Ok((endpoint, events))
    }

    /// Who we are.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.shared.us
    }

    /// Where others can reach us, without our PeerId: the interfaces' addresses for a wildcard,
    /// loopback only when there is nothing else, those valid everywhere first; then the circuits of
    /// relays that hold a reservation for us. At most [`DIAL_ADDRESSES`]. In relay-only mode the
    /// circuits alone.
    #[must_use]
    pub fn listen_addrs(&self) -> Vec<Address> {
        self.shared.listen_addrs()
    }

    /// Connects to `peer`, or to whoever answers, at one of `addrs`, of which 16 are tried: direct
    /// ones 250 ms apart and circuits beside them, which take the peer's name. A connection with `peer` that is up is returned as it is, and so is one
    /// that comes up meanwhile by the peer's own dial. Returns once HELLO came. Dropping the future
    /// stops the attempts.
    ///
    /// # Errors
    /// [`DialError`]; of several addresses' failures the one that tells most.
    pub async fn connect(
        &self,
        peer: Option<PeerId>,
        addrs: &[Address],
    ) -> Result<Connection, DialError> {
        dial(&self.shared, peer, addrs).await
    }

    /// Keeps `peer` connected: it is dialed at `addrs` and wherever else it turns out to be, now and
    /// again after waits from 0.5 s to 60 s, which a hint that it is there cuts short. For a peer
    /// that is kept, adds addresses.
    ///
    /// # Errors
    /// [`TooManyKept`]; nothing changed.
    pub fn keep(&self, peer: PeerId, addrs: &[Address]) -> Result<(), TooManyKept> {
        if peer == self.shared.us {
            return Ok(());
        }
        self.shared.keep(peer, addrs)
    }

    /// Keeps `peer` connected no longer. A connection that is up stays.
    pub fn forget(&self, peer: &PeerId) {
        self.shared.forget(peer);
    }

    /// Whether `peer` may know our addresses. Connected peers are told of a change at once. A
    /// trusted peer also counts no longer as a stranger, and the addresses it tells are tried.
    pub fn trust(&self, peer: PeerId, trusted: bool) {
        self.shared.trust(peer, trusted);
    }

    /// What is known of the NATs and gateways between us and the world, to be followed.
    #[must_use]
    pub fn nat(&self) -> watch::Receiver<NatStatus> {
        self.shared.nat.status()
    }

    /// Asks `servers` and the connected nodes that answer STUN what our NATs do, now. Takes at most
    /// 2 s and 40 datagrams; one that asks the same servers and runs, or has just run, is not repeated.
    /// `None` when the endpoint is closed.
    pub async fn survey(&self, servers: &[StunServer]) -> Option<Arc<Report>> {
        self.shared.nat.survey(&self.shared, servers).await
    }

    /// All that can be found out about our NATs and gateways in 2 s, as [`survey`](Self::survey) asks;
    /// for the rest, what is known.
    pub async fn diagnose(&self, servers: &[StunServer]) -> NatStatus {
        self.shared.nat.diagnose(&self.shared, servers).await
    }

    /// The public address that a new mapping gets at this moment, within 300 ms; `None` when there is
    /// nobody to ask or no answer.
    pub async fn sample(&self) -> Option<SocketAddr> {
        self.shared.nat.sample(&self.shared).await
    }

    /// The relays to hold reservations at from now on, as in [`EndpointConfig::relays`].
    /// Reservations at relays that are not among them end.
    pub fn set_relays(&self, relays: &[Address]) {
        relay::client::set_relays(&self.shared, relays);
    }

    /// What is known of the relays in use, by PeerId.
    #[must_use]
    pub fn relays(&self) -> Vec<RelayInfo> {
        relay::client::infos(&self.shared)
    }

    /// What this node relays; `None` without that role.
    #[must_use]
    pub fn relay_stats(&self) -> Option<server::Stats> {
        let server = self.shared.relay_server.as_ref();
        server.map(|server| server.stats())
    }

    /// Relays for others from now on; without the role nothing changes. Reservations and channels
    /// that the policy excludes end.
    pub fn set_relay_policy(&self, policy: server::Policy) {
        if let Some(server) = &self.shared.relay_server {
            server.set_policy(policy);
        }
    }

    /// Candidates of one kind, replacing those said before of this kind: mapped ones by who asks
    /// gateways, reflexive ones by who asks others. Host candidates follow the interfaces by
    /// themselves, relayed ones the reservations. `class` is what is known of our NAT now. They are
    /// told to trusted peers, unless in relay-only mode.
    pub fn set_local_candidates(
        &self,
        class: NatClass,
        kind: CandidateKind,
        candidates: Vec<Candidate>,
    ) {
        self.shared.set_local_candidates(class, kind, candidates);
    }

    /// Our part in the DHT; `None` without any.
    #[must_use]
    pub fn dht(&self) -> Option<Dht> {
        let table = self.shared.dht.as_ref()?;
        Some(Dht::new(Arc::clone(&self.shared), Arc::clone(table)))
    }

    /// The connections that are up, by PeerId, without those that serve the DHT alone.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.visible()
    }

    /// The connection with `peer`, if one is up that does not serve the DHT alone.
    #[must_use]
    pub fn connection(&self, peer: &PeerId) -> Option<Connection> {
        self.shared.visible_with(peer)
    }

    /// Says goodbye on the local network, closes all connections and waits until the peers know, at
    /// most for `deadline`.
    pub async fn shutdown(&self, deadline: Duration) {
        if let Some(server) = &self.shared.relay_server {
            server.shut_down();
        }
        // First those over relays: their last word has to get through before the relays' does.
        for connection in self.shared.connections() {
            if connection.path().kind == PathKind::Relayed {
                connection.close(Code::Done);
            }
        }
        let heard = async {
            if let Some(server) = &self.shared.relay_server {
                server.quiesce().await;
            }
        };
        let quiet = async { tokio::join!(relay::client::quiesce(&self.shared), heard) };
        // Whatever has not left by then does not matter.
        let _ = tokio::time::timeout(deadline / 2, quiet).await;
        close(&self.shared);
        let discovery = crate::sync::lock(&self._life.discovery).take();
        let nat = crate::sync::lock(&self._life.nat).take();
        let goodbye = async {
            if let Some(discovery) = discovery {
                // It panicked or is done: either way there is nothing to wait for.
                let _ = tokio::time::timeout(tasks::GOODBYE, discovery).await;
            }
        };
        let withdrawn = async {
            if let Some(nat) = nat {
                // As above; it bounds its time itself.
                let _ = nat.await;
            }
        };
        let closed = async { tokio::join!(goodbye, withdrawn, self.shared.quinn.wait_idle()) };
        // Whoever was not told by then finds out by itself.
        let _ = tokio::time::timeout(deadline, closed).await;
        self.shared.enter(Phase::Finished);
    }
}

/// What a node can do.
fn capabilities(nat: &NatConfig, dht: bool, relay_only: bool) -> Capabilities {
    let mut list = vec![capability::CHAT, capability::GOSSIP];
    // Whoever punches shows its addresses.
    list.extend((!relay_only).then_some(capability::PUNCH));
    list.extend(dht.then_some(capability::DHT));
    list.extend(nat.serve.then_some(capability::REACH));
    list.sort_unstable();
    // They are in order, so the fallback is never taken.
    Capabilities::new(List::first_of(list)).unwrap_or_default()
}

/// Room for every connection, handshake and dial attempt that the limits allow, and for as many that
/// were just closed.
fn socket_tables(limits: &Limits) -> socket::Config {
    let standard = socket::Config::default();
    let most = limits.connections + limits.handshakes + limits.dials * DIAL_ADDRESSES;
    socket::Config {
        virtual_addresses: standard
            .virtual_addresses
            .max(2 * most + standard.provisional),
        ..standard
    }
}

fn relay_server(identity: &Identity, settings: RelaySettings) -> Arc<RelayServer> {
    let config = server::Config {
        identity: identity.clone(),
        limits: settings.limits,
        policy: settings.policy,
    };
    Arc::new(RelayServer::new(config, Instant::now()))
}

fn system_random() -> Result<[u8; 32], EndpointError> {
    let mut seed = [0; 32];
    default_provider()
        .secure_random
        .fill(&mut seed)
        .map_err(|_| EndpointError::Random)?;
    Ok(seed)
}
