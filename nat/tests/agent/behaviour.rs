//! One behaviour each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::agent::{
    Agent, Config, Input, Local, Outcome, Output, Reason, Side, Socket, bounds,
};
use dchat_wire::extension::Extensions;
use dchat_wire::nat::{CandidateKind, Candidates, NatClass, Punch};
use dchat_wire::{Frame, List};

use crate::profile::{Profile, profiles};
use crate::world::{Link, World, candidate, peers, start};

fn profile(name: &str) -> Profile {
    profiles()
        .into_iter()
        .find(|profile| profile.name == name)
        .expect("a profile of that name")
}

fn link() -> Link {
    Link {
        direct: Duration::from_millis(25),
        relayed: Duration::from_millis(40),
        reflector: Duration::from_millis(30),
        loss: 0.0,
    }
}

fn world(a: &str, b: &str) -> World {
    World::new([&profile(a), &profile(b)], link(), 7)
}

fn connected(a: &str, b: &str) -> World {
    let mut world = world(a, b);
    world.introduce();
    world.run(Duration::from_secs(10), World::both_direct);
    assert!(world.both_direct());
    world
}

fn reason(world: &World, index: usize) -> Option<Reason> {
    match world.hosts[index].agent.outcome() {
        Outcome::Relayed(reason) => Some(reason),
        Outcome::Direct { .. } => None,
    }
}

#[test]
fn once_direct_nothing_more_is_probed() {
    let mut world = connected("eim/apdf", "eim/apdf");
    world.run(Duration::from_secs(5), |_| false);
    let probes = world.hosts.each_ref().map(|host| host.probes);
    world.run(Duration::from_secs(7200), |_| false);
    assert_eq!(probes, world.hosts.each_ref().map(|host| host.probes));
    assert!(
        world
            .hosts
            .iter()
            .all(|host| host.agent.poll_timeout().is_none())
    );
}

/// Checks DC-NAT-033 (positive).
#[test]
fn a_lost_path_is_found_again() {
    let mut world = connected("eim/apdf", "eim/adf");
    world.run(Duration::from_secs(60), |_| false);
    for host in &mut world.hosts {
        host.direct = None;
    }
    // Only one side notices; the other probes because it is told.
    world.input(0, Input::Lost);
    world.run(Duration::from_secs(70), |world| {
        world.hosts[0].direct.is_some()
    });
    assert!(world.hosts[0].direct.is_some());
}

/// Checks DC-NAT-033 (negative).
#[test]
fn losses_in_a_row_are_answered_more_and_more_slowly() {
    let mut world = connected("eim/apdf", "eim/apdf");
    let mut waits = Vec::new();
    for _ in 0..4 {
        // What is still on its way when a path is lost may prove it anew.
        let settled = world.now - world.began + Duration::from_secs(3);
        world.run(settled, |_| false);
        let lost = world.now;
        world.hosts[0].direct = None;
        world.input(0, Input::Lost);
        world.run(Duration::from_secs(3600), |world| {
            world.hosts[0].direct.is_some()
        });
        waits.push(world.now - lost);
    }
    assert!(waits.is_sorted(), "{waits:?}");
    assert!(waits[3] >= Duration::from_secs(8), "{waits:?}");
}

#[test]
fn a_peer_that_begins_late_finds_us_still_probing() {
    let mut world = world("apdm/apdf", "eim/adf");
    let locals = [0, 1].map(|index| world.local(index));
    let [first, second] = locals.map(Input::Local);
    // Lost on the way and repeated: until it comes, the peer's filter lets nothing of ours in.
    world.link.relayed = Duration::from_millis(2500);
    world.input(0, first);
    world.link.relayed = Duration::from_millis(40);
    world.input(1, second);
    world.run(Duration::from_secs(10), World::both_direct);
    assert!(world.both_direct());
}

#[test]
fn ports_a_block_has_not_enough_of_are_tried_against_several_scatters() {
    let mut hits = 0;
    for seed in 0..40 {
        let mut world = World::new([&profile("adm/adf"), &narrow_block()], link(), seed);
        world.introduce();
        world.run(Duration::from_secs(20), World::both_direct);
        hits += u32::from(world.both_direct());
        let probes: u32 = world.hosts.iter().map(|host| host.probes).sum();
        assert!(probes <= 1200, "{probes} probes");
    }
    // One round hits with 1 − (1 − 460/64512)^192 = 75 %, two with 89 %; 33 or fewer of 40 come
    // once in eight times of the latter, 30 or fewer once in a hundred.
    assert!(hits >= 31, "{hits} of 40");
}

fn narrow_block() -> Profile {
    let mut block = profile("block");
    for nat in &mut block.nats {
        nat.block_len = 256;
    }
    block
}

/// Checks DC-NAT-017 (negative).
#[test]
fn failure_is_followed_by_ever_rarer_attempts() {
    let mut world = world("eim/apdf", "eim/apdf");
    world.cut = [true, true];
    world.introduce();
    world.run(Duration::from_secs(2 * 3600), |_| false);
    let times: Vec<_> = world.hosts[0].outcomes.iter().map(|(at, _)| *at).collect();
    assert!((4..=9).contains(&times.len()), "{} attempts", times.len());
    assert_eq!(reason(&world, 0), Some(Reason::Filtered));
}

#[test]
fn an_attempt_after_failure_succeeds_once_the_way_is_free() {
    let mut world = world("eim/apdf", "eim/apdf");
    world.cut = [true, true];
    world.introduce();
    world.run(Duration::from_secs(20), |_| false);
    world.cut = [false, false];
    world.run(Duration::from_secs(120), World::both_direct);
    assert!(world.both_direct());
}

#[test]
fn one_dead_direction_is_named() {
    let mut world = world("public", "public");
    world.cut = [true, false];
    world.introduce();
    world.run(Duration::from_secs(10), |_| false);
    assert_eq!(reason(&world, 0), Some(Reason::OneWay));
    assert_eq!(reason(&world, 1), Some(Reason::Filtered));
}

#[test]
fn two_random_symmetric_nats_are_named() {
    let mut world = world("apdm/apdf", "apdm/apdf");
    world.introduce();
    world.run(Duration::from_secs(10), |_| false);
    assert_eq!(reason(&world, 0), Some(Reason::BothSymmetric));
    assert_eq!(reason(&world, 1), Some(Reason::BothSymmetric));
}

#[test]
fn guessing_can_be_switched_off() {
    let config = Config {
        guess: false,
        ..Config::default()
    };
    let ends = [&profile("eim/apdf"), &profile("apdm/apdf")];
    let mut world = World::with(ends, link(), 7, config);
    world.introduce();
    world.run(Duration::from_secs(10), |_| false);
    assert_eq!(reason(&world, 0), Some(Reason::PortsUnpredictable));
    assert!(world.hosts.iter().all(|host| host.probes < 40));
}

/// Checks DC-NAT-025 (negative).
#[test]
fn relay_only_says_nothing_and_probes_nothing() {
    let config = Config {
        relay_only: true,
        ..Config::default()
    };
    let mut world = World::with([&profile("public"), &profile("public")], link(), 7, config);
    world.introduce();
    world.run(Duration::from_secs(60), |_| false);
    for (index, host) in world.hosts.iter().enumerate() {
        assert_eq!(host.probes, 0);
        assert_eq!(reason(&world, index), Some(Reason::RelayOnly));
        assert!(host.informed.is_none());
    }
}

#[test]
fn a_peer_that_says_nothing_is_named() {
    let mut world = world("public", "public");
    let local = world.local(0);
    world.input(0, Input::Local(local));
    world.hosts[1].agent = silent();
    world.run(Duration::from_secs(30), |_| false);
    assert_eq!(reason(&world, 0), Some(Reason::PeerDoesNotPunch));
}

#[test]
fn a_peer_whose_answers_come_too_late_is_not_said_to_take_no_part() {
    // PUNCH is answered after 4 s, and waited for 2.5 s.
    let slow = Link {
        relayed: Duration::from_secs(2),
        ..link()
    };
    let [a, b] = ["seq", "seq"].map(profile);
    let mut world = World::new([&a, &b], slow, 7);
    world.introduce();
    let mut said = Vec::new();
    for second in 0..100 {
        world.run(Duration::from_secs(second), |_| false);
        said.extend([0, 1].map(|side| reason(&world, side)));
    }
    assert!(!said.contains(&Some(Reason::PeerDoesNotPunch)), "{said:?}");
}

fn silent() -> Agent {
    let [ours, theirs] = peers();
    let config = Config {
        relay_only: true,
        ..Config::default()
    };
    Agent::new(config, ours, theirs, [0; 32], start())
}

fn theirs(generation: u32, addrs: &[SocketAddr]) -> Input {
    Input::Candidates(Candidates {
        generation,
        class: NatClass::UNKNOWN,
        candidates: List::first_of(
            addrs
                .iter()
                .map(|addr| candidate(CandidateKind::Host, *addr)),
        ),
        extensions: Extensions::default(),
    })
}

fn lone(addrs: &[&str]) -> Agent {
    let [ours, theirs] = peers();
    let mut agent = Agent::new(Config::default(), ours, theirs, [1; 32], start());
    let candidates = addrs
        .iter()
        .map(|addr| candidate(CandidateKind::Host, addr.parse().unwrap()));
    let local = Local {
        class: NatClass::UNKNOWN,
        candidates: candidates.collect(),
    };
    agent.handle_input(Input::Local(local), start());
    agent
}

fn outputs(agent: &mut Agent) -> Vec<Output> {
    std::iter::from_fn(|| agent.poll_output()).collect()
}

/// Checks DC-NAT-024 (positive, negative).
#[test]
fn where_the_peers_question_came_from_is_asked_before_all_others() {
    let others: Vec<SocketAddr> = (1..=9)
        .map(|host| SocketAddr::from(([20, 0, 0, host], 1)))
        .collect();
    let probed = |asked: Option<SocketAddr>| {
        let now = start();
        let mut agent = lone(&["8.8.8.8:1"]);
        agent.handle_input(theirs(1, &others), now);
        outputs(&mut agent);
        if let Some(remote) = asked {
            let from = Socket::Main;
            agent.handle_input(Input::Asked { from, remote }, now);
        }
        let mut probed = Vec::new();
        while probed.len() < 3 {
            let due = agent.poll_timeout().expect("it probes");
            agent.handle_timeout(due);
            probed.extend(
                outputs(&mut agent)
                    .into_iter()
                    .filter_map(|output| match output {
                        Output::Probe { remote, .. } => Some(remote),
                        _ => None,
                    }),
            );
        }
        probed
    };
    let elsewhere = SocketAddr::from(([30, 0, 0, 1], 7));
    assert_eq!(probed(Some(elsewhere))[0], elsewhere);
    assert!(!probed(None).contains(&elsewhere));
    // Not where nobody may be asked.
    let nowhere = SocketAddr::from(([224, 0, 0, 1], 7));
    assert!(!probed(Some(nowhere)).contains(&nowhere));
}

/// Checks DC-NAT-011 (negative).
#[test]
fn candidates_of_an_old_generation_are_ignored() {
    let now = start();
    let mut agent = lone(&["8.8.8.8:1"]);
    let (old, new) = ("1.1.1.1:1".parse().unwrap(), "2.2.2.2:2".parse().unwrap());
    agent.handle_input(theirs(2, &[new]), now);
    outputs(&mut agent);
    agent.handle_input(theirs(1, &[old]), now);
    agent.handle_input(theirs(2, &[old]), now);
    let mut at = now;
    for _ in 0..60 {
        at += Duration::from_millis(50);
        agent.handle_timeout(at);
        for output in outputs(&mut agent) {
            assert!(!matches!(output, Output::Probe { remote, .. } if remote == old));
        }
    }
}

/// Checks DC-NAT-015 (negative).
#[test]
fn a_punch_nobody_waits_for_is_ignored() {
    let now = start();
    let mut agent = lone(&["8.8.8.8:1"]);
    agent.handle_input(theirs(1, &["1.1.1.1:1".parse().unwrap()]), now);
    outputs(&mut agent);
    for answers in [true, false] {
        let punch = Punch {
            round: 1,
            answers,
            prediction: None,
            sockets: 400,
            extensions: Extensions::default(),
        };
        agent.handle_input(Input::Punch(punch), now);
        assert_eq!(outputs(&mut agent), Vec::new());
    }
}

#[test]
fn many_dead_interfaces_do_not_starve_a_good_address() {
    let now = start();
    let mut agent = lone(&["8.8.8.8:1", "192.168.1.5:1"]);
    let mut addrs: Vec<SocketAddr> = (0..23)
        .map(|net| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, net, 0, 1)), 4001))
        .collect();
    let good = "1.1.1.1:4001".parse().unwrap();
    addrs.push(good);
    let mut at = now;
    agent.handle_input(theirs(1, &addrs), now);
    let mut probed = Vec::new();
    while at < now + Duration::from_millis(100) {
        agent.handle_timeout(at);
        probed.extend(
            outputs(&mut agent)
                .into_iter()
                .filter_map(|output| match output {
                    Output::Probe { remote, .. } => Some(remote),
                    _ => None,
                }),
        );
        at += Duration::from_millis(1);
    }
    assert_eq!(probed.first(), Some(&good));
    assert!(probed.iter().filter(|remote| **remote == good).count() >= 2);
}

#[test]
fn what_was_told_before_is_not_told_again() {
    let [ours, theirs] = peers();
    let local = |addr: &str| Local {
        class: NatClass::UNKNOWN,
        candidates: vec![candidate(CandidateKind::Host, addr.parse().unwrap())],
    };
    let (told, changed) = (local("8.8.8.8:1"), local("9.9.9.9:1"));
    let opening = told.opening(&Config::default());
    assert_eq!(opening.generation, 1);
    let mut agent = Agent::new(Config::default(), ours, theirs, [1; 32], start());
    agent.handle_input(Input::Told(told.clone()), start());
    agent.handle_input(Input::Local(told), start());
    assert_eq!(outputs(&mut agent), []);
    // A change is newer than the opening, and the opening is never said again.
    agent.handle_input(Input::Local(changed.clone()), start());
    agent.handle_input(Input::Told(local("7.7.7.7:1")), start());
    let said = outputs(&mut agent);
    let [Output::Send(Frame::Candidates(said))] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(said.generation, 2);
    assert_eq!(
        said.candidates,
        changed.opening(&Config::default()).candidates
    );
}

#[test]
fn of_many_own_addresses_the_best_are_told() {
    let [ours, theirs] = peers();
    let mut agent = Agent::new(Config::default(), ours, theirs, [1; 32], start());
    let mut candidates: Vec<_> = (0..60)
        .map(|net| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, net, 0, 1)), 4001))
        .map(|addr| candidate(CandidateKind::Host, addr))
        .collect();
    let seen = candidate(CandidateKind::Reflexive, "1.1.1.1:4001".parse().unwrap());
    candidates.push(seen.clone());
    let class = NatClass::UNKNOWN;
    agent.handle_input(Input::Local(Local { class, candidates }), start());
    let told = outputs(&mut agent);
    let [Output::Send(Frame::Candidates(told))] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(told.candidates.len(), dchat_wire::limits::CANDIDATES);
    assert_eq!(told.candidates.first(), Some(&seen));
}

#[test]
fn no_address_and_no_common_family_are_named() {
    let now = start();
    for (ours, peers, reason) in [
        (vec![], "1.1.1.1:1", Reason::NoCandidates(Side::Ours)),
        (
            vec!["8.8.8.8:1"],
            "127.0.0.1:1",
            Reason::NoCandidates(Side::Theirs),
        ),
        (vec!["8.8.8.8:1"], "[2400::1]:1", Reason::NoCommonFamily),
        (
            vec!["10.0.0.1:1"],
            "1.1.1.1:1",
            Reason::UdpBlocked(Side::Ours),
        ),
    ] {
        let mut agent = lone(&ours);
        agent.handle_input(theirs(1, &[peers.parse().unwrap()]), now);
        while let Some(due) = agent
            .poll_timeout()
            .filter(|due| *due < now + bounds::ATTEMPT)
        {
            agent.handle_timeout(due);
            outputs(&mut agent);
        }
        assert_eq!(agent.outcome(), Outcome::Relayed(reason));
    }
}

/// Checks DC-NAT-011 (positive), DC-NAT-017 (positive).
#[test]
fn a_changed_network_is_told_and_tried_at_once() {
    let mut world = connected("eim/apdf", "public");
    world.run(Duration::from_secs(30), |_| false);
    let local = world.local(0);
    world.hosts[0].direct = None;
    world.input(0, Input::NetworkChanged);
    assert_eq!(reason(&world, 0), Some(Reason::StillTrying));
    world.input(0, Input::Local(local));
    let before = world.now;
    world.run(Duration::from_secs(40), |world| {
        world.hosts[0].direct.is_some()
    });
    assert!(world.now - before <= Duration::from_millis(200));
}

/// Reached at this address and lost again three times within a minute.
fn unsteady(at: &mut Instant, home: SocketAddr) -> Agent {
    let mut agent = lone(&["8.8.8.8:1"]);
    agent.handle_input(theirs(1, &[home]), *at);
    for _ in 0..3 {
        probes(&mut agent, at, Duration::from_secs(10));
        answered(&mut agent, home, *at);
        agent.handle_input(Input::Lost, *at);
    }
    probes(&mut agent, at, Duration::from_secs(10));
    answered(&mut agent, home, *at);
    probes(&mut agent, at, Duration::from_secs(3));
    agent
}

fn answered(agent: &mut Agent, remote: SocketAddr, at: Instant) {
    let rtt = Duration::from_millis(20);
    let from = Socket::Main;
    agent.handle_input(Input::Answered { from, remote, rtt }, at);
}

/// Where it probes in the next `span`.
fn probes(agent: &mut Agent, at: &mut Instant, span: Duration) -> Vec<SocketAddr> {
    let until = *at + span;
    let mut sent = Vec::new();
    loop {
        sent.extend(
            outputs(agent)
                .into_iter()
                .filter_map(|output| match output {
                    Output::Probe { remote, .. } => Some(remote),
                    _ => None,
                }),
        );
        let Some(due) = agent.poll_timeout().filter(|due| *due < until) else {
            break;
        };
        *at = due.max(*at);
        agent.handle_timeout(*at);
    }
    *at = until;
    sent
}

#[test]
fn a_loss_that_is_noticed_late_does_not_end_the_search_at_the_peers_new_address() {
    let [home, away]: [SocketAddr; 2] =
        ["1.1.1.1:4001", "2.2.2.2:4001"].map(|at| at.parse().unwrap());
    let mut at = start();
    let mut agent = unsteady(&mut at, home);
    agent.handle_input(theirs(2, &[away]), at);
    assert!(probes(&mut agent, &mut at, Duration::from_millis(500)).contains(&away));
    agent.handle_input(Input::Lost, at);
    let told = outputs(&mut agent);
    let again = |output: &Output| matches!(output, Output::Send(_));
    assert!(!told.iter().any(again), "the peer has begun already");
    assert!(probes(&mut agent, &mut at, Duration::from_millis(500)).contains(&away));
}

#[test]
fn a_peer_that_moved_is_no_longer_one_whose_paths_do_not_last() {
    let [home, away]: [SocketAddr; 2] =
        ["1.1.1.1:4001", "2.2.2.2:4001"].map(|at| at.parse().unwrap());
    let mut at = start();
    let mut agent = unsteady(&mut at, home);
    agent.handle_input(theirs(2, &[away]), at);
    probes(&mut agent, &mut at, Duration::from_millis(500));
    answered(&mut agent, away, at);
    probes(&mut agent, &mut at, Duration::from_secs(3));
    agent.handle_input(Input::Lost, at);
    assert!(probes(&mut agent, &mut at, Duration::from_millis(500)).contains(&away));
}

/// Checks DC-NAT-016 (negative), DC-NAT-023 (negative), DC-NAT-026 (negative).
#[test]
fn a_peer_that_names_a_victim_gets_little_sent_there() {
    let now = start();
    let mut agent = lone(&["8.8.8.8:1"]);
    let victim: SocketAddr = "3.3.3.3:3".parse().unwrap();
    let class = profile("apdm/apdf").class();
    let (mut at, mut probes, mut round) = (now, 0, 0);
    while at < now + Duration::from_secs(3500) {
        round += 1;
        let mut told = Candidates {
            generation: round,
            class: class.clone(),
            candidates: List::first_of([candidate(CandidateKind::Reflexive, victim)]),
            extensions: Extensions::default(),
        };
        told.class.stride = 1;
        agent.handle_input(Input::Candidates(told), at);
        let punch = Punch {
            round,
            answers: false,
            prediction: None,
            sockets: 1,
            extensions: Extensions::default(),
        };
        agent.handle_input(Input::Punch(punch), at);
        let until = at + Duration::from_millis(1500);
        while let Some(due) = agent.poll_timeout().filter(|due| *due < until) {
            at = at.max(due);
            agent.handle_timeout(at);
            let sent = outputs(&mut agent);
            probes += sent
                .iter()
                .filter(|output| matches!(output, Output::Probe { .. }))
                .count();
        }
        at = until;
    }
    let windows = 3500 / bounds::LEDGER_WINDOW.as_secs() as usize + 1;
    let most = bounds::GUESSES_PER_WINDOW as usize + windows * usize::from(bounds::PROBES_PER_IP);
    assert!(probes <= most, "{probes} probes in an hour");
    assert!(probes > 100, "the budget was not even tried: {probes}");
}
