//! What a group asks its caller to do.

use core::fmt;

use dchat_wire::PeerId;
use dchat_wire::group::Policy;

use crate::e2ee::SessionId;

/// A consequence, to be handled inside the transaction; see the [module](super).
#[derive(Clone, PartialEq, Eq)]
pub enum Output {
    /// Write this to somebody as an entry of our one-to-one conversation.
    Tell {
        /// To whom.
        to: PeerId,
        /// What the body is (`dchat_wire::parcel::entry_kind`).
        kind: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// Membership grew: after the commit, send our neighbours [`Group::news`](super::Group::news).
    Spread {
        /// How many operations there were before.
        since: usize,
    },
    /// What counts of what was written with these keys is not what it was.
    Recount(Vec<[u8; 32]>),
    /// Items sealed with this session can be opened, or more of them than before.
    Readable {
        /// Whose.
        of: PeerId,
        /// Which.
        session: SessionId,
    },
    /// Something a person should know.
    Event(Event),
}

impl fmt::Debug for Output {
    /// Without bodies: some hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tell { to, kind, body } => {
                write!(f, "Tell({to:?}, kind {kind}, {} bytes)", body.len())
            }
            Self::Spread { since } => write!(f, "Spread({since})"),
            Self::Recount(keys) => write!(f, "Recount({} keys)", keys.len()),
            Self::Readable { of, session } => write!(f, "Readable({of:?}, {session:?})"),
            Self::Event(event) => event.fmt(f),
        }
    }
}

/// What changed in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody was offered a place.
    Invited {
        /// Who.
        peer: PeerId,
        /// By whom.
        by: Option<PeerId>,
    },
    /// Somebody is a member now.
    Joined {
        /// Who.
        peer: PeerId,
    },
    /// Somebody was made an administrator.
    Promoted {
        /// Who.
        peer: PeerId,
    },
    /// Somebody left, or turned the offer down.
    Left {
        /// Who.
        peer: PeerId,
    },
    /// Somebody was put out, or is not in any more because who brought it was.
    Removed {
        /// Who.
        peer: PeerId,
        /// By whom, where it was put out.
        by: Option<PeerId>,
    },
    /// The group has another name.
    Renamed {
        /// The name.
        name: String,
    },
    /// The group has another policy.
    PolicySet {
        /// The whole of it.
        policy: Policy,
    },
}
