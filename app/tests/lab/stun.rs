//! As much of a STUN client (RFC 8489, RFC 5780) as shows that a server answers rightly. It is
//! written apart from the product's, which it could otherwise not disprove.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

const COOKIE: u32 = 0x2112_a442;
const CHANGE_REQUEST: u16 = 0x0003;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const OTHER_ADDRESS: u16 = 0x802c;

/// From where the answer shall come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// Another address.
    pub address: bool,
    /// Another port.
    pub port: bool,
}

/// A server's answer.
#[derive(Debug)]
pub struct Answer {
    /// From where it came.
    pub from: SocketAddr,
    /// From where the question came.
    pub mapped: SocketAddr,
    /// The other address of the server.
    pub other: Option<SocketAddr>,
}

/// Asks once; `None` if no answer comes in time.
pub fn ask(
    socket: &UdpSocket,
    server: SocketAddr,
    change: Change,
    wait: Duration,
) -> Option<Answer> {
    let flags = u32::from(change.address) << 2 | u32::from(change.port) << 1;
    let mut request = vec![0, 1, 0, 8];
    request.extend(COOKIE.to_be_bytes());
    request.extend(b"a laboratory");
    request.extend(CHANGE_REQUEST.to_be_bytes());
    request.extend([0, 4]);
    request.extend(flags.to_be_bytes());
    socket.send_to(&request, server).ok()?;
    socket.set_read_timeout(Some(wait)).unwrap();
    let mut buffer = [0; 1500];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    let answer = &buffer[..length];
    assert_eq!(
        answer[4..20],
        request[4..20],
        "the answer to another question"
    );
    Some(Answer {
        from,
        mapped: address(attribute(answer, XOR_MAPPED_ADDRESS)?, COOKIE)?,
        other: attribute(answer, OTHER_ADDRESS).and_then(|value| address(value, 0)),
    })
}

fn attribute(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = message.get(20..)?;
    loop {
        let word = |at: usize| Some(u16::from_be_bytes([*rest.get(at)?, *rest.get(at + 1)?]));
        let (kind, length) = (word(0)?, usize::from(word(2)?));
        let value = rest.get(4..4 + length)?;
        if kind == wanted {
            return Some(value);
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
}

fn address(value: &[u8], mask: u32) -> Option<SocketAddr> {
    let &[_, 1, port_high, port_low, a, b, c, d] = value else {
        return None;
    };
    let port = u16::from_be_bytes([port_high, port_low]) ^ (mask >> 16) as u16;
    Some(
        (
            Ipv4Addr::from(u32::from_be_bytes([a, b, c, d]) ^ mask),
            port,
        )
            .into(),
    )
}
