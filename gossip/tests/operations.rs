//! What a member says and asks about operations: which ones no other names, which it lacks, and how
//! many it keeps.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

use dchat_gossip::membership::{Inserted, MAX_OPERATIONS, MAX_WAITING, Membership, Refused};
use dchat_wire::codec::Text;
use dchat_wire::extension::Extensions;
use dchat_wire::group::{Cut, Deed, Operation, OperationError, Parents, Seat, SignedOperation};
use dchat_wire::sign::Identity;
use dchat_wire::{PeerId, codec};

/// Opens without checking the signature, which these tests do not make.
fn open(signed: &SignedOperation) -> Result<Operation, OperationError> {
    Ok(codec::decode(signed.body.as_slice())?)
}

fn creator() -> PeerId {
    Identity::from_seed(&[1; 32]).peer_id()
}

fn signed(operation: &Operation) -> SignedOperation {
    SignedOperation {
        body: codec::Bytes::new(codec::encode(operation)).unwrap(),
        signature: [0; 64],
    }
}

/// A group of its creator alone.
fn alone() -> Membership {
    let made = signed(&Operation {
        group: [0; 32],
        author: creator(),
        seq: 1,
        after: Parents::default(),
        at: 0,
        deed: Deed::Create,
        subject: None,
        text: Text::new("random").unwrap(),
        seat: Some(Seat {
            key: [1; 32],
            proof: [0; 64],
            name: Text::new("creator").unwrap(),
        }),
        cut: Cut::default(),
        extensions: Extensions::default(),
    });
    let mut known = Membership::new(made.hash());
    known.insert(made, open).unwrap();
    known
}

/// The creator's next change of the name, behind `after`.
fn rename(known: &Membership, after: Parents, text: &str) -> SignedOperation {
    numbered(known, known.next_seq(&creator()), after, text)
}

fn numbered(known: &Membership, seq: u32, after: Parents, text: &str) -> SignedOperation {
    signed(&Operation {
        group: *known.group(),
        author: creator(),
        seq,
        after,
        at: 0,
        deed: Deed::Rename,
        subject: None,
        text: Text::new(text).unwrap(),
        seat: None,
        cut: Cut::default(),
        extensions: Extensions::default(),
    })
}

/// Names that differ, all given without knowing of each other.
fn side_by_side(known: &Membership, count: usize) -> Vec<SignedOperation> {
    let names = 0..count;
    names
        .map(|number| rename(known, known.heads(), &format!("name {number}")))
        .collect()
}

fn hashes(operations: &[SignedOperation]) -> Vec<[u8; 32]> {
    let mut hashes: Vec<_> = operations.iter().map(SignedOperation::hash).collect();
    hashes.sort_unstable();
    hashes
}

/// Checks DC-GROUP-005 (positive, negative).
#[test]
fn what_no_other_operation_names_is_named_and_of_many_sixteen() {
    for count in [1, 3, 16, 20] {
        let start = alone();
        let made = side_by_side(&start, count);
        let mut known = start.clone();
        for operation in &made {
            known.insert(operation.clone(), open).unwrap();
        }
        let expected = &hashes(&made)[..count.min(16)];
        assert_eq!(known.heads().as_slice(), expected);
        // What names them takes their place; what was there before them is named no more.
        let named = known.parents(&creator());
        assert_eq!(named.as_slice().len(), count.min(16));
        let of_made = |hash| hashes(&made).contains(hash);
        assert!(named.as_slice().iter().all(of_made));
        let next = rename(&known, named, "last");
        known.insert(next.clone(), open).unwrap();
        let left = known.heads();
        assert!(left.as_slice().contains(&next.hash()));
        assert_eq!(left.as_slice().len(), 1 + count.saturating_sub(16));
        assert!(!left.as_slice().contains(start.group()));
    }
}

/// Checks DC-GROUP-006 (positive, negative).
#[test]
fn operations_and_those_that_wait_are_bounded() {
    let mut known = alone();
    // None of what these name will ever come.
    for number in 0..4 * MAX_WAITING {
        let mut nowhere = [0; 32];
        nowhere[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let stray = rename(&known, Parents::new(vec![nowhere]), "stray");
        assert_eq!(known.insert(stray, open), Ok(Inserted::Waiting));
    }
    assert_eq!(known.len(), 1);
    assert!(known.lacking().as_slice().len() <= 16);
    let (mut last, mut seq) = (*known.group(), 2);
    while known.len() < MAX_OPERATIONS {
        let next = numbered(&known, seq, Parents::new(vec![last]), "on and on");
        (last, seq) = (next.hash(), seq + 1);
        assert_eq!(known.insert(next, open), Ok(Inserted::Added(0)));
    }
    let one_more = rename(&known, known.heads(), "one more");
    assert_eq!(known.insert(one_more, open), Err(Refused::Full));
}

/// Checks DC-GROUP-011 (positive, negative).
#[test]
fn who_knows_less_is_sent_what_it_lacks_at_most_64_at_a_time_and_none_before_its_past() {
    let mut full = alone();
    let mut behind = full.clone();
    for number in 0..100 {
        let next = rename(&full, full.heads(), &format!("{number}"));
        full.insert(next, open).unwrap();
    }
    // Of the newest alone nothing follows but what is lacking.
    let newest = full.after(&Parents::new(vec![]), &Parents::default());
    assert!(newest.len() <= 64);
    let mut rounds = 0;
    while behind.len() < full.len() {
        let sent = full.after(&behind.heads(), &behind.lacking());
        assert!(!sent.is_empty() && sent.len() <= 64);
        for operation in sent {
            assert!(!behind.has(&operation.hash()), "it was known");
            let inserted = behind.insert(operation, open);
            assert!(matches!(inserted, Ok(Inserted::Added(_))), "{inserted:?}");
        }
        rounds += 1;
    }
    assert_eq!(rounds, 2);
    // Who knows all is sent nothing.
    assert!(full.after(&behind.heads(), &behind.lacking()).is_empty());
}
