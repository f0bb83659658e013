//! What is kept in the home from one start to the next.

use std::time::{Duration, Instant};

use dchat_nat::scope::is_global;
use dchat_transport as transport;
use dchat_wire::PeerId;
use dchat_wire::hello::role;
use transport::dht::{DhtConfig, KnownNode};

use super::Directory;
use crate::node::engine::Input;
use crate::node::profile::Profile;
use crate::seam::PeerConfig;
use crate::settings::Serve;
use crate::store::DhtNode;

/// Between two looks at which nodes are to be remembered.
const REMEMBER: Duration = Duration::from_secs(5);
/// After this, the nodes are written down although they are the same: they were seen again.
const REFRESH: Duration = Duration::from_secs(10 * 60);

/// What was written down last.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    peers: Vec<PeerId>,
    /// Whether one of them is of the world, and not only we think that the network is private.
    pub(super) public: bool,
    nonce: Option<u64>,
    looked: Option<Instant>,
    written: Option<Instant>,
}

impl Directory {
    pub(super) async fn remember(&mut self, last: bool, now: Instant) {
        let due = self.remembered.looked.is_none_or(|at| now >= at + REMEMBER);
        if !due && !last {
            return;
        }
        self.remembered.looked = Some(now);
        if let Some((nonce, _)) = self.dht.node()
            && self.remembered.nonce != Some(nonce)
        {
            self.remembered.nonce = Some(nonce);
            self.tell(Input::Nonce(nonce)).await;
        }
        let known = self.dht.known();
        let public = |node: &KnownNode| is_global(node.socket.ip());
        self.remembered.public = !self.policy.private && known.iter().any(public);
        let mut peers: Vec<PeerId> = known.iter().map(|node| node.peer).collect();
        peers.sort_unstable();
        let written = self.remembered.written;
        let stale = written.is_none_or(|at| now >= at + REFRESH);
        if known.is_empty() || (peers == self.remembered.peers && !stale && !last) {
            return;
        }
        self.remembered.peers = peers;
        self.remembered.written = Some(now);
        let nodes = known.into_iter().map(|node| DhtNode {
            peer: *node.peer.public_key(),
            nonce: node.nonce,
            socket: node.socket,
            other: node.other,
            last_seen: i64::try_from(node.last_seen).unwrap_or(i64::MAX),
            rtt_ms: node
                .rtt
                .map(|rtt| u16::try_from(rtt.as_millis()).unwrap_or(u16::MAX)),
        });
        self.tell(Input::Nodes(nodes.collect())).await;
    }
}

/// The endpoint's part in the table, as the settings and the home have it.
pub(in crate::node) fn settings(config: &PeerConfig, profile: &Profile) -> DhtConfig {
    let known = profile.dht_nodes.iter().filter_map(|node| {
        Some(KnownNode {
            peer: PeerId::from_public_key(node.peer).ok()?,
            nonce: node.nonce,
            socket: node.socket,
            other: node.other,
            last_seen: node.last_seen.max(0).unsigned_abs(),
            rtt: node.rtt_ms.map(|rtt| Duration::from_millis(rtt.into())),
        })
    });
    DhtConfig {
        bootstrap: config.bootstrap.clone(),
        known: known.collect(),
        nonce: profile.dht_nonce,
        difficulty: difficulty(config),
        serve: match config.dht.serve {
            // Whoever runs a relay says that it can be reached.
            Serve::Auto if config.roles & (role::BOOTSTRAP | role::RELAY) != 0 => {
                transport::dht::Serve::Always
            }
            Serve::Auto => transport::dht::Serve::Auto,
            Serve::Always => transport::dht::Serve::Always,
            Serve::Never => transport::dht::Serve::Never,
        },
        ..DhtConfig::default()
    }
}

/// Zero bits that this network asks of a puzzle.
fn difficulty(config: &PeerConfig) -> u8 {
    let network = transport::dht::DhtConfig::default().difficulty;
    config.dht.difficulty.unwrap_or(network)
}
