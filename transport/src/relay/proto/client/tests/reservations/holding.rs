//! Which relays are held, and what happens when one fails.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dchat_wire::Address;

use super::world::{World, candidate, found, id, ours, socket};
use crate::relay::proto::client::reservations::{
    Candidate, Config, Event, Input, Output, Reservations, SOCKETS,
};

/// Checks DC-RELAY-004 (positive), DC-RELAY-006 (positive).
#[test]
fn two_relays_are_held_and_their_circuits_told() {
    let mut world = World::new(found(4));
    assert_eq!(world.dialing(), [1, 2]);
    world.hold(1, 30);
    world.hold(2, 20);
    assert_eq!(world.held(), [1, 2]);
    assert_eq!(world.dialing(), []);
    let circuit = |serial| Address::Circuit {
        socket: socket(serial),
        relay: id(serial),
        peer: Some(ours()),
    };
    assert_eq!(world.circuits, [circuit(1), circuit(2)]);
}

#[test]
fn those_the_user_named_come_first() {
    let mut list = found(3);
    list.push(candidate(4, true));
    let world = World::new(list);
    assert_eq!(world.dialing(), [1, 4]);
}

/// Checks DC-RELAY-006 (negative).
#[test]
fn one_relay_is_held_where_there_is_only_one() {
    let mut world = World::new(found(1));
    world.hold(1, 30);
    assert_eq!(world.held(), [1]);
}

/// Checks DC-RELAY-019 (positive).
#[test]
fn when_one_dies_the_next_is_asked_at_once_and_its_circuit_withdrawn() {
    let mut world = World::new(found(3));
    world.hold(1, 30);
    world.hold(2, 30);
    world.gone(1);
    assert_eq!(world.circuits.len(), 1);
    assert_eq!(world.dialing(), [3]);
    world.hold(3, 30);
    assert_eq!(world.held(), [2, 3]);
}

/// Checks DC-RELAY-019 (negative).
#[test]
fn the_only_relay_is_tried_again_and_again_ever_more_slowly() {
    let mut world = World::new(found(1));
    let mut waits = Vec::new();
    for _ in 0..12 {
        assert_eq!(world.dialing(), [1]);
        world.dialing.clear();
        world.gone(1);
        let before = world.now;
        while world.dialing.is_empty() {
            let due = world.keeper.poll_timeout().unwrap();
            world.wait(due - world.now);
        }
        waits.push(world.now - before);
    }
    assert!(waits[0] < Duration::from_secs(2));
    assert!(
        waits.windows(2).take(7).all(|pair| pair[1] > pair[0]),
        "{waits:?}"
    );
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(375)));
}

#[test]
fn a_slow_connection_does_not_keep_the_next_relay_waiting() {
    let mut world = World::new(found(3));
    world.hold(1, 30);
    world.wait(Duration::from_secs(2));
    assert_eq!(world.dialing(), [2, 3]);
    world.hold(3, 30);
    assert_eq!(world.held(), [1, 3]);
    assert_eq!(world.dialing(), [], "the slow one is given up");
}

#[test]
fn a_connection_that_is_there_already_is_used() {
    let mut world = World::new(vec![Candidate {
        sockets: Vec::new(),
        ..candidate(1, false)
    }]);
    assert_eq!(world.dialing(), [], "there is nowhere to dial");
    world.up(1, 10);
    world.grant(1);
    assert_eq!(world.held(), [1]);
}

/// Checks DC-RELAY-006 (positive).
#[test]
fn it_renews_at_about_half_its_time_and_not_all_at_once() {
    let mut world = World::new(found(2));
    world.hold(1, 30);
    world.hold(2, 30);
    let granted = world.now;
    let mut renewals = Vec::new();
    while renewals.len() < 2 {
        let due = world.keeper.poll_timeout().unwrap();
        world.wait(due - world.now);
        for serial in world.asked.keys().copied().collect::<Vec<_>>() {
            renewals.push(world.now - granted);
            world.grant(serial);
        }
    }
    for renewal in &renewals {
        let share = renewal.as_secs_f64() / 3600.0;
        assert!((0.449..=0.551).contains(&share), "{share}");
    }
    assert_ne!(renewals[0], renewals[1]);
    assert_eq!(world.held(), [1, 2]);
    assert!(
        !world
            .events
            .iter()
            .any(|event| matches!(event, Event::Lost { .. }))
    );
}

#[test]
fn a_renewal_without_answer_is_asked_again_until_the_time_is_over() {
    let mut world = World::new(found(1));
    world.hold(1, 30);
    let mut asks = BTreeSet::new();
    while world.held() == [1] {
        let due = world.keeper.poll_timeout().unwrap();
        world.wait(due - world.now);
        asks.extend(world.asked.values().copied());
    }
    assert!(asks.len() > 10);
    assert!(world.circuits.is_empty());
}

#[test]
fn a_clearly_nearer_relay_takes_the_place_of_the_farthest_once_it_is_held() {
    let mut world = World::new(found(3));
    world.hold(1, 200);
    world.hold(2, 50);
    let rtt = |ms| Input::Rtt {
        relay: id(3),
        rtt: Duration::from_millis(ms),
    };
    world.input(rtt(150));
    assert_eq!(world.dialing(), [], "not clearly");
    world.input(rtt(20));
    assert_eq!(world.dialing(), [3]);
    assert_eq!(world.held(), [1, 2], "nothing is given up yet");
    world.hold(3, 20);
    assert_eq!(world.held(), [2, 3]);
    world.wait(Duration::from_secs(600));
    assert_eq!(world.dialing(), [], "and it stays so");
}

#[test]
fn a_relay_that_is_listed_no_more_is_left() {
    let mut world = World::new(found(2));
    world.hold(1, 30);
    world.hold(2, 30);
    world.input(Input::Candidates(vec![
        candidate(2, false),
        candidate(3, false),
    ]));
    assert_eq!(world.held(), [2]);
    assert_eq!(world.dialing(), [3]);
    assert_eq!(world.circuits.len(), 1);
}

#[test]
fn after_a_change_of_network_those_at_rest_are_tried_at_once() {
    let mut world = World::new(found(1));
    for _ in 0..8 {
        world.dialing.clear();
        world.gone(1);
        let due = world.keeper.poll_timeout().unwrap();
        world.wait(due - world.now);
    }
    world.dialing.clear();
    world.gone(1);
    assert_eq!(world.dialing(), []);
    world.input(Input::NetworkChanged);
    assert_eq!(world.dialing(), [1]);
}

#[test]
fn lists_are_bounded_and_we_are_no_relay_of_ours() {
    let mut list: Vec<_> = (1..=60).map(|serial| candidate(serial, false)).collect();
    list[0].relay = ours();
    list[1].sockets = (0..20).map(socket).collect();
    let mut keeper = Reservations::new(Config::default(), ours(), [1; 32]);
    keeper.handle_input(Input::Candidates(list), Instant::now());
    while let Some(output) = keeper.poll_output() {
        if let Output::Connect { relay, sockets } = output {
            assert_ne!(relay, ours());
            assert!(sockets.len() <= SOCKETS);
        }
    }
}
