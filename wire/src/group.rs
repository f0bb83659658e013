//! Who belongs to a private group: signed operations on its membership (spec `81-groups`).
//!
//! Each operation names those its author had seen and that no other it had seen names, so the
//! operations form a graph without cycles. What follows from a set of them depends on the set only,
//! not on the order in which they came.

use crate::codec::{self, Bytes, DecodeError, List, Text, body, checked_field};
use crate::extension::Extensions;
use crate::hash::Context;
use crate::id::PeerId;
use crate::limits;
use crate::sign::{self, BadSignature, Identity, Purpose};

macro_rules! deeds {
    ($($(#[$meta:meta])* $name:ident = $code:literal;)*) => {
        /// What an operation does (spec `registry` §16).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Deed {
            $($(#[$meta])* $name = $code,)*
        }

        impl Deed {
            /// All of them, for the registry and its tests.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            fn to_repr(self) -> u8 {
                self as u8
            }

            fn from_repr(code: u8) -> Result<Self, &'static str> {
                match code {
                    $($code => Ok(Self::$name),)*
                    _ => Err("the deed is none that is registered"),
                }
            }
        }
        checked_field!(Deed as u8);
    };
}

deeds! {
    /// Makes the group; its author is the first administrator.
    Create = 1;
    /// Offers `subject` a place; an administrator's.
    Invite = 2;
    /// The author takes the place it was offered.
    Accept = 3;
    /// The author goes.
    Leave = 4;
    /// Puts `subject` out; an administrator's.
    Remove = 5;
    /// Makes `subject` an administrator; an administrator's.
    Promote = 6;
    /// Names the group `text`; an administrator's.
    Rename = 7;
    /// Sets the policy to `text`; an administrator's.
    Policy = 8;
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
        /// The name or the policy, where it sets one; random bytes as hexadecimal digits in the
        /// operation that makes the group.
        pub text: Text<{ limits::GROUP_TEXT }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

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
    /// Not the author's bytes.
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

    /// Decodes the operation and checks its signature.
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
        Ok(operation)
    }
}

body! {
    /// GROUP_OPERATIONS: operations the receiver may lack, none before one it names.
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
