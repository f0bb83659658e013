//! The transport settings this controller is made and measured for.

use std::{sync::Arc, time::Duration};

use quinn_proto::{MtuDiscoveryConfig, TransportConfig, VarInt};

use super::control::PathControl;

/// Bytes a peer may have unread or out of order on one stream: up to 104 MB/s at 50 ms.
///
/// quinn gives up a stream with more than 1,024 gaps in its buffer. 5 MiB are 3,611 packets of
/// 1,452 bytes (4,370 of 1,200), so 23 % of a whole flight would have to be lost, evenly spread;
/// the controller leaves its start at 5 %. Larger transfers use several streams.
const STREAM_WINDOW: u32 = 5 * 1024 * 1024;
/// Bytes a peer may have unread over all streams: two full streams, so that one that nobody reads
/// does not stop the others.
const CONNECTION_WINDOW: u32 = 2 * STREAM_WINDOW;
/// Bytes we keep until the peer acknowledges them: what its connection window lets us send.
const SEND_WINDOW: u64 = CONNECTION_WINDOW as u64;
/// Datagrams queued in each direction: 1 MiB dropped nothing when a relayed connection ran at full
/// speed through them, 128 KiB did.
const DATAGRAM_BUFFER: usize = 1024 * 1024;
/// A path with a larger MTU is found within this time after a switch (quinn: 10 minutes).
const MTU_INTERVAL: Duration = Duration::from_secs(5);
/// Wait after packets of the known size vanished (a smaller path, or mere congestion) before
/// probing again (quinn: one minute).
const MTU_COOLDOWN: Duration = Duration::from_secs(2);
/// Largest UDP payload probed for: the 1,280 bytes that every link of IPv6 carries (RFC 8200 §5) less
/// IPv6 and UDP headers. A connection moves between paths, and quinn takes four rounds of loss to
/// notice one that carries less than the last: with Ethernet's 1,452 every move to a tunnel stalled
/// for four round trips, for the sake of a sixth fewer packets elsewhere.
const MTU_UPPER_BOUND: u16 = 1232;
/// The same where packets of others are carried: one of 1,232 bytes, the channel's header, QUIC's and
/// its tag. Where a path carries less they are cut in two.
const CARRYING_UPPER_BOUND: u16 = 1280;
/// Payload that every path carries (RFC 9000 §14.1): the start, and what a black hole falls back to.
const MTU_MIN: u16 = 1200;

/// Upper bounds of what one connection holds in buffers with the recommended settings, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionMemory {
    /// Received and not yet read by the application. quinn may hold half as much again in partly
    /// used packet buffers before it compacts them.
    pub receive: u64,
    /// Written and not yet acknowledged.
    pub send: u64,
    /// Datagrams, both directions together.
    pub datagrams: u64,
}

/// The bounds of [`recommended_transport_config`]: 22 MiB, reached only by a connection whose
/// application stops reading while the peer sends and the peer stops acknowledging while we send.
pub const MEMORY: ConnectionMemory = ConnectionMemory {
    receive: CONNECTION_WINDOW as u64,
    send: SEND_WINDOW,
    datagrams: 2 * DATAGRAM_BUFFER as u64,
};

/// Transport settings for the connection `control` belongs to.
///
/// Left to the caller: keep-alive, idle timeout and numbers of streams.
pub fn recommended_transport_config(control: &PathControl) -> TransportConfig {
    transport_config(control, MTU_UPPER_BOUND)
}

/// The same for a connection between a relay and its client, which carries packets of others.
pub fn carrying_transport_config(control: &PathControl) -> TransportConfig {
    transport_config(control, CARRYING_UPPER_BOUND)
}

fn transport_config(control: &PathControl, largest: u16) -> TransportConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery
        .interval(MTU_INTERVAL)
        .black_hole_cooldown(MTU_COOLDOWN)
        .upper_bound(largest);
    let mut config = TransportConfig::default();
    config
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .initial_mtu(MTU_MIN)
        .min_mtu(MTU_MIN)
        .mtu_discovery_config(Some(discovery))
        // Everyone on the path could read our round-trip times off the spin bit.
        .allow_spin(false)
        .congestion_controller_factory(Arc::new(control.factory()));
    config
}
