//! STUN messages.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;

use dchat_nat::stun::{
    self, Change, DecodeError, Key, MAX_ATTRIBUTES, MAX_DATAGRAM, Message, TransactionId,
};

/// Input: a byte of flags, a transaction id, then a datagram.
///
/// The datagram is looked at as it is, then with a header of STUN's and its length put right, and
/// then with a right fingerprint at its end, which no fuzzer finds by chance. Each time: whatever is
/// answered is a Binding request, is no shorter than its answer, and has its transaction; and the
/// answer itself is answered by nobody.
///
/// # Panics
/// When it is not so.
pub fn stun(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first() else {
        return;
    };
    let Some((id, datagram)) = rest.split_first_chunk::<12>() else {
        return;
    };
    let host = u128::from_be_bytes(core::array::from_fn(|at| id[at % 12]));
    let from = if flags & 1 == 0 {
        SocketAddr::new(IpAddr::V4([20, id[0], id[1], id[2]].into()), 4001)
    } else {
        SocketAddr::new(IpAddr::V6(Ipv6Addr::from(host)), 4001)
    };
    look_at(datagram, from);
    let mut message = datagram.to_vec();
    dress(&mut message, flags, id);
    look_at(&message, from);
    sign(&mut message);
    look_at(&message, from);
    ours(TransactionId(*id), from);
}

fn look_at(datagram: &[u8], from: SocketAddr) {
    static KEY: LazyLock<Option<Key>> = LazyLock::new(|| Key::short_term("password").ok());
    if let Some(key) = &*KEY {
        let _ = stun::verify(datagram, key);
    }
    let decoded = stun::decode(datagram);
    let is_stun =
        datagram.len() >= 20 && datagram[0] < 0x40 && datagram[4..8] == [0x21, 0x12, 0xa4, 0x42];
    assert_eq!(stun::is_stun(datagram), is_stun);
    assert_eq!(decoded == Err(DecodeError::NotStun), !is_stun);
    if let Ok(message) = &decoded {
        assert!(datagram.len() <= MAX_DATAGRAM);
        let stated = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
        assert_eq!(stated + 20, datagram.len(), "a length that does not fit");
        if let Message::Request(request) = message {
            assert!(request.unknown.len() <= MAX_ATTRIBUTES);
        }
    }
    let Some(answer) = stun::answer(datagram, from) else {
        return;
    };
    let Ok(Message::Request(request)) = decoded else {
        panic!("answered what is no request: {decoded:?}");
    };
    assert!(
        answer.len() <= datagram.len(),
        "an answer longer than its question"
    );
    match stun::decode(&answer) {
        Ok(Message::Answer(answer)) => {
            assert_eq!(answer.id, request.id);
            let seen = SocketAddr::new(from.ip().to_canonical(), from.port());
            assert_eq!(answer.mapped, seen);
            assert!(request.unknown.is_empty() && request.change == Change::Nothing);
        }
        Ok(Message::Refusal(refusal)) => {
            assert_eq!((refusal.id, refusal.code), (request.id, 420));
            assert!(!request.unknown.is_empty() || request.change != Change::Nothing);
        }
        other => panic!("no answer at all: {other:?}"),
    }
    assert_eq!(stun::answer(&answer, from), None, "an answer answered");
}

/// Gives it the header of one of the four classes.
fn dress(message: &mut Vec<u8>, flags: u8, id: &[u8; 12]) {
    let kind = [0x0001_u16, 0x0101, 0x0111, 0x0011][usize::from(flags >> 1 & 3)];
    message.truncate(MAX_DATAGRAM - 28);
    message.resize(message.len().next_multiple_of(4), 0);
    let body = std::mem::take(message);
    message.extend(kind.to_be_bytes());
    message.extend((body.len() as u16).to_be_bytes());
    message.extend([0x21, 0x12, 0xa4, 0x42]);
    message.extend(id);
    message.extend(body);
}

/// Appends a FINGERPRINT (RFC 8489 §14.7), written here once more.
fn sign(message: &mut Vec<u8>) {
    let length = (message.len() + 8 - 20) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
    let sum = crc32(message) ^ 0x5354_554e;
    message.extend([0x80, 0x28, 0, 4]);
    message.extend(sum.to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    let of = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 * (sum & 1))
        })
    };
    !bytes.iter().fold(u32::MAX, of)
}

/// Our own questions are read as what they are, and answered by our own.
fn ours(id: TransactionId, from: SocketAddr) {
    for change in [Change::Nothing, Change::Port, Change::AddressAndPort] {
        let bytes = stun::request(id, change);
        let Ok(Message::Request(request)) = stun::decode(&bytes) else {
            panic!("our own question is none");
        };
        assert_eq!((request.id, request.change), (id, change));
        assert!(request.fingerprint && request.unknown.is_empty());
        assert!(stun::answer(&bytes, from).is_some(), "no room for it");
    }
}
