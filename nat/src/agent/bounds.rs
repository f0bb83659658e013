//! Every bound and interval of the agent, with its reason.
//!
//! What a lying peer can make us send, probes being 64 bytes: to an IP that never answered at most
//! [`PROBES_PER_IP`] in [`LEDGER_WINDOW`] (12 KiB an hour), to at most [`LEDGER_IPS`] such IPs; and
//! beside that [`GUESSES_PER_WINDOW`] guesses in [`GUESS_WINDOW`] to [`GUESSED_IPS`] IPs together
//! (230 KiB an hour). Never faster than one in [`PACE`], which is 100 kbit/s.

use std::time::Duration;

/// Between any two probes: RFC 8445 §14.2 asks for at least 5 ms. Guessing keeps to it as well: 680
/// guesses take 3.4 s, which fits the 10 s a person waits, and home routers that drop floods of new
/// flows begin at several hundred a second.
pub const PACE: Duration = Duration::from_millis(5);
/// When an address is probed again, counted from the probe before: quickly at first, as the first
/// one often only opens a filter for the peer's; in all 3.2 s, so that even a satellite link's
/// 600 ms round trip fits several times, and a peer whose CANDIDATES were lost once or twice on the
/// way over the relay finds us still probing when it begins.
pub const RETRY: [Duration; 7] = [
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];
/// Probes to one private address of the peer, which most often is somebody else's here.
pub const PRIVATE_PROBES: u8 = 3;
/// Private addresses of the peer that are probed, those most like our own first.
pub const PRIVATE: usize = 4;
/// Addresses of the peer that are probed in one attempt: all it may announce.
pub const PAIRS: usize = dchat_wire::limits::CANDIDATES;
/// Addresses the peer's probes came from that are probed back in one attempt: two families, two
/// NAT mappings each, and changes while it runs.
pub const REFLEXIVE_PAIRS: usize = 8;
/// How long answers are waited for after the last probe.
pub const SETTLE: Duration = Duration::from_millis(1200);
/// How long better addresses are still probed after the first answer.
pub const GRACE: Duration = Duration::from_millis(400);

/// Unanswered probes to one IP in [`LEDGER_WINDOW`]: four attempts at one port, or two at two. The
/// IP that ports are guessed at has a budget of its own.
pub const PROBES_PER_IP: u16 = 32;
/// IPs that did not answer in [`LEDGER_WINDOW`]: all candidates of two networks the peer was in.
pub const LEDGER_IPS: usize = 48;
/// After it the count of unanswered probes starts over.
pub const LEDGER_WINDOW: Duration = Duration::from_secs(600);

/// Extra sockets at once. With [`GUESSES`] ports tried against them one hits with
/// 1 − (1 − 460/64512)^680 = 99.2 %, for 1,140 probes of both sides together.
pub const SOCKETS: u16 = 460;
/// Ports of a peer's NAT that are tried in one attempt.
pub const GUESSES: u16 = 680;
/// Probes of both sides together that a plan may take, of 1,200; 60 are left for ordinary probes.
pub const PLANNED: u32 = 1140;
/// Guesses and scattered probes in [`GUESS_WINDOW`]: three attempts.
pub const GUESSES_PER_WINDOW: u32 = 3600;
/// IPs they may go to: the peer's, and the one it roamed to.
pub const GUESSED_IPS: usize = 2;
/// After it that count starts over.
pub const GUESS_WINDOW: Duration = Duration::from_secs(3600);

/// How long ordinary probes run before ports are guessed: peers in one network need no guessing.
pub const GUESS_AFTER: Duration = Duration::from_millis(150);
/// How long a scatter waits for the peer's first probe, where it has to go to its source: a peer that
/// begins a slow relay's round trip later, and a probe of its lost.
pub const SOURCE_WAIT: Duration = Duration::from_millis(1000);
/// How long a sample may take.
pub const SAMPLE_TIMEOUT: Duration = Duration::from_millis(1000);
/// How long the answer to a PUNCH may take over a slow relay.
pub const PUNCH_TIMEOUT: Duration = Duration::from_millis(2500);
/// How long the peer's PUNCH is waited for: it samples, and may start late.
pub const PUNCH_WAIT: Duration = Duration::from_secs(5);
/// Rounds of one attempt with fresh samples.
pub const ROUNDS: u8 = 4;
/// How long CANDIDATES are waited for before the peer counts as one that does not punch.
pub const CANDIDATES_WAIT: Duration = Duration::from_secs(10);

/// Until the next attempt after one that failed; the last repeats.
pub const BACKOFF: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(1800),
];
/// The same when a direct path was lost and its loss is not the first in a row.
pub const LOST_BACKOFF: [Duration; 5] = [
    Duration::from_secs(0),
    Duration::from_secs(2),
    Duration::from_secs(8),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// A direct path that held this long was a good one: its loss starts the backoff over.
pub const HELD: Duration = Duration::from_secs(60);
/// Least time between attempts that the peer causes by new CANDIDATES.
pub const RESTART: Duration = Duration::from_secs(2);
/// Outputs that wait to be drained; the caller drains after every call, which makes at most a few.
pub const OUTPUTS: usize = 64;
/// A plan with no more probes than this is run several times over, for what is lost.
pub const SMALL: u32 = 260;
/// Probes to an IP that answered lately, in [`LEDGER_WINDOW`].
pub const PROBES_PER_ANSWERING_IP: u16 = 512;
/// Ports of one prediction that are believed: what the plans predict, and room for plans to come.
pub const PREDICTED: u16 = 64;
/// An attempt ends by then, whatever the peer does: the longest plan takes 12 s.
pub const ATTEMPT: Duration = Duration::from_secs(20);
/// How long the last probes of a round may take to be answered before the next round begins: two
/// round trips of 300 ms.
pub const ROUND_SETTLE: Duration = Duration::from_millis(600);
/// How long guessing rests when the peer's probe came in at a new address: three probes back to it,
/// so that a hit ends the guessing even when one is lost.
pub const HOLD: Duration = Duration::from_millis(250);
