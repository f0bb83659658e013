//! The socket as quinn sees it.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::demux::{self, Held};
use super::leg::{Leg, Sent};
use super::shared::{Lease, now, virtual_address};
use super::writable;
use crate::path::{LegId, VirtualAddress};

/// Batches read in one poll without anything for quinn before other tasks get their turn: quinn's
/// own limit counts only what it is given.
const FRUITLESS_BATCHES: usize = 8;

/// quinn's socket, over all legs.
#[derive(Debug)]
pub struct VirtualSocket {
    lease: Arc<Lease>,
    inbox: Mutex<Inbox>,
}

/// Receiving side; only quinn's endpoint driver uses it.
#[derive(Debug, Default)]
struct Inbox {
    /// The leg that is read first next time, so that a busy one does not starve the others.
    turn: usize,
    held: VecDeque<Held>,
}

impl VirtualSocket {
    pub(super) fn new(lease: Arc<Lease>) -> Self {
        Self {
            lease,
            inbox: Mutex::default(),
        }
    }

    fn legs(&self) -> &[Leg] {
        self.lease.0.legs()
    }

    /// Reads one batch of one leg. `None` when it has none; otherwise how many buffers are filled,
    /// which is 0 if nothing was for quinn.
    fn read(
        &self,
        at: usize,
        held: &mut VecDeque<Held>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Option<usize> {
        let leg = self.legs().get(at)?;
        let id = LegId(u8::try_from(at).ok()?);
        let filled = match leg.receive(bufs, metas) {
            Ok(filled) => filled,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => {
                // What the network says about some earlier datagram; the socket still works.
                tracing::debug!(%error, "receiving failed");
                return Some(0);
            }
        };
        let now = now();
        self.lease.0.act(|switch| {
            for (buf, meta) in bufs.iter_mut().zip(&mut *metas).take(filled) {
                demux::demux(switch, id, buf, meta, held, now);
            }
        });
        let any = metas.iter().take(filled).any(|meta| meta.len > 0);
        Some(if any { filled } else { 0 })
    }
}

impl AsyncUdpSocket for VirtualSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(writable::Poller::new(self.lease.clone()))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let Some(virt) = virtual_address(transmit.destination) else {
            return Ok(());
        };
        let len = transmit.contents.len();
        let first = transmit
            .segment_size
            .and_then(|size| transmit.contents.get(..size))
            .unwrap_or(transmit.contents);
        let route = self
            .lease
            .0
            .act(|switch| switch.outbound(virt, first, len, now()));
        let Some((route, leg)) =
            route.and_then(|route| Some((route, self.lease.0.leg(route.leg)?)))
        else {
            return Ok(());
        };
        match leg.send(
            &route,
            transmit.contents,
            transmit.segment_size,
            transmit.ecn,
        ) {
            Sent::Done => Ok(()),
            Sent::Blocked => {
                writable::note(&self.lease, route.leg);
                Err(io::ErrorKind::WouldBlock.into())
            }
            Sent::Failed => {
                self.lease.0.failed(virt, route);
                Ok(())
            }
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        writable::forget();
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let legs = self.legs().len();
        let mut fruitless = 0;
        loop {
            let released = demux::release(&mut inbox.held, bufs, metas);
            if released > 0 {
                return Poll::Ready(Ok(released));
            }
            let start = inbox.turn;
            let mut ready = None;
            for at in (0..legs).map(|step| (start + step) % legs) {
                let Some(leg) = self.legs().get(at) else {
                    continue;
                };
                // Pending has registered the waker; an error shows when reading.
                if leg.io().poll_recv_ready(cx).is_pending() {
                    continue;
                }
                ready = Some(at);
                inbox.turn = (at + 1) % legs;
                match self.read(at, &mut inbox.held, bufs, metas) {
                    Some(0) | None => {}
                    Some(filled) => return Poll::Ready(Ok(filled)),
                }
            }
            if ready.is_none() {
                return Poll::Pending;
            }
            fruitless += 1;
            if fruitless >= FRUITLESS_BATCHES {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(VirtualAddress::LOCAL.socket_addr())
    }

    fn max_transmit_segments(&self) -> usize {
        self.legs()
            .iter()
            .map(Leg::max_transmit_segments)
            .min()
            .unwrap_or(1)
    }

    fn max_receive_segments(&self) -> usize {
        self.legs()
            .iter()
            .map(Leg::max_receive_segments)
            .max()
            .unwrap_or(1)
    }

    fn may_fragment(&self) -> bool {
        self.legs().iter().any(Leg::may_fragment)
    }
}
