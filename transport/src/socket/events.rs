//! What the node hears about paths.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use crate::path::PathInfo;

/// Events that wait for their reader. Beyond it new ones are dropped and counted: each tells of a
/// state that can be asked for with [`Paths::current`](super::Paths::current).
pub const EVENTS: usize = 1024;

/// Something about a connection's paths changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathEvent {
    /// Its packets take another path.
    Switched {
        /// The connection's virtual address.
        virt: SocketAddr,
        /// The path now active.
        path: PathInfo,
    },
    /// The peer says where our packets come from.
    Observed {
        /// The connection's virtual address.
        virt: SocketAddr,
        /// How it sees us.
        addr: SocketAddr,
    },
    /// No path leads to the peer now. The connection is not closed; it may come back.
    Lost {
        /// The connection's virtual address.
        virt: SocketAddr,
    },
}

/// Receives [`PathEvent`]s.
#[derive(Debug)]
pub struct PathEvents(mpsc::Receiver<PathEvent>);

pub(super) fn channel() -> (mpsc::Sender<PathEvent>, PathEvents) {
    let (sender, receiver) = mpsc::channel(EVENTS);
    (sender, PathEvents(receiver))
}

impl PathEvents {
    /// The next event; `None` after the socket is gone. Cancel safe.
    pub async fn recv(&mut self) -> Option<PathEvent> {
        self.0.recv().await
    }

    /// The next event if there is one.
    pub fn try_recv(&mut self) -> Option<PathEvent> {
        self.0.try_recv().ok()
    }
}
