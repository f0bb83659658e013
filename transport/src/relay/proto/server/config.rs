//! What a relay gives, to whom, and how much of it.

use std::collections::BTreeSet;
use std::time::Duration;

use dchat_wire::PeerId;
use dchat_wire::sign::Identity;

use crate::relay::proto::Rate;

/// How a relay is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The relay's own key; it signs the vouchers.
    pub identity: Identity,
    /// How much.
    pub limits: Limits,
    /// To whom; may change later with [`Input::Policy`](super::Input::Policy).
    pub policy: Policy,
}

impl Config {
    /// The defaults, for this identity.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            limits: Limits::default(),
            policy: Policy::default(),
        }
    }
}

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone who is not denied.
    Anyone,
    /// Only those in [`Policy::allowed`].
    Listed,
}

/// For whom the relay works. Denial wins over everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who may hold a reservation; default anyone. `Listed` makes a relay for one's own devices.
    pub reservations: Access,
    /// Who may ask for a channel to a peer with a reservation; default anyone.
    pub connects: Access,
    /// The list of [`Access::Listed`].
    pub allowed: BTreeSet<PeerId>,
    /// Those who get nothing, neither a reservation nor a channel in either role.
    pub denied: BTreeSet<PeerId>,
    /// Whether loopback, link-local and private addresses are exempt from the limits by subnet;
    /// default true: behind one there is one's own network, where all share a /24. A relay that
    /// strangers reach through such an address (a proxy in front) sets it to false.
    pub private_exempt: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            reservations: Access::Anyone,
            connects: Access::Anyone,
            allowed: BTreeSet::new(),
            denied: BTreeSet::new(),
            private_exempt: true,
        }
    }
}

impl Policy {
    /// Whether `peer` may hold a reservation.
    #[must_use]
    pub fn may_reserve(&self, peer: &PeerId) -> bool {
        self.permits(self.reservations, peer)
    }

    /// Whether `peer` may ask for a channel.
    #[must_use]
    pub fn may_connect(&self, peer: &PeerId) -> bool {
        self.permits(self.connects, peer)
    }

    fn permits(&self, access: Access, peer: &PeerId) -> bool {
        let listed = match access {
            Access::Anyone => true,
            Access::Listed => self.allowed.contains(peer),
        };
        listed && !self.denied.contains(peer)
    }
}

/// How much a relay gives. What is over a limit is refused with a code, or dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections with state here, default 16,384: all reservations and those who connect to
    /// them. Requests over others are refused as [`Full`](dchat_wire::relay::Refusal::Full). One
    /// with a reservation takes less than 1 KiB.
    pub connections: usize,
    /// Connections of one peer, default 4: a peer keeps one; a restarted or roaming one has two
    /// for a moment. A further one takes the place of the oldest, whose channels end.
    pub connections_per_peer: usize,
    /// Reservations, default 10,000: with their connections well below 256 MiB.
    pub reservations: usize,
    /// Reservations from one /24 or /48, default 256: a campus or a carrier's NAT fits, and forty
    /// such networks are needed to fill the relay.
    pub reservations_per_subnet: usize,
    /// Longest reservation, default 1 h: how long a peer that vanished takes a place at most is
    /// `grace`, so this only bounds a voucher's validity. At least [`Limits::LIFETIME_MIN`], at
    /// most the voucher's two hours.
    pub lifetime: Duration,
    /// Channels in all, open or asked for, default 16,384: about 300 bytes each.
    pub channels: usize,
    /// Channels of one peer in both roles, default 64: its contacts behind NATs.
    pub channels_per_peer: u16,
    /// Channels between two peers, default 4: both may ask at once, and again before the old ones
    /// are seen to be dead. It also bounds the shares one peer can have of another's connection.
    pub channels_per_pair: usize,
    /// Unanswered INCOMINGs at one peer, default 16: below `channels_per_peer`, so that askers
    /// cannot take all its places by asking alone.
    pub unanswered_per_peer: u16,
    /// Requests of one peer, default 4/s, 32 at once: one for each contact after a restart.
    pub requests_per_peer: Rate,
    /// Requests from one /24 or /48, default 32/s, 256 at once: a voucher's signature takes about
    /// 20 µs, so a network costs below a thousandth of a core.
    pub requests_per_subnet: Rate,
    /// Bytes of one channel and direction, default none: fair queues share what there is. For a
    /// relay whose traffic is paid for, 256 KiB/s carries calls and 32 KiB/s carries chat; a burst
    /// of a quarter of a second or more lets congestion control find the rate.
    pub bytes_per_channel: Option<Rate>,
    /// Bytes a peer sends over all its channels, default none.
    pub bytes_per_peer: Option<Rate>,
    /// Bytes of all peers, default none. Set it to what the host's uplink carries.
    pub bytes_in_all: Option<Rate>,
    /// Bytes that wait for one connection on behalf of one channel, default 256 KiB: 20 ms at
    /// 100 Mbit/s, a window of a quarter second at 8 Mbit/s.
    pub queue_per_channel: usize,
    /// Bytes that wait for one connection, default 1 MiB: four full channels.
    pub queue_per_connection: usize,
    /// Bytes that wait for all connections, default 64 MiB. A connection may have as many waiting
    /// as are still free of it (dynamic thresholds, Choudhury and Hahne 1998), so however many
    /// stop reading, some room is left for the next.
    pub queue_in_all: usize,
    /// How long an INCOMING may stay unanswered, default 5 s: two round trips of the slowest links
    /// and a retransmission.
    pub answer: Duration,
    /// How long a channel may carry nothing, default 5 min: idle connections and paths kept warm
    /// send more often than every 30 s, so only forgotten channels end by it.
    pub idle: Duration,
    /// How long a reservation outlives its peer's last connection, default 60 s: a roaming or
    /// restarted peer finds its place kept. Limits on requests are remembered as long.
    pub grace: Duration,
}

impl Limits {
    /// The shortest reservation given, whatever is asked for: renewals at half time stay rare.
    pub const LIFETIME_MIN: Duration = Duration::from_secs(60);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_peer: 4,
            reservations: 10_000,
            reservations_per_subnet: 256,
            lifetime: Duration::from_secs(60 * 60),
            channels: 16_384,
            channels_per_peer: 64,
            channels_per_pair: 4,
            unanswered_per_peer: 16,
            requests_per_peer: Rate {
                per_second: 4,
                burst: 32,
            },
            requests_per_subnet: Rate {
                per_second: 32,
                burst: 256,
            },
            bytes_per_channel: None,
            bytes_per_peer: None,
            bytes_in_all: None,
            queue_per_channel: 256 << 10,
            queue_per_connection: 1 << 20,
            queue_in_all: 64 << 20,
            answer: Duration::from_secs(5),
            idle: Duration::from_secs(5 * 60),
            grace: Duration::from_secs(60),
        }
    }
}
