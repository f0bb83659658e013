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
use super::ends::{End, Readable};
use super::leg::{Leg, Sent};
use super::shared::{Lease, Ways, now, virtual_address};
use super::writable;
use crate::path::{LegId, Route, Switch, VirtualAddress};

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
#[derive(Debug)]
struct Inbox {
    /// The UDP legs, as of this change.
    legs: Readable,
    change: u64,
    /// The leg that is read first next time, so that a busy one does not starve the others. After
    /// the UDP legs it is the turn of what came over relays.
    turn: usize,
    held: VecDeque<Held>,
}

impl VirtualSocket {
    pub(super) fn new(lease: Arc<Lease>) -> Self {
        let (change, legs) = lease.0.readable();
        Self {
            lease,
            inbox: Mutex::new(Inbox {
                legs,
                change,
                turn: 0,
                held: VecDeque::new(),
            }),
        }
    }

    /// Reads one batch of one leg. `None` when it has none; otherwise how many buffers are filled,
    /// which is 0 if nothing was for quinn.
    fn read(
        &self,
        (id, leg): &(LegId, Arc<Leg>),
        held: &mut VecDeque<Held>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Option<usize> {
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
        self.lease.0.with(|core| {
            for (buf, meta) in bufs.iter_mut().zip(&mut *metas).take(filled) {
                demux::demux(core, *id, buf, meta, held, now);
            }
        });
        let any = metas.iter().take(filled).any(|meta| meta.len > 0);
        Some(if any { filled } else { 0 })
    }

    /// Reads what came over relays; as [`read`](Self::read).
    fn read_relayed(
        &self,
        held: &mut VecDeque<Held>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Option<usize> {
        let packets = self.lease.0.inbound.take(bufs.len().min(metas.len()));
        if packets.is_empty() {
            return None;
        }
        let now = now();
        let act = |switch: &mut Switch| demux::deliver(switch, packets, bufs, metas, held, now);
        Some(self.lease.0.act(act))
    }

    /// Sends one way. `false` when its kernel buffer is full.
    fn send(&self, virt: VirtualAddress, route: Route, end: &End, transmit: &Transmit<'_>) -> bool {
        let (contents, segment) = (transmit.contents, transmit.segment_size);
        match end.send(&route, contents, segment, transmit.ecn) {
            Sent::Done => true,
            Sent::Blocked => false,
            Sent::Failed => {
                self.lease.0.segments_refused();
                self.lease.0.failed(virt, route);
                true
            }
        }
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
        let Some(Ways { route, end, copy }) = self.lease.0.outbound(virt, first, len) else {
            return Ok(());
        };
        if !self.send(virt, route, &end, transmit) {
            writable::note(&self.lease, route.leg);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some((route, end)) = copy {
            // A second chance that is lost is none worth waiting for.
            self.send(virt, route, &end, transmit);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        writable::forget();
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let inbox = &mut *inbox;
        let mut fruitless = 0;
        loop {
            let released = demux::release(&mut inbox.held, bufs, metas);
            if released > 0 {
                return Poll::Ready(Ok(released));
            }
            if inbox.change != self.lease.0.changes() {
                (inbox.change, inbox.legs) = self.lease.0.readable();
            }
            let turns = inbox.legs.len() + 1;
            let start = inbox.turn % turns;
            let mut ready = false;
            for at in (0..turns).map(|step| (start + step) % turns) {
                let read = match inbox.legs.get(at) {
                    // Pending has registered the waker; an error shows when reading.
                    Some((_, leg)) if leg.io().poll_recv_ready(cx).is_pending() => continue,
                    Some(leg) => self.read(leg, &mut inbox.held, bufs, metas),
                    None if self.lease.0.inbound.is_empty() => continue,
                    None => self.read_relayed(&mut inbox.held, bufs, metas),
                };
                ready = true;
                inbox.turn = at + 1;
                match read {
                    Some(0) | None => {}
                    Some(filled) => return Poll::Ready(Ok(filled)),
                }
            }
            if !ready {
                self.lease.0.inbound.register(cx.waker());
                // Either it came before the waker was there, or it wakes it.
                let missed =
                    !self.lease.0.inbound.is_empty() || inbox.change != self.lease.0.changes();
                if !missed {
                    return Poll::Pending;
                }
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
        self.lease.0.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        let (_, legs) = self.lease.0.readable();
        let segments = legs.iter().map(|(_, leg)| leg.max_receive_segments());
        segments.max().unwrap_or(1)
    }

    fn may_fragment(&self) -> bool {
        let (_, legs) = self.lease.0.readable();
        legs.iter().any(|(_, leg)| leg.may_fragment())
    }
}
