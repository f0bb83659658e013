//! What the node hears about paths.

use std::net::SocketAddr;

use dchat_nat::agent::Outcome;
use dchat_wire::Frame;
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
    /// Write this frame, CANDIDATES or PUNCH, on the connection's control stream.
    Signal {
        /// The connection's virtual address.
        virt: SocketAddr,
        /// The frame.
        frame: Box<Frame>,
    },
    /// Have a fresh socket's public address told by a reflector, and pass it to
    /// [`Paths::sampled`](super::Paths::sampled).
    Sample {
        /// The virtual address of the connection that asks.
        virt: SocketAddr,
    },
    /// How the search for a direct path ended, or that a better one was found.
    Outcome {
        /// The connection's virtual address.
        virt: SocketAddr,
        /// What came of it, or why not.
        outcome: Outcome,
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
