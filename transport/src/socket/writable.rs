//! Waiting for the leg that was full.
//!
//! quinn asks for writability without saying where to. It does so right after the send that found a
//! leg full, in the same poll and so on the same thread: that thread remembers which leg it was.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use quinn::UdpPoller;

use super::ends::End;
use super::shared::Lease;
use crate::path::LegId;

thread_local! {
    /// The socket (by the address of its state) and leg of this thread's last full send.
    static FULL: Cell<Option<(usize, LegId)>> = const { Cell::new(None) };
}

/// Notes that a send found the leg full.
pub(super) fn note(lease: &Arc<Lease>, leg: LegId) {
    FULL.set(Some((Arc::as_ptr(lease).addr(), leg)));
}

/// Forgets it: sends quinn makes while it receives are not repeated, so nobody will wait.
pub(super) fn forget() {
    FULL.set(None);
}

type Ready = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// One connection's wait.
pub(super) struct Poller {
    lease: Arc<Lease>,
    waiting: Option<Ready>,
}

impl Poller {
    pub(super) fn new(lease: Arc<Lease>) -> Self {
        Self {
            lease,
            waiting: None,
        }
    }
}

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some((socket, leg)) = FULL.take()
            && socket == Arc::as_ptr(&self.lease).addr()
        {
            let lease = self.lease.clone();
            self.waiting = Some(Box::pin(async move {
                match lease.0.end(leg) {
                    Some(End::Udp(leg)) => leg.io().writable().await,
                    // A relay's leg is never full; a leg that is gone takes nothing.
                    Some(End::Relay(_)) | None => Ok(()),
                }
            }));
        }
        let Some(waiting) = &mut self.waiting else {
            return Poll::Ready(Ok(()));
        };
        let ready = waiting.as_mut().poll(cx);
        if ready.is_ready() {
            self.waiting = None;
        }
        // An error of the leg shows again when it is sent on, where it is that path's matter.
        ready.map(|_| Ok(()))
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller")
            .field("waiting", &self.waiting.is_some())
            .finish_non_exhaustive()
    }
}
