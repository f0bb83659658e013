//! Every bound of the transport, in one table.
//!
//! Bounds that belong to the wire format are in [`dchat_wire::limits`]; these say how much of one
//! node's memory and processor others may take, and so may differ between nodes.

use std::time::Duration;

/// How much others may take. The defaults suit a person's device; a relay raises the first five.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all, ours and theirs, handshakes not counted. Default 512: at about 46 KiB
    /// while idle that is 24 MiB, and more than anybody has contacts online.
    pub connections: usize,
    /// Of these, connections with peers that are not trusted. Default 128, so that strangers cannot
    /// take the places of contacts.
    pub strangers: usize,
    /// Connections that serve the DHT alone, ours and theirs, beside those of strangers. Default 128:
    /// several lookups' worth of nodes that need no second handshake. The least recently used gives
    /// way.
    pub table_connections: usize,
    /// Incoming connections from one IPv4 address or one IPv6 /64, handshakes included. Default 32:
    /// several households behind one carrier's NAT, but not a flood from one machine.
    pub connections_per_network: usize,
    /// Whether the loopback addresses are such a network too. Default no: nobody else can send from
    /// there, and any number of nodes may run on one machine. For a machine that is shared with
    /// strangers.
    pub loopback_is_network: bool,
    /// Incoming handshakes at a time, until HELLO came. Default 64: each costs about 1 ms of one
    /// core and 100 KiB, and lasts one or two round trips.
    pub handshakes: usize,
    /// Incoming handshakes at a time from one network. Default 16.
    pub handshakes_per_network: usize,
    /// From this many handshakes at a time on, an address has to prove by a Retry that it can be
    /// reached, so that spoofed addresses cannot take the places. Default 16.
    pub retry_from: usize,
    /// Peers kept connected by redialing. Default 1,024: contacts; more have to be dialed singly.
    pub kept_peers: usize,
    /// Dials for kept peers at a time. Default 16, so that a start with many contacts does not
    /// delay the first by the handshakes of the last.
    pub dials: usize,
    /// Peers on the local network that are remembered. Default 256: a large office.
    pub discovered_peers: usize,
    /// Streams that wait for the application, over all connections. Default 64; more wait in their
    /// connections, where flow control stops their senders.
    pub waiting_streams: usize,
    /// Unidirectional streams one peer may have open. Default 8: control, chat, a chat stream that
    /// replaces it, and room for a version that knows more.
    pub uni_streams: u32,
    /// Bidirectional streams one peer may have open. Default 144: questions and answers, a stream for
    /// each channel over a relay, of which it gives us up to 64, and one for each room both are in.
    pub bi_streams: u32,
    /// Relays we are connected to for a single channel each, without a reservation there. Default 8:
    /// so many contacts' relays that are not ours.
    pub relays_on_demand: usize,
    /// Channels of others to us over all relays that peers who are not trusted may have open.
    /// Default 16: who wants to become a contact needs one for a moment.
    pub stranger_channels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            strangers: 128,
            table_connections: 128,
            connections_per_network: 32,
            loopback_is_network: false,
            handshakes: 64,
            handshakes_per_network: 16,
            retry_from: 16,
            kept_peers: 1024,
            dials: 16,
            discovered_peers: 256,
            waiting_streams: 64,
            uni_streams: 8,
            bi_streams: 144,
            relays_on_demand: 8,
            stranger_channels: 16,
        }
    }
}

impl Limits {
    /// For a relay on a machine of its own: everybody who uses it is a stranger, and many are behind
    /// the same carrier's NAT. 20,000 connections take about 1 GiB.
    #[must_use]
    pub fn relay() -> Self {
        Self {
            connections: 20_000,
            strangers: 20_000,
            connections_per_network: 256,
            handshakes: 256,
            handshakes_per_network: 64,
            ..Self::default()
        }
    }
}

/// Time from the end of the handshake to HELLO (spec `30-transport` §3).
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a handshake. Four retransmissions of a first packet (0.3 s, doubling) fit.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the first frame of a stream, and for a question on a bidirectional one.
pub const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which we send something. Below the 30 s after which common NATs forget a UDP
/// mapping (RFC 4787 REQ-5 asks for two minutes, few keep it), and two fit into the idle timeout.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Silence after which a connection is over (RFC 9308 §3.2 recommends 30 s). The path switch
/// notices a dead path long before; this ends what has no path left.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// A relay that was connected to for a channel only is left after so long without one.
pub const RELAY_IDLE: Duration = Duration::from_secs(60);
/// Time for a relay to answer a request. It gives the peer it asks 5 s.
pub const RELAY_ANSWER: Duration = Duration::from_secs(8);
/// Relayed paths that are kept for a trusted peer: the second is for when the first one's relay dies.
pub const WARM_CIRCUITS: usize = 2;
/// Between two attempts to open one of them.
pub const WARM_RETRY: Duration = Duration::from_secs(30);
/// Between two dial attempts (RFC 8305 §5).
pub const DIAL_STAGGER: Duration = Duration::from_millis(250);
/// Addresses tried in one dial, and remembered of one peer: as many as a peer may announce.
pub const DIAL_ADDRESSES: usize = dchat_wire::limits::ADDRESSES;
/// Of these, circuits: a peer holds reservations at two or three relays.
pub const DIAL_CIRCUITS: usize = 4;
/// Shortest wait before a kept peer is dialed again.
pub const REDIAL_MIN: Duration = Duration::from_millis(500);
/// Longest wait before a kept peer is dialed again.
pub const REDIAL_MAX: Duration = Duration::from_secs(60);
/// Between two announcements of changed addresses: interfaces come up in steps.
pub const INTERFACE_SETTLE: Duration = Duration::from_millis(200);
/// IDENTIFY_PUSH frames a peer may send at once; one more each [`PUSH_REFILL`].
pub const PUSH_BURST: u32 = 32;
/// See [`PUSH_BURST`]: a phone that roams needs one in many seconds.
pub const PUSH_REFILL: Duration = Duration::from_secs(2);
/// CANDIDATES frames a peer may send at once; one more each [`CANDIDATES_REFILL`]. Interfaces,
/// gateways and relays settle one after the other, each with a change.
pub const CANDIDATES_BURST: u32 = 32;
/// See [`CANDIDATES_BURST`].
pub const CANDIDATES_REFILL: Duration = Duration::from_secs(2);
/// PUNCH frames a peer may send at once; one more each [`PUNCH_REFILL`]: a round of each side every
/// 100 ms for five seconds, and its answers.
pub const PUNCH_BURST: u32 = 100;
/// See [`PUNCH_BURST`].
pub const PUNCH_REFILL: Duration = Duration::from_millis(500);
/// PUNCH frames that wait for our control stream; the oldest gives way, being the least true.
pub const PUNCHES_WAITING: usize = 8;
/// A connection up for longer than this is asked whether it lives before it wins against a new one
/// from the same peer, who would hardly dial if it had it.
pub const SIMULTANEOUS: Duration = Duration::from_secs(2);
/// How long that question may take. Longer than any round trip on Earth.
pub const LIVENESS_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two questions whether a peer found by mDNS is still there (RFC 6762 §10.4). A process
/// that was killed is gone from the list after this and the answer's time, not after the 75
/// minutes of its record.
pub const MDNS_VERIFY: Duration = Duration::from_secs(30);
/// Time for the answer to that question. RFC 6762 §10.4 allows ten seconds; a second question goes
/// out after one.
pub const MDNS_ANSWER: Duration = Duration::from_secs(3);
