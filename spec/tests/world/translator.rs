//! Every box against the tables of RFC 4787, over random traffic.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dchat_spec::sim::nat::{Allocation, Behaviour, Filtering, Mapping, Refused, Translator};
use dchat_spec::sim::{Rng, Time};
use proptest::prelude::*;

use crate::reference::History;

const LIFETIME: Duration = Duration::from_secs(120);

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn public() -> IpAddr {
    "192.0.2.1".parse().unwrap()
}

fn mapping() -> impl Strategy<Value = Mapping> {
    prop::sample::select(vec![
        Mapping::None,
        Mapping::EndpointIndependent,
        Mapping::AddressDependent,
        Mapping::AddressAndPortDependent,
    ])
}

fn filtering() -> impl Strategy<Value = Filtering> {
    prop::sample::select(vec![
        Filtering::EndpointIndependent,
        Filtering::AddressDependent,
        Filtering::AddressAndPortDependent,
    ])
}

fn allocation() -> impl Strategy<Value = Allocation> {
    prop::sample::select(vec![
        Allocation::Preserving,
        Allocation::Sequential { stride: 1 },
        Allocation::Sequential { stride: -3 },
        Allocation::Block { ports: 64 },
        Allocation::Random,
    ])
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    (mapping(), filtering(), allocation()).prop_map(|(mapping, filtering, allocation)| Behaviour {
        lifetime: LIFETIME,
        ..Behaviour::nat(mapping, filtering, allocation)
    })
}

/// Two sockets of two inside hosts, and two sockets of two outside ones.
fn ends() -> ([SocketAddr; 4], [SocketAddr; 4]) {
    let all = |ips: [&str; 2]| {
        [(0, 5000), (0, 5001), (1, 5000), (1, 5001)]
            .map(|(ip, port)| SocketAddr::new(ips[ip].parse().unwrap(), port))
    };
    (
        all(["192.168.0.2", "192.168.0.3"]),
        all(["198.51.100.1", "203.0.113.1"]),
    )
}

#[derive(Clone, Debug)]
enum Step {
    Out { inside: usize, to: usize },
    In { from: usize, through: usize },
    Wait { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_usize, 0..4_usize).prop_map(|(inside, to)| Step::Out { inside, to }),
        4 => (0..4_usize, 0..16_usize).prop_map(|(from, through)| Step::In { from, through }),
        1 => (1..130_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

proptest! {
    #[test]
    fn a_box_does_what_the_tables_say(
        behaviour in behaviour(),
        steps in prop::collection::vec(step(), 1..80),
        seed in any::<u64>(),
    ) {
        let (insides, outsides) = ends();
        let mut translator = Translator::new(behaviour, vec![public()], Rng::new(seed, "test", 0));
        let mut history = History::new(behaviour);
        let mut now = Time::ZERO;
        // Addresses that packets from outside try: all that were ever given out.
        let mut given: Vec<SocketAddr> = vec![SocketAddr::new(public(), 9)];
        for step in steps {
            match step {
                Step::Wait { seconds } => now = now + Duration::from_secs(seconds),
                Step::Out { inside, to } => {
                    let (inside, to) = (insides[inside], outsides[to]);
                    let outside = translator.outbound(inside, to, now).unwrap();
                    match history.public(inside, to, now) {
                        Some(same) => prop_assert_eq!(outside, same),
                        None => prop_assert!(!history.in_use(outside, now)),
                    }
                    let firewall = behaviour.mapping == Mapping::None;
                    let source = if firewall { inside.ip() } else { public() };
                    prop_assert_eq!(outside.ip(), source);
                    history.note(inside, outside, to, now);
                    given.push(outside);
                }
                Step::In { from, through } => {
                    let from = outsides[from];
                    let through = given[through % given.len()];
                    let reached = translator.inbound(from, through, now);
                    prop_assert_eq!(reached.ok(), history.admitted(from, through, now));
                }
            }
        }
    }

    #[test]
    fn packets_from_outside_change_nothing_unless_they_refresh(
        behaviour in behaviour(),
        refresh in any::<bool>(),
    ) {
        let behaviour = Behaviour { inbound_refresh: refresh, ..behaviour };
        let ([inside, ..], [to, ..]) = ends();
        let mut translator = Translator::new(behaviour, vec![public()], Rng::new(1, "test", 0));
        let outside = translator.outbound(inside, to, Time::ZERO).unwrap();
        let late = Time::ZERO + (LIFETIME - Duration::from_secs(1));
        prop_assert_eq!(translator.inbound(to, outside, late), Ok(inside));
        // The filter's own memory ends all the same: who only listens is not answered for ever.
        let later = late + Duration::from_secs(2);
        let open = refresh && behaviour.filtering == Filtering::EndpointIndependent;
        prop_assert_eq!(translator.inbound(to, outside, later).is_ok(), open);
    }
}

#[test]
fn a_reboot_forgets_every_mapping() {
    let behaviour = Behaviour::nat(
        Mapping::EndpointIndependent,
        Filtering::EndpointIndependent,
        Allocation::Random,
    );
    let ([inside, ..], [to, ..]) = ends();
    let mut translator = Translator::new(behaviour, vec![public()], Rng::new(1, "test", 0));
    let outside = translator.outbound(inside, to, Time::ZERO).unwrap();
    translator.reboot();
    let reached = translator.inbound(to, outside, Time::ZERO);
    assert_eq!(reached, Err(Refused::NoMapping));
}

#[test]
fn a_full_table_refuses_until_something_dies() {
    let behaviour = Behaviour {
        mappings: 2,
        ..Behaviour::nat(
            Mapping::AddressAndPortDependent,
            Filtering::AddressAndPortDependent,
            Allocation::Random,
        )
    };
    let ([inside, ..], [one, two, three, _]) = ends();
    let mut translator = Translator::new(behaviour, vec![public()], Rng::new(1, "test", 0));
    for to in [one, two] {
        translator.outbound(inside, to, Time::ZERO).unwrap();
    }
    let refused = translator.outbound(inside, three, Time::ZERO);
    assert_eq!(refused, Err(Refused::Exhausted));
    let later = Time::ZERO + LIFETIME;
    assert!(translator.outbound(inside, three, later).is_ok());
}

#[test]
fn hosts_share_a_pool_in_pairs() {
    let behaviour = Behaviour::nat(
        Mapping::AddressAndPortDependent,
        Filtering::EndpointIndependent,
        Allocation::Random,
    );
    let pool = vec![public(), "192.0.2.2".parse().unwrap()];
    let ([one, _, two, _], outsides) = ends();
    let mut translator = Translator::new(behaviour, pool, Rng::new(1, "test", 0));
    let mut seen = |inside| {
        let ips = outsides.map(|to| translator.outbound(inside, to, Time::ZERO).unwrap().ip());
        assert!(ips.iter().all(|ip| *ip == ips[0]), "{ips:?}");
        ips[0]
    };
    assert_ne!(seen(one), seen(two));
}

#[test]
fn hairpinning_shows_the_public_source_and_obeys_the_filter() {
    let behaviour = |filtering, hairpin| Behaviour {
        hairpin,
        ..Behaviour::nat(
            Mapping::EndpointIndependent,
            filtering,
            Allocation::Preserving,
        )
    };
    let run = |behaviour: Behaviour| {
        let ([one, _, two, _], [server, ..]) = ends();
        let mut translator = Translator::new(behaviour, vec![public()], Rng::new(1, "test", 0));
        let to = translator.outbound(two, server, Time::ZERO).unwrap();
        translator.hairpin(one, to, Time::ZERO)
    };
    let open = run(behaviour(Filtering::EndpointIndependent, true));
    assert_eq!(
        open,
        Ok((addr("192.0.2.1:5000"), addr("192.168.0.3:5000"))).map(|(_, to)| (open.unwrap().0, to))
    );
    assert_eq!(open.unwrap().0.ip(), public());
    let closed = run(behaviour(Filtering::AddressDependent, true));
    assert_eq!(closed, Err(Refused::Filtered));
    let none = run(behaviour(Filtering::EndpointIndependent, false));
    assert_eq!(none, Err(Refused::NoHairpin));
}
