//! Why something is not done. Nothing has changed then.

use dchat_gossip::membership::Refused;
use dchat_wire::limits;

use crate::e2ee::StateError;

/// Why a person's deed is not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError<E> {
    /// We are not in it, or not any more.
    #[error(
        "you are not a member of this group; who was invited accepts first: `dchat group accept NAME`"
    )]
    NotMember,
    /// Only administrators may.
    #[error("only an administrator of the group may do that")]
    NotAdmin,
    /// No place was offered, or it was taken back, or taken.
    #[error("there is no open invitation to this group")]
    NotInvited,
    /// It is one already.
    #[error("they were invited already, or are a member")]
    AlreadyThere,
    /// It is no member.
    #[error("they are not in the group")]
    NotThere,
    /// It is one already.
    #[error("they are an administrator already")]
    AlreadyAdmin,
    /// [`limits::GROUP_MEMBERS`].
    #[error(
        "a group has at most {} members, invited ones included",
        limits::GROUP_MEMBERS
    )]
    Full,
    /// A name or a setting is over its bound.
    #[error("that is longer than {limit} bytes")]
    TooLong {
        /// The bound.
        limit: usize,
    },
    /// The group's log refuses it: it is full, and the group has to be made anew.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The environment failed: undo the transaction.
    #[error(transparent)]
    Ledger(E),
}

/// Why a message is not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError<E> {
    /// We are not in it, or not any more.
    #[error("you are not a member of this group")]
    NotMember,
    /// [`limits::TEXT`].
    #[error("a message of {len} bytes is over the limit of {}", limits::TEXT)]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// A new session could not be made or saved.
    #[error(transparent)]
    State(#[from] StateError),
    /// The environment failed: undo the transaction.
    #[error(transparent)]
    Ledger(E),
}
