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
use std::time::Duration;

use dchat_nat::classify::Report;
use dchat_wire::close::Code;
use dchat_wire::codec::List;
use dchat_wire::hello::{Capabilities, capability};
use dchat_wire::{Address, PeerId};
use quinn::TokioRuntime;
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::sync::{mpsc, watch};

use crate::connection::Connection;
use crate::dial::{TooManyKept, dial};
use crate::discovery;
use crate::entropy::Entropy;
use crate::error::{DialError, EndpointError};
use crate::limits::{DIAL_ADDRESSES, Limits};
use crate::nat::{self, Nat, NatConfig, NatStatus, StunServer};
use crate::socket;

pub use config::{EndpointConfig, MdnsConfig};
pub use events::{Event, Events, Via};

pub(crate) use admission::Permit;
pub(crate) use interfaces::is_alone;
pub(crate) use outbox::Identified;
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
            limits,
            mdns,
            seed,
        } = config;
        let entropy = Entropy::new(match seed {
            Some(seed) => seed,
            None => system_random()?,
        });
        let settings = quic::ConnectionSettings::new(&identity, &limits)?;
        let (udp, paths, path_events) =
            socket::bind_with(&listen, entropy.derive("socket"), socket_tables(&limits))?;
        let quinn = quinn::Endpoint::new_with_abstract_socket(
            quic::endpoint_config(&identity, &entropy),
            Some(settings.default_server()),
            udp,
            Arc::new(TokioRuntime),
        )?;
        let (streams, waiting) = mpsc::channel(limits.waiting_streams.max(1));
        let (suspects, suspected) = mpsc::channel(SUSPECTS);
        let shared = Arc::new(Shared::new(Parts {
            us: identity.peer_id(),
            roles,
            limits,
            entropy,
            settings,
            quinn,
            capabilities: capabilities(&nat),
            nat: Nat::new(paths.clone(), nat),
            paths,
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
    /// loopback only when there is nothing else. At most [`DIAL_ADDRESSES`], those valid everywhere
    /// first.
    #[must_use]
    pub fn listen_addrs(&self) -> Vec<Address> {
        self.shared.listen_addrs()
    }

    /// Connects to `peer`, or to whoever answers, at one of `addrs`, the first 16 of which are
    /// tried 250 ms apart. A connection with `peer` that is up is returned as it is, and so is one
    /// that comes up meanwhile by the peer's own dial. Returns once HELLO came. Dropping the future
    /// stops the attempts.
    ///
    /// # Errors
    /// [`DialError`]; of several addresses' failures the one that tells most.
    pub async fn connect(
        &self,
        peer: Option<PeerId>,
        addrs: &[SocketAddr],
    ) -> Result<Connection, DialError> {
        dial(&self.shared, peer, addrs).await
    }

    /// Keeps `peer` connected: it is dialed at `addrs` and wherever else it turns out to be, now and
    /// again after waits from 0.5 s to 60 s, which a hint that it is there cuts short. For a peer
    /// that is kept, adds addresses.
    ///
    /// # Errors
    /// [`TooManyKept`]; nothing changed.
    pub fn keep(&self, peer: PeerId, addrs: &[SocketAddr]) -> Result<(), TooManyKept> {
        let addrs = addrs.get(..DIAL_ADDRESSES).unwrap_or(addrs);
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
    /// 2 s and 40 datagrams. `None` when several others ask at this moment.
    pub async fn survey(&self, servers: &[StunServer]) -> Option<Report> {
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

    /// The connections that are up, by PeerId.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.connections()
    }

    /// The connection with `peer`, if one is up.
    #[must_use]
    pub fn connection(&self, peer: &PeerId) -> Option<Connection> {
        self.shared.live(peer)
    }

    /// Says goodbye on the local network, closes all connections and waits until the peers know, at
    /// most for `deadline`.
    pub async fn shutdown(&self, deadline: Duration) {
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
fn capabilities(nat: &NatConfig) -> Capabilities {
    let mut list = vec![capability::CHAT];
    list.extend(nat.serve.then_some(capability::REACH));
    // Ascending, as it has to be.
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

fn system_random() -> Result<[u8; 32], EndpointError> {
    let mut seed = [0; 32];
    default_provider()
        .secure_random
        .fill(&mut seed)
        .map_err(|_| EndpointError::Random)?;
    Ok(seed)
}
