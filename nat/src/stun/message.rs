//! What a message says, decoded by `stun-rs` from the attributes that matter here.

use core::fmt;
use std::net::SocketAddr;

use dchat_wire::defect::{self, Defect};
use stun_rs::attributes::discovery::{
    ChangeRequest, ChangeRequestFlags, OtherAddress, ResponseOrigin,
};
use stun_rs::attributes::stun::{ErrorCode, Fingerprint, MappedAddress, XorMappedAddress};
use stun_rs::{MessageClass, MessageDecoder, MessageType, StunMessage};

use super::scan::{Scanned, kind};

/// Names a transaction: an answer repeats it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub [u8; 12]);

impl fmt::Debug for TransactionId {
    /// The first four bytes, which are enough to follow one in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "TransactionId({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}

/// From where a server is asked to answer (RFC 5780 §7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// From where it was asked.
    #[default]
    Nothing,
    /// From its other port.
    Port,
    /// From its other address and port.
    AddressAndPort,
}

/// A message of the one method there is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A Binding request.
    Request(Request),
    /// A Binding success response.
    Answer(Answer),
    /// A Binding error response.
    Refusal(Refusal),
    /// A Binding indication: keeps a mapping alive, and is never answered.
    Indication,
}

/// A Binding request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// To be repeated.
    pub id: TransactionId,
    /// From where the answer is wanted, if that was said; both flags clear is `Nothing`, and the
    /// address alone counts as address and port, which is the same for who cannot do either.
    pub change: Change,
    /// Whether there was a fingerprint; it was right.
    pub fingerprint: bool,
    /// Attributes that have to be understood and are not, at most
    /// [`MAX_ATTRIBUTES`](super::MAX_ATTRIBUTES).
    pub unknown: Vec<u16>,
}

/// A Binding success response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of the request.
    pub id: TransactionId,
    /// Where the request seemed to come from.
    pub mapped: SocketAddr,
    /// The server's other address and port, by its own account.
    pub other: Option<SocketAddr>,
    /// Where the answer came from, by the server's own account.
    pub origin: Option<SocketAddr>,
}

/// A Binding error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of the request.
    pub id: TransactionId,
    /// 300 to 699 (RFC 8489 §14.8).
    pub code: u16,
}

/// Why a datagram is no message of ours to read. Nothing was changed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not STUN at all.
    #[error("not STUN: first bits or magic cookie are others")]
    NotStun,
    /// A length field does not fit the datagram.
    #[error("a length in the STUN message does not fit the datagram")]
    Length,
    /// More attributes than [`MAX_ATTRIBUTES`](super::MAX_ATTRIBUTES).
    #[error("too many attributes in the STUN message")]
    TooManyAttributes,
    /// The fingerprint is wrong.
    #[error("the STUN message is damaged: its fingerprint does not fit")]
    Fingerprint,
    /// A method other than Binding.
    #[error("a STUN method other than Binding: {0:#05x}")]
    Method(u16),
    /// An attribute's value is none.
    #[error("an attribute of the STUN message is malformed")]
    Attribute,
    /// A response has an attribute that has to be understood and is not (RFC 8489 §6.3.3).
    #[error("the STUN response needs attribute {0:#06x} to be understood")]
    Unknown(u16),
    /// A success without an address, or an error without a code.
    #[error("the STUN response lacks its mapped address or error code")]
    Incomplete,
}

/// Reads any bytes.
///
/// # Errors
/// [`DecodeError`] names the first thing wrong; it is always the sender's doing, or the network's.
pub fn decode(datagram: &[u8]) -> Result<Message, DecodeError> {
    let scanned = Scanned::of(datagram)?;
    let method = MessageType::from(scanned.kind);
    if method.method() != stun_rs::methods::BINDING {
        return Err(DecodeError::Method(method.method().as_u16()));
    }
    let fingerprint = fingerprint(&scanned)?;
    match method.class() {
        MessageClass::Indication if !defect::is(Defect::StunAnswersIndications) => {
            Ok(Message::Indication)
        }
        MessageClass::Request | MessageClass::Indication => Ok(Message::Request(Request {
            id: scanned.id,
            change: change(&read(&scanned, &[kind::CHANGE_REQUEST])?),
            fingerprint,
            unknown: unknown(&scanned, &UNDERSTOOD_IN_REQUESTS),
        })),
        class @ (MessageClass::SuccessResponse | MessageClass::ErrorResponse) => {
            if let Some(kind) = unknown(&scanned, &UNDERSTOOD_IN_RESPONSES).first() {
                return Err(DecodeError::Unknown(*kind));
            }
            if class == MessageClass::SuccessResponse {
                success(&scanned).map(Message::Answer)
            } else {
                refusal(&scanned).map(Message::Refusal)
            }
        }
    }
}

/// Attributes from 0x8000 on may be ignored (RFC 8489 §14).
const OPTIONAL: u16 = 0x8000;

/// What a reflector may pass over or knows: it has no credentials to check.
const UNDERSTOOD_IN_REQUESTS: [u16; 12] = [
    kind::MAPPED_ADDRESS,
    kind::CHANGE_REQUEST,
    kind::USERNAME,
    kind::MESSAGE_INTEGRITY,
    kind::ERROR_CODE,
    kind::UNKNOWN_ATTRIBUTES,
    kind::REALM,
    kind::NONCE,
    kind::MESSAGE_INTEGRITY_SHA256,
    kind::PASSWORD_ALGORITHM,
    kind::USERHASH,
    kind::PADDING,
];

const UNDERSTOOD_IN_RESPONSES: [u16; 13] = [
    kind::MAPPED_ADDRESS,
    kind::SOURCE_ADDRESS,
    kind::CHANGED_ADDRESS,
    kind::USERNAME,
    kind::MESSAGE_INTEGRITY,
    kind::ERROR_CODE,
    kind::UNKNOWN_ATTRIBUTES,
    kind::REFLECTED_FROM,
    kind::REALM,
    kind::NONCE,
    kind::MESSAGE_INTEGRITY_SHA256,
    kind::XOR_MAPPED_ADDRESS,
    kind::PADDING,
];

fn unknown(scanned: &Scanned<'_>, understood: &[u16]) -> Vec<u16> {
    let mut unknown: Vec<u16> = scanned
        .attributes
        .iter()
        .map(|attribute| attribute.kind)
        .filter(|kind| *kind < OPTIONAL && !understood.contains(kind))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown
}

/// Whether there is a fingerprint; a wrong one is an error.
fn fingerprint(scanned: &Scanned<'_>) -> Result<bool, DecodeError> {
    let Some(attribute) = scanned.first(kind::FINGERPRINT) else {
        return Ok(false);
    };
    let value: &[u8; 4] = scanned
        .value(attribute)
        .try_into()
        .map_err(|_| DecodeError::Fingerprint)?;
    let is_right = Fingerprint::from(value).validate(&scanned.before(attribute));
    if is_right || defect::is(Defect::StunOverlooksFingerprint) {
        Ok(true)
    } else {
        Err(DecodeError::Fingerprint)
    }
}

/// Bytes of an address attribute's value, by family (RFC 8489 §14.1).
const IPV4: usize = 8;
const IPV6: usize = 20;

fn is_address(kind: u16) -> bool {
    matches!(
        kind,
        kind::MAPPED_ADDRESS
            | kind::XOR_MAPPED_ADDRESS
            | kind::CHANGED_ADDRESS
            | kind::RESPONSE_ORIGIN
            | kind::OTHER_ADDRESS
    )
}

/// The message with nothing but the first attribute of each of `kinds`, read by the codec.
fn read(scanned: &Scanned<'_>, kinds: &[u16]) -> Result<StunMessage, DecodeError> {
    let mut bytes = scanned
        .bytes
        .get(..super::scan::HEADER)
        .unwrap_or_default()
        .to_vec();
    for attribute in kinds.iter().filter_map(|kind| scanned.first(*kind)) {
        let value = scanned.value(attribute);
        if is_address(attribute.kind) && !matches!(value.len(), IPV4 | IPV6) {
            return Err(DecodeError::Attribute);
        }
        // RFC 3489 named it otherwise, and `stun-rs` does not know that name.
        let kind = match attribute.kind {
            kind::CHANGED_ADDRESS => kind::OTHER_ADDRESS,
            kind => kind,
        };
        let length = u16::try_from(value.len()).map_err(|_| DecodeError::Length)?;
        bytes.extend(kind.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = u16::try_from(bytes.len().saturating_sub(super::scan::HEADER))
        .map_err(|_| DecodeError::Length)?;
    if let Some(field) = bytes.get_mut(2..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    match MessageDecoder::default().decode(&bytes) {
        Ok((message, _)) => Ok(message),
        Err(_) => Err(DecodeError::Attribute),
    }
}

fn change(message: &StunMessage) -> Change {
    let flags = message
        .get::<ChangeRequest>()
        .and_then(|attribute| attribute.as_change_request().ok())
        .map(ChangeRequest::flags);
    match flags {
        Some(flags) if flags.contains(ChangeRequestFlags::ChangeIp) => Change::AddressAndPort,
        Some(flags) if flags.contains(ChangeRequestFlags::ChangePort) => Change::Port,
        _ => Change::Nothing,
    }
}

fn success(scanned: &Scanned<'_>) -> Result<Answer, DecodeError> {
    let message = read(
        scanned,
        &[
            kind::XOR_MAPPED_ADDRESS,
            kind::MAPPED_ADDRESS,
            kind::RESPONSE_ORIGIN,
            if scanned.first(kind::OTHER_ADDRESS).is_some() {
                kind::OTHER_ADDRESS
            } else {
                kind::CHANGED_ADDRESS
            },
        ],
    )?;
    let mapped = message
        .get::<XorMappedAddress>()
        .and_then(|attribute| attribute.as_xor_mapped_address().ok())
        .map(XorMappedAddress::socket_address)
        .or_else(|| {
            message
                .get::<MappedAddress>()
                .and_then(|attribute| attribute.as_mapped_address().ok())
                .map(MappedAddress::socket_address)
        })
        .ok_or(DecodeError::Incomplete)?;
    let other = message
        .get::<OtherAddress>()
        .and_then(|attribute| attribute.as_other_address().ok())
        .map(OtherAddress::socket_address);
    let origin = message
        .get::<ResponseOrigin>()
        .and_then(|attribute| attribute.as_response_origin().ok())
        .map(ResponseOrigin::socket_address);
    Ok(Answer {
        id: scanned.id,
        mapped: plain(mapped),
        other: other.map(plain),
        origin: origin.map(plain),
    })
}

fn refusal(scanned: &Scanned<'_>) -> Result<Refusal, DecodeError> {
    let message = read(scanned, &[kind::ERROR_CODE])?;
    let code = message
        .get::<ErrorCode>()
        .and_then(|attribute| attribute.as_error_code().ok())
        .map(|attribute| attribute.error_code().error_code())
        .ok_or(DecodeError::Incomplete)?;
    Ok(Refusal {
        id: scanned.id,
        code,
    })
}

/// IPv4 as IPv4, however the server saw it.
fn plain(address: &SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
