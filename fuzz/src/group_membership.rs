//! Operations on a group's membership, in any order.

use std::collections::BTreeSet;

use dchat_gossip::membership::{Membership, Roster, Standing};
use dchat_wire::codec::{Text, decode};
use dchat_wire::extension::Extensions;
use dchat_wire::group::{
    Cut, Deed, LogCut, Operation, OperationError, Parents, Seat, SignedOperation,
};
use dchat_wire::sign::Identity;
use dchat_wire::{Bytes, PeerId, encode};

use crate::script::Script;

/// People who may do something.
const PEOPLE: usize = 6;
/// Operations of one story: fewer than may wait, so that none is forgotten.
const MOST: usize = 48;

/// Input: a script of operations, sensible ones and others, each by somebody who has seen some of those
/// before.
///
/// Whatever the order of arrival, the same operations are part of the graph and void, and the same
/// people, keys and settings follow. Somebody belongs only by an invitation; who made the group is out
/// only when it left or an administrator removed it; a void operation never becomes part of what is.
///
/// # Panics
/// When it is not so.
pub fn group_membership(data: &[u8]) {
    let mut script = Script::new(data);
    let orders = script.u8();
    let story = story(&mut script);
    let group = story[0].hash();
    let forwards: Vec<usize> = (0..story.len()).collect();
    let mut backwards = forwards.clone();
    backwards.reverse();
    let mut shuffled = forwards.clone();
    shuffled.sort_by_key(|at| blake3::hash(&[orders, *at as u8]).as_bytes()[0]);
    let mut turned = forwards.clone();
    turned.rotate_left(usize::from(orders) % story.len());

    let first = told(&group, &story, &forwards);
    sound(&first);
    for order in [backwards, shuffled, turned] {
        let other = told(&group, &story, &order);
        assert_eq!(names(&first), names(&other), "other operations");
        assert_eq!(first.void(), other.void(), "other operations are void");
        assert_eq!(first.roster(), other.roster(), "another group");
    }
}

/// Signatures are not what is looked at here.
fn open(signed: &SignedOperation) -> Result<Operation, OperationError> {
    Ok(decode(signed.body.as_slice())?)
}

fn told(group: &[u8; 32], story: &[SignedOperation], order: &[usize]) -> Membership {
    let mut membership = Membership::new(*group);
    for at in order {
        // What is refused in one order is so in all; the comparison shows it.
        let _ = membership.insert(story[*at].clone(), open);
    }
    membership
}

fn names(membership: &Membership) -> BTreeSet<[u8; 32]> {
    let all = membership.after(&Parents::default(), &Parents::default());
    let mut names: BTreeSet<_> = all.iter().map(SignedOperation::hash).collect();
    assert_eq!(names.len(), membership.len().min(64));
    names.extend(membership.heads().as_slice());
    names
}

fn sound(membership: &Membership) {
    let roster: Roster = membership.roster();
    let void: BTreeSet<[u8; 32]> = membership.void().into_iter().collect();
    let all = membership.after(&Parents::default(), &Parents::default());
    let valid: Vec<Operation> = all
        .iter()
        .filter(|signed| !void.contains(&signed.hash()))
        .map(|signed| decode(signed.body.as_slice()).unwrap())
        .collect();
    let did = |deed: Deed, who: &PeerId| {
        let mut by = valid.iter();
        by.any(|one| one.deed == deed && (one.author == *who || one.subject == Some(*who)))
    };
    for (who, member) in &roster.members {
        let invited = did(Deed::Invite, who) || did(Deed::Create, who);
        assert!(invited, "{who} belongs and was never invited");
        if member.standing == Standing::Admin {
            assert!(did(Deed::Promote, who) || did(Deed::Create, who));
        }
    }
    for one in valid.iter().filter(|one| one.deed == Deed::Create) {
        let is_in = roster.is_admin(&one.author);
        let ends = valid.iter().any(|end| {
            end.deed == Deed::Leave && end.author == one.author
                || end.deed == Deed::Remove && end.subject == Some(one.author)
        });
        assert!(is_in || ends, "who made the group is out without an end");
    }
    for (key, writer) in &roster.writers {
        let of = |one: &&Operation| one.seat.as_ref().is_some_and(|seat| seat.key == *key);
        let took = valid.iter().find(of).expect("a key that nobody took");
        assert_eq!(took.author, writer.member);
        if writer.ends.is_none() {
            assert!(roster.members.contains_key(&writer.member));
        }
    }
}

fn person(number: usize) -> PeerId {
    Identity::from_seed(&[number as u8 + 1; 32]).peer_id()
}

fn story(script: &mut Script<'_>) -> Vec<SignedOperation> {
    let people: Vec<PeerId> = (0..PEOPLE).map(person).collect();
    let mut story: Vec<SignedOperation> = Vec::new();
    // What each operation has seen, itself included.
    let mut pasts: Vec<BTreeSet<usize>> = Vec::new();
    let mut authors: Vec<(PeerId, u32)> = Vec::new();
    let mut group = [0; 32];
    while story.len() < MOST {
        let Some(step) = script.step().or(story.is_empty().then_some(0)) else {
            break;
        };
        let number = story.len();
        let author = if number == 0 { 0 } else { script.below(PEOPLE) };
        // Some of the newest; the author always knows its own.
        let seen = script.u8();
        let mut past: BTreeSet<usize> = BTreeSet::new();
        let mut after = Vec::new();
        for (back, at) in (0..number).rev().enumerate().take(8) {
            let own = authors[at].0 == people[author] && back < 3;
            if seen & (1 << back) != 0 || own {
                past.extend(&pasts[at]);
                after.push(story[at].hash());
            }
        }
        if number > 0 && after.is_empty() {
            past.extend(&pasts[number - 1]);
            after.push(story[number - 1].hash());
        }
        let own = past.iter().filter(|at| authors[**at].0 == people[author]);
        let last = own.map(|at| authors[*at].1).max().unwrap_or(0);
        let wrong = step >= 0xf0;
        let seq = if wrong {
            u32::from(script.u8())
        } else {
            last + 1
        };
        let deed = match number {
            0 => Deed::Create,
            _ => script.one_of(&Deed::ALL[1..]),
        };
        let subject = matches!(deed, Deed::Invite | Deed::Remove | Deed::Promote) != (step == 0xff);
        let seat = matches!(deed, Deed::Create | Deed::Accept);
        let cut = script.below(3);
        let ends = matches!(deed, Deed::Leave | Deed::Remove);
        let log = |script: &mut Script<'_>| LogCut {
            log: [script.u8() % 4; 16],
            seq: script.u8().into(),
        };
        let cut = (0..if ends { cut } else { 0 })
            .map(|_| log(script))
            .collect();
        let operation = Operation {
            group,
            author: people[author],
            seq,
            after: Parents::new(after),
            at: 0,
            deed,
            subject: subject.then(|| people[script.below(PEOPLE)]),
            text: Text::new(script.one_of(&["", "friends", "late=all", "keep=5m"])).unwrap(),
            seat: seat.then(|| Seat {
                key: [script.u8(); 32],
                proof: [0; 64],
                name: Text::new("somebody").unwrap(),
            }),
            cut: Cut::new(cut),
            extensions: Extensions::default(),
        };
        let signed = SignedOperation {
            body: Bytes::new(encode(&operation)).unwrap(),
            signature: [0; 64],
        };
        if number == 0 {
            group = signed.hash();
        }
        past.insert(number);
        pasts.push(past);
        authors.push((people[author], seq));
        story.push(signed);
    }
    story
}
