//! A client that sends in bulk, a server that reads, and the QUIC between them.

use std::{
    net::{Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use quinn_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, EcnCodepoint,
    Endpoint, EndpointConfig, Event, ServerConfig, StreamId, Transmit, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};

use super::link::LinkId;

/// Most datagrams quinn may put into one transmission, as its own driver does.
const MAX_DATAGRAMS: usize = 10;
/// Written at a time.
const CHUNK: usize = 64 * 1024;

/// What a flow is made of.
pub struct FlowConfig {
    /// Settings of the sending client.
    pub client: TransportConfig,
    /// Settings of the reading server.
    pub server: TransportConfig,
    /// Streams written side by side.
    pub streams: usize,
    /// Bytes to send in all.
    pub total: u64,
    /// Link from client to server.
    pub forward: LinkId,
    /// Link from server to client.
    pub back: LinkId,
    /// When the client connects, after the start of the world.
    pub start: Duration,
    /// Seed of the endpoints' packet numbers and connection ids.
    pub seed: u8,
}

/// What the server has read so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Bytes read in order.
    pub received: u64,
    /// When the last of them were.
    pub last: Option<Instant>,
    /// Longest time between two reads since [`Flow::reset_gap`].
    pub longest_gap: Duration,
}

/// One connection and its application.
pub struct Flow {
    /// Where packets of the client go.
    pub forward: LinkId,
    /// Where packets of the server go.
    pub back: LinkId,
    pub(super) client: Side,
    pub(super) server: Side,
    config: Option<ClientConfig>,
    pub(super) start: Instant,
    streams: usize,
    to_write: u64,
    open: Vec<StreamId>,
    reading: Vec<StreamId>,
    chunk: Vec<u8>,
    total: u64,
    /// What arrived.
    pub progress: Progress,
}

/// A datagram on its way.
pub(super) struct Packet {
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) bytes: Bytes,
}

/// One endpoint with at most one connection.
pub(super) struct Side {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    peer: SocketAddr,
    pub(super) outbound: Vec<Packet>,
    connected: bool,
    failed: Option<ConnectionError>,
}

impl Flow {
    pub(super) fn new(config: FlowConfig, origin: Instant) -> Self {
        let (mut client, server) = tls();
        client.transport_config(Arc::new(config.client));
        let mut server = ServerConfig::with_crypto(server);
        server.transport_config(Arc::new(config.server));
        let address = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let side = |server, peer, seed| Side {
            endpoint: Endpoint::new(endpoint_config(seed), server, true, Some([seed; 32])),
            connection: None,
            peer,
            outbound: Vec::new(),
            connected: false,
            failed: None,
        };
        Self {
            forward: config.forward,
            back: config.back,
            client: side(None, address(4433), config.seed.wrapping_mul(2)),
            server: side(
                Some(Arc::new(server)),
                address(4434),
                config.seed.wrapping_mul(2).wrapping_add(1),
            ),
            config: Some(client),
            start: origin + config.start,
            streams: config.streams,
            to_write: config.total,
            open: Vec::new(),
            reading: Vec::new(),
            chunk: vec![0x5a; CHUNK],
            total: config.total,
            progress: Progress::default(),
        }
    }

    /// From now on packets take these links.
    pub fn route(&mut self, forward: LinkId, back: LinkId) {
        self.forward = forward;
        self.back = back;
    }

    /// Sends one byte by datagram, which makes quinn look at its window again.
    pub fn kick(&mut self) {
        if let Some((_, connection)) = &mut self.client.connection {
            let _ = connection.datagrams().send(Bytes::from_static(&[0]), true);
        }
    }

    /// Measures gaps from now on only.
    pub fn reset_gap(&mut self) {
        self.progress.longest_gap = Duration::ZERO;
    }

    /// Everything was read.
    pub fn is_finished(&self) -> bool {
        self.progress.received >= self.total
    }

    /// Why the connection ended before its time, if it did.
    pub fn failure(&self) -> Option<&ConnectionError> {
        self.client.failed.as_ref().or(self.server.failed.as_ref())
    }

    /// The client's connection, once there is one.
    pub fn connection(&self) -> Option<&Connection> {
        self.client
            .connection
            .as_ref()
            .map(|(_, connection)| connection)
    }

    /// Connects when it is time.
    pub(super) fn begin(&mut self, now: Instant) {
        if now < self.start {
            return;
        }
        let Some(config) = self.config.take() else {
            return;
        };
        let peer = self.client.peer;
        let connection = self.client.endpoint.connect(now, config, peer, "localhost");
        self.client.connection = Some(connection.expect("valid parameters"));
    }

    pub(super) fn next_wakeup(&mut self) -> Option<Instant> {
        let begin = self.config.as_ref().map(|_| self.start);
        let timers = [self.client.timeout(), self.server.timeout(), begin];
        timers.into_iter().flatten().min()
    }

    /// Runs both sides and the application until nothing more happens at `now`.
    pub(super) fn drive(&mut self, now: Instant) {
        self.begin(now);
        self.client.run_timers(now);
        self.server.run_timers(now);
        self.client.poll_events();
        self.server.poll_events();
        if self.client.connected {
            self.write();
        }
        self.read(now);
        self.client.transmit(now);
        self.server.transmit(now);
    }

    fn write(&mut self) {
        let Some((_, connection)) = &mut self.client.connection else {
            return;
        };
        while self.open.len() < self.streams {
            let Some(stream) = connection.streams().open(Dir::Uni) else {
                break;
            };
            self.open.push(stream);
        }
        let mut blocked = false;
        while !blocked && self.to_write > 0 {
            blocked = true;
            for &stream in &self.open {
                let size = self.to_write.min(self.chunk.len() as u64) as usize;
                if let Ok(written) = connection.send_stream(stream).write(&self.chunk[..size]) {
                    self.to_write -= written as u64;
                    blocked = false;
                }
            }
        }
    }

    fn read(&mut self, now: Instant) {
        let Some((_, connection)) = &mut self.server.connection else {
            return;
        };
        while let Some(stream) = connection.streams().accept(Dir::Uni) {
            self.reading.push(stream);
        }
        while connection.datagrams().recv().is_some() {}
        let mut received = 0;
        for &stream in &self.reading {
            let mut stream = connection.recv_stream(stream);
            let Ok(mut chunks) = stream.read(true) else {
                continue;
            };
            while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
                received += chunk.bytes.len() as u64;
            }
            let _ = chunks.finalize();
        }
        if received > 0 {
            let progress = &mut self.progress;
            progress.received += received;
            if let Some(last) = progress.last {
                progress.longest_gap = progress.longest_gap.max(now - last);
            }
            progress.last = Some(now);
        }
    }
}

impl Side {
    fn timeout(&mut self) -> Option<Instant> {
        self.connection
            .as_mut()
            .and_then(|(_, connection)| connection.poll_timeout())
    }

    fn run_timers(&mut self, now: Instant) {
        if let Some((_, connection)) = &mut self.connection
            && connection.poll_timeout().is_some_and(|at| at <= now)
        {
            connection.handle_timeout(now);
        }
    }

    fn poll_events(&mut self) {
        let Some((_, connection)) = &mut self.connection else {
            return;
        };
        while let Some(event) = connection.poll() {
            match event {
                Event::Connected => self.connected = true,
                Event::ConnectionLost { reason } => self.failed = Some(reason),
                _ => {}
            }
        }
    }

    pub(super) fn receive(&mut self, now: Instant, packet: Packet) {
        let mut buffer = Vec::new();
        let bytes = BytesMut::from(&packet.bytes[..]);
        let event = self
            .endpoint
            .handle(now, self.peer, None, packet.ecn, bytes, &mut buffer);
        match event {
            Some(DatagramEvent::NewConnection(incoming)) => {
                match self.endpoint.accept(incoming, now, &mut buffer, None) {
                    Ok(connection) => self.connection = Some(connection),
                    Err(error) => self.failed = Some(error.cause),
                }
            }
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some((_, connection)) = &mut self.connection {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::Response(transmit)) => self.queue(&transmit, &buffer),
            None => {}
        }
    }

    fn transmit(&mut self, now: Instant) {
        let Some((handle, mut connection)) = self.connection.take() else {
            return;
        };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                connection.handle_event(event);
            }
        }
        let mut buffer = Vec::new();
        while let Some(transmit) = connection.poll_transmit(now, MAX_DATAGRAMS, &mut buffer) {
            self.queue(&transmit, &buffer);
            buffer.clear();
        }
        self.connection = Some((handle, connection));
    }

    fn queue(&mut self, transmit: &Transmit, buffer: &[u8]) {
        let mut bytes = Bytes::copy_from_slice(&buffer[..transmit.size]);
        let segment = transmit.segment_size.unwrap_or(transmit.size);
        while !bytes.is_empty() {
            let size = segment.min(bytes.len());
            self.outbound.push(Packet {
                ecn: transmit.ecn,
                bytes: bytes.split_to(size),
            });
        }
    }
}

fn endpoint_config(seed: u8) -> Arc<EndpointConfig> {
    let mut config = EndpointConfig::default();
    config.grease_quic_bit(false).rng_seed(Some([seed; 32]));
    Arc::new(config)
}

/// One certificate for all flows of the process.
pub fn tls() -> (ClientConfig, Arc<QuicServerConfig>) {
    static IDENTITY: OnceLock<rcgen::CertifiedKey<rcgen::KeyPair>> = OnceLock::new();
    let identity = IDENTITY.get_or_init(|| {
        rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate")
    });
    let certificate = identity.cert.der().clone();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .expect("our own key");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("our own certificate");
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = QuicClientConfig::try_from(client).expect("a QUIC cipher suite");
    let server = QuicServerConfig::try_from(server).expect("a QUIC cipher suite");
    (ClientConfig::new(Arc::new(client)), Arc::new(server))
}

/// Settings of a server that lets a client open `streams` streams with `config`.
pub fn allowing(mut config: TransportConfig, streams: usize) -> TransportConfig {
    let streams = u32::try_from(streams).unwrap_or(u32::MAX);
    config.max_concurrent_uni_streams(VarInt::from_u32(streams));
    config
}
