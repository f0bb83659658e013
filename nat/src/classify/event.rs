//! What goes into a classification and what comes out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dchat_wire::nat::{ReachFrom, ReachResult};

use super::report::Report;

/// Servers and nodes asked in one classification, per address family; further ones are not asked.
/// Three can outvote one that lies, four still do so when one is down.
pub const SERVERS: usize = 4;

/// Fresh sockets in one classification, of both families.
pub const FRESH: usize = 16;

/// Bounds of a classification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Datagrams sent in all, both families and every repetition included. With fewer than 30 some
    /// questions stay open behind a strict NAT.
    pub packets: u32,
    /// When the report is due, whatever is known. Less than 1 s leaves no time for repetitions.
    pub deadline: Duration,
    /// Pause between two fresh sockets' first datagrams: long enough that the network in front of the
    /// NAT does not reorder them, which would hide the law of its ports.
    pub pace: Duration,
}

impl Default for Config {
    /// 40 datagrams, 1.9 s, 10 ms.
    fn default() -> Self {
        Self {
            packets: 40,
            deadline: Duration::from_millis(1_900),
            pace: Duration::from_millis(10),
        }
    }
}

/// Who may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it answers STUN.
    pub address: SocketAddr,
    /// What it is.
    pub kind: ServerKind,
}

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// An ordinary STUN server, with RFC 5780 or without: its answers tell.
    Stun,
    /// A node of ours, connected, which may also be asked for REACH.
    Node,
}

/// What is known before the first datagram.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Whom to ask, the preferred ones first. Those of distinct addresses count as independent.
    pub servers: Vec<Server>,
    /// Every address the main socket has on an interface, with its port. A family that is absent is not
    /// tested, unless all are.
    pub locals: Vec<SocketAddr>,
    /// The external IPv4 address that the gateway itself tells (UPnP, PCP, NAT-PMP).
    pub gateway: Option<IpAddr>,
}

/// A socket of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Socket {
    /// The node's own, of the family of the address sent to.
    Main,
    /// The n-th fresh one, below [`FRESH`]: opened on a port nobody used when something is first sent
    /// from it, of the family of the address sent to; closed after the report.
    Fresh(u8),
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A fresh socket was opened, and this is its local port. Without it, whether ports are kept stays
    /// unknown.
    Opened {
        /// Which.
        socket: Socket,
        /// Its port.
        port: u16,
    },
    /// A STUN or reach datagram came in, whosever it is.
    Datagram {
        /// On this socket.
        socket: Socket,
        /// From there.
        from: SocketAddr,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// A node answered [`Output::Reach`]; [`ReachResult::Unable`] also when it cannot be asked.
    Reached {
        /// The node, by the address it has in [`Setup::servers`].
        helper: SocketAddr,
        /// Of the question.
        token: [u8; 16],
        /// What it says it did.
        result: ReachResult,
    },
    /// What the gateway tells of its external address, when that comes late.
    Gateway(IpAddr),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram.
    Send {
        /// From this socket.
        socket: Socket,
        /// There.
        to: SocketAddr,
        /// These bytes.
        datagram: Vec<u8>,
    },
    /// Ask a node for a REACH on a stream of its connection.
    Reach {
        /// The node, by the address it has in [`Setup::servers`].
        helper: SocketAddr,
        /// From where the datagram is to come.
        from: ReachFrom,
        /// What it is to carry.
        token: [u8; 16],
        /// Where it is to go.
        target: SocketAddr,
    },
    /// All is said; nothing follows.
    Finished(Box<Report>),
}
