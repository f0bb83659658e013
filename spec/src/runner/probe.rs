//! Path probes by hand (`30-transport` §6).

use std::net::{IpAddr, SocketAddr};

use super::case::Fault;
use super::link::Link;
use super::partner::own;

/// First byte of a question.
pub const ASK: u8 = 0x21;
/// First byte of an answer.
pub const ANSWER: u8 = 0x22;
/// The length of an answer, and the least of a question.
pub const SHORTEST: usize = 64;
/// The greatest length of a question.
pub const LONGEST: usize = 1472;

const LABEL: &[u8] = b"EXPORTER-dchat/1-path-probe";
const CONTEXT: &str = "dchat/1 2026-11 path probe";
const MAC: core::ops::Range<usize> = 48..64;

/// What one side sends its probes with.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// The tag of its direction.
    pub tag: [u8; 8],
    /// The key of its direction.
    pub key: [u8; 32],
}

/// The keys of both sides of a connection that the partner dialed: its own, then the peer's.
///
/// # Errors
/// The runner's own, when TLS exports nothing.
pub fn keys(link: &Link) -> Result<(Keys, Keys), Fault> {
    let mut exported = [0; 80];
    link.quic()
        .export_keying_material(&mut exported, LABEL, &[])
        .map_err(|_| own("TLS exports no keys"))?;
    let side = |from: usize| {
        let (mut tag, mut key) = ([0; 8], [0; 32]);
        tag.copy_from_slice(&exported[from..from + 8]);
        key.copy_from_slice(&exported[from + 8..from + 40]);
        Keys { tag, key }
    };
    Ok((side(0), side(40)))
}

/// A probe before it is sealed: every byte may be made wrong.
#[derive(Clone, Debug)]
pub struct Probe {
    /// All of it, with zeros where the MAC will stand.
    pub bytes: Vec<u8>,
}

impl Probe {
    /// A correct question of this length.
    #[must_use]
    pub fn ask(keys: &Keys, transaction: [u8; 8], len: usize) -> Self {
        let mut bytes = vec![0; len.max(SHORTEST)];
        bytes[0] = ASK;
        bytes[1..9].copy_from_slice(&keys.tag);
        bytes[9..17].copy_from_slice(&transaction);
        Self { bytes }
    }

    /// A correct answer to a question that came from `to`.
    #[must_use]
    pub fn answer(keys: &Keys, transaction: [u8; 8], to: SocketAddr) -> Self {
        let mut probe = Self::ask(keys, transaction, SHORTEST);
        let ip = match to.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        probe.bytes[0] = ANSWER;
        probe.bytes[17..33].copy_from_slice(&ip.octets());
        probe.bytes[33..35].copy_from_slice(&to.port().to_le_bytes());
        probe
    }

    /// The datagram, with the MAC that is right for it.
    #[must_use]
    pub fn sealed(mut self, keys: &Keys) -> Vec<u8> {
        let mac = mac(keys, &self.bytes);
        self.bytes[MAC].copy_from_slice(&mac);
        self.bytes
    }
}

fn mac(keys: &Keys, datagram: &[u8]) -> [u8; 16] {
    let key = blake3::derive_key(CONTEXT, &keys.key);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher
        .update(&datagram[..MAC.start])
        .update(&datagram[MAC.end..]);
    let mut mac = [0; 16];
    mac.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    mac
}

/// What a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// [`ASK`] or [`ANSWER`].
    pub kind: u8,
    /// Of the question.
    pub transaction: [u8; 8],
    /// Where the question came from; of an answer only.
    pub observed: (IpAddr, u16),
}

/// Reads a probe of the side with these keys; `None` for anything that is to be dropped.
#[must_use]
pub fn read(keys: &Keys, datagram: &[u8]) -> Option<Said> {
    let kind = *datagram.first()?;
    let allowed = match kind {
        ASK => SHORTEST..=LONGEST,
        ANSWER => SHORTEST..=SHORTEST,
        _ => return None,
    };
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let right = allowed.contains(&datagram.len())
        && datagram[1..9] == keys.tag
        && datagram[MAC] == mac(keys, datagram)
        && is_zero(&datagram[35..48])
        && is_zero(&datagram[64..])
        && (kind == ANSWER || is_zero(&datagram[17..35]));
    if !right {
        return None;
    }
    let mut ip = [0; 16];
    ip.copy_from_slice(&datagram[17..33]);
    let mut transaction = [0; 8];
    transaction.copy_from_slice(&datagram[9..17]);
    Some(Said {
        kind,
        transaction,
        observed: (
            IpAddr::from(ip).to_canonical(),
            u16::from_le_bytes([datagram[33], datagram[34]]),
        ),
    })
}
