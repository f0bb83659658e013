//! Whatever happens, as many relays are held as there can be.

use std::time::Duration;

use dchat_wire::Address;
use dchat_wire::relay::Refusal;
use proptest::prelude::*;

use super::world::{World, candidate, found, id};
use crate::relay::proto::client::reservations::Input;

#[derive(Clone, Debug)]
enum Op {
    Up(u8, u64),
    Gone(u8),
    Grant(u8),
    Refuse(u8, usize, u32),
    Silent(u8),
    Rtt(u8, u64),
    List(u8),
    Wait(u64),
    Network,
}

fn op() -> impl Strategy<Value = Op> {
    let serial = || 1..7u8;
    prop_oneof![
        8 => (serial(), 1..300u64).prop_map(|(serial, rtt)| Op::Up(serial, rtt)),
        2 => serial().prop_map(Op::Gone),
        8 => serial().prop_map(Op::Grant),
        2 => (serial(), 0..9usize, 0..200u32).prop_map(|(a, b, c)| Op::Refuse(a, b, c)),
        1 => serial().prop_map(Op::Silent),
        2 => (serial(), 1..300u64).prop_map(|(serial, rtt)| Op::Rtt(serial, rtt)),
        1 => any::<u8>().prop_map(Op::List),
        6 => (0..2_000u64).prop_map(Op::Wait),
        1 => Just(Op::Network),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Held are at most as many as wanted; the circuits are those of the held; and once the
    /// network behaves, as many are held as there are relays for.
    #[test]
    fn as_many_are_held_as_there_can_be_once_relays_behave(
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut world = World::new(found(6));
        for op in ops {
            match op {
                Op::Up(serial, rtt) if world.dialing.contains(&serial) => world.up(serial, rtt),
                Op::Gone(serial) => { world.dialing.remove(&serial); world.gone(serial); }
                Op::Grant(serial) if world.asked.contains_key(&serial) => world.grant(serial),
                Op::Refuse(serial, reason, retry) if world.asked.contains_key(&serial) =>
                    world.refuse(serial, Refusal::ALL[reason], retry),
                Op::Silent(serial) if world.asked.contains_key(&serial) => world.answer(serial, None),
                Op::Rtt(serial, rtt) => {
                    let rtt = Duration::from_millis(rtt);
                    world.input(Input::Rtt { relay: id(serial), rtt });
                }
                Op::List(bits) => {
                    let of = (1..7).filter(|bit| bits >> bit & 1 == 1);
                    world.input(Input::Candidates(
                        of.map(|serial| candidate(serial, serial == 1)).collect(),
                    ));
                }
                Op::Wait(seconds) => world.wait(Duration::from_secs(seconds)),
                Op::Network => world.input(Input::NetworkChanged),
                Op::Up(..) | Op::Grant(_) | Op::Refuse(..) | Op::Silent(_) => {}
            }
            let held = world.held();
            prop_assert!(held.len() <= 2);
            let circuits: Vec<_> = world.circuits.iter().map(|circuit| match circuit {
                Address::Circuit { relay, .. } => world.serial(*relay),
                Address::Direct { .. } => panic!("not a circuit"),
            }).collect();
            prop_assert_eq!(circuits, held);
        }
        world.input(Input::Candidates(found(6)));
        let end = world.now + Duration::from_secs(3 * 3600);
        world.behave();
        while let Some(due) = world.keeper.poll_timeout() && due < end {
            world.wait(due - world.now);
            world.behave();
        }
        prop_assert_eq!(world.held().len(), 2);
    }
}
