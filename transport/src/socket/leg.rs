//! One real UDP socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::path::{self, Route};

/// Bytes of the kernel's buffers. The defaults (212 KB) lost 1–2 % of the packets of one fast
/// connection on loopback. The kernel clamps it to what the administrator allows.
pub(super) const KERNEL_BUFFER: usize = 4 << 20;

/// A bound socket and what quinn-udp knows of it.
#[derive(Debug)]
pub(super) struct Leg {
    io: UdpSocket,
    /// For datagrams whose source address the kernel chooses, and for receiving.
    state: UdpSocketState,
    /// For those whose source address we name. quinn-udp takes any `EINVAL` for an old kernel and
    /// does without ECN from then on; here it may just mean that the address is gone, and must not
    /// cost the others.
    naming: UdpSocketState,
    bound: SocketAddr,
    /// Whether an IPv6 wildcard carries IPv4 as well.
    dual: bool,
    /// Whether it serves one connection only.
    adopted: bool,
    /// Set once a batch was refused for being one.
    unsegmented: AtomicBool,
}

/// What became of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The kernel has it, or lost it for a reason that is no fault of the path: it was too long,
    /// which is what MTU probes want to know, or a queue was full.
    Done,
    /// The kernel's buffer is full.
    Blocked,
    /// This path cannot be used now.
    Failed,
}

impl Leg {
    pub(super) fn new(socket: std::net::UdpSocket, dual: bool) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        let naming = UdpSocketState::new((&socket).into())?;
        // Smaller buffers cost throughput, not correctness.
        let _ = state.set_send_buffer_size((&socket).into(), KERNEL_BUFFER);
        let _ = state.set_recv_buffer_size((&socket).into(), KERNEL_BUFFER);
        let bound = socket.local_addr()?;
        Ok(Self {
            io: UdpSocket::from_std(socket)?,
            state,
            naming,
            bound,
            dual,
            adopted: false,
            unsegmented: AtomicBool::new(false),
        })
    }

    /// A socket for one connection only.
    pub(super) fn extra(socket: std::net::UdpSocket) -> io::Result<Self> {
        Ok(Self {
            adopted: true,
            ..Self::new(socket, false)?
        })
    }

    /// Whether it serves one connection only.
    pub(super) fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// Where it is bound, with the real port.
    pub(super) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Every address it stands for: its own, and that of the other family where it is dual.
    pub(super) fn stands_for(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let other = self
            .dual
            .then(|| (Ipv4Addr::UNSPECIFIED, self.bound.port()).into());
        [self.bound].into_iter().chain(other)
    }

    pub(super) fn io(&self) -> &UdpSocket {
        &self.io
    }

    pub(super) fn max_transmit_segments(&self) -> usize {
        if self.unsegmented.load(Ordering::Relaxed) {
            1
        } else {
            self.state.max_gso_segments()
        }
    }

    pub(super) fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    pub(super) fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// Sends to a real address.
    pub(super) fn send(
        &self,
        route: &Route,
        contents: &[u8],
        segment_size: Option<usize>,
        ecn: Option<EcnCodepoint>,
    ) -> Sent {
        // A socket bound to one address has no other to send from.
        let local = route.local.filter(|_| self.bound.ip().is_unspecified());
        let transmit = Transmit {
            destination: self.addressed(route.remote),
            ecn,
            contents,
            segment_size,
            src_ip: local.map(|ip| self.family(ip)),
        };
        let state = match local {
            Some(_) => &self.naming,
            None => &self.state,
        };
        let result = self.io.try_io(Interest::WRITABLE, || {
            state.try_send((&self.io).into(), &transmit)
        });
        match result {
            Ok(()) => Sent::Done,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Sent::Blocked,
            Err(error) if is_too_long(&error) || is_out_of_buffers(&error) => Sent::Done,
            Err(error) => {
                tracing::debug!(%error, "a datagram could not be sent");
                if segment_size.is_some() && refuses_segments(&error) {
                    self.unsegmented.store(true, Ordering::Relaxed);
                }
                Sent::Failed
            }
        }
    }

    /// Sends one datagram from a socket that may be so new that tokio does not know yet that it can.
    pub(super) fn send_at_once(&self, remote: SocketAddr, contents: &[u8]) {
        let transmit = Transmit {
            destination: self.addressed(remote),
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        };
        if let Err(error) = self.state.try_send((&self.io).into(), &transmit) {
            tracing::debug!(%error, "a datagram of a scatter could not be sent");
        }
    }

    /// Receives a batch.
    pub(super) fn receive(
        &self,
        bufs: &mut [io::IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> io::Result<usize> {
        self.io.try_io(Interest::READABLE, || {
            self.state.recv((&self.io).into(), bufs, meta)
        })
    }

    /// A canonical address as this socket's family writes it.
    fn addressed(&self, remote: SocketAddr) -> SocketAddr {
        match (self.bound, remote) {
            (SocketAddr::V6(_), SocketAddr::V4(v4)) => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            (SocketAddr::V6(_), SocketAddr::V6(_)) | (SocketAddr::V4(_), _) => remote,
        }
    }

    fn family(&self, ip: IpAddr) -> IpAddr {
        self.addressed(SocketAddr::new(ip, 0)).ip()
    }
}

/// Where a batch came in, in the switch's terms.
pub(super) fn arrival(leg: path::LegId, meta: &RecvMeta) -> path::Arrival {
    path::Arrival {
        leg,
        local: meta.dst_ip.map(|ip| ip.to_canonical()),
        from: path::canonical(meta.addr),
    }
}

/// `EMSGSIZE`, by number: std has no kind for it. Linux, then macOS and the BSDs, then Windows.
fn is_too_long(error: &io::Error) -> bool {
    let code = if cfg!(windows) {
        10040
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        90
    } else {
        40
    };
    error.raw_os_error() == Some(code)
}

/// `ENOMEM` or `ENOBUFS`: the packet is lost like one in any other queue.
fn is_out_of_buffers(error: &io::Error) -> bool {
    let code = if cfg!(windows) {
        10055
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        105
    } else {
        55
    };
    error.kind() == io::ErrorKind::OutOfMemory || error.raw_os_error() == Some(code)
}

/// `EIO`: what Linux says when a driver cannot segment (quinn-udp halts segmentation for it too).
fn refuses_segments(error: &io::Error) -> bool {
    cfg!(any(target_os = "linux", target_os = "android")) && error.raw_os_error() == Some(5)
}
