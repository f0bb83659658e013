//! Who belongs to a private group: signed operations on its membership (spec `81-groups`).
//!
//! Each operation names those its author had seen and that no other it had seen names, so the
//! operations form a graph without cycles. What follows from a set of them depends on the set only,
//! not on the order in which they came.

mod policy;

pub use policy::{LateJoin, Policy, Setting, SettingError};

use crate::codec::{self, Bytes, DecodeError, List, Text, body, checked_field, codes};
use crate::defect::{self, Defect};
use crate::extension::Extensions;
use crate::hash::Context;
use crate::id::PeerId;
use crate::limits;
use crate::sign::{self, BadSignature, Identity, Purpose};

codes! {
    /// What an operation does (spec `registry` §16).
    pub enum Deed as u8, "the deed is none that is registered" {
        /// Makes the group and names it `text`; its author is the first administrator and takes `seat`.
        Create = 1,
        /// Offers `subject` a place; an administrator's.
        Invite = 2,
        /// The author takes the place it was offered, and `seat`.
        Accept = 3,
        /// The author goes; of what it wrote counts what is within `cut`.
        Leave = 4,
        /// Puts `subject` out; an administrator's. Of what the subject wrote counts what is within `cut`.
        Remove = 5,
        /// Makes `subject` an administrator; an administrator's.
        Promote = 6,
        /// Names the group `text`; an administrator's.
        Rename = 7,
        /// Sets what `text` says of the policy, one [`Setting`]; an administrator's.
        Policy = 8,
    }
}

body! {
    /// What is signed.
    pub struct Operation {
        /// The hash of the operation that made the group; zeros in that one.
        pub group: [u8; 32],
        /// Who does it.
        pub author: PeerId,
        /// The author's operations count from 1.
        pub seq: u32,
        /// Hashes of operations the author had seen, that no other it had seen names; ascending.
        pub after: Parents,
        /// Milliseconds since 1970 by the author's clock; shown, and decides nothing.
        pub at: u64,
        /// What.
        pub deed: Deed,
        /// To whom, where it is done to somebody.
        pub subject: Option<PeerId>,
        /// The name or the setting, where it sets one.
        pub text: Text<{ limits::GROUP_TEXT }>,
        /// What the author writes with from now on, where it takes a place. In the operation that
        /// makes a group the key, which is random, makes its hash unlike any other's.
        pub seat: Option<Seat>,
        /// Where somebody goes: how far each of its logs counts; those not here do not at all.
        pub cut: Cut,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// What a member writes with: a key made for this place in this group, so that what it signs
    /// says nothing elsewhere. A key is one member's and is never taken again after it left.
    pub struct Seat {
        /// Ed25519 key, the author of its items.
        pub key: [u8; 32],
        /// The key's signature over the group as the operation names it and the identity, purpose
        /// [`Purpose::Seat`]: nobody can take the key of another.
        pub proof: [u8; 64],
        /// What the member calls itself; shown to people as a stranger's text.
        pub name: Text<{ limits::NAME }>,
    }
}

impl Seat {
    /// The seat of `member`, which holds `key`, in `group` (zeros for a group that is being made).
    #[must_use]
    pub fn new(
        key: &Identity,
        group: &[u8; 32],
        member: &PeerId,
        name: Text<{ limits::NAME }>,
    ) -> Self {
        Self {
            key: *key.peer_id().public_key(),
            proof: key.sign(Purpose::Seat, &seat_message(group, member)),
            name,
        }
    }

    fn verify(&self, group: &[u8; 32], member: &PeerId) -> Result<(), BadSignature> {
        let key = PeerId::from_public_key(self.key).map_err(|_| BadSignature)?;
        let message = seat_message(group, member);
        sign::verify(&key, Purpose::Seat, &message, &self.proof)
    }
}

fn seat_message(group: &[u8; 32], member: &PeerId) -> Vec<u8> {
    [group.as_slice(), member.public_key()].concat()
}

body! {
    /// How far a log counts.
    pub struct LogCut {
        /// [`log_id`](crate::gossip::log_id) of it, the group being the room.
        pub log: [u8; 16],
        /// Its last item that counts.
        pub seq: u32,
    }
}

/// How far the logs of one who goes count, by strictly ascending name, so that there is one encoding
/// of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut(List<LogCut, { limits::GROUP_CUT }>);

impl Cut {
    /// Takes logs in any order; of more than [`limits::GROUP_CUT`] those of which most was seen.
    #[must_use]
    pub fn new(mut logs: Vec<LogCut>) -> Self {
        logs.sort_unstable_by_key(|log| (core::cmp::Reverse(log.seq), log.log));
        logs.truncate(limits::GROUP_CUT);
        logs.sort_unstable_by_key(|log| log.log);
        logs.dedup_by_key(|log| log.log);
        Self(List::first_of(logs))
    }

    /// The logs.
    #[must_use]
    pub fn as_slice(&self) -> &[LogCut] {
        &self.0
    }

    fn to_repr(&self) -> &List<LogCut, { limits::GROUP_CUT }> {
        &self.0
    }

    fn from_repr(list: List<LogCut, { limits::GROUP_CUT }>) -> Result<Self, &'static str> {
        if !list.is_sorted_by(|a, b| a.log < b.log) {
            return Err("logs are not strictly ascending");
        }
        Ok(Self(list))
    }
}
checked_field!(Cut as List<LogCut, { limits::GROUP_CUT }>);

/// Hashes of operations, strictly ascending, so that there is one encoding of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parents(List<[u8; 32], { limits::GROUP_PARENTS }>);

impl Parents {
    /// Takes `hashes` in any order; of more than [`limits::GROUP_PARENTS`] the lowest.
    #[must_use]
    pub fn new(mut hashes: Vec<[u8; 32]>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        Self(List::first_of(hashes))
    }

    /// The hashes.
    #[must_use]
    pub fn as_slice(&self) -> &[[u8; 32]] {
        &self.0
    }

    fn to_repr(&self) -> &List<[u8; 32], { limits::GROUP_PARENTS }> {
        &self.0
    }

    fn from_repr(list: List<[u8; 32], { limits::GROUP_PARENTS }>) -> Result<Self, &'static str> {
        if !list.is_sorted_by(|a, b| a < b) {
            return Err("hashes are not strictly ascending");
        }
        Ok(Self(list))
    }
}
checked_field!(Parents as List<[u8; 32], { limits::GROUP_PARENTS }>);

body! {
    /// An operation as it travels: its encoding, and the signature over those very bytes.
    pub struct SignedOperation {
        /// Encoded [`Operation`].
        pub body: Bytes<{ limits::GROUP_OPERATION }>,
        /// The author's, purpose [`Purpose::Membership`].
        pub signature: [u8; 64],
    }
}

/// Why an operation is not believed. It is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// The bytes are no operation.
    #[error("malformed operation: {0}")]
    Malformed(#[from] DecodeError),
    /// Not the author's bytes, or the key of its seat is not the author's.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

impl SignedOperation {
    /// Signs `operation`, whose author is set to the signer.
    #[must_use]
    pub fn sign(identity: &Identity, mut operation: Operation) -> Self {
        operation.author = identity.peer_id();
        let body = codec::encode(&operation);
        let signature = identity.sign(Purpose::Membership, &body);
        Self {
            // No operation is that long: the parts are bounded far below.
            body: Bytes::new(body).unwrap_or_default(),
            signature,
        }
    }

    /// The operation's name: a digest of the bytes that are signed.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Context::MEMBERSHIP.digest(&[self.body.as_slice()])
    }

    /// Decodes the operation and checks its signature, and that of its seat.
    ///
    /// # Errors
    /// [`OperationError`] says which of both failed.
    pub fn open(&self) -> Result<Operation, OperationError> {
        let operation: Operation = codec::decode(self.body.as_slice())?;
        sign::verify(
            &operation.author,
            Purpose::Membership,
            self.body.as_slice(),
            &self.signature,
        )?;
        if let Some(seat) = &operation.seat
            && !defect::is(Defect::AcceptsUnsignedSeat)
        {
            seat.verify(&operation.group, &operation.author)?;
        }
        Ok(operation)
    }
}

body! {
    /// GROUP_OPERATIONS: operations the receiver may lack, none before one it names. Also the body
    /// of an entry of a one-to-one conversation
    /// ([`entry_kind::GROUP_OPERATIONS`](crate::parcel::entry_kind::GROUP_OPERATIONS)).
    pub struct GroupOperations {
        /// The hash of the operation that made the group.
        pub group: [u8; 32],
        /// Hashes of operations that no other the sender knows names.
        pub heads: Parents,
        /// Hashes of operations the sender lacks.
        pub lacking: Parents,
        /// Operations.
        pub operations: List<SignedOperation, { limits::GROUP_OPERATIONS }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// The body of an entry that hands over keys of the sender's items
    /// ([`entry_kind::GROUP_KEYS`](crate::parcel::entry_kind::GROUP_KEYS)).
    pub struct GroupKeys {
        /// The hash of the operation that made the group.
        pub group: [u8; 32],
        /// Sessions, each from the item on that the receiver may read.
        pub sessions: List<SessionExport, { limits::GROUP_KEYS }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

/// A Megolm session from one index on, in Megolm's session export format: version 1, the index in
/// four bytes big-endian, the ratchet in 128, and the Ed25519 key that signs the session's messages,
/// which names it.
pub type SessionExport = [u8; 165];

body! {
    /// The body of an item of a group.
    pub struct SealedBody {
        /// The Ed25519 key of the author's Megolm session.
        pub session: [u8; 32],
        /// A Megolm message, whose plaintext is what the item's kind says.
        pub message: Bytes<{ limits::ENTRY_BODY }>,
    }
}
