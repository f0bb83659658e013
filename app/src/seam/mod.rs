//! What drives a node sees of it, and what is needed to start one.
//!
//! [`Node`] is implemented by the real node and by the tests' fakes; the control socket and the
//! command line are written against it alone.

#[cfg(test)]
pub(crate) mod fake;

use core::future::Future;
use std::path::PathBuf;

use dchat_wire::Address;
use tokio::sync::broadcast;

use crate::api::{ApiError, ErrorKind, Event, Reply, Request, Secret};
use crate::settings::{Dht, Relaying};

/// A running node of one home, which it has locked.
pub trait Node: Send + Sync + 'static {
    /// Carries out one request.
    ///
    /// Calls may run at the same time. Only a pending [`Request::Wait`] may be dropped without
    /// effect; every other request is driven to its end once it was begun.
    fn call(&self, request: Request) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// Events from now on.
    fn subscribe(&self) -> Subscription;

    /// Ends the node: connections are closed, everything is on disk, and the home is unlocked when
    /// this returns. Later calls are answered with an error.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}

/// Starts nodes.
pub trait OpenNode: Send + Sync + 'static {
    /// What is started.
    type Node: Node;

    /// Takes the home's lock at once or not at all, makes what is missing in the home, and starts.
    fn open(
        &self,
        config: PeerConfig,
    ) -> impl Future<Output = Result<Self::Node, OpenError>> + Send;
}

impl<F, R, N> OpenNode for F
where
    F: Fn(PeerConfig) -> R + Send + Sync + 'static,
    R: Future<Output = Result<N, OpenError>> + Send,
    N: Node,
{
    type Node = N;

    fn open(&self, config: PeerConfig) -> impl Future<Output = Result<N, OpenError>> + Send {
        self(config)
    }
}

/// How a node is started.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// The profile directory; made when missing.
    pub home: PathBuf,
    /// Opens the vault where it needs a passphrase.
    pub passphrase: Option<Secret>,
    /// Where to listen; empty for the node's own choice.
    pub listen: Vec<Address>,
    /// Whom to reach at start, and again whenever the connection is lost.
    pub dial: Vec<Address>,
    /// Nodes to enter the network by: their own addresses, with or without their names.
    pub bootstrap: Vec<Address>,
    /// Relays to be reachable through; without any, they are found in the distributed hash table.
    pub relays: Vec<Address>,
    /// Whether contacts never learn this node's own address.
    pub relay_only: bool,
    /// What to serve others with: bits of [`role`](dchat_wire::hello::role).
    pub roles: u64,
    /// What a relay gives, and to whom.
    pub relaying: Relaying,
    /// STUN servers to learn the own public address from, as `host:port`.
    pub stun: Vec<String>,
    /// Own display name from now on; `None` keeps the one there is.
    pub name: Option<String>,
    /// Whether to announce and find nodes on the local network.
    pub mdns: bool,
    /// How to take part in the distributed hash table.
    pub dht: Dht,
    /// Whether to use the network at all. Off, the home is only read and changed.
    pub online: bool,
}

impl PeerConfig {
    /// The home in `home` with the network, neighbours found by mDNS, and a port of the node's own
    /// choice.
    #[must_use]
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            passphrase: None,
            listen: Vec::new(),
            dial: Vec::new(),
            bootstrap: Vec::new(),
            relays: Vec::new(),
            relay_only: false,
            roles: 0,
            relaying: Relaying::default(),
            stun: Vec::new(),
            name: None,
            mdns: true,
            dht: Dht::default(),
            online: true,
        }
    }
}

/// Why no node was started. Nothing in the home was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process has the home.
    #[error("this home is in use by another dchat process{}", in_brackets(*.process))]
    InUse {
        /// Its process id, where known.
        process: Option<u32>,
    },
    /// The home opens with a passphrase, and none was given.
    #[error("this home is locked with a passphrase")]
    PassphraseNeeded,
    /// The passphrase given is not the one.
    #[error("this is not the passphrase of this home")]
    WrongPassphrase,
    /// Anything else: disk, database, network, settings. The message says what to do.
    #[error("{0}")]
    Other(ApiError),
}

impl From<OpenError> for ApiError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Other(error) => error,
            OpenError::InUse { .. } => Self::new(
                ErrorKind::Locked,
                format!("{error}. Wait until it has finished, or stop it."),
            ),
            OpenError::PassphraseNeeded => Self::new(
                ErrorKind::Locked,
                format!("{error}. Run dchat in a terminal, or give it with --passphrase-file."),
            ),
            OpenError::WrongPassphrase => {
                Self::new(ErrorKind::Locked, format!("{error}. Try again."))
            }
        }
    }
}

fn in_brackets(process: Option<u32>) -> String {
    process.map_or_else(String::new, |id| format!(" (process {id})"))
}

/// A bounded stream of events. A reader that lags loses the oldest and is told how many.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Event>);

impl Subscription {
    /// Reads what is sent to the channel; its capacity is the bound.
    #[must_use]
    pub fn new(events: broadcast::Receiver<Event>) -> Self {
        Self(events)
    }

    /// The next event; `None` when the node has ended. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event::Missed { count }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
