//! The handle that programs hold.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dchat_transport as transport;
use dchat_wire::PeerId;
use dchat_wire::hello::role;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::dht::{self, Directory};
use super::doctor;
use super::engine::{Engine, Input, Outlets, QUEUE};
use super::hub::Hub;
use super::network::{Network, Question};
use super::profile::Profile;
use crate::api::{ApiError, ErrorKind, Event, MessageState, Reply, Request, STUN_SERVERS, Sent};
use crate::seam::{Node, OpenError, PeerConfig, Subscription};
use crate::settings::{Admission, Relaying};
use transport::nat::StunServer;
use transport::relay::proto::{Rate, server};

/// Questions that may wait for the network half.
const QUESTIONS: usize = 64;

/// A running node of one home. Clones are handles to the same node.
///
/// Dropping the last handle ends the node, but only [`Node::shutdown`] waits until connections are
/// closed and the home is unlocked.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: mpsc::Sender<Input>,
    network: Option<mpsc::Sender<Question>>,
    net: NetSettings,
    hub: Hub,
    started: Instant,
    /// The engine's thread, until somebody has waited for its end.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What of the settings concerns a diagnosis.
#[derive(Debug)]
struct NetSettings {
    /// Nodes connected to by the settings.
    expected: usize,
    relay_only: bool,
    stun: Vec<StunServer>,
}

impl Peer {
    /// Opens the home and starts the node.
    ///
    /// # Errors
    /// [`OpenError`] says whose fault it is; nothing in the home was changed.
    pub async fn open(config: PeerConfig) -> Result<Self, OpenError> {
        let stun = stun_servers(&config.stun).map_err(OpenError::Other)?;
        let opening = config.clone();
        let mut profile = on_a_thread(move || {
            Profile::open(
                &opening.home,
                opening.passphrase.as_ref(),
                opening.name.as_deref(),
                unix_ms(),
            )
        })
        .await?;
        let bound = if config.online {
            let (bound, port) = bind(&profile, &config, &stun)?;
            if let Some(port) = port {
                profile =
                    on_a_thread(move || profile.remember_port(port).map(|()| profile)).await?;
            }
            Some(bound)
        } else {
            None
        };

        let hub = Hub::new();
        let (engine, inputs) = mpsc::channel(QUEUE);
        let (effects, effect_queue) = mpsc::unbounded_channel();
        let (deadline, deadlines) = watch::channel(None);
        let outlets = Outlets {
            hub: hub.clone(),
            effects,
            clock: unix_ms,
            deadline,
        };
        let identity = profile.identity.clone();
        let own_records = std::mem::take(&mut profile.own_records);
        let addresses = bound.as_ref().map(|(endpoint, _)| endpoint.listen_addrs());
        let runner = Engine::new(profile, addresses.unwrap_or_default(), inputs, outlets);
        let thread = std::thread::Builder::new()
            .name("dchat-engine".to_owned())
            .spawn(move || runner.run())
            .map_err(|error| failed(&error))?;
        tokio::spawn(keep_time(engine.downgrade(), deadlines));

        let network = bound.map(|(endpoint, events)| {
            let (questions, queue) = mpsc::channel(QUESTIONS);
            let earlier = own_records.as_slice();
            let directory = Directory::new(&endpoint, &identity, &engine, &hub, &config, earlier);
            let network = Network::new(endpoint, directory, engine.clone(), hub.clone());
            let config = config.clone();
            tokio::spawn(async move { network.run(&config, events, effect_queue, queue).await });
            questions
        });
        let started = Instant::now();
        Ok(Self(Arc::new(Inner {
            engine,
            network,
            net: NetSettings {
                expected: config.dial.len() + config.relays.len(),
                relay_only: config.relay_only,
                stun,
            },
            hub,
            started,
            thread: Mutex::new(Some(thread)),
        })))
    }

    async fn ask(&self, request: Request) -> Result<Reply, ApiError> {
        let (to, reply) = oneshot::channel();
        let sent = self.0.engine.send(Input::Call(Box::new(request), to)).await;
        sent.map_err(|_| stopped())?;
        reply.await.map_err(|_| stopped())?
    }

    async fn peers_with_names(&self) -> Result<Reply, ApiError> {
        let Some(network) = &self.0.network else {
            return Ok(Reply::Peers(Vec::new()));
        };
        let (to, answer) = oneshot::channel();
        network
            .send(Question::Peers(to))
            .await
            .map_err(|_| stopped())?;
        let mut peers = answer.await.map_err(|_| stopped())?;
        if let Reply::Contacts(contacts) = self.ask(Request::Contacts).await? {
            for peer in &mut peers {
                if let Some(contact) = contacts.iter().find(|c| c.peer_id == peer.peer_id) {
                    peer.name.clone_from(&contact.name);
                }
            }
        }
        Ok(Reply::Peers(peers))
    }

    async fn nearby(&self) -> Result<Reply, ApiError> {
        let Some(network) = &self.0.network else {
            return Ok(Reply::Nearby(Vec::new()));
        };
        let (to, answer) = oneshot::channel();
        network
            .send(Question::Nearby(to))
            .await
            .map_err(|_| stopped())?;
        answer.await.map(Reply::Nearby).map_err(|_| stopped())
    }

    async fn doctor(&self, peer: Option<String>, stun: &[String]) -> Result<Reply, ApiError> {
        let Some(network) = &self.0.network else {
            return Err(stopped());
        };
        if stun.len() > STUN_SERVERS {
            let message = format!("at most {STUN_SERVERS} STUN servers are asked. Name fewer.");
            return Err(ApiError::new(ErrorKind::Usage, message));
        }
        let net = &self.0.net;
        let mut servers = stun_servers(stun)?;
        servers.extend(
            net.stun
                .iter()
                .filter(|known| !stun.contains(&known.to_string()))
                .cloned(),
        );
        servers.truncate(STUN_SERVERS);
        let peer = match peer {
            Some(name) => Some(self.contact(&name).await?),
            None => None,
        };
        let question = doctor::Question {
            stun: servers,
            expected: net.expected,
            peer,
            relay_only: net.relay_only,
        };
        let (to, answer) = oneshot::channel();
        network
            .send(Question::Doctor(question, to))
            .await
            .map_err(|_| stopped())?;
        let doctor = answer.await.map_err(|_| stopped())?;
        Ok(Reply::Doctor(Box::new(doctor)))
    }

    /// What the distributed hash table answers.
    async fn dht(&self, request: Request) -> Result<Reply, ApiError> {
        let Some(network) = &self.0.network else {
            return match request {
                Request::DhtStat => Ok(Reply::DhtStat(Box::default())),
                _ => Err(stopped()),
            };
        };
        let (to, answer) = oneshot::channel();
        network
            .send(Question::Dht(request, to))
            .await
            .map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// The contact called `name`, or whose PeerId it is; a PeerId need be no contact's.
    async fn contact(&self, name: &str) -> Result<PeerId, ApiError> {
        if let Ok(peer) = name.parse() {
            return Ok(peer);
        }
        if let Reply::Contacts(contacts) = self.ask(Request::Contacts).await? {
            let named = contacts.iter().find(|contact| contact.name == name);
            if let Some(Ok(peer)) = named.map(|contact| contact.peer_id.parse()) {
                return Ok(peer);
            }
        }
        Err(ApiError::new(
            ErrorKind::NotFound,
            format!("no contact is called {name}. `dchat contacts` lists them."),
        ))
    }

    async fn full_status(&self) -> Result<Reply, ApiError> {
        let Reply::Status(mut status) = self.ask(Request::Status).await? else {
            return Err(stopped());
        };
        if let Reply::Peers(peers) = self.peers_with_names().await? {
            status.connected = peers.len() as u64;
        }
        if let Some(network) = &self.0.network {
            let (to, answer) = oneshot::channel();
            let asked = network.send(Question::DhtStatus(to)).await;
            asked.map_err(|_| stopped())?;
            status.dht = answer.await.map_err(|_| stopped())?;
        }
        status.running = self.0.network.is_some();
        status.uptime_s = self.0.started.elapsed().as_secs();
        Ok(Reply::Status(status))
    }

    /// Waits until the message has come to `wanted`, has failed, or the time is over, and tells how
    /// far it has come.
    async fn wait(
        &self,
        mut id: String,
        wanted: MessageState,
        timeout: Duration,
    ) -> Result<Reply, ApiError> {
        // Subscribed before the first look, so that no change falls in between.
        let mut events = self.subscribe();
        let look = |id: &str| Request::Wait {
            id: id.to_owned(),
            state: wanted,
            timeout_ms: 0,
        };
        let mut reached = self.ask(look(&id)).await?;
        let reaching = async {
            loop {
                let Reply::Sent(Sent { state, .. }) = &reached else {
                    return Ok(reached);
                };
                if *state >= wanted {
                    return Ok(reached);
                }
                match events.next().await {
                    Some(Event::MessageState { id: other, state }) if other == id => {
                        reached = Reply::Sent(Sent {
                            id: id.clone(),
                            state,
                        });
                    }
                    Some(Event::MessageRenamed { from, to }) if from == id => id = to,
                    Some(Event::Missed { .. }) => reached = self.ask(look(&id)).await?,
                    Some(_) => {}
                    None => return Err(stopped()),
                }
            }
        };
        match tokio::time::timeout(timeout, reaching).await {
            Ok(result) => result,
            Err(_) => self.ask(look(&id)).await,
        }
    }
}

impl Node for Peer {
    async fn call(&self, request: Request) -> Result<Reply, ApiError> {
        match request {
            Request::Nearby => self.nearby().await,
            Request::Peers => self.peers_with_names().await,
            Request::Status => self.full_status().await,
            Request::Doctor { peer, stun } => self.doctor(peer, &stun).await,
            Request::DhtFind { .. }
            | Request::DhtGet { .. }
            | Request::DhtPut { .. }
            | Request::DhtStat => self.dht(request).await,
            Request::Wait {
                id,
                state,
                timeout_ms,
            } => {
                self.wait(id, state, Duration::from_millis(timeout_ms))
                    .await
            }
            other => self.ask(other).await,
        }
    }

    fn subscribe(&self) -> Subscription {
        self.0.hub.subscribe()
    }

    async fn shutdown(&self) {
        let Some(thread) = self.0.thread.lock().await.take() else {
            return;
        };
        if let Some(network) = &self.0.network {
            let (done, closed) = oneshot::channel();
            if network.send(Question::Shutdown(done)).await.is_ok() {
                let _ = closed.await;
            }
        }
        let (done, stopped) = oneshot::channel();
        if self.0.engine.send(Input::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
        // The thread must be gone, and not only its work: what the database's cryptography keeps
        // for each thread is freed as the thread ends, and the end of the process frees the rest.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// Runs `work` on a thread of its own, which is gone when this returns. The database's cryptography
/// keeps state for each thread that used it; one of the runtime's threads would free it while the
/// process ends, at the same time as the process itself.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let thread = std::thread::Builder::new()
        .name("dchat-open".to_owned())
        .spawn(work);
    let thread = thread.map_err(|error| failed(&error))?;
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    joined.map_err(|error| failed(&error))?.unwrap_or_else(|_| {
        let message = "opening the home failed unexpectedly. This is a defect of DChat.";
        Err(OpenError::Other(ApiError::new(ErrorKind::Failed, message)))
    })
}

type Bound = (transport::Endpoint, transport::Events);

/// Listens where the settings say, or else where it listened the last time, or else anywhere. Tells
/// the port when it is one to remember.
fn bind(
    profile: &Profile,
    config: &PeerConfig,
    stun: &[StunServer],
) -> Result<(Bound, Option<u16>), OpenError> {
    let start = |listen: Vec<SocketAddr>| {
        transport::Endpoint::bind(transport::EndpointConfig {
            listen,
            mdns: config.mdns.then(transport::MdnsConfig::default),
            roles: config.roles,
            relays: config.relays.clone(),
            relay_only: config.relay_only,
            relay: relay_settings(&config.relaying),
            dht: config.dht.enabled.then(|| dht::settings(config, profile)),
            nat: transport::nat::NatConfig {
                stun: stun.to_vec(),
                port_mapping: transport::nat::PortMapConfig::default(),
                ..transport::nat::NatConfig::default()
            },
            limits: limits(config.roles),
            ..transport::EndpointConfig::new(profile.identity.clone())
        })
    };
    let refused = |error: transport::EndpointError| {
        let message = format!("{error}. Choose another address with --listen.");
        OpenError::Other(ApiError::new(ErrorKind::Failed, message))
    };
    if !config.listen.is_empty() {
        let listen = config
            .listen
            .iter()
            .map(|address| address.socket())
            .collect();
        return start(listen).map(|bound| (bound, None)).map_err(refused);
    }
    let everywhere = |port| vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))];
    let last = profile.last_port;
    let bound = match start(everywhere(last)) {
        Err(_) if last != 0 => start(everywhere(0)),
        other => other,
    };
    let bound = bound.map_err(refused)?;
    let port = bound
        .0
        .listen_addrs()
        .first()
        .map(|address| address.socket().port());
    Ok((bound, port.filter(|port| *port != last)))
}

fn stun_servers(texts: &[String]) -> Result<Vec<StunServer>, ApiError> {
    let servers = texts.iter().map(|text| {
        text.parse()
            .map_err(|error| ApiError::new(ErrorKind::Usage, format!("'{text}' is {error}.")))
    });
    servers.collect()
}

/// Connections of a bootstrap node that serve the table alone, about 50 KiB each: whoever begins has
/// one for a minute, so 34 may begin each second.
const TABLE_CONNECTIONS: usize = 2048;

/// Everybody who uses a relay or begins at a bootstrap node is a stranger to it, and many are behind
/// the same carrier's NAT.
fn limits(roles: u64) -> transport::Limits {
    let (ordinary, relay) = (transport::Limits::default(), transport::Limits::relay());
    let limits = if roles & role::RELAY == 0 {
        ordinary
    } else {
        relay.clone()
    };
    if roles & role::BOOTSTRAP == 0 {
        return limits;
    }
    transport::Limits {
        connections: limits.connections + TABLE_CONNECTIONS,
        table_connections: TABLE_CONNECTIONS,
        connections_per_network: relay.connections_per_network,
        handshakes: relay.handshakes,
        handshakes_per_network: relay.handshakes_per_network,
        ..limits
    }
}

/// What a relay gives, in the transport's words.
fn relay_settings(relaying: &Relaying) -> transport::RelaySettings {
    let access = |admission| match admission {
        Admission::Anyone => server::Access::Anyone,
        Admission::Listed => server::Access::Listed,
    };
    let defaults = server::Limits::default();
    let number = |wanted: Option<u32>, default: usize| {
        wanted.map_or(default, |wanted| usize::try_from(wanted).unwrap_or(default))
    };
    transport::RelaySettings {
        limits: server::Limits {
            reservations: number(relaying.max_reservations, defaults.reservations),
            channels: number(relaying.max_channels, defaults.channels),
            bytes_per_channel: relaying.bytes_per_s.map(|bytes| Rate {
                per_second: bytes.into(),
                // Half a second at once, and a few packets in any case.
                burst: u64::from(bytes / 2).max(16 * 1024),
            }),
            ..defaults
        },
        policy: server::Policy {
            reservations: access(relaying.reservations),
            connects: access(relaying.channels),
            allowed: relaying.allow.iter().copied().collect(),
            denied: relaying.deny.iter().copied().collect(),
            ..server::Policy::default()
        },
    }
}

/// Wakes the engine at the deadlines it gives. Nothing is due while there is none.
async fn keep_time(
    engine: mpsc::WeakSender<Input>,
    mut deadlines: watch::Receiver<Option<crate::store::UnixMillis>>,
) {
    loop {
        let due = *deadlines.borrow_and_update();
        let wait = async {
            match due {
                Some(at) => {
                    let left = u64::try_from(at.saturating_sub(unix_ms())).unwrap_or(0);
                    tokio::time::sleep(Duration::from_millis(left)).await;
                }
                None => core::future::pending().await,
            }
        };
        tokio::select! {
            changed = deadlines.changed() => if changed.is_err() { return },
            () = wait => {
                let Some(engine) = engine.upgrade() else { return };
                if engine.send(Input::Tick).await.is_err() || deadlines.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Milliseconds since 1970; a clock set before that reads as 1970.
fn unix_ms() -> crate::store::UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn stopped() -> ApiError {
    ApiError::new(
        ErrorKind::Failed,
        "the node has stopped. Start it again and repeat.",
    )
}

fn failed(error: &dyn std::error::Error) -> OpenError {
    OpenError::Other(ApiError::new(ErrorKind::Failed, error.to_string()))
}
