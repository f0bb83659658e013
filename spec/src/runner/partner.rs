//! What a case is given: a new identity, its own randomness, and a peer to dial.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::{EndpointConfig, IdleTimeout, TokioRuntime, TransportConfig, VarInt};
use tokio::time::timeout;

use super::case::Fault;
use super::draw::Draw;
use super::greeting::Greeting;
use super::identity::Identity;
use super::link::{Ending, Link};
use super::probe::keys;
use super::subject::Subject;
use super::tap::Tap;
use super::tls::{Dialing, Shown};

/// The partner of one run of one case. Copies share its randomness.
#[derive(Clone)]
pub struct Partner {
    /// Whom the case is about.
    pub subject: Arc<Subject>,
    draw: Arc<Mutex<Draw>>,
}

impl Partner {
    /// The partner of a case, in one round of a run with one seed.
    #[must_use]
    pub fn new(subject: Arc<Subject>, seed: u64, case: &str, round: u64) -> Self {
        let draw = Arc::new(Mutex::new(Draw::new(seed, case, round)));
        Self { subject, draw }
    }

    /// Its randomness.
    pub fn draw(&self) -> MutexGuard<'_, Draw> {
        self.draw.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `N` random bytes.
    #[must_use]
    pub fn array<const N: usize>(&self) -> [u8; N] {
        self.draw().array()
    }

    /// Random bytes.
    #[must_use]
    pub fn bytes(&self, len: usize) -> Vec<u8> {
        self.draw().bytes(len)
    }

    /// A random number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.draw().number()
    }

    /// A random number below `bound`, which must not be 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        self.draw().below(bound)
    }

    /// A new identity.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::new(&self.array())
    }

    /// A seed that no run before had, whatever its seed was: of identities and names that a peer
    /// remembers for longer than between two runs.
    #[must_use]
    pub fn fresh(&self) -> [u8; 32] {
        let drawn: [u8; 32] = self.array();
        let now = super::clock::now_ms().to_le_bytes();
        super::bodies::derive("dchat/1 2026-11 conformance fresh", &[&drawn, &now])
    }

    /// A new identity whose PeerId is smaller than the peer's, or larger.
    #[must_use]
    pub fn identity_of_order(&self, is_smaller: bool) -> Identity {
        loop {
            let identity = self.identity();
            if (identity.public() < self.subject.peer) == is_smaller {
                return identity;
            }
        }
    }

    /// A connection as a correct peer makes it: a new identity, the handshake, and HELLO and IDENTIFY
    /// of both sides.
    ///
    /// # Errors
    /// A fault when the peer does not do its part.
    pub async fn link(&self) -> Result<Link, Fault> {
        self.link_with(&self.identity(), &Greeting::new(self)).await
    }

    /// The same with an identity and a greeting of the case's.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub async fn link_with(&self, me: &Identity, greeting: &Greeting) -> Result<Link, Fault> {
        let link = self.greeted(me, greeting).await?;
        let (ours, theirs) = keys(&link)?;
        link.answer_probes(ours, theirs);
        Ok(link)
    }

    /// The same as [`link`](Self::link), but for questions about its paths, which it leaves to the
    /// case.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub async fn silent_link(&self) -> Result<Link, Fault> {
        self.greeted(&self.identity(), &Greeting::new(self)).await
    }

    async fn greeted(&self, me: &Identity, greeting: &Greeting) -> Result<Link, Fault> {
        let mut link = self.handshake(me).await?;
        link.control(&greeting.bytes()).await;
        let heard = "HELLO and IDENTIFY";
        link.until(heard, |journal| journal.identifies().into_iter().next())
            .await?;
        Ok(link)
    }

    /// A connection after a correct handshake and nothing else.
    ///
    /// # Errors
    /// A fault when the handshake fails, or another peer answers than the address names.
    pub async fn handshake(&self, me: &Identity) -> Result<Link, Fault> {
        let dialed = self.dial(me, &Dialing::of(me)).await?;
        let link = dialed.map_err(|ending| {
            Fault::new("a handshake that succeeds", ending.to_string()).by("DC-CONN-010")
        })?;
        if link.shown.peer() != Some(self.subject.peer) {
            let seen = "a certificate over another key";
            return Err(Fault::new("the peer that the address names", seen).by("DC-CONN-010"));
        }
        Ok(link)
    }

    /// Dials in any way. `Ok(Err(_))` says how the handshake failed.
    ///
    /// A handshake is over for the dialer before the listener has seen the dialer's certificate: a
    /// refusal of that comes as the end of the link.
    ///
    /// # Errors
    /// A fault of the runner's own means, or when nothing comes at all.
    pub async fn dial(
        &self,
        me: &Identity,
        dialing: &Dialing,
    ) -> Result<Result<Link, Ending>, Fault> {
        let (dialed, shown, tap, endpoint) = self.start(dialing)?;
        let patience = self.subject.patience;
        match timeout(patience, dialed).await {
            Err(_) => Err(Fault::new(
                "the end of a handshake, good or bad",
                format!("neither in {} s", patience.as_secs()),
            )),
            Ok(Err(error)) => Ok(Err(error.into())),
            Ok(Ok(connection)) => Ok(Ok(Link::new(
                endpoint,
                connection,
                me.clone(),
                shown,
                tap,
                patience,
                dialing.keeps_questions,
            ))),
        }
    }

    /// Begins to dial. The endpoint has to be kept as long as the connection.
    ///
    /// # Errors
    /// A fault of the runner's own means.
    pub fn start(
        &self,
        dialing: &Dialing,
    ) -> Result<(quinn::Connecting, Shown, Arc<Tap>, quinn::Endpoint), Fault> {
        let (client, shown) = dialing.client().map_err(own)?;
        let mut config = quinn::ClientConfig::new(client);
        config.version(dialing.version);
        config.transport_config(Arc::new(transport(dialing)));
        if let Some(token) = &dialing.token {
            config.token_store(Arc::new(OneToken(token.clone())));
        }
        let tap = self.tap()?;
        let mut endpoint_config = endpoint_config();
        endpoint_config
            .max_udp_payload_size(dialing.takes_packets)
            .map_err(|error| own(error.to_string()))?;
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            endpoint_config,
            None,
            Arc::clone(&tap) as Arc<dyn quinn::AsyncUdpSocket>,
            Arc::new(TokioRuntime),
        )
        .map_err(|error| own(error.to_string()))?;
        let name = dialing.server_name.unwrap_or("peer.invalid");
        let connecting = endpoint
            .connect_with(config, self.subject.address, name)
            .map_err(|error| own(error.to_string()))?;
        Ok((connecting, shown, tap, endpoint))
    }

    /// The address to bind sockets to: of the peer's family, and loopback where the peer is there.
    #[must_use]
    pub fn local_ip(&self) -> IpAddr {
        match self.subject.address {
            SocketAddr::V4(address) if address.ip().is_loopback() => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(address) if address.ip().is_loopback() => Ipv6Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// A new UDP socket of the peer's family, which does not block, at a port that no other of the run has had.
    ///
    /// # Errors
    /// A fault of the runner's own means.
    pub fn socket(&self) -> Result<UdpSocket, Fault> {
        let bound = self.subject.ports.socket(self.local_ip());
        bound.map_err(|error| own(error.to_string()))
    }

    /// One that a case can look at.
    ///
    /// # Errors
    /// As [`socket`](Self::socket).
    pub fn tap(&self) -> Result<Arc<Tap>, Fault> {
        let tap = Tap::new(self.socket()?);
        tap.map(Arc::new).map_err(|error| own(error.to_string()))
    }
}

/// QUIC as a correct peer sets it up: it does not offer to clear the fixed bit (DC-CONN-001).
pub(super) fn endpoint_config() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    config.grease_quic_bit(false);
    config
}

/// A fault that is not the peer's: the case says nothing about it.
pub(super) fn own(what: impl Into<String>) -> Fault {
    Fault::unsupported(format!("the runner itself failed: {}", what.into()))
}

/// The idle timeout the documents ask for (DC-CONN-039).
const IDLE: Duration = Duration::from_secs(30);

fn transport(dialing: &Dialing) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok())
        .stream_receive_window(VarInt::from_u32(dialing.stream_window))
        // Packets of full size from the start: the paths here are short.
        .initial_mtu(dialing.first_packets)
        .mtu_discovery_config(None);
    if !dialing.has_datagrams {
        transport.datagram_receive_buffer_size(None);
    }
    transport
}

/// Gives the same token to every server.
struct OneToken(Vec<u8>);

impl quinn::TokenStore for OneToken {
    fn insert(&self, _server_name: &str, _token: bytes::Bytes) {}

    fn take(&self, _server_name: &str) -> Option<bytes::Bytes> {
        Some(self.0.clone().into())
    }
}
