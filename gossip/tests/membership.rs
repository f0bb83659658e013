//! Membership: the same state from the same operations in any order, and what removal means.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use dchat_gossip::membership::{
    Inserted, MAX_OPERATIONS, Membership, PER_INVITE, PER_REMOVED, RESERVED, Refused, Roster,
    Standing,
};
use dchat_wire::codec::Text;
use dchat_wire::extension::Extensions;
use dchat_wire::group::{
    Cut, Deed, LateJoin, LogCut, Operation, Parents, Policy, Seat, SignedOperation,
};
use dchat_wire::sign::Identity;
use dchat_wire::{PeerId, codec};
use proptest::prelude::*;

/// Opens without checking the signature, which these tests do not make.
fn open(signed: &SignedOperation) -> Result<Operation, dchat_wire::group::OperationError> {
    Ok(codec::decode(signed.body.as_slice())?)
}

fn peer(number: u8) -> PeerId {
    Identity::from_seed(&[number; 32]).peer_id()
}

/// What one member knows.
#[derive(Clone)]
struct Replica {
    me: u8,
    known: Membership,
}

/// The key `author` takes with its operation `seq`.
fn key(author: u8, seq: u32) -> [u8; 32] {
    let mut key = [author; 32];
    key[1..5].copy_from_slice(&seq.to_le_bytes());
    key
}

fn write(
    known: &Membership,
    author: u8,
    deed: Deed,
    subject: Option<u8>,
    text: &str,
) -> SignedOperation {
    cutting(known, author, deed, subject, text, &[])
}

/// `cut`: numbers that stand for logs, and how far they count.
fn cutting(
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
    SignedOperation {
        body: codec::Bytes::new(codec::encode(&operation)).unwrap(),
        signature: [0; 64],
    }
}

impl Replica {
    fn create() -> Self {
        let made = write(&Membership::new([0; 32]), 1, Deed::Create, None, "random");
        let mut known = Membership::new(made.hash());
        known.insert(made, open).unwrap();
        Self { me: 1, known }
    }

    fn of(&self, me: u8) -> Self {
        Self {
            me,
            known: self.known.clone(),
        }
    }

    fn does(&mut self, deed: Deed, subject: Option<u8>) -> SignedOperation {
        let signed = write(&self.known, self.me, deed, subject, "");
        self.known.insert(signed.clone(), open).unwrap();
        signed
    }

    fn ends(&mut self, deed: Deed, subject: Option<u8>, cut: &[(u8, u32)]) {
        let signed = cutting(&self.known, self.me, deed, subject, "", cut);
        self.known.insert(signed, open).unwrap();
    }

    fn says(&mut self, deed: Deed, text: &str) {
        let signed = write(&self.known, self.me, deed, None, text);
        self.known.insert(signed, open).unwrap();
    }

    /// How far the numbered log counts when `author` writes it with the key it took first.
    fn counts(&self, author: u8, seq_of_key: u32, log: u8) -> Option<u32> {
        let roster = self.known.roster();
        let writer = roster.writers.get(&key(author, seq_of_key))?;
        assert_eq!(writer.member, peer(author));
        Some(writer.upto(&[log; 16]))
    }

    fn merge(&mut self, other: &Self) {
        for signed in other.known.after(&Parents::default(), &Parents::default()) {
            self.known.insert(signed, open).unwrap();
        }
    }

    fn adds(&mut self, member: u8) {
        self.does(Deed::Invite, Some(member));
        let mut invited = self.of(member);
        invited.does(Deed::Accept, None);
        self.merge(&invited);
    }

    fn members(&self) -> Vec<(u8, Standing)> {
        let roster = self.known.roster();
        (1..=9)
            .filter_map(|number| Some((number, roster.members.get(&peer(number))?.standing)))
            .collect()
    }
}

/// A group of 1 (its creator), 2 and 3, all administrators, and 4.
fn four() -> Replica {
    let mut creator = Replica::create();
    for member in [2, 3, 4] {
        creator.adds(member);
    }
    for admin in [2, 3] {
        creator.does(Deed::Promote, Some(admin));
    }
    creator
}

fn merged(one: &Replica, other: &Replica) -> Replica {
    let (mut first, mut second) = (one.clone(), other.clone());
    first.merge(other);
    second.merge(one);
    assert_eq!(first.known.roster(), second.known.roster());
    assert_eq!(first.known.void(), second.known.void());
    first
}

#[test]
fn invited_accepted_promoted() {
    use Standing::{Admin, Invited, Member};
    let mut group = four();
    group.does(Deed::Invite, Some(5));
    let members = [
        (1, Admin),
        (2, Admin),
        (3, Admin),
        (4, Member),
        (5, Invited),
    ];
    assert_eq!(group.members(), members);
    assert_eq!(group.known.void(), Vec::<[u8; 32]>::new());
}

#[test]
fn what_a_removed_member_did_meanwhile_is_void() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.does(Deed::Remove, Some(2));
    two.does(Deed::Invite, Some(5));
    let mut five = two.of(5);
    five.does(Deed::Accept, None);
    let after = merged(&one, &five);
    assert_eq!(
        after.members().iter().map(|m| m.0).collect::<Vec<_>>(),
        [1, 3, 4]
    );
    assert_eq!(after.known.void().len(), 2);
}

#[test]
fn of_two_who_remove_each_other_the_senior_stays() {
    let group = four();
    for (senior, junior) in [(1, 2), (1, 3), (2, 3)] {
        let (mut one, mut other) = (group.of(senior), group.of(junior));
        one.does(Deed::Remove, Some(junior));
        other.does(Deed::Remove, Some(senior));
        let members: Vec<u8> = merged(&one, &other).members().iter().map(|m| m.0).collect();
        assert!(members.contains(&senior) && !members.contains(&junior));
    }
}

#[test]
fn a_removal_by_one_who_is_removed_meanwhile_is_void() {
    let group = four();
    let (mut three, mut two) = (group.of(3), group.of(2));
    // 3 removes 2, who is senior, while 2 removes 4.
    three.does(Deed::Remove, Some(2));
    two.does(Deed::Remove, Some(4));
    let members: Vec<u8> = merged(&three, &two).members().iter().map(|m| m.0).collect();
    assert_eq!(members, [1, 3, 4]);
}

#[test]
fn a_ring_of_removals_leaves_what_the_senior_did() {
    let group = four();
    let (mut one, mut two, mut three) = (group.of(1), group.of(2), group.of(3));
    one.does(Deed::Remove, Some(2));
    two.does(Deed::Remove, Some(3));
    three.does(Deed::Remove, Some(1));
    let two_of_them = merged(&one, &two);
    let all = merged(&two_of_them, &three);
    let members: Vec<u8> = all.members().iter().map(|m| m.0).collect();
    // 1 is the senior, so 2 goes and what 2 did is void; 3 stays, but 1 is not removed.
    assert_eq!(members, [1, 3, 4]);
}

#[test]
fn a_removed_member_can_be_invited_again() {
    let mut group = four();
    group.does(Deed::Remove, Some(4));
    assert_eq!(group.members().len(), 3);
    group.adds(4);
    assert_eq!(group.members().last(), Some(&(4, Standing::Member)));
    let mut left = group.of(4);
    left.does(Deed::Leave, None);
    assert_eq!(left.members().len(), 3);
}

#[test]
fn an_invitation_made_without_knowing_of_the_removal_does_not_undo_it() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.does(Deed::Remove, Some(4));
    two.does(Deed::Invite, Some(4));
    assert_eq!(merged(&one, &two).members().len(), 3);
}

#[test]
fn who_may_not_is_not_heard() {
    let mut group = four();
    let mut four = group.of(4);
    four.does(Deed::Remove, Some(1));
    assert_eq!(four.known.void().len(), 1);
    assert_eq!(four.members(), group.members());
    let stranger = write(&group.known, 9, Deed::Leave, None, "");
    assert_eq!(group.known.insert(stranger, open), Err(Refused::Stranger));
    let other = write(&Membership::new([7; 32]), 1, Deed::Leave, None, "");
    assert_eq!(group.known.insert(other, open), Err(Refused::OtherGroup));
    let again = write(&group.known, 1, Deed::Create, None, "another");
    assert_eq!(group.known.insert(again, open), Err(Refused::OtherGroup));
}

/// Checks DC-GROUP-006 (positive).
#[test]
fn an_operation_waits_for_those_it_names() {
    let mut group = four();
    let mut late = group.clone();
    let first = group.does(Deed::Remove, Some(4));
    let second = group.does(Deed::Invite, Some(5));
    assert_eq!(late.known.insert(second, open), Ok(Inserted::Waiting));
    assert_eq!(late.known.lacking().as_slice(), [first.hash()]);
    assert_eq!(late.known.insert(first, open), Ok(Inserted::Added(1)));
    assert_eq!(late.known.roster(), group.known.roster());
}

/// Checks DC-GROUP-009 (negative).
#[test]
fn what_a_removed_member_wrote_counts_as_far_as_the_remover_had_seen() {
    let mut group = four();
    assert_eq!(group.counts(4, 1, 7), Some(u32::MAX));
    group.ends(Deed::Remove, Some(4), &[(7, 12)]);
    assert_eq!(group.counts(4, 1, 7), Some(12));
    assert_eq!(group.counts(4, 1, 8), Some(0), "a log nobody had seen");
    let roster = group.known.roster();
    assert_eq!(roster.writer(&key(4, 1), &[7; 16], 12), Some(&peer(4)));
    assert_eq!(roster.writer(&key(4, 1), &[7; 16], 13), None);
}

#[test]
fn of_two_removals_the_lower_number_counts() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.ends(Deed::Remove, Some(4), &[(7, 12), (8, 3)]);
    two.ends(Deed::Remove, Some(4), &[(7, 9)]);
    let both = merged(&one, &two);
    assert_eq!(
        (both.counts(4, 1, 7), both.counts(4, 1, 8)),
        (Some(9), Some(0))
    );
}

#[test]
fn a_removal_that_is_void_cuts_nothing() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.ends(Deed::Remove, Some(2), &[]);
    two.ends(Deed::Remove, Some(4), &[(7, 9)]);
    two.ends(Deed::Remove, Some(1), &[]);
    let both = merged(&one, &two);
    assert_eq!(both.counts(4, 1, 7), Some(u32::MAX));
    assert_eq!(both.counts(1, 1, 7), Some(u32::MAX));
    assert_eq!(both.counts(2, 1, 7), Some(0));
}

/// Checks DC-GROUP-004 (positive).
#[test]
fn who_comes_again_writes_with_another_key_and_only_the_old_one_is_cut() {
    let mut group = four();
    group.ends(Deed::Remove, Some(4), &[(7, 12)]);
    group.adds(4);
    assert_eq!(group.counts(4, 1, 7), Some(12));
    assert_eq!(group.counts(4, 2, 7), Some(u32::MAX));
    let mut gone = group.of(4);
    gone.ends(Deed::Leave, None, &[(9, 20)]);
    assert_eq!(gone.counts(4, 1, 7), Some(12));
    assert_eq!(gone.counts(4, 2, 9), Some(20));
}

/// Concurrent operations of `author`, which all come after what `group` knows.
fn forks(group: &Replica, author: u8, deed: Deed, count: usize) -> Vec<SignedOperation> {
    let one = write(&group.known, author, deed, None, "");
    let one: Operation = codec::decode(one.body.as_slice()).unwrap();
    let fork = |number| SignedOperation {
        body: codec::Bytes::new(codec::encode(&Operation {
            text: Text::new(format!("fork {number}")).unwrap(),
            ..one.clone()
        }))
        .unwrap(),
        signature: [0; 64],
    };
    (0..count).map(fork).collect()
}

/// Gives operations to `to`, as a frame would; how many were refused for want of room.
fn give(to: &mut Membership, operations: &[SignedOperation]) -> usize {
    let mut refused = 0;
    for signed in operations {
        match to.insert(signed.clone(), open) {
            Err(Refused::TooMany) => refused += 1,
            Err(error) => panic!("{error}"),
            Ok(_) => {}
        }
    }
    refused
}

/// All that `from` knows, none before one it names.
fn all(from: &Membership) -> Vec<SignedOperation> {
    from.operations(0)
        .map(|(_, signed)| signed.clone())
        .collect()
}

/// Checks DC-GROUP-026 (negative), DC-GROUP-027 (positive).
#[test]
fn a_member_that_does_things_without_end_does_not_keep_administrators_from_acting() {
    let mut group = four();
    let flood = forks(&group, 4, Deed::Leave, 3 * PER_INVITE);
    let refused = give(&mut group.known, &flood);
    // Its ACCEPT was the first.
    assert_eq!(refused, 2 * PER_INVITE + 1);
    let before = group.known.len();
    // In one line instead of side by side.
    let mut member = four().of(4);
    let start = member.known.len();
    for _ in 0..3 * PER_INVITE {
        let signed = write(&member.known, 4, Deed::Rename, None, "mine");
        let _ = member.known.insert(signed, open);
    }
    assert_eq!(member.known.len(), start + PER_INVITE - 1);
    for _ in 0..3 * PER_INVITE {
        group.does(Deed::Invite, Some(5));
    }
    assert_eq!(group.known.len(), before + 3 * PER_INVITE);
}

/// Checks DC-GROUP-026 (positive, negative).
#[test]
fn who_was_invited_by_nobody_who_may_is_heard_twice_and_invites_nobody() {
    let group = four();
    let mut member = group.of(4);
    member.does(Deed::Invite, Some(5));
    let mut guest = member.of(5);
    guest.does(Deed::Accept, None);
    let leaves = forks(&guest, 5, Deed::Leave, 3);
    assert_eq!(give(&mut guest.known, &leaves), 2);
    let guests = write(&guest.known, 5, Deed::Invite, Some(6), "");
    assert_eq!(guest.known.insert(guests, open), Err(Refused::TooMany));
    // All of it is void.
    assert_eq!(guest.known.roster(), group.known.roster());
}

#[test]
fn many_members_together_leave_room_for_administrators() {
    let mut group = Replica::create();
    for member in 2..=210 {
        group.does(Deed::Invite, Some(member));
    }
    let base = group.clone();
    let mut refused = 0;
    for member in 2..=210 {
        refused += give(
            &mut group.known,
            &forks(&base, member, Deed::Leave, PER_INVITE),
        );
    }
    assert!(refused > 0);
    assert_eq!(group.known.len(), MAX_OPERATIONS - RESERVED);
    for _ in 0..2 {
        group.does(Deed::Remove, Some(2));
        group.does(Deed::Invite, Some(2));
    }
    assert_eq!(group.known.len(), MAX_OPERATIONS - RESERVED + 4);
}

/// Checks DC-GROUP-027 (negative).
#[test]
fn who_was_removed_and_has_not_seen_it_fills_nothing() {
    let mut group = four();
    let mut gone = group.of(2);
    group.does(Deed::Remove, Some(2));
    // Number two was an administrator.
    for _ in 0..PER_REMOVED + 20 {
        gone.does(Deed::Invite, Some(9));
    }
    let before = group.known.len();
    give(&mut group.known, &all(&gone.known));
    assert_eq!(group.known.len(), before + PER_REMOVED);
    // What it did while it was one takes nothing of that away, and who removed it goes on.
    group.does(Deed::Invite, Some(5));
}

/// Checks DC-GROUP-028 (positive, negative).
#[test]
fn members_that_had_room_for_different_parts_of_too_much_come_together_again() {
    let group = four();
    let flood = forks(&group, 4, Deed::Leave, 2 * PER_INVITE);
    let (half, other) = flood.split_at(PER_INVITE);
    let (mut one, mut two) = (group.of(3), group.of(1));
    assert_eq!(give(&mut one.known, half), 1);
    assert_eq!(give(&mut two.known, other), 1);
    // Number three leaves, having seen one part; number one has seen the other.
    one.does(Deed::Leave, None);
    two.does(Deed::Remove, Some(4));
    for _ in 0..3 {
        let (ones, twos) = (all(&one.known), all(&two.known));
        give(&mut one.known, &twos);
        give(&mut two.known, &ones);
    }
    assert_eq!(one.known.roster(), two.known.roster());
    assert!(!one.known.roster().members.contains_key(&peer(3)));
    assert!(!one.known.roster().members.contains_key(&peer(4)));
    // What there was room for once there is room for after a restart.
    let mut again = Membership::new(*one.known.group());
    for signed in all(&one.known) {
        again.restore(signed, open).unwrap();
    }
    assert_eq!(again.len(), one.known.len());
    assert_eq!(again.roster(), one.known.roster());
}

#[test]
fn of_two_who_take_one_key_the_first_writes_with_it_and_the_other_ends_nothing() {
    let mut group = four();
    group.does(Deed::Invite, Some(5));
    let mut thief = group.of(5);
    let taken = write(&thief.known, 5, Deed::Accept, None, "");
    let mut operation: Operation = codec::decode(taken.body.as_slice()).unwrap();
    operation.seat.as_mut().unwrap().key = key(4, 1);
    let taken = SignedOperation {
        body: codec::Bytes::new(codec::encode(&operation)).unwrap(),
        signature: [0; 64],
    };
    thief.known.insert(taken, open).unwrap();
    thief.ends(Deed::Leave, None, &[]);
    let both = merged(&group, &thief);
    let roster = both.known.roster();
    assert_eq!(roster.writer(&key(4, 1), &[7; 16], 99), Some(&peer(4)));
    assert!(!roster.members.contains_key(&peer(5)));
}

/// Checks DC-GROUP-004 (negative).
#[test]
fn a_key_is_not_taken_twice() {
    let mut group = four();
    group.ends(Deed::Remove, Some(4), &[]);
    group.does(Deed::Invite, Some(4));
    let again = write(&group.known, 4, Deed::Accept, None, "");
    let mut operation: Operation = codec::decode(again.body.as_slice()).unwrap();
    operation.seat.as_mut().unwrap().key = key(4, 1);
    let again = SignedOperation {
        body: codec::Bytes::new(codec::encode(&operation)).unwrap(),
        signature: [0; 64],
    };
    assert_eq!(group.known.insert(again, open), Err(Refused::OldKey));
}

#[test]
fn a_seat_and_a_cut_stand_only_where_they_mean_something() {
    let mut group = four();
    let with = |change: fn(&mut Operation), deed, subject| {
        let signed = write(&group.known, 1, deed, subject, "");
        let mut operation: Operation = codec::decode(signed.body.as_slice()).unwrap();
        change(&mut operation);
        SignedOperation {
            body: codec::Bytes::new(codec::encode(&operation)).unwrap(),
            signature: [0; 64],
        }
    };
    let cut = |operation: &mut Operation| {
        operation.cut = Cut::new(vec![LogCut {
            log: [1; 16],
            seq: 1,
        }]);
    };
    let seatless = |operation: &mut Operation| operation.seat = None;
    let wrong = [
        with(cut, Deed::Invite, Some(5)),
        with(seatless, Deed::Accept, None),
    ];
    for signed in wrong {
        assert_eq!(group.known.insert(signed, open), Err(Refused::Shape));
    }
}

/// Checks DC-GROUP-021 (positive, negative).
#[test]
fn names_and_settings_of_both_sides_of_a_partition_count() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.says(Deed::Rename, "climbing");
    one.says(Deed::Policy, "late=20");
    two.says(Deed::Policy, "keep=7d");
    two.says(Deed::Policy, "unknown=yes");
    let roster = merged(&one, &two).known.roster();
    assert_eq!(roster.name, "climbing");
    let policy = Policy {
        keep_s: Some(7 * 86_400),
        late_join: LateJoin::Last(20),
    };
    assert_eq!(roster.policy, policy);
    assert_eq!(roster.members[&peer(3)].name, "member 3");
}

#[test]
fn somebody_is_told_what_was_done_to_it_and_no_more() {
    let mut group = four();
    let removal = group.does(Deed::Remove, Some(4));
    group.does(Deed::Invite, Some(5));
    let mut told = Membership::new(*group.known.group());
    for signed in group.known.upto(&removal.hash()) {
        assert!(matches!(told.insert(signed, open), Ok(Inserted::Added(0))));
    }
    assert_eq!(told.len(), group.known.len() - 1);
    assert!(!told.roster().members.contains_key(&peer(4)));
}

#[derive(Clone, Debug)]
enum Step {
    Do(u8, u8, u8),
    Meet(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_u8, 0..7_u8, 1..8_u8).prop_map(|(who, deed, whom)| Step::Do(who, deed, whom)),
        1 => (0..6_u8, 0..6_u8).prop_map(|(one, other)| Step::Meet(one, other)),
    ]
}

/// Lets six members act and meet as they like, and returns all operations.
fn history(steps: &[Step]) -> ([u8; 32], Vec<SignedOperation>) {
    let mut first = Replica::create();
    for member in [2, 3, 4] {
        first.adds(member);
    }
    first.does(Deed::Promote, Some(2));
    let mut replicas: Vec<Replica> = (1..=6).map(|me| first.of(me)).collect();
    for step in steps {
        match *step {
            Step::Meet(one, other) => {
                let other = replicas[usize::from(other)].clone();
                replicas[usize::from(one)].merge(&other);
            }
            Step::Do(who, deed, whom) => {
                let deeds = [
                    Deed::Invite,
                    Deed::Remove,
                    Deed::Remove,
                    Deed::Promote,
                    Deed::Accept,
                    Deed::Leave,
                    Deed::Rename,
                ];
                let deed = deeds[usize::from(deed)];
                let subject = matches!(deed, Deed::Invite | Deed::Remove | Deed::Promote);
                let replica = &mut replicas[usize::from(who)];
                let cut = [(whom, u32::from(who) * 3 + u32::from(whom)), (9, 5)];
                let signed = cutting(
                    &replica.known,
                    replica.me,
                    deed,
                    subject.then_some(whom),
                    "n",
                    if matches!(deed, Deed::Remove | Deed::Leave) {
                        &cut
                    } else {
                        &[]
                    },
                );
                // A stranger is refused, by everybody alike.
                let _ = replica.known.insert(signed, open);
            }
        }
    }
    let mut all = first.clone();
    for replica in &replicas {
        all.merge(replica);
    }
    let everything = all.known.after(&Parents::default(), &Parents::default());
    (*all.known.group(), everything)
}

fn read(group: [u8; 32], operations: &[SignedOperation]) -> (Roster, Vec<[u8; 32]>, usize) {
    let mut known = Membership::new(group);
    for signed in operations {
        known.insert(signed.clone(), open).unwrap();
    }
    (known.roster(), known.void(), known.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_order_of_arrival_gives_the_same_group(
        steps in proptest::collection::vec(step(), 0..40),
        order in Just(()).prop_perturb(|(), rng| rng),
    ) {
        let (group, operations) = history(&steps);
        let mut shuffled = operations.clone();
        let mut order = order;
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, order.random_range(0..=at));
        }
        let straight = read(group, &operations);
        prop_assert_eq!(straight.2, operations.len());
        prop_assert_eq!(straight, read(group, &shuffled));
    }

    #[test]
    fn whoever_was_removed_and_not_invited_again_is_out(
        steps in proptest::collection::vec(step(), 0..40),
    ) {
        let (group, operations) = history(&steps);
        let (roster, void, _) = read(group, &operations);
        let opened: Vec<_> = operations.iter().map(|one| (one.hash(), open(one).unwrap())).collect();
        for (hash, removal) in opened.iter().filter(|one| one.1.deed == Deed::Remove) {
            let invited_again = opened
                .iter()
                .any(|(_, other)| other.deed == Deed::Invite && other.subject == removal.subject);
            if !void.contains(hash) && !invited_again {
                prop_assert!(!roster.members.contains_key(&removal.subject.unwrap()));
            }
            // And what it wrote with the keys it had until then counts no further than the cut.
            if void.contains(hash) {
                continue;
            }
            let keys = opened.iter().filter(|(other, accept)| {
                accept.author == removal.subject.unwrap()
                    && accept.seat.is_some()
                    && removal.after.as_slice() == [*other]
            });
            for (_, accept) in keys {
                let writer = roster.writers.get(&accept.seat.as_ref().unwrap().key);
                for cut in removal.cut.as_slice() {
                    prop_assert!(writer.is_none_or(|writer| writer.upto(&cut.log) <= cut.seq));
                }
                prop_assert!(writer.is_none_or(|writer| writer.upto(&[0xee; 16]) == 0));
            }
        }
    }
}
