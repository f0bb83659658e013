//! The first packets of a QUIC connection by hand (RFC 9000 §17.2, RFC 9001 §5), for what no QUIC
//! library does: wrong versions, wrong sizes, a wrong ClientHello, and a handshake that stops half-way.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::NamedGroup;
use rustls::Side;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::ServerName;
use rustls::quic::{ClientConnection, DirectionalKeys, KeyChange, Keys, Version};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout, timeout_at};

use super::case::Fault;
use super::identity::Identity;
use super::partner::{Partner, own};
use super::tls::Dialing;

/// The least size of a datagram with an Initial packet (RFC 9000 §14.1).
pub const SMALLEST: usize = 1200;
/// Version 1.
pub const VERSION_1: u32 = 1;
/// Long header, fixed bit, Initial, packet numbers of two bytes.
pub const INITIAL: u8 = 0xc1;

/// Time after which an unanswered first packet is sent again.
const AGAIN: Duration = Duration::from_secs(1);
const TAG: usize = 16;

/// A connection that has not begun.
pub struct First {
    socket: UdpSocket,
    to: SocketAddr,
    destination: [u8; 8],
    source: [u8; 8],
    keys: Keys,
    tls: ClientConnection,
    handshake: Option<DirectionalKeys>,
    /// The ClientHello.
    pub hello: Vec<u8>,
    /// Bytes that came.
    pub received: usize,
    /// Bytes that were sent.
    pub sent: usize,
    /// Whether a Retry was among what came.
    pub was_asked_to_retry: bool,
}

/// Whether a datagram begins with a long header to another ID than `source`: the first packet of a dial
/// by the peer, say, to somebody who was at this port before. An answer names the ID it answers.
fn is_for_another(datagram: &[u8], source: &[u8; 8]) -> bool {
    let is_long = datagram.first().is_some_and(|first| first & 0x80 != 0);
    let id = datagram.get(5..).and_then(|rest| {
        let (len, rest) = rest.split_first()?;
        rest.get(..usize::from(*len))
    });
    is_long && id.is_some_and(|id| id != source)
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// CONNECTION_CLOSE of the transport, with its code.
    Closed(u64),
    /// The beginning of the peer's handshake messages.
    Crypto(Vec<u8>),
    /// Another version is wanted: these.
    Versions(Vec<u32>),
    /// The address is to be proven first.
    Retry,
}

impl First {
    /// A connection with an X25519 ClientHello, which fits into one datagram.
    ///
    /// # Errors
    /// The runner's own.
    pub async fn new(partner: &Partner, me: &Identity) -> Result<Self, Fault> {
        Self::idling(partner, me, 0).await
    }

    /// The same with an idle timeout in milliseconds; 0 is none.
    ///
    /// # Errors
    /// The runner's own.
    pub async fn idling(partner: &Partner, me: &Identity, idle: usize) -> Result<Self, Fault> {
        let dialing = Dialing {
            groups: vec![NamedGroup::X25519],
            ..Dialing::of(me)
        };
        let (config, _) = dialing.rustls().map_err(own)?;
        let source: [u8; 8] = partner.array();
        let destination: [u8; 8] = partner.array();
        let name = ServerName::try_from("peer.invalid").map_err(|error| own(error.to_string()))?;
        let parameters = parameters(&source, idle);
        let tls = ClientConnection::new(Arc::new(config), Version::V1, name, parameters);
        let mut tls = tls.map_err(|error| own(error.to_string()))?;
        let mut hello = Vec::new();
        let _no_keys_yet = tls.write_hs(&mut hello);
        let suite = TLS13_AES_128_GCM_SHA256.tls13();
        let suite = suite.and_then(|suite| suite.quic_suite());
        let suite = suite.ok_or_else(|| own("no initial keys"))?;
        let to = partner.subject.address;
        let socket = partner.socket()?;
        let socket = UdpSocket::from_std(socket).map_err(|error| own(error.to_string()))?;
        Ok(Self {
            socket,
            to,
            destination,
            source,
            keys: suite.keys(&destination, Side::Client, Version::V1),
            tls,
            handshake: None,
            hello,
            received: 0,
            sent: 0,
            was_asked_to_retry: false,
        })
    }

    /// An Initial packet with `crypto` as all there is of the handshake, in a datagram of `size` bytes.
    ///
    /// # Errors
    /// The runner's own.
    pub fn packet(
        &self,
        first: u8,
        version: u32,
        crypto: &[u8],
        size: usize,
    ) -> Result<Vec<u8>, Fault> {
        let failed = |_| own("the packet could not be sealed");
        let mut header = vec![first];
        header.extend(version.to_be_bytes());
        for id in [self.destination, self.source] {
            header.push(id.len() as u8);
            header.extend(id);
        }
        // No token, two bytes for the length, two for the packet number.
        let number_at = header.len() + 1 + 2;
        let payload_at = number_at + 2;
        let mut payload = [&[0x06, 0x00], varint(crypto.len()).as_slice(), crypto].concat();
        payload.resize(size.saturating_sub(payload_at + TAG).max(payload.len()), 0);
        let length = 2 + payload.len() + TAG;
        header.push(0);
        header.extend((0x4000 | length as u16).to_be_bytes());
        header.extend([0, 0]);
        let keys = &self.keys.local;
        let tag = keys
            .packet
            .encrypt_in_place(0, &header, &mut payload)
            .map_err(failed)?;
        let mut packet = [header.as_slice(), &payload, tag.as_ref()].concat();
        let (head, sample) = packet.split_at_mut(number_at + 4);
        let (first, rest) = head.split_at_mut(1);
        let number = &mut rest[number_at - 1..payload_at - 1];
        let sample = &sample[..keys.header.sample_len()];
        keys.header
            .encrypt_in_place(sample, &mut first[0], number)
            .map_err(failed)?;
        Ok(packet)
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// The runner's own.
    pub async fn send(&mut self, datagram: &[u8]) -> Result<(), Fault> {
        self.sent += datagram.len();
        let sent = self.socket.send_to(datagram, self.to).await;
        sent.map(|_| ()).map_err(|error| own(error.to_string()))
    }

    /// Sends a datagram, again and again, until something comes that can be read; `None` when nothing
    /// does in the partner's patience.
    ///
    /// # Errors
    /// The runner's own.
    pub async fn ask(
        &mut self,
        datagram: &[u8],
        patience: Duration,
    ) -> Result<Option<Reply>, Fault> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            self.send(datagram).await?;
            if let Ok(reply) = timeout(AGAIN, self.reply()).await {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// Waits for a datagram that can be read.
    pub async fn reply(&mut self) -> Reply {
        loop {
            let datagram = self.receive().await;
            if let Some(reply) = self.read(&datagram) {
                return reply;
            }
        }
    }

    /// Counts what comes until then, and answers nothing.
    pub async fn count_until(&mut self, deadline: Instant) {
        while let Ok(datagram) = timeout_at(deadline, self.receive()).await {
            self.read(&datagram);
        }
    }

    /// Goes on with the handshake until the peer's transport parameters are there; their encoding.
    ///
    /// # Errors
    /// A fault when they do not come.
    pub async fn parameters(&mut self, patience: Duration) -> Result<Vec<u8>, Fault> {
        let what = "transport parameters in EncryptedExtensions";
        let hello = self.packet(INITIAL, VERSION_1, &self.hello.clone(), SMALLEST)?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            self.send(&hello).await?;
            while let Ok(reply) = timeout(AGAIN, self.reply()).await {
                match reply {
                    Reply::Crypto(_) => {}
                    Reply::Retry => return Err(Fault::unsupported("the peer asks for a Retry")),
                    other => return Err(Fault::new(what, format!("{other:?}"))),
                }
                if let Some(parameters) = self.tls.quic_transport_parameters() {
                    return Ok(parameters.to_vec());
                }
            }
        }
        Err(Fault::new(what, "none"))
    }

    async fn receive(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 65_535];
        loop {
            // A refused port is told on the next call; there is nothing to read then.
            if let Ok((len, from)) = self.socket.recv_from(&mut buffer).await
                && from == self.to
                && !is_for_another(&buffer[..len], &self.source)
            {
                self.received += len;
                buffer.truncate(len);
                return buffer;
            }
        }
    }

    /// What a datagram says: the last of its packets that can be read.
    fn read(&mut self, datagram: &[u8]) -> Option<Reply> {
        let mut rest = datagram;
        let mut found = None;
        while let Some(packet) = Packet::cut(rest) {
            rest = packet.rest;
            if packet.version == 0 {
                let versions = packet.after_ids.chunks_exact(4);
                let version =
                    |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                return Some(Reply::Versions(versions.map(version).collect()));
            }
            let payload = match packet.kind {
                3 => {
                    self.was_asked_to_retry = true;
                    return Some(Reply::Retry);
                }
                0 => packet.open(&self.keys.remote),
                2 => self.handshake.as_ref().and_then(|keys| packet.open(keys)),
                _ => None,
            };
            let Some(payload) = payload else { continue };
            match frames(&payload) {
                (Some(code), _) => return Some(Reply::Closed(code)),
                (None, crypto) if !crypto.is_empty() => {
                    // What is not in order is left out: the packet comes again.
                    if self.tls.read_hs(&crypto).is_ok() {
                        let mut ignored = Vec::new();
                        if let Some(KeyChange::Handshake { keys }) = self.tls.write_hs(&mut ignored)
                        {
                            self.handshake = Some(keys.remote);
                        }
                    }
                    found = Some(Reply::Crypto(crypto));
                }
                _ => {}
            }
        }
        found
    }
}

/// A packet with a long header.
struct Packet<'a> {
    kind: u8,
    version: u32,
    after_ids: &'a [u8],
    whole: &'a [u8],
    number_at: usize,
    rest: &'a [u8],
}

impl<'a> Packet<'a> {
    fn cut(bytes: &'a [u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let version = u32::from_be_bytes(*bytes.get(1..)?.first_chunk()?);
        let mut at = 5;
        for _ in 0..2 {
            at += 1 + usize::from(*bytes.get(at)?);
        }
        let after_ids = bytes.get(at..)?;
        let kind = (first & 0x30) >> 4;
        if first & 0x80 == 0 {
            return None;
        }
        if version == 0 || kind == 3 {
            let rest = &[];
            return Some(Self {
                kind,
                version,
                after_ids,
                whole: bytes,
                number_at: 0,
                rest,
            });
        }
        if kind == 0 {
            let (len, size) = read_varint(bytes.get(at..)?)?;
            at += size + usize::try_from(len).ok()?;
        }
        let (len, size) = read_varint(bytes.get(at..)?)?;
        at += size;
        let end = at.checked_add(usize::try_from(len).ok()?)?;
        let whole = bytes.get(..end)?;
        let rest = bytes.get(end..)?;
        Some(Self {
            kind,
            version,
            after_ids,
            whole,
            number_at: at,
            rest,
        })
    }

    fn open(&self, keys: &DirectionalKeys) -> Option<Vec<u8>> {
        let mut bytes = self.whole.to_vec();
        let sample_at = self.number_at + 4;
        let sample = bytes
            .get(sample_at..sample_at + keys.header.sample_len())?
            .to_vec();
        let mut first = bytes[0];
        let mut number = bytes.get(self.number_at..self.number_at + 4)?.to_vec();
        keys.header
            .decrypt_in_place(&sample, &mut first, &mut number)
            .ok()?;
        let size = usize::from(first & 0x3) + 1;
        bytes[0] = first;
        bytes[self.number_at..self.number_at + size].copy_from_slice(&number[..size]);
        let number = number[..size]
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        let (header, payload) = bytes.split_at_mut(self.number_at + size);
        let opened = keys.packet.decrypt_in_place(number, header, payload).ok()?;
        Some(opened.to_vec())
    }
}

/// The code of a CONNECTION_CLOSE, and the bytes of CRYPTO frames, of a payload.
fn frames(payload: &[u8]) -> (Option<u64>, Vec<u8>) {
    let mut crypto = Vec::new();
    let mut rest = payload;
    let next = |rest: &mut &[u8]| {
        let (value, size) = read_varint(rest)?;
        *rest = &rest[size..];
        Some(value)
    };
    while let Some(kind) = next(&mut rest) {
        let skipped = match kind {
            0x00 | 0x01 => Some(()),
            0x02 | 0x03 => (|| {
                next(&mut rest)?;
                next(&mut rest)?;
                let ranges = next(&mut rest)?.min(1000);
                let more = if kind == 0x03 { 3 } else { 0 };
                for _ in 0..1 + 2 * ranges + more {
                    next(&mut rest)?;
                }
                Some(())
            })(),
            0x06 => (|| {
                next(&mut rest)?;
                let len = usize::try_from(next(&mut rest)?).ok()?;
                crypto.extend_from_slice(rest.get(..len)?);
                rest = rest.get(len..)?;
                Some(())
            })(),
            0x1c | 0x1d => return (next(&mut rest), crypto),
            _ => None,
        };
        if skipped.is_none() {
            break;
        }
    }
    (None, crypto)
}

fn parameters(source: &[u8; 8], idle: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // max_idle_timeout, initial_max_data, initial_max_stream_data of all kinds, initial_max_streams of
    // both.
    for (id, value) in [
        (1, idle),
        (4, 1 << 20),
        (5, 1 << 16),
        (6, 1 << 16),
        (7, 1 << 16),
        (8, 16),
        (9, 16),
    ] {
        let value = varint(value);
        bytes.push(id);
        bytes.push(value.len() as u8);
        bytes.extend(value);
    }
    // initial_source_connection_id.
    bytes.extend([0x0f, 8]);
    bytes.extend(source);
    bytes
}

/// A QUIC varint (RFC 9000 §16).
fn varint(value: usize) -> Vec<u8> {
    match value {
        0..=0x3f => vec![value as u8],
        0x40..=0x3fff => (0x4000 | value as u16).to_be_bytes().to_vec(),
        _ => (0x8000_0000 | value as u32).to_be_bytes().to_vec(),
    }
}

/// A QUIC varint at the front, and its size.
#[must_use]
pub fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let size = 1_usize << (first >> 6);
    let bytes = bytes.get(..size)?;
    let start = u64::from(first & 0x3f);
    let value = bytes[1..]
        .iter()
        .fold(start, |value, byte| value << 8 | u64::from(*byte));
    Some((value, size))
}

/// The values of transport parameters by their ids, from their encoding (RFC 9000 §18).
#[must_use]
pub fn read_parameters(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut list = Vec::new();
    while let Some((id, size)) = read_varint(bytes) {
        bytes = &bytes[size..];
        let Some((len, size)) = read_varint(bytes) else {
            break;
        };
        bytes = &bytes[size..];
        let Some((value, rest)) = usize::try_from(len)
            .ok()
            .and_then(|len| bytes.split_at_checked(len))
        else {
            break;
        };
        list.push((id, value.to_vec()));
        bytes = rest;
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_to_somebody_else_is_no_answer() {
        let long = |id: &[u8]| [&[0xc1, 0, 0, 0, 1, id.len() as u8], id].concat();
        let mine = [7; 8];
        assert!(!is_for_another(&long(&mine), &mine));
        assert!(is_for_another(&long(&[8; 8]), &mine));
        assert!(is_for_another(&long(&[]), &mine));
        // A reset has a short header and no ID of anybody's.
        assert!(!is_for_another(&[0x41; 40], &mine));
        assert!(!is_for_another(&long(&mine)[..9], &mine));
        assert!(!is_for_another(&[], &mine));
    }

    #[test]
    fn varints_are_those_of_the_rfc() {
        // RFC 9000, appendix A.1.
        assert_eq!(
            read_varint(&[0x9d, 0x7f, 0x3e, 0x7d]),
            Some((494_878_333, 4))
        );
        assert_eq!(read_varint(&[0x7b, 0xbd]), Some((15_293, 2)));
        assert_eq!(read_varint(&[0x25]), Some((37, 1)));
        assert_eq!(read_varint(&[0x7b]), None);
        for value in [0, 63, 64, 15_293, 16_383, 16_384, 494_878_333] {
            let encoded = varint(value);
            assert_eq!(read_varint(&encoded), Some((value as u64, encoded.len())));
        }
    }
}
