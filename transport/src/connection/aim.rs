//! What a connection is for.

use dchat_wire::codec::List;
use dchat_wire::hello::{Capabilities, capability};

/// What the dialer of a connection made it for. Its HELLO says so: on a connection for the DHT alone
/// it offers no chat, and the application is not told of it until somebody wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The peer itself.
    Peer,
    /// The DHT.
    Table,
}

impl Aim {
    /// The aim of a dialer that offers these.
    pub(crate) fn of(offered: &Capabilities) -> Self {
        let table = offered.contains(capability::DHT) && !offered.contains(capability::CHAT);
        if table { Self::Table } else { Self::Peer }
    }

    /// What to offer of `all`.
    pub(crate) fn capabilities(self, all: &Capabilities) -> Capabilities {
        if self == Self::Peer {
            return all.clone();
        }
        let kept = all.as_slice().iter().copied();
        let kept = kept.filter(|capability| *capability != capability::CHAT);
        // They stay in order, so the fallback is never taken.
        Capabilities::new(List::first_of(kept)).unwrap_or_default()
    }
}
