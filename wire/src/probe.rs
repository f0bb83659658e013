//! Path probes: the only datagrams besides QUIC's own, and the only ones an address is sent before
//! it has answered (spec `30-transport` §6).
//!
//! ```text
//!  0        1          9              17                    33     35         48     64
//! +--------+----------+--------------+---------------------+------+----------+------+---------
//! | kind   | tag      | transaction  | observed IP         | port | zeros    | MAC  | zeros …
//! +--------+----------+--------------+---------------------+------+----------+------+---------
//! ```
//!
//! `kind` is `0x21` for a probe and `0x22` for its answer: QUIC packets have bit `0x40` set and STUN
//! starts below 4, so one byte tells them apart (RFC 9443). The answer is 64 bytes and never longer
//! than what it answers. The MAC covers all other bytes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::codec::DecodeError;
use crate::defect::{self, Defect};
use crate::hash::Context;
use crate::limits;

/// What one direction of a connection's probes is keyed with, from the TLS exporter.
#[derive(Clone, PartialEq, Eq)]
pub struct ProbeKeys {
    /// Names the connection to the receiver of a datagram.
    pub tag: [u8; 8],
    key: [u8; 32],
}

impl ProbeKeys {
    /// Label given to the TLS exporter (RFC 8446 §7.5), with an empty context.
    pub const EXPORTER_LABEL: &'static [u8] = b"EXPORTER-dchat/1-path-probe";
    /// Bytes taken from the exporter: for what the client sends a tag and a key, then the same for
    /// what the server sends.
    pub const EXPORTED: usize = 80;

    /// The keys for what the client sends, and for what the server sends.
    #[must_use]
    pub fn from_exporter(bytes: &[u8; Self::EXPORTED]) -> (Self, Self) {
        let half = |from: usize| {
            let mut keys = Self {
                tag: [0; 8],
                key: [0; 32],
            };
            keys.tag.copy_from_slice(&bytes[from..from + 8]);
            keys.key.copy_from_slice(&bytes[from + 8..from + 40]);
            keys
        };
        if defect::is(Defect::SwapsProbeKeys) {
            return (half(40), half(0));
        }
        (half(0), half(40))
    }

    fn mac(&self, bytes: &[u8]) -> [u8; 16] {
        let key = Context::PROBE.digest(&[&self.key]);
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(&bytes[..MAC]).update(&bytes[MAC + 16..]);
        let mut mac = [0; 16];
        hasher.finalize_xof().fill(&mut mac);
        mac
    }
}

impl core::fmt::Debug for ProbeKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ProbeKeys(redacted)")
    }
}

/// First byte of a probe.
pub const PROBE: u8 = 0x21;
/// First byte of an answer.
pub const ANSWER: u8 = 0x22;

const MAC: usize = 48;

/// A probe or an answer, before its MAC is checked or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Asks whether the path works in both directions.
    Ask {
        /// Chosen at random by the asker, answered with the same.
        transaction: [u8; 8],
    },
    /// Says that it does.
    Answer {
        /// The asker's.
        transaction: [u8; 8],
        /// Where the probe came from.
        observed: SocketAddr,
    },
}

impl Probe {
    /// Whether a datagram is meant as one of these, by its first byte.
    #[must_use]
    pub fn is_probe(datagram: &[u8]) -> bool {
        matches!(datagram.first(), Some(&(PROBE | ANSWER)))
    }

    /// The connection a datagram names, to find the keys it must be checked with.
    #[must_use]
    pub fn tag(datagram: &[u8]) -> Option<[u8; 8]> {
        datagram.get(1..9)?.try_into().ok()
    }

    /// The datagram: `len` bytes for a probe (clamped to 64…1472), 64 for an answer.
    #[must_use]
    pub fn seal(&self, keys: &ProbeKeys, len: usize) -> Vec<u8> {
        let (kind, transaction, observed, len) = match self {
            Self::Ask { transaction } => (
                PROBE,
                transaction,
                None,
                len.clamp(limits::PROBE, limits::PROBE_PADDED),
            ),
            Self::Answer {
                transaction,
                observed,
            } if defect::is(Defect::AnswersProbesLonger) => {
                (ANSWER, transaction, Some(observed), limits::PROBE_PADDED)
            }
            Self::Answer {
                transaction,
                observed,
            } => (ANSWER, transaction, Some(observed), limits::PROBE),
        };
        let mut bytes = vec![0; len];
        bytes[0] = kind;
        bytes[1..9].copy_from_slice(&keys.tag);
        bytes[9..17].copy_from_slice(transaction);
        if let Some(observed) = observed {
            let ip = match observed.ip() {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            bytes[17..33].copy_from_slice(&ip.octets());
            bytes[33..35].copy_from_slice(&observed.port().to_le_bytes());
        }
        let mac = keys.mac(&bytes);
        bytes[MAC..MAC + 16].copy_from_slice(&mac);
        bytes
    }

    /// Checks a datagram against the keys its tag names.
    ///
    /// # Errors
    /// [`DecodeError`] for a wrong shape or a MAC that is not the peer's. Drop it without an answer.
    pub fn open(keys: &ProbeKeys, datagram: &[u8]) -> Result<Self, DecodeError> {
        let invalid = |reason| DecodeError::Invalid {
            field: "Probe",
            reason,
        };
        let len = datagram.len();
        if len < limits::PROBE {
            return Err(DecodeError::UnexpectedEnd { field: "Probe" });
        }
        let mac: [u8; 16] = datagram[MAC..MAC + 16].try_into().unwrap_or_default();
        // blake3's Hash compares in constant time; a 16-byte MAC is widened to use it.
        let is_authentic =
            widen(keys.mac(datagram)) == widen(mac) || defect::is(Defect::SkipsProbeMac);
        if !is_authentic || datagram[1..9] != keys.tag {
            return Err(invalid("not authentic"));
        }
        if datagram[35..MAC]
            .iter()
            .chain(&datagram[MAC + 16..])
            .any(|byte| *byte != 0 && !defect::is(Defect::AcceptsProbePadding))
        {
            return Err(invalid("padding that is not zero"));
        }
        let transaction: [u8; 8] = datagram[9..17].try_into().unwrap_or_default();
        let ip: [u8; 16] = datagram[17..33].try_into().unwrap_or_default();
        let port = u16::from_le_bytes([datagram[33], datagram[34]]);
        match (datagram[0], len) {
            (PROBE, ..=limits::PROBE_PADDED) if ip == [0; 16] && port == 0 => {
                Ok(Self::Ask { transaction })
            }
            (ANSWER, limits::PROBE) => {
                let observed = SocketAddr::new(Ipv6Addr::from(ip).to_canonical(), port);
                Ok(Self::Answer {
                    transaction,
                    observed,
                })
            }
            _ => Err(invalid("wrong kind, length or reserved bytes")),
        }
    }
}

fn widen(mac: [u8; 16]) -> blake3::Hash {
    let mut wide = [0; 32];
    wide[..16].copy_from_slice(&mac);
    blake3::Hash::from_bytes(wide)
}
