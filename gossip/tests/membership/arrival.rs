//! The order in which operations arrive does not matter.

use dchat_gossip::membership::{Inserted, Membership, Roster};
use dchat_wire::group::{Deed, Parents, SignedOperation};
use proptest::prelude::*;

use crate::replica::{Replica, cutting, four, open, peer};

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
