//! Groups: operations, GROUP_OPERATIONS, keys and sealed bodies (`81-groups`).

use crate::json::Json;
use crate::structure::{Part, Structure};

use super::super::identity::Identity;
use super::derive;

/// GROUP_OPERATIONS.
pub const OPERATIONS: u16 = 0x0050;
/// Kind of an entry with operations (`registry` §9).
pub const ENTRY_OPERATIONS: u16 = 2;
/// Kind of an entry with keys.
pub const ENTRY_KEYS: u16 = 3;
/// Bytes of a session in Megolm's export format.
pub const EXPORT: usize = 165;

/// Deeds (`registry` §16).
pub mod deed {
    /// Makes the group.
    pub const CREATE: u8 = 1;
    /// Offers a place.
    pub const INVITE: u8 = 2;
    /// Takes it.
    pub const ACCEPT: u8 = 3;
    /// Goes.
    pub const LEAVE: u8 = 4;
    /// Puts somebody out.
    pub const REMOVE: u8 = 5;
    /// Makes somebody an administrator.
    pub const PROMOTE: u8 = 6;
    /// Names the group.
    pub const RENAME: u8 = 7;
    /// Sets something of the policy.
    pub const POLICY: u8 = 8;
}

const MEMBERSHIP: &str = "dchat/1 membership";
const SEAT: &str = "dchat/1 seat";

/// The seat of `who` with `key`, in the group as the operation names it.
#[must_use]
pub fn seat(group: &[u8; 32], who: &[u8; 32], key: &Identity, name: &str) -> Structure {
    let message = [group.as_slice(), who].concat();
    Structure::new()
        .fixed("Seat.key", &key.public())
        .fixed("Seat.proof", &key.sign(SEAT, &message))
        .text("Seat.name", name)
}

/// How far a log counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogCut {
    /// Its name.
    pub log: [u8; 16],
    /// The last item that does.
    pub seq: u32,
}

/// An operation, of which every part may be made wrong.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The group; zeros in the one that makes it.
    pub group: [u8; 32],
    /// Who does it.
    pub author: [u8; 32],
    /// The author's count.
    pub seq: u32,
    /// What the author had seen, ascending.
    pub after: Vec<[u8; 32]>,
    /// Milliseconds since 1970.
    pub at: u64,
    /// What.
    pub deed: u8,
    /// To whom.
    pub subject: Option<[u8; 32]>,
    /// A name or a setting.
    pub text: String,
    /// What the author writes with from now on.
    pub seat: Option<Structure>,
    /// How far what somebody wrote counts.
    pub cut: Vec<LogCut>,
}

impl Operation {
    /// What is signed.
    #[must_use]
    pub fn structure(&self) -> Structure {
        let after: Vec<Part> = self.after.iter().map(|hash| Part::fixed(hash)).collect();
        let cut = |cut: &LogCut| {
            let cut = Structure::new()
                .fixed("LogCut.log", &cut.log)
                .u32("LogCut.seq", cut.seq);
            cut.part()
        };
        let cut: Vec<Part> = self.cut.iter().map(cut).collect();
        let subject = self.subject.map(|subject| Part::fixed(&subject));
        let seat = self.seat.as_ref().map(Structure::part);
        Structure::new()
            .fixed("Operation.group", &self.group)
            .fixed("Operation.author", &self.author)
            .u32("Operation.seq", self.seq)
            .list("Operation.after", &after, true)
            .u64("Operation.at", self.at)
            .u8("Operation.deed", self.deed)
            .option("Operation.subject", subject.as_ref(), true)
            .text("Operation.text", &self.text)
            .option("Operation.seat", seat.as_ref(), false)
            .list("Operation.cut", &cut, false)
            .extensions("Operation.extensions", &[])
    }

    /// It as it travels, signed by `author`.
    #[must_use]
    pub fn signed(&self, author: &Identity) -> Signed {
        Signed::over(self.structure().bytes, author)
    }
}

/// A `SignedOperation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// An encoded operation, or anything else.
    pub body: Vec<u8>,
    /// By the author, or anybody else.
    pub signature: [u8; 64],
}

impl Signed {
    /// Any bytes, signed as an operation is.
    #[must_use]
    pub fn over(body: Vec<u8>, author: &Identity) -> Self {
        let signature = author.sign(MEMBERSHIP, &body);
        Self { body, signature }
    }

    /// The hash of the operation.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        derive("dchat/1 2026-11 membership operation", &[&self.body])
    }

    fn part(&self) -> Part {
        let signed = Structure::new()
            .bytes("SignedOperation.body", &self.body)
            .fixed("SignedOperation.signature", &self.signature);
        signed.part()
    }
}

/// The body of GROUP_OPERATIONS, and of an entry of that kind.
#[must_use]
pub fn operations(
    group: &[u8; 32],
    heads: &[[u8; 32]],
    lacking: &[[u8; 32]],
    operations: &[Signed],
) -> Structure {
    let hashes = |hashes: &[[u8; 32]]| -> Vec<Part> {
        let parts = hashes.iter().map(|hash| Part::fixed(hash));
        parts.collect()
    };
    let operations: Vec<Part> = operations.iter().map(Signed::part).collect();
    Structure::new()
        .fixed("GroupOperations.group", group)
        .list("GroupOperations.heads", &hashes(heads), true)
        .list("GroupOperations.lacking", &hashes(lacking), true)
        .list("GroupOperations.operations", &operations, false)
        .extensions("GroupOperations.extensions", &[])
}

/// The body of an entry GROUP_KEYS.
#[must_use]
pub fn keys(group: &[u8; 32], sessions: &[Vec<u8>]) -> Structure {
    let sessions: Vec<Part> = sessions.iter().map(|one| Part::fixed(one)).collect();
    Structure::new()
        .fixed("GroupKeys.group", group)
        .list("GroupKeys.sessions", &sessions, true)
        .extensions("GroupKeys.extensions", &[])
}

/// The body of an item: `message` of the session whose Ed25519 key is `session`.
#[must_use]
pub fn sealed(session: &[u8; 32], message: &[u8]) -> Structure {
    Structure::new().fixed("SealedBody.session", session).push(
        "SealedBody.message",
        &Part {
            bytes: crate::structure::counted(message),
            json: Json::Null,
        },
        true,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use dchat_wire::group::{Deed, GroupOperations, SignedOperation};
    use dchat_wire::hash::Context;

    use super::*;

    #[test]
    fn an_operation_is_what_dchat_wire_opens() {
        let (person, key) = (Identity::new(&[1; 32]), Identity::new(&[2; 32]));
        let operation = Operation {
            group: [7; 32],
            author: person.public(),
            seq: 3,
            after: vec![[1; 32], [2; 32]],
            at: 9,
            deed: deed::ACCEPT,
            subject: None,
            text: String::new(),
            seat: Some(seat(&[7; 32], &person.public(), &key, "Ann")),
            cut: Vec::new(),
        };
        let signed = operation.signed(&person);
        let body = operations(&[7; 32], &[[1; 32]], &[], std::slice::from_ref(&signed));
        let read: GroupOperations = dchat_wire::codec::decode(&body.bytes).unwrap();
        let first: &SignedOperation = read.operations.first().unwrap();
        let opened = first.open().unwrap();
        assert_eq!((opened.deed, opened.seq), (Deed::Accept, 3));
        assert_eq!(first.hash(), signed.hash());
        assert_eq!(
            signed.hash(),
            Context::MEMBERSHIP.digest(&[signed.body.as_slice()])
        );
        let read: dchat_wire::group::SealedBody =
            dchat_wire::codec::decode(&sealed(&[5; 32], b"message").bytes).unwrap();
        assert_eq!(read.message.as_slice(), b"message");
        let read: dchat_wire::group::GroupKeys =
            dchat_wire::codec::decode(&keys(&[7; 32], &[vec![1; EXPORT]]).bytes).unwrap();
        assert_eq!(read.sessions.len(), 1);
    }
}
