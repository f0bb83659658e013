//! Every bound and interval of the switch, with its reason.

use std::time::Duration;

/// UDP sockets every connection may use: a few interfaces in two families.
pub const LEGS: usize = 16;
/// Connections to relays that carry channels: reservations at a few, and those of the peers.
pub const RELAY_LEGS: usize = 64;
/// Sockets that belong to one connection each, which only a scatter could reach: such a pair of NATs
/// is rare, and each costs a descriptor.
pub const ADOPTED_LEGS: usize = 64;
/// Relayed paths kept per connection, beside [`PATHS`]: two relays of either side.
pub const RELAYED: usize = 4;
/// Direct paths kept per connection: two families on two interfaces of either side, and as much again for
/// addresses the peer leaves behind while it roams.
pub const PATHS: usize = 8;
/// Addresses of one offer that are looked at: what a peer may announce at all.
pub const OFFERED: usize = dchat_wire::limits::ADDRESSES;
/// Addresses of an offer on trial at once, so that some of [`PATHS`] stay free for addresses the
/// peer turns up at by itself.
pub const TRIALS: usize = 5;
/// Connection ids remembered per connection and kind of knowledge. quinn issues 5 and a peer
/// uses one at a time (RFC 9000 §5.1.1 lets it hold `active_connection_id_limit`, by default 2).
pub const CIDS: usize = 8;
/// Connections with one peer address to which a packet of unknown id is shown: two that were dialed
/// at once, and what a restart left behind.
pub const SHARED: usize = 4;
/// Outputs that wait to be drained; the caller drains after every call.
pub const OUTPUTS: usize = 4096;
/// Senders remembered for the reply quinn makes before the next batch is read: one batch is at most
/// 32 buffers (quinn-udp), each from one sender.
pub const REPLIES: usize = 64;
/// Answered transactions remembered per connection, so that a captured probe is worth one answer.
pub const ANSWERED: usize = 128;

/// Bytes below which a datagram that follows a received one is taken for an acknowledgement, which
/// nobody answers: header 13, tag 16, and an ACK frame of several ranges.
pub const ACK_ONLY: usize = 80;
/// For how long after something was heard it is taken for one: `max_ack_delay` is 25 ms
/// (RFC 9000 §18.2) and timers are late.
pub const ACK_WINDOW: Duration = Duration::from_millis(50);

/// Shortest silence after a send that puts a path in doubt. Peers delay acknowledgements by 25 ms
/// and pause for tens of milliseconds; a probe exchanged in vain every 200 ms costs nothing.
pub const DOUBT_MIN: Duration = Duration::from_millis(200);
/// The same while the round trip is unknown: three times the 333 ms that RFC 9002 §6.2.2 assumes.
pub const DOUBT_UNKNOWN: Duration = Duration::from_secs(1);
/// How long an answer may take while the round trip is unknown.
pub const ANSWER_UNKNOWN: Duration = Duration::from_millis(333);
/// Allowance over the measured round trip for the peer's scheduling.
pub const ANSWER_SLACK: Duration = Duration::from_millis(10);
/// For how long a path that was heard may be sent copies of what the active one may be losing: the
/// life of a consent (RFC 7675 §5.1), and twice [`REFRESH`].
pub const CONSENT: Duration = Duration::from_secs(30);
/// Bytes of such copies for one doubt: what a fast connection has in flight. Beyond it the copies
/// would only be congestion on a slower path.
pub const COPIES: usize = 1 << 20;
/// First interval between rounds of probes while in doubt; it doubles.
pub const ROUND: Duration = Duration::from_millis(200);
/// Rounds until the peer counts as lost: 0.2 · (2⁶ − 1) = 12.6 s, under QUIC's usual idle timeout.
pub const DOUBT_ROUNDS: u32 = 6;
/// Rounds for an address the peer's packets come from: a probe and two retries.
pub const FOLLOW_ROUNDS: u32 = 3;
/// Pause after the peer was lost until a further send may cast doubt again.
pub const LOST_PAUSE: Duration = Duration::from_secs(5);
/// Silence of the active path after which packets elsewhere mean that the peer moved, at least: more
/// than a reordered flight.
pub const FOLLOW_MIN: Duration = Duration::from_millis(50);
/// Pause after the active path proved alive although packets come in elsewhere: the peer prefers
/// another path than we do, which is its right.
pub const FOLLOW_PAUSE: Duration = Duration::from_secs(5);

/// Padded probes of one size until a path counts as too small for it. Where one in twenty packets is
/// lost each way, all of four come to nothing on one path in ten thousand.
pub const FIT_TRIES: u32 = 4;
/// Between probes to offered addresses (RFC 8445 §14.2: at least 5 ms).
pub const PACE: Duration = Duration::from_millis(5);
/// How long an offered address may take to answer before the next gets its place.
pub const TRIAL: Duration = Duration::from_secs(1);
/// Between the rounds of one measurement: long enough for a short queue to drain in between.
pub const MEASURE_GAP: Duration = Duration::from_millis(100);
/// Rounds of one measurement; the least of three round trips is rid of most jitter.
pub const MEASURE_ROUNDS: u32 = 3;
/// Samples without which a candidate is not preferred: one lucky answer is none.
pub const MEASURE_SAMPLES: u32 = 2;
/// While traffic flows paths are measured afresh this often, which also keeps the bindings of NATs
/// on the way (30 s in the strictest, RFC 4787 §4.3 asks for 120).
pub const REFRESH: Duration = Duration::from_secs(15);
/// No switch for a better round trip sooner after another switch: congestion control needs a while
/// to show what a path can do.
pub const DWELL: Duration = Duration::from_secs(5);
/// A better path must be better by this part of the round trip, in percent.
pub const BETTER_PERCENT: u32 = 20;
/// … and by this much in absolute terms, which is jitter otherwise.
pub const BETTER_MIN: Duration = Duration::from_millis(2);
/// Head start of IPv6: it mostly goes without a NAT, whose binding would have to be kept alive.
pub const IPV6_BONUS: Duration = Duration::from_millis(3);

/// Probes an address may be sent in its time as a candidate without ever having answered or sent as
/// much. One is granted at first, one more each time a path is in doubt or interfaces change. All
/// together are less than half of the Initial anybody may send anywhere.
pub const UNPROVEN_PROBES: usize = 8;
/// Probes per second to one connection's paths; a round of all twelve every half second.
pub const PROBES_PER_SECOND: u32 = 24;
/// Probes in one burst: a measurement of twelve paths in three rounds, and a round in doubt.
pub const PROBE_BURST: u32 = 48;
/// Probes per second that the agent of a connection may have sent. It keeps to one in 5 ms itself,
/// over each of our interfaces; this is the lid on all of them.
pub const QUESTIONS_PER_SECOND: u32 = 400;
/// Of these in one burst.
pub const QUESTION_BURST: u32 = 64;
/// Questions of an agent that may still be answered: those of 2.5 s.
pub const QUESTIONS: usize = 512;
/// Probes per second of the whole node: 128 KiB/s, so that a changed interface with thousands of
/// connections does not flood its new network.
pub const ALL_PROBES_PER_SECOND: u32 = 2048;
/// Probes of the whole node in one burst.
pub const ALL_PROBE_BURST: u32 = 4096;
/// Answers per second to one connection: what its peer's agent may ask over one interface, and more.
pub const ANSWERS_PER_SECOND: u32 = 256;
/// Answers in one burst.
pub const ANSWER_BURST: u32 = 128;
/// Span over which answers to one address are counted. Rounds are 100 ms apart.
pub const ANSWER_GAP: Duration = Duration::from_millis(5);
/// Answers to one address in that span: a path that was just found is asked by the agent, by a
/// measurement, and with a probe of full size, all at about the same time.
pub const ANSWERS_IN_GAP: usize = 3;
/// New addresses per second that become candidates because the peer's packets came from them.
pub const NEWCOMERS_PER_SECOND: u32 = 4;
/// Newcomers in one burst.
pub const NEWCOMER_BURST: u32 = 8;

/// How long a released address is still routed, so that the close reaches the peer and is repeated
/// when it must be (RFC 9000 §10.2: three probe timeouts).
pub const LINGER: Duration = Duration::from_secs(3);
/// Least bytes of a datagram with a client's Initial (RFC 9000 §14.1).
pub const INITIAL: usize = 1200;
