//! What a node tells unasked.

use serde::{Deserialize, Serialize};

use super::{Contact, ContactRequest, GroupNews, Message, MessageState, PathKind};

/// What happens, as it happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The node listens and its control socket answers.
    Listening {
        /// Multiaddr with the PeerId.
        addr: String,
    },
    /// A node was found nearby.
    Discovered {
        /// Its PeerId.
        peer_id: String,
        /// One of its addresses.
        addr: String,
        /// How: `mdns`.
        via: String,
    },
    /// A node found nearby is gone.
    Expired {
        /// Its PeerId.
        peer_id: String,
    },
    /// A connection is up.
    PeerConnected {
        /// Its PeerId.
        peer_id: String,
        /// How packets reach it.
        path: PathKind,
        /// Multiaddr of the path.
        addr: String,
    },
    /// A connection's packets take another way.
    PathChanged {
        /// Its PeerId.
        peer_id: String,
        /// How packets reach it.
        path: PathKind,
        /// Multiaddr of the path.
        addr: String,
    },
    /// A connection is gone.
    PeerDisconnected {
        /// Its PeerId.
        peer_id: String,
        /// Why, in a few words.
        reason: String,
    },
    /// A message arrived and is durable here.
    Message(Message),
    /// Something changed in a group.
    Group(GroupNews),
    /// A message of ours came further.
    MessageState {
        /// The message.
        id: String,
        /// Its state.
        state: MessageState,
    },
    /// A message of ours has another id from now on: this home was restored from a copy, and what
    /// the recipient does not have was queued anew.
    MessageRenamed {
        /// Its id until now.
        from: String,
        /// Its id from now on.
        to: String,
    },
    /// A stranger asks to be a contact.
    Request(ContactRequest),
    /// A contact was added or is now reachable both ways.
    Contact(Contact),
    /// Something went wrong that no request is waiting for.
    Error {
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
    /// The subscriber read too slowly and this many events are lost to it; nothing stored is.
    Missed {
        /// How many.
        count: u64,
    },
}
