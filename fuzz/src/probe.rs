//! Path probes.

use dchat_wire::hash::Context;
use dchat_wire::probe::{Probe, ProbeKeys};

use crate::samples;

/// Input: a datagram. As it is it must be refused unless it was made with the keys; with its tag and
/// MAC put right it must be refused or be exactly what sealing gives.
///
/// # Panics
/// When it is not.
pub fn probe(data: &[u8]) {
    let (ours, theirs) = samples::probe_keys();
    for keys in [&ours, &theirs] {
        if let Ok(probe) = Probe::open(keys, data) {
            assert_eq!(probe.seal(keys, data.len()), data);
        }
    }
    assert_eq!(Probe::tag(data).is_some(), data.len() >= 9);
    if data.len() >= 64 {
        authentic(&ours, data.to_vec());
    }
}

fn authentic(keys: &ProbeKeys, mut datagram: Vec<u8>) {
    // As `samples::probe_keys` gives to the exporter: the tag is its first 8 bytes, the key the
    // next 32.
    let key: [u8; 32] = core::array::from_fn(|index| 8 + index as u8);
    datagram[1..9].copy_from_slice(&keys.tag);
    let mut hasher = blake3::Hasher::new_keyed(&Context::PROBE.digest(&[&key]));
    hasher.update(&datagram[..48]).update(&datagram[64..]);
    datagram[48..64].copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    let Ok(probe) = Probe::open(keys, &datagram) else {
        return;
    };
    assert!(Probe::is_probe(&datagram));
    assert_eq!(probe.seal(keys, datagram.len()), datagram, "one encoding");
    if let Probe::Ask { transaction } = probe {
        let answer = Probe::Answer {
            transaction,
            observed: samples::v6(),
        };
        assert!(answer.seal(keys, usize::MAX).len() <= datagram.len());
    }
}
