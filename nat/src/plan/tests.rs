//! The plan of every pair of classes.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use dchat_wire::nat::{Allocation, Filtering, Mapping, NatClass};
use proptest::prelude::*;

use super::{Hopeless, Law, Plan, Shots, plan, traversable};
use crate::agent::bounds;

fn class(mapping: Mapping, filtering: Filtering, allocation: Allocation) -> NatClass {
    NatClass {
        mapping,
        filtering,
        allocation,
        stride: u16::from(allocation == Allocation::Sequential),
        block_first: if allocation == Allocation::Block {
            2048
        } else {
            0
        },
        block_len: if allocation == Allocation::Block {
            512
        } else {
            0
        },
    }
}

fn easy() -> NatClass {
    class(
        Mapping::EndpointIndependent,
        Filtering::AddressAndPortDependent,
        Allocation::Preserving,
    )
}

fn hard(allocation: Allocation) -> NatClass {
    class(
        Mapping::AddressAndPortDependent,
        Filtering::AddressAndPortDependent,
        allocation,
    )
}

fn ours(a: &NatClass, b: &NatClass) -> Plan {
    plan(a, b, true, bounds::SOCKETS)
}

#[test]
fn two_known_ports_need_no_guess() {
    assert_eq!(ours(&easy(), &easy()), Plan::Direct);
    assert_eq!(ours(&NatClass::UNKNOWN, &easy()), Plan::Direct);
}

#[test]
fn the_side_with_unknown_ports_scatters_and_the_other_sprays() {
    let (easy, hard) = (easy(), hard(Allocation::Random));
    let Plan::Guess(target) = ours(&hard, &easy) else {
        panic!("no guess");
    };
    assert!(target.starts && !target.sample);
    assert_eq!(target.sockets, bounds::SOCKETS);
    let Plan::Guess(sprayer) = ours(&easy, &hard) else {
        panic!("no guess");
    };
    assert_eq!((sprayer.starts, sprayer.shots), (false, Shots::Spray));
}

#[test]
fn a_sprayer_behind_a_block_meets_several_scatters() {
    let dependent = class(
        Mapping::AddressDependent,
        Filtering::AddressDependent,
        Allocation::Random,
    );
    let mut block = hard(Allocation::Block);
    block.block_len = 256;
    let Plan::Guess(target) = ours(&dependent, &block) else {
        panic!("no guess");
    };
    // Against random ports one round of all sockets is enough; a block has 192 ports for guesses.
    let Plan::Guess(once) = ours(&dependent, &hard(Allocation::Random)) else {
        panic!("no guess");
    };
    assert_eq!((once.sockets, once.rounds), (bounds::SOCKETS, 1));
    assert_eq!(target.rounds, 2);
    let all = u32::from(target.rounds) * (u32::from(target.sockets) + 192);
    assert!(all <= bounds::PLANNED, "{all}");
    assert!(u32::from(target.sockets) * 2 > u32::from(bounds::SOCKETS) * 3 / 2);
    let Plan::Guess(sprayer) = ours(&block, &dependent) else {
        panic!("no guess");
    };
    assert!(sprayer.shots == Shots::Spray && sprayer.rounds >= target.rounds);
}

#[test]
fn a_sequence_is_sampled() {
    let Plan::Guess(part) = ours(&hard(Allocation::Sequential), &easy()) else {
        panic!("no guess");
    };
    assert!(part.sample && part.starts);
}

#[test]
fn two_sequences_count_at_different_steps() {
    let class = hard(Allocation::Sequential);
    let steps =
        [true, false].map(
            |controlling| match plan(&class, &class, controlling, bounds::SOCKETS) {
                Plan::Guess(part) => part.shots,
                plan => panic!("{plan:?}"),
            },
        );
    assert_eq!(steps, [1, 2].map(|step| Shots::Count { step, passes: 2 }));
}

#[test]
fn random_ports_on_both_sides_are_hopeless() {
    let random = hard(Allocation::Random);
    let hopeless = Plan::Relay(Hopeless::BothSymmetric);
    assert_eq!(ours(&random, &random), hopeless);
    assert_eq!(ours(&random, &hard(Allocation::Block)), hopeless);
    assert_eq!(ours(&random, &hard(Allocation::Sequential)), hopeless);
}

#[test]
fn a_block_that_does_not_fit_is_any_port() {
    let mut class = hard(Allocation::Block);
    class.block_first = 65_000;
    class.block_len = 1000;
    assert_eq!(
        Law::of(&class),
        Law::Among {
            first: 1024,
            len: 64512
        }
    );
}

prop_compose! {
    fn any_class()(
        mapping in 0..5usize,
        filtering in 0..5usize,
        allocation in 0..5usize,
        stride: u16,
        block_first: u16,
        block_len: u16,
    ) -> NatClass {
        NatClass {
            mapping: Mapping::ALL[mapping],
            filtering: Filtering::ALL[filtering],
            allocation: Allocation::ALL[allocation],
            stride,
            block_first,
            block_len,
        }
    }
}

proptest! {
    /// Checks DC-NAT-014 (positive, negative).
    #[test]
    fn both_sides_agree(a in any_class(), b in any_class()) {
        prop_assert_eq!(traversable(&a, &b), traversable(&b, &a));
        let first = plan(&a, &b, true, bounds::SOCKETS);
        let second = plan(&b, &a, false, bounds::SOCKETS);
        match (first, second) {
            (Plan::Direct, Plan::Direct) => {}
            (Plan::Relay(a), Plan::Relay(b)) => prop_assert_eq!(a, b),
            (Plan::Guess(a), Plan::Guess(b)) => {
                prop_assert!(a.starts != b.starts);
                for (part, controlling) in [(&a, true), (&b, false)] {
                    let starts = match part.shots {
                        Shots::Scatter { .. } => true,
                        Shots::Spray => false,
                        _ => controlling,
                    };
                    prop_assert_eq!(part.starts, starts, "{:?}", part);
                }
                prop_assert!(a.sockets <= bounds::SOCKETS && b.sockets <= bounds::SOCKETS);
                prop_assert!(a.rounds >= 1 && b.rounds >= 1);
                let sprays = [a, b].iter().filter(|part| part.shots == Shots::Spray).count();
                let scatters = [a, b]
                    .iter()
                    .filter(|part| matches!(part.shots, Shots::Scatter { .. }))
                    .count();
                prop_assert_eq!(sprays, scatters);
            }
            (first, second) => prop_assert!(false, "{:?} against {:?}", first, second),
        }
    }
}
