//! The QUIC settings of the endpoint and of each connection.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use dchat_wire::PeerId;
use dchat_wire::defect::{self, Defect};
use dchat_wire::hash::Context;
use dchat_wire::sign::Identity;
use quinn_proto::crypto::{CryptoError, HmacKey};
use quinn_proto::{
    ConnectionId, ConnectionIdGenerator as _, HashedConnectionIdGenerator,
    RandomConnectionIdGenerator, TokenMemoryCache, TokenStore,
};

use crate::congestion::{PathControl, carrying_transport_config, recommended_transport_config};
use crate::entropy::Entropy;
use crate::limits::{IDLE_TIMEOUT, KEEP_ALIVE, Limits};
use crate::tls::{Failure, Tls, TlsError};

/// Bytes kept of packets that come for one handshake before it is accepted, which is at once: the
/// rest of a ClientHello with a post-quantum key share.
const EARLY_PACKETS: u64 = 16 * 1024;

/// Settings of the whole endpoint.
pub(crate) fn endpoint_config(identity: &Identity, entropy: &Entropy) -> quinn::EndpointConfig {
    let reset = ResetKey::of(identity);
    // Ids that the next process of this identity recognises: only those are answered by a reset.
    let ids = u64::from_le_bytes(reset.bytes(b"connection ids"));
    let mut config = quinn::EndpointConfig::new(Arc::new(reset));
    config
        .cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)))
        // With the fixed bit random, packets could not be told from probes by their first byte.
        .grease_quic_bit(false)
        .supported_versions(vec![1])
        .rng_seed(Some(entropy.derive("quic endpoint")));
    config
}

/// Makes the settings of single connections.
#[derive(Debug)]
pub(crate) struct ConnectionSettings {
    tls: Tls,
    server: quinn::ServerConfig,
    limits: Limits,
    /// Whether we relay: then datagrams wait in fair queues, and not in connections.
    relays: bool,
}

/// What a connection we dial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Its own streams.
    Peer,
    /// The packets of others as well.
    Relay,
    /// A few questions of the DHT. Their packets stay small: looking for larger ones takes padded
    /// packets of each side, more than all the rest.
    Table,
}

/// Bytes of the connection id that a dial for the DHT draws for the other side. Other dials draw 20,
/// so this tells an accepter what the connection is for while it can still choose its settings. One
/// that does not know wastes some packets.
const TABLE_CID: usize = 18;

impl ConnectionSettings {
    pub(crate) fn new(
        identity: &Identity,
        limits: &Limits,
        relays: bool,
    ) -> Result<Self, TlsError> {
        let tls = Tls::new(identity)?;
        let mut server = quinn::ServerConfig::with_crypto(tls.server());
        let mut tokens = quinn::ValidationTokenConfig::default();
        // Tokens are bound to virtual addresses, which mean nothing to the next process.
        tokens.sent(0).log(Arc::new(quinn_proto::NoneTokenLog));
        server
            .validation_token_config(tokens)
            // The path switch moves connections; to quinn no address ever changes.
            .migration(false)
            .max_incoming(2 * limits.handshakes)
            .incoming_buffer_size(EARLY_PACKETS)
            .incoming_buffer_size_total(EARLY_PACKETS * limits.handshakes as u64);
        Ok(Self {
            tls,
            server,
            limits: limits.clone(),
            relays,
        })
    }

    /// For connections accepted without settings of their own.
    pub(crate) fn default_server(&self) -> quinn::ServerConfig {
        self.server.clone()
    }

    /// For one incoming connection, whose dialer drew the id `drawn` for us.
    pub(crate) fn server(
        &self,
        drawn: &ConnectionId,
        control: &PathControl,
    ) -> Arc<quinn::ServerConfig> {
        let purpose = if drawn.len() == TABLE_CID {
            Use::Table
        } else {
            Use::Peer
        };
        let mut config = self.server.clone();
        config.transport_config(Arc::new(self.transport(control, purpose)));
        Arc::new(config)
    }

    /// For one dial, and where the named error of its handshake will be found.
    pub(crate) fn client(
        &self,
        expected: Option<PeerId>,
        purpose: Use,
        control: &PathControl,
    ) -> Result<(quinn::ClientConfig, Failure), TlsError> {
        let (crypto, failure) = self.tls.client(expected)?;
        let mut config = quinn::ClientConfig::new(crypto);
        config
            .transport_config(Arc::new(self.transport(control, purpose)))
            .token_store(tokens());
        if purpose == Use::Table {
            let draw = || RandomConnectionIdGenerator::new(TABLE_CID).generate_cid();
            config.initial_dst_cid_provider(Arc::new(draw));
        }
        Ok((config, failure))
    }

    fn transport(&self, control: &PathControl, purpose: Use) -> quinn::TransportConfig {
        let mut config = match purpose {
            Use::Relay => carrying_transport_config(control),
            Use::Peer if self.relays => carrying_transport_config(control),
            Use::Peer | Use::Table => recommended_transport_config(control),
        };
        if self.relays {
            config.datagram_send_buffer_size(crate::relay::server::BUFFER);
        }
        if purpose == Use::Table {
            config.mtu_discovery_config(None);
        }
        let idle = if defect::is(Defect::IdlesBriefly) {
            IDLE_TIMEOUT / 3
        } else {
            IDLE_TIMEOUT
        };
        config
            .max_concurrent_uni_streams(self.limits.uni_streams.into())
            .max_concurrent_bidi_streams(self.limits.bi_streams.into())
            .keep_alive_interval((!defect::is(Defect::KeepsNothingAlive)).then_some(KEEP_ALIVE))
            .max_idle_timeout(idle.try_into().ok());
        config
    }
}

/// Keys stateless resets. Derived from the identity, so that after a restart the node can end
/// connections it no longer knows (RFC 9000 §10.3).
struct ResetKey([u8; 32]);

impl ResetKey {
    fn of(identity: &Identity) -> Self {
        Self(Context::RESET_KEY.digest(&[identity.seed().as_slice()]))
    }

    fn bytes<const N: usize>(&self, data: &[u8]) -> [u8; N] {
        let mut bytes = [0; N];
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(data).finalize_xof().fill(&mut bytes);
        bytes
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(data).finalize_xof().fill(signature_out);
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // blake3's Hash compares in constant time.
        let expected = blake3::Hash::from_bytes(self.bytes(data));
        let given = blake3::Hash::from_slice(signature).map_err(|_| CryptoError)?;
        if expected == given {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}

/// Where the tokens of listeners go: nowhere (DC-CONN-003).
fn tokens() -> Arc<dyn TokenStore> {
    if defect::is(Defect::ShowsTokens) {
        static KEPT: OnceLock<Arc<TokenMemoryCache>> = OnceLock::new();
        return Arc::clone(KEPT.get_or_init(Arc::default)) as Arc<dyn TokenStore>;
    }
    Arc::new(NoTokens)
}

/// Remembers no address tokens: they would link our connections.
#[derive(Debug)]
struct NoTokens;

impl TokenStore for NoTokens {
    fn insert(&self, _server_name: &str, _token: Bytes) {}

    fn take(&self, _server_name: &str) -> Option<Bytes> {
        None
    }
}
