//! What is fuzzed: one plain function a target, which panics when a promise of the format is broken.
//!
//! `fuzz_targets/` hands these functions to libFuzzer; the test of this crate hands them the kept
//! corpora, on any toolchain. A target is a total function of its bytes: no clock, no randomness.

mod address_invite;
mod agent;
mod build;
mod certificate;
mod classifier;
mod corpus;
mod demux;
mod dht_core;
mod dht_record;
mod dht_records;
mod dht_seeds;
mod dht_store;
mod dictionary;
mod differential;
mod flood;
mod frame_stream;
mod gossip_nodes;
mod gossip_seeds;
mod gossip_sketch;
mod group_membership;
mod handshake;
mod machines;
mod mutate;
mod probe;
mod rate;
mod reassembly;
mod relay_core;
mod relay_datagram;
mod round_trip;
mod script;
mod seeds;
mod signed_record;
mod strict_decode;
mod stun;
mod table;
mod vector_seeds;

pub use address_invite::address_invite;
pub use agent::agent;
pub use certificate::certificate;
pub use classifier::classifier;
pub use corpus::{replay_arguments, root};
pub use demux::demux;
pub use dht_core::dht_core;
pub use dht_record::dht_record;
pub use dht_store::dht_store;
pub use dictionary::dictionary;
pub use differential::differential;
pub use flood::{Flood, flood};
pub use frame_stream::frame_stream;
pub use gossip_nodes::gossip_nodes;
pub use gossip_sketch::gossip_sketch;
pub use group_membership::group_membership;
pub use handshake::handshake;
pub use mutate::mutate;
pub use probe::probe;
pub use rate::{Rate, rates};
pub use reassembly::reassembly;
pub use relay_core::relay_core;
pub use relay_datagram::relay_datagram;
pub use round_trip::round_trip;
pub use seeds::seeds;
pub use signed_record::signed_record;
pub use strict_decode::strict_decode;
pub use stun::stun;
pub use table::table;

#[allow(unreachable_pub, reason = "shared with the tests of wire")]
#[path = "../../wire/tests/support/agree.rs"]
mod agree;
#[path = "../../wire/tests/support/bodies.rs"]
mod bodies;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of wire")]
#[path = "../../wire/tests/support/gossip.rs"]
mod gossip;
#[allow(unreachable_pub, reason = "shared with the tests of wire")]
#[path = "../../wire/tests/support/hand.rs"]
mod hand;
#[allow(unreachable_pub, reason = "shared with the tests of wire")]
#[path = "../../wire/tests/support/mirror.rs"]
mod mirror;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of wire")]
#[path = "../../wire/tests/support/samples.rs"]
mod samples;

/// Panics when a promise of the format is broken, and is a total function of its bytes otherwise.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: [(&str, Target); 23] = [
    ("address_invite", address_invite),
    ("agent", agent),
    ("certificate", certificate),
    ("classifier", classifier),
    ("demux", demux),
    ("dht_core", dht_core),
    ("dht_record", dht_record),
    ("dht_store", dht_store),
    ("differential", differential),
    ("frame_stream", frame_stream),
    ("gossip_nodes", gossip_nodes),
    ("gossip_sketch", gossip_sketch),
    ("group_membership", group_membership),
    ("handshake", handshake),
    ("probe", probe),
    ("reassembly", reassembly),
    ("relay_core", relay_core),
    ("relay_datagram", relay_datagram),
    ("round_trip", round_trip),
    ("signed_record", signed_record),
    ("strict_decode", strict_decode),
    ("stun", stun),
    ("table", table),
];

/// The `main` of a target: libFuzzer's under `cargo fuzz`, otherwise one that runs the target on
/// the files it is given, to reproduce a crash without libFuzzer.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::replay_arguments($crate::$name)
        }
    };
}
