//! What a connection's state may touch besides itself.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use dchat_nat::agent::Outcome;
use dchat_wire::Frame;

use super::address::{Route, VirtualAddress};
use super::bounds;
use super::leg::{Leg, LegId, Legs};
use super::limit::Bucket;
use super::path::PathInfo;
use super::stats::Stats;

/// What the switch wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram. Losing it is allowed.
    Transmit {
        /// Whose probe it is, for [`Input::SendFailed`](super::Input::SendFailed).
        virt: VirtualAddress,
        /// The way to take.
        route: Route,
        /// 64 bytes; up to 1,472 to a path that has answered.
        datagram: Vec<u8>,
    },
    /// The connection's packets take another path from now on.
    Switched {
        /// Which connection.
        virt: VirtualAddress,
        /// The path now active.
        path: PathInfo,
    },
    /// How the peer sees us, on some path; said when it changes.
    Observed {
        /// Which connection.
        virt: VirtualAddress,
        /// Our address as it arrives there.
        addr: SocketAddr,
    },
    /// Write this frame, CANDIDATES or PUNCH, on the control stream.
    Signal {
        /// Which connection's.
        virt: VirtualAddress,
        /// The frame.
        frame: Box<Frame>,
    },
    /// Make a new mapping with a fresh socket, and say with [`Input::Sampled`](super::Input::Sampled)
    /// which it was.
    Sample {
        /// For whom.
        virt: VirtualAddress,
    },
    /// Bind this many sockets of IPv4, numbered from 0, in place of those bound for the connection
    /// before. Fewer may be bound. What comes to them goes to
    /// [`Switch::inbound_extra`](super::Switch::inbound_extra).
    Scatter {
        /// For whom.
        virt: VirtualAddress,
        /// How many.
        sockets: u16,
    },
    /// Send this datagram from a socket of the scatter, if it was bound. Losing it is allowed.
    TransmitExtra {
        /// Whose scatter.
        virt: VirtualAddress,
        /// Which socket, from 0.
        socket: u16,
        /// Where to.
        remote: SocketAddr,
        /// 64 bytes.
        datagram: Vec<u8>,
    },
    /// A socket of the scatter is a leg from now on.
    Adopt {
        /// Whose scatter.
        virt: VirtualAddress,
        /// Which socket, from 0.
        socket: u16,
        /// The leg's name.
        leg: LegId,
    },
    /// Close the sockets of the scatter that were not adopted.
    EndScatter {
        /// Whose.
        virt: VirtualAddress,
    },
    /// Close an adopted leg: its connection has no path there any more.
    CloseLeg {
        /// Which.
        leg: LegId,
    },
    /// How the search for a direct path ended, or stands.
    Outcome {
        /// For which connection.
        virt: VirtualAddress,
        /// What came of it, or why not.
        outcome: Outcome,
    },
    /// No path leads to the peer any more. Said once until something is heard again; paths are
    /// still tried when there is something to send.
    Lost {
        /// Which connection.
        virt: VirtualAddress,
    },
}

/// Outputs not drained yet.
#[derive(Debug, Default)]
struct Outputs(VecDeque<Output>);

impl Outputs {
    fn push(&mut self, output: Output, stats: &mut Stats) {
        if self.0.len() < bounds::OUTPUTS {
            self.0.push_back(output);
        } else {
            stats.outputs_dropped += 1;
        }
    }

    fn pop(&mut self) -> Option<Output> {
        self.0.pop_front()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Transaction ids nobody can guess: a keyed hash of a counter, under the caller's seed.
#[derive(Debug)]
pub(super) struct Transactions {
    key: [u8; 32],
    serial: u64,
}

impl Transactions {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key, serial: 0 }
    }

    pub(super) fn next(&mut self) -> [u8; 8] {
        self.serial += 1;
        let mut transaction = [0; 8];
        blake3::Hasher::new_keyed(&self.key)
            .update(b"transaction")
            .update(&self.serial.to_le_bytes())
            .finalize_xof()
            .fill(&mut transaction);
        transaction
    }
}

/// What all connections of a switch share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) legs: Legs,
    pub(super) transactions: Transactions,
    pub(super) all_probes: Bucket,
    pub(super) stats: Stats,
    outputs: Outputs,
}

impl Common {
    pub(super) fn new(own: Vec<Leg>, seed: [u8; 32]) -> Self {
        let mut legs = Legs::default();
        for leg in own {
            legs.add(leg);
        }
        Self {
            legs,
            transactions: Transactions::new(seed),
            all_probes: Bucket::new(bounds::ALL_PROBES_PER_SECOND, bounds::ALL_PROBE_BURST),
            stats: Stats::default(),
            outputs: Outputs::default(),
        }
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push(output, &mut self.stats);
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    pub(super) fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }
}

/// Handed to a connection for the length of one call.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) virt: VirtualAddress,
    pub(super) common: &'a mut Common,
}

impl Context<'_> {
    pub(super) fn output(&mut self, output: Output) {
        self.common.output(output);
    }
}
