//! Members that do as they like while they are parted, meet in any order, and end alike.

use std::collections::{BTreeMap, BTreeSet};

use dchat_gossip::membership::Membership;
use dchat_wire::PeerId;
use dchat_wire::codec;
use dchat_wire::group::{Deed, SealedBody, SignedOperation};
use proptest::prelude::*;

use super::memory::At;
use super::world::{World, peer};
use crate::e2ee::{InboundSession, SessionId};

const PEOPLE: u8 = 6;

#[derive(Clone, Debug)]
enum Step {
    Say(u8),
    Remove(u8, u8),
    Invite(u8, u8),
    Accept(u8),
    Promote(u8, u8),
    Leave(u8),
    Meet(u8, u8),
    Post(u8, u8),
    Restart(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 1..=PEOPLE;
    prop_oneof![
        6 => who().prop_map(Step::Say),
        1 => (1..=3_u8, who()).prop_map(|(by, whom)| Step::Remove(by, whom)),
        1 => (1..=3_u8, who()).prop_map(|(by, whom)| Step::Invite(by, whom)),
        1 => who().prop_map(Step::Accept),
        1 => (1..=3_u8, who()).prop_map(|(by, whom)| Step::Promote(by, whom)),
        1 => who().prop_map(Step::Leave),
        6 => (who(), who()).prop_map(|(one, other)| Step::Meet(one, other)),
        4 => (who(), who()).prop_map(|(one, other)| Step::Post(one, other)),
        1 => who().prop_map(Step::Restart),
    ]
}

/// Who could read here, as the author of an item knew when it wrote it.
type Readers = BTreeMap<At, BTreeSet<PeerId>>;

fn run(steps: &[Step]) -> (World, Readers) {
    let mut world = World::joined(PEOPLE - 1);
    let extra = World::new(PEOPLE).members.pop().unwrap();
    world.members.push(extra);
    let id = *world.one(1).group.id();
    let last = world.one(PEOPLE);
    last.group = crate::group::Group::load(&mut last.ledger, id, peer(PEOPLE)).unwrap();
    for admin in [2, 3] {
        world.one(1).promotes(admin);
    }
    world.settle(&|_, _| true);
    let mut readers = Readers::new();
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Say(who) => {
                let known = world.one(who).group.roster().readers().copied().collect();
                if let Some(at) = world.one(who).says(&format!("{who} says {number}")) {
                    readers.insert(at, known);
                }
            }
            Step::Remove(by, whom) => drop(world.one(by).removes(whom)),
            Step::Invite(by, whom) => drop(world.one(by).invites(whom)),
            Step::Accept(who) => drop(world.one(who).accepts()),
            Step::Promote(by, whom) => drop(world.one(by).promotes(whom)),
            Step::Leave(who) => drop(world.one(who).leaves()),
            Step::Meet(one, other) if one != other => world.meet(one, other),
            Step::Post(one, other) if one != other => world.post(one, other),
            Step::Restart(who) => world.one(who).restarts(),
            Step::Meet(..) | Step::Post(..) => {}
        }
    }
    for _ in 0..3 {
        world.settle(&|_, _| true);
    }
    (world, readers)
}

/// The group as one would see it who knows all operations that anybody who is in it knows.
fn whole(world: &World) -> Membership {
    let mut whole = Membership::new(*world.members[0].group.id());
    for member in &world.members {
        for signed in &member.ledger.operations {
            whole.insert(signed.clone(), SignedOperation::open).unwrap();
        }
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Checks DC-GROUP-010 (positive), DC-GROUP-011 (positive).
    #[test]
    fn members_that_meet_again_have_one_roster_and_one_history(
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let (world, _) = run(&steps);
        let inside: Vec<_> = world
            .members
            .iter()
            .filter(|member| {
                let me = member.identity.peer_id();
                member.group.roster().is_member(&me)
            })
            .collect();
        // Whoever still reaches each other agrees: all that see each other inside.
        for one in &inside {
            for other in &inside {
                let linked = one.group.roster().is_member(&other.identity.peer_id())
                    && other.group.roster().is_member(&one.identity.peer_id());
                if !linked {
                    continue;
                }
                prop_assert_eq!(one.group.roster(), other.group.roster());
                let places = |member: &super::world::Member| -> Vec<At> {
                    member.history().into_iter().map(|(at, _)| at).collect()
                };
                prop_assert_eq!(places(one), places(other));
                for (at, text) in one.history() {
                    let theirs = other.texts.get(&at).map(String::as_str);
                    prop_assert!(text.is_none() || theirs.is_none() || text == theirs);
                }
            }
        }
        // Whoever never was threatened reads everything.
        let whole = whole(&world);
        let threatened: BTreeSet<_> = whole
            .operations(0)
            .filter_map(|(operation, _)| match operation.deed {
                Deed::Remove => operation.subject,
                Deed::Leave => Some(operation.author),
                _ => None,
            })
            .collect();
        for member in inside.iter().filter(|member| member.number < PEOPLE) {
            if !threatened.contains(&member.identity.peer_id()) {
                for (at, text) in member.history() {
                    prop_assert!(text.is_some(), "{} cannot read {at:?}", member.number);
                }
            }
        }
    }

    /// Checks DC-GROUP-016 (negative), DC-GROUP-018 (negative), DC-GROUP-019 (negative).
    #[test]
    fn nothing_is_readable_by_one_who_was_no_member_as_the_author_knew(
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let (world, readers) = run(&steps);
        for thief in &world.members {
            // The thief gets hold of every sealed item there is, and tries all of its sessions.
            for item in world.members.iter().flat_map(|member| member.ledger.items.values()) {
                let known = &readers[&super::world::place(item)];
                if known.contains(&thief.identity.peer_id()) {
                    continue;
                }
                let body = item.signed().body.as_ref().unwrap();
                let sealed: SealedBody = codec::decode(body.as_slice()).unwrap();
                for (_, id, export) in &thief.ledger.sessions {
                    if *id == SessionId(sealed.session) {
                        let mut session = InboundSession::import(export).unwrap();
                        prop_assert!(session.decrypt(sealed.message.as_slice()).is_err());
                    }
                }
            }
        }
    }
}
