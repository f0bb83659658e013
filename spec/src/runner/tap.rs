//! A UDP socket that QUIC uses and that a case can look at: what came that was not QUIC, and how much
//! came in all. It can be exchanged under QUIC for one on another port, of which QUIC notices nothing.
//!
//! Bounds: [`KEPT`] datagrams are kept, later ones only counted.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime as _, TokioRuntime, UdpPoller};
use tokio::sync::Notify;

/// Datagrams kept of one socket.
pub const KEPT: usize = 4096;

/// A datagram that was not QUIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// What came so far.
#[derive(Clone, Debug, Default)]
pub struct Came {
    /// Bytes of all datagrams.
    pub bytes: u64,
    /// Datagrams of QUIC.
    pub quic: u64,
    /// Those of them whose fixed bit is not set.
    pub without_fixed_bit: u64,
    /// First packets (Initial) that show a token.
    pub with_token: u64,
    /// Which of the tap's sockets this is of, from 0.
    pub socket: u64,
    /// Datagrams that had come before the first of QUIC, if one came.
    pub first_of_quic: Option<u64>,
    /// Those that were not QUIC (`30-transport` §1).
    pub others: Vec<Datagram>,
}

/// The socket, and what it saw.
#[derive(Debug)]
pub struct Tap {
    socket: Mutex<Socket>,
    came: Mutex<Came>,
    news: Notify,
    /// Who polls for what comes, to be told of another socket.
    reader: Mutex<Option<Waker>>,
}

/// Of the present socket, whichever that is: one of an earlier socket would say that it can be written
/// to when the present one cannot.
#[derive(Debug)]
struct Poller {
    tap: Arc<Tap>,
    of: u64,
    poller: Pin<Box<dyn UdpPoller>>,
}

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.tap.socket();
        if socket.number != self.of {
            self.of = socket.number;
            self.poller = socket.quic.create_io_poller();
        }
        self.poller.as_mut().poll_writable(cx)
    }
}

#[derive(Clone, Debug)]
struct Socket {
    number: u64,
    quic: Arc<dyn AsyncUdpSocket>,
    aside: Arc<UdpSocket>,
}

impl Socket {
    fn new(socket: UdpSocket, number: u64) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let aside = Arc::new(socket.try_clone()?);
        let quic = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Self {
            number,
            quic,
            aside,
        })
    }
}

impl Tap {
    /// Taps `socket`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        Ok(Self {
            socket: Mutex::new(Socket::new(socket, 0)?),
            came: Mutex::default(),
            news: Notify::new(),
            reader: Mutex::default(),
        })
    }

    /// Goes on with another socket, and counts from the beginning what comes there. The one before is
    /// closed.
    ///
    /// # Errors
    /// The operating system's; the one before stays.
    pub fn exchange(&self, socket: UdpSocket) -> io::Result<()> {
        let number = self.socket().number + 1;
        let next = Socket::new(socket, number)?;
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = next;
        *self.came.lock().unwrap_or_else(PoisonError::into_inner) = Came {
            socket: number,
            ..Came::default()
        };
        let reader = self
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Sends a datagram beside QUIC.
    ///
    /// # Errors
    /// The operating system's.
    pub fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket().aside.send_to(datagram, to).map(|_| ())
    }

    fn socket(&self) -> Socket {
        self.socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All that came so far.
    #[must_use]
    pub fn came(&self) -> Came {
        self.came
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until `wanted` finds something in what came.
    pub async fn until<T>(&self, wanted: impl Fn(&Came) -> Option<T>) -> T {
        loop {
            let mut news = core::pin::pin!(self.news.notified());
            news.as_mut().enable();
            if let Some(found) = wanted(&self.came.lock().unwrap_or_else(PoisonError::into_inner)) {
                return found;
            }
            news.await;
        }
    }

    fn note(&self, from: SocketAddr, datagram: &[u8]) {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.bytes += datagram.len() as u64;
        let first = datagram.first().copied().unwrap_or_default();
        if first >= 0x40 {
            let before = came.others.len() as u64;
            came.first_of_quic.get_or_insert(before);
            came.quic += 1;
            came.without_fixed_bit += u64::from(first & 0x40 == 0);
            came.with_token += u64::from(shows_token(datagram));
        } else if came.others.len() < KEPT {
            let bytes = datagram.to_vec();
            came.others.push(Datagram { from, bytes });
        }
    }
}

impl AsyncUdpSocket for Tap {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        let socket = self.socket();
        Box::pin(Poller {
            of: socket.number,
            poller: socket.quic.create_io_poller(),
            tap: self,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket().quic.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let reader = cx.waker().clone();
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
        let polled = self.socket().quic.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = &polled {
            for (buf, meta) in bufs.iter().zip(meta.iter()).take(*count) {
                let bytes = &buf[..meta.len.min(buf.len())];
                for datagram in bytes.chunks(meta.stride.max(1)) {
                    self.note(meta.addr, datagram);
                }
            }
            self.news.notify_waiters();
        }
        polled
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().quic.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket().quic.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket().quic.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket().quic.may_fragment()
    }
}

/// Whether a datagram begins with an Initial packet that has a token (RFC 9000 §17.2.2).
fn shows_token(datagram: &[u8]) -> bool {
    let token = || {
        let (first, rest) = datagram.split_first()?;
        if first & 0xf0 != 0xc0 {
            return None;
        }
        let rest = rest.strip_prefix(&[0, 0, 0, 1])?;
        let (len, rest) = rest.split_first()?;
        let rest = rest.get(usize::from(*len)..)?;
        let (len, rest) = rest.split_first()?;
        rest.get(usize::from(*len)..)?.first().copied()
    };
    token().is_some_and(|len| len != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_seen_in_first_packets_of_version_1_only() {
        let packet = |first, version, token| {
            let ids = [2, 7, 7, 3, 8, 8, 8];
            [&[first, 0, 0, 0, version], ids.as_slice(), &[token, 1]].concat()
        };
        assert!(shows_token(&packet(0xc3, 1, 1)));
        assert!(shows_token(&packet(0xc0, 1, 0x40)));
        assert!(!shows_token(&packet(0xc3, 1, 0)));
        assert!(!shows_token(&packet(0xe3, 1, 1)), "a Handshake packet");
        assert!(!shows_token(&packet(0xc3, 2, 1)), "another version");
        assert!(!shows_token(&packet(0xc3, 1, 1)[..6]));
        assert!(!shows_token(&[]));
    }
}
