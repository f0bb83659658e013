//! What one member knows of a group, and what it does there.

use dchat_gossip::membership::{Membership, Standing};
use dchat_wire::codec::Text;
use dchat_wire::extension::Extensions;
use dchat_wire::group::{
    Cut, Deed, LogCut, Operation, OperationError, Parents, Seat, SignedOperation,
};
use dchat_wire::sign::Identity;
use dchat_wire::{PeerId, codec};

/// Opens without checking the signature, which these tests do not make.
pub(crate) fn open(signed: &SignedOperation) -> Result<Operation, OperationError> {
    Ok(codec::decode(signed.body.as_slice())?)
}

/// As it is sent, with a signature that nobody looks at.
pub(crate) fn signed(operation: &Operation) -> SignedOperation {
    SignedOperation {
        body: codec::Bytes::new(codec::encode(operation)).unwrap(),
        signature: [0; 64],
    }
}

pub(crate) fn peer(number: u8) -> PeerId {
    Identity::from_seed(&[number; 32]).peer_id()
}

/// What one member knows.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) me: u8,
    pub(crate) known: Membership,
}

/// The key `author` takes with its operation `seq`.
pub(crate) fn key(author: u8, seq: u32) -> [u8; 32] {
    let mut key = [author; 32];
    key[1..5].copy_from_slice(&seq.to_le_bytes());
    key
}

pub(crate) fn write(
    known: &Membership,
    author: u8,
    deed: Deed,
    subject: Option<u8>,
    text: &str,
) -> SignedOperation {
    cutting(known, author, deed, subject, text, &[])
}

/// `cut`: numbers that stand for logs, and how far they count.
pub(crate) fn cutting(
    known: &Membership,
    author: u8,
    deed: Deed,
    subject: Option<u8>,
    text: &str,
    cut: &[(u8, u32)],
) -> SignedOperation {
    let creates = deed == Deed::Create;
    let seq = known.next_seq(&peer(author));
    let seat = matches!(deed, Deed::Create | Deed::Accept).then(|| Seat {
        key: key(author, seq),
        proof: [0; 64],
        name: Text::new(format!("member {author}")).unwrap(),
    });
    let cut = cut.iter().map(|(log, seq)| LogCut {
        log: [*log; 16],
        seq: *seq,
    });
    let operation = Operation {
        group: if creates { [0; 32] } else { *known.group() },
        author: peer(author),
        seq,
        after: if creates {
            Parents::default()
        } else {
            known.parents(&peer(author))
        },
        at: 0,
        deed,
        subject: subject.map(peer),
        text: Text::new(text).unwrap(),
        seat,
        cut: Cut::new(cut.collect()),
        extensions: Extensions::default(),
    };
    signed(&operation)
}

impl Replica {
    pub(crate) fn create() -> Self {
        let made = write(&Membership::new([0; 32]), 1, Deed::Create, None, "random");
        let mut known = Membership::new(made.hash());
        known.insert(made, open).unwrap();
        Self { me: 1, known }
    }

    pub(crate) fn of(&self, me: u8) -> Self {
        Self {
            me,
            known: self.known.clone(),
        }
    }

    pub(crate) fn does(&mut self, deed: Deed, subject: Option<u8>) -> SignedOperation {
        let signed = write(&self.known, self.me, deed, subject, "");
        self.known.insert(signed.clone(), open).unwrap();
        signed
    }

    pub(crate) fn ends(&mut self, deed: Deed, subject: Option<u8>, cut: &[(u8, u32)]) {
        let signed = cutting(&self.known, self.me, deed, subject, "", cut);
        self.known.insert(signed, open).unwrap();
    }

    pub(crate) fn says(&mut self, deed: Deed, text: &str) {
        let signed = write(&self.known, self.me, deed, None, text);
        self.known.insert(signed, open).unwrap();
    }

    /// How far the numbered log counts when `author` writes it with the key it took first.
    pub(crate) fn counts(&self, author: u8, seq_of_key: u32, log: u8) -> Option<u32> {
        let roster = self.known.roster();
        let writer = roster.writers.get(&key(author, seq_of_key))?;
        assert_eq!(writer.member, peer(author));
        Some(writer.upto(&[log; 16]))
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for signed in other.known.after(&Parents::default(), &Parents::default()) {
            self.known.insert(signed, open).unwrap();
        }
    }

    pub(crate) fn adds(&mut self, member: u8) {
        self.does(Deed::Invite, Some(member));
        let mut invited = self.of(member);
        invited.does(Deed::Accept, None);
        self.merge(&invited);
    }

    pub(crate) fn members(&self) -> Vec<(u8, Standing)> {
        let roster = self.known.roster();
        (1..=9)
            .filter_map(|number| Some((number, roster.members.get(&peer(number))?.standing)))
            .collect()
    }
}

/// A group of 1 (its creator), 2 and 3, all administrators, and 4.
pub(crate) fn four() -> Replica {
    let mut creator = Replica::create();
    for member in [2, 3, 4] {
        creator.adds(member);
    }
    for admin in [2, 3] {
        creator.does(Deed::Promote, Some(admin));
    }
    creator
}

pub(crate) fn merged(one: &Replica, other: &Replica) -> Replica {
    let (mut first, mut second) = (one.clone(), other.clone());
    first.merge(other);
    second.merge(one);
    assert_eq!(first.known.roster(), second.known.roster());
    assert_eq!(first.known.void(), second.known.void());
    first
}
