//! Pulses: datagrams by which two nodes of the DHT that once had a connection ask each other whether
//! they are still there, without making another (spec `70-dht`).
//!
//! ```text
//!  0        1          9          17           33
//! +--------+----------+----------+------------+
//! | kind   | id       | nonce    | MAC        |
//! +--------+----------+----------+------------+
//! ```
//!
//! `kind` is `0x24` for a question and `0x25` for its answer, which repeats id and nonce. The MAC
//! covers what is before it. A question and its answer have the same length, so nothing is gained by
//! sending one with another's address.

use crate::defect::{self, Defect};
use crate::hash::Context;

/// First byte of a question.
pub const QUESTION: u8 = 0x24;
/// First byte of an answer.
pub const ANSWER: u8 = 0x25;
/// Bytes of either.
pub const LEN: usize = 33;

const MAC: usize = 17;

/// What both ends of a connection authenticate pulses with, for as long as both remember it.
#[derive(Clone, PartialEq, Eq)]
pub struct PulseKey {
    /// Names the key to the receiver of a datagram.
    pub id: [u8; 8],
    key: [u8; 32],
}

impl PulseKey {
    /// Label given to the TLS exporter (RFC 8446 §7.5), with an empty context.
    pub const EXPORTER_LABEL: &'static [u8] = b"EXPORTER-dchat/1-pulse";
    /// Bytes taken from the exporter: the id and the secret.
    pub const EXPORTED: usize = 40;

    /// The key of a connection.
    #[must_use]
    pub fn from_exporter(bytes: &[u8; Self::EXPORTED]) -> Self {
        let (mut id, mut secret) = ([0; 8], [0; 32]);
        id.copy_from_slice(&bytes[..8]);
        secret.copy_from_slice(&bytes[8..]);
        Self {
            id,
            key: Context::PULSE.digest(&[&secret]),
        }
    }

    fn mac(&self, bytes: &[u8]) -> [u8; 16] {
        let mut mac = [0; 16];
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(bytes).finalize_xof().fill(&mut mac);
        mac
    }
}

impl core::fmt::Debug for PulseKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PulseKey(redacted)")
    }
}

/// A question or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Are you there?
    Question {
        /// Never used before with this key by the asker.
        nonce: [u8; 8],
    },
    /// Yes.
    Answer {
        /// The question's.
        nonce: [u8; 8],
    },
}

impl Pulse {
    /// Whether a datagram is meant as one of these, by its first byte and its length.
    #[must_use]
    pub fn is_pulse(datagram: &[u8]) -> bool {
        datagram.len() == LEN && matches!(datagram.first(), Some(&(QUESTION | ANSWER)))
    }

    /// The key that a datagram names.
    #[must_use]
    pub fn id(datagram: &[u8]) -> Option<[u8; 8]> {
        datagram.get(1..9)?.try_into().ok()
    }

    /// The datagram.
    #[must_use]
    pub fn seal(&self, key: &PulseKey) -> [u8; LEN] {
        let (kind, nonce) = match self {
            Self::Question { nonce } => (QUESTION, nonce),
            Self::Answer { nonce } => (ANSWER, nonce),
        };
        let mut bytes = [0; LEN];
        bytes[0] = kind;
        bytes[1..9].copy_from_slice(&key.id);
        bytes[9..MAC].copy_from_slice(nonce);
        let mac = key.mac(&bytes[..MAC]);
        bytes[MAC..].copy_from_slice(&mac);
        bytes
    }

    /// Checks a datagram against the key its id names; `None` when it is not the other end's. Drop
    /// it without an answer then.
    #[must_use]
    pub fn open(key: &PulseKey, datagram: &[u8]) -> Option<Self> {
        if !Self::is_pulse(datagram) || Self::id(datagram)? != key.id {
            return None;
        }
        let nonce = datagram.get(9..MAC)?.try_into().ok()?;
        // blake3's Hash compares in constant time; a 16-byte MAC is widened to use it.
        let widened = |mac: &[u8]| {
            let mut wide = [0; 32];
            wide[..mac.len()].copy_from_slice(mac);
            blake3::Hash::from_bytes(wide)
        };
        let given = datagram.get(MAC..)?;
        let is_authentic = widened(given) == widened(&key.mac(datagram.get(..MAC)?));
        if !is_authentic && !defect::is(Defect::SkipsPulseMac) {
            return None;
        }
        match datagram.first() {
            Some(&QUESTION) => Some(Self::Question { nonce }),
            Some(&ANSWER) => Some(Self::Answer { nonce }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> PulseKey {
        PulseKey::from_exporter(&[seed; PulseKey::EXPORTED])
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_only() {
        for pulse in [
            Pulse::Question { nonce: [5; 8] },
            Pulse::Answer { nonce: [5; 8] },
        ] {
            let bytes = pulse.seal(&key(1));
            assert_eq!(Pulse::open(&key(1), &bytes), Some(pulse));
            let mut same_id = key(2);
            same_id.id = key(1).id;
            assert_eq!(Pulse::open(&same_id, &bytes), None);
            assert_eq!(Pulse::open(&key(2), &bytes), None);
        }
    }

    #[test]
    fn a_pulse_changed_anywhere_or_of_another_length_is_none() {
        let bytes = Pulse::Question { nonce: [5; 8] }.seal(&key(1));
        for place in 0..LEN {
            let mut changed = bytes;
            changed[place] ^= 1;
            assert_eq!(Pulse::open(&key(1), &changed), None, "byte {place}");
        }
        assert_eq!(Pulse::open(&key(1), &bytes[..LEN - 1]), None);
        assert_eq!(Pulse::open(&key(1), &[&bytes[..], &[0]].concat()), None);
        assert_eq!(Pulse::open(&key(1), &[]), None);
    }

    /// Checks DC-DHT-042 (negative).
    #[test]
    fn a_pulse_under_another_id_is_none_though_its_mac_is_right() {
        let mut renamed = key(1);
        renamed.id[0] ^= 1;
        let bytes = Pulse::Question { nonce: [5; 8] }.seal(&renamed);
        assert_eq!(Pulse::open(&key(1), &bytes), None);
    }

    #[test]
    fn the_first_byte_and_the_length_tell_pulses_from_other_datagrams() {
        for first in 0..=u8::MAX {
            let of_len = |len: usize| Pulse::is_pulse(&[&[first], &vec![0; len - 1][..]].concat());
            assert_eq!(of_len(LEN), first == 0x24 || first == 0x25);
            assert!(!of_len(LEN - 1) && !of_len(LEN + 1));
        }
        assert!(!Pulse::is_pulse(&[]));
    }

    #[test]
    fn the_debug_text_of_a_key_is_redacted() {
        assert_eq!(format!("{:?}", key(1)), "PulseKey(redacted)");
    }

    #[test]
    fn a_pulse_names_its_key() {
        let bytes = Pulse::Answer { nonce: [5; 8] }.seal(&key(3));
        assert_eq!(Pulse::id(&bytes), Some([3; 8]));
        assert_eq!(Pulse::id(&bytes[..8]), None);
    }

    #[test]
    fn a_question_is_not_taken_for_its_answer() {
        let bytes = Pulse::Question { nonce: [5; 8] }.seal(&key(1));
        let mut turned = bytes;
        turned[0] = ANSWER;
        assert_eq!(Pulse::open(&key(1), &turned), None);
    }
}
