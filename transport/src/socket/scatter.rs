//! The extra sockets of a connection that looks for an open port of its peer's NAT.
//!
//! They are read by a task each, outside of quinn's poll, since all but one carry nothing but a few
//! probes for a few seconds. The one whose probe is answered becomes a leg of its connection; the
//! others are closed. At most [`SCATTERS`] connections of a node have any, of at most
//! [`SOCKETS`](dchat_nat::agent::bounds::SOCKETS) each. Where the operating system allows no more
//! descriptors there are fewer, and [`SPARE`] of them are given back at once for everything else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dchat_nat::agent::bounds::SOCKETS;
use tokio::task::AbortHandle;

use super::bind::open_extra;
use super::leg::Leg;
use super::shared::{Shared, now};
use crate::path::{ExtraArrival, VirtualAddress, canonical};

/// Connections that may have extra sockets at a time: such pairs of NATs are rare, and home routers
/// keep a few thousand mappings.
pub(super) const SCATTERS: usize = 2;
/// Descriptors left free when the limit was met.
const SPARE: usize = 64;
/// Longer than any probe; what is longer is cut off and fails its check.
const BUFFER: usize = 2048;

/// The sockets of one connection.
#[derive(Debug)]
pub(super) struct Scatter {
    sockets: Vec<Extra>,
}

#[derive(Debug)]
struct Extra {
    leg: Arc<Leg>,
    adopted: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Scatter {
    /// Binds as many sockets as there may be, and has them read.
    pub(super) fn open(
        shared: &Arc<Shared>,
        runtime: &tokio::runtime::Handle,
        virt: VirtualAddress,
        source: IpAddr,
        wanted: u16,
    ) -> Self {
        let _entered = runtime.enter();
        let mut legs = Vec::new();
        for _ in 0..wanted.min(SOCKETS) {
            match open_extra(SocketAddr::new(source, 0)) {
                Ok(leg) => legs.push(Arc::new(leg)),
                Err(error) => {
                    tracing::debug!(%error, bound = legs.len(), "no further socket for a scatter");
                    legs.truncate(legs.len().saturating_sub(SPARE));
                    break;
                }
            }
        }
        let sockets = (0..).zip(legs).map(|(number, leg)| {
            let adopted = Arc::new(AtomicBool::new(false));
            let reading = Reading {
                shared: Arc::downgrade(shared),
                virt,
                number,
                leg: leg.clone(),
                adopted: adopted.clone(),
            };
            let task = runtime.spawn(reading.run()).abort_handle();
            Extra { leg, adopted, task }
        });
        Self {
            sockets: sockets.collect(),
        }
    }

    /// Sends a probe from one of them, if it was bound.
    pub(super) fn send(&self, socket: u16, remote: SocketAddr, datagram: &[u8]) {
        if let Some(extra) = self.sockets.get(usize::from(socket)) {
            extra.leg.send_at_once(remote, datagram);
        }
    }

    /// Hands one over to be a leg; its task reads it no more.
    pub(super) fn adopt(&self, socket: u16) -> Option<Arc<Leg>> {
        let extra = self.sockets.get(usize::from(socket))?;
        extra.adopted.store(true, Ordering::Release);
        extra.task.abort();
        Some(extra.leg.clone())
    }
}

impl Drop for Scatter {
    fn drop(&mut self) {
        for extra in &self.sockets {
            extra.task.abort();
        }
    }
}

/// Where extra sockets are bound: where the usual one of IPv4 is.
pub(super) fn source(bound: &[SocketAddr]) -> Option<IpAddr> {
    let mut v4 = bound.iter().filter(|addr| addr.is_ipv4());
    let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let first = v4.clone().find(|addr| addr.ip() == any);
    first.or_else(|| v4.next()).map(SocketAddr::ip)
}

struct Reading {
    shared: std::sync::Weak<Shared>,
    virt: VirtualAddress,
    number: u16,
    leg: Arc<Leg>,
    adopted: Arc<AtomicBool>,
}

impl Reading {
    async fn run(self) {
        let mut buffer = vec![0; BUFFER];
        loop {
            if self.leg.io().readable().await.is_err() || self.adopted.load(Ordering::Acquire) {
                return;
            }
            let (len, from) = match self.leg.io().try_recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                // What the network says about an earlier datagram.
                Err(_) => continue,
            };
            let Some(shared) = self.shared.upgrade() else {
                return;
            };
            let arrival = ExtraArrival {
                virt: self.virt,
                socket: self.number,
                bound: self.leg.bound(),
                from: canonical(from),
            };
            let datagram = buffer.get(..len).unwrap_or_default();
            shared.act(|switch| switch.inbound_extra(arrival, datagram, now()));
        }
    }
}
