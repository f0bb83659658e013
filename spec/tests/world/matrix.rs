//! Peers with the real cores, in every pair of profiles. `dchat-sim nat` does the same with a
//! thousand seeds and prints what came of it.

use std::time::{Duration, Instant};

use dchat_nat::agent::Reason;
use dchat_nat::plan::traversable;
use dchat_spec::sim::scenario::{ClassifyRun, NatRun, Weather, classify, nat};
use dchat_spec::sim::site::{Profile, needs_guess};

use crate::profiles::is_hopeless;

const CALM: Weather = Weather {
    loss: 0.0,
    reorder: 0.0,
};
const STORMY: Weather = Weather {
    loss: 0.05,
    reorder: 0.01,
};

/// All ordered pairs with this judgement on whether a port has to be guessed.
fn pairs(guess: bool) -> Vec<(Profile, Profile)> {
    let all = Profile::all();
    let with = |a: &Profile| all.iter().map(|b| (*a, *b)).collect::<Vec<_>>();
    let pairs = all.iter().flat_map(with);
    pairs
        .filter(|(a, b)| needs_guess(*a, *b) == guess)
        .collect()
}

fn run((a, b): (Profile, Profile), seed: u64, weather: Weather) -> NatRun {
    nat(a, b, seed, weather, Instant::now())
}

#[test]
fn every_pair_without_a_guess_becomes_direct() {
    let pairs = pairs(false);
    assert_eq!(pairs.len(), 93, "the set in profiles.rs");
    for pair in pairs {
        for seed in 0..2 {
            let run = run(pair, seed, CALM);
            assert!(
                run.reachable && run.direct.is_some(),
                "{pair:?} {seed} {run:?}"
            );
        }
    }
}

#[test]
fn every_pair_without_a_guess_becomes_direct_although_packets_are_lost() {
    for (index, pair) in (0..).zip(pairs(false)) {
        let run = run(pair, index, STORMY);
        assert!(run.reachable && run.direct.is_some(), "{pair:?} {run:?}");
    }
}

#[test]
fn every_other_pair_is_reached_over_the_relay_at_least() {
    for pair in pairs(true) {
        for weather in [CALM, STORMY] {
            let run = run(pair, 7, weather);
            assert!(run.reachable, "{pair:?} {run:?}");
        }
    }
}

#[test]
fn the_first_message_does_not_wait_for_a_direct_path() {
    for pair in pairs(false) {
        let run = run(pair, 3, CALM);
        let (message, direct) = (run.message.unwrap(), run.direct.unwrap());
        assert!(message < direct, "{pair:?} {run:?}");
        // A channel takes one round trip, the handshake one and a half, each a little longer for
        // jitter and work that is put off by up to 25 ms.
        assert!(message < run.round_trip * 3, "{pair:?} {run:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let pair = (Profile::Sequential, Profile::PortBlock);
    let again = || run(pair, 11, STORMY);
    let first = again();
    assert_eq!(again(), first);
    assert_ne!(run(pair, 12, STORMY).trace, first.trace);
}

#[test]
fn the_agent_and_the_exchange_agree_on_who_needs_no_guess() {
    // The classes as the real classifier finds them, so this also fails when it does not.
    for a in Profile::all() {
        for b in Profile::all() {
            // What counts for these is another family than the one that is classified.
            if a.has_ipv6() && b.has_ipv6() {
                continue;
            }
            let [a_class, b_class] = [a, b].map(|profile| {
                let found = classified(profile, 1);
                found.class
            });
            let judged = traversable(&a_class, &b_class);
            assert_eq!(judged, !needs_guess(a, b), "{a:?} {b:?}");
        }
    }
}

/// Checks DC-NAT-034 (positive).
#[test]
fn every_profile_is_classified_rightly_in_two_seconds_and_forty_packets() {
    for profile in Profile::all() {
        for seed in 0..20 {
            let found = classified(profile, seed);
            let right = found.mapping && found.filtering && found.allocation;
            assert!(right, "{profile:?} {seed} {found:?}");
            assert!(
                found.took <= Duration::from_secs(2),
                "{profile:?} {seed} {found:?}"
            );
            assert!(found.packets <= 40, "{profile:?} {seed} {found:?}");
        }
    }
}

fn classified(profile: Profile, seed: u64) -> ClassifyRun {
    classify(profile, seed, CALM, Instant::now()).expect("it ends")
}

#[test]
fn both_sides_take_the_direct_path_though_it_is_asked_thrice_at_once() {
    // Found by dchat-sim: the probe of full size came with others, and was not answered.
    let ei_ei = Profile::named("ei-ei").expect("a profile");
    for seed in [104, 330, 343] {
        let run = run((Profile::Public, ei_ei), seed, CALM);
        assert!(run.direct.is_some(), "{seed} {run:?}");
    }
}

#[test]
fn both_sides_of_every_relayed_pair_know_why() {
    let mut exhausted = 0;
    for pair in pairs(true) {
        for seed in 0..4 {
            let run = run(pair, seed, CALM);
            let told = [run.reason, run.peer_reason];
            if is_hopeless(pair) {
                assert_eq!(told, [Some(Reason::BothSymmetric); 2], "{pair:?} {seed}");
                assert_eq!(run.direct, None, "{pair:?} {seed}");
            } else if run.direct.is_none() {
                let tried = |reason| matches!(reason, None | Some(Reason::Exhausted { .. }));
                assert!(told.into_iter().all(tried), "{pair:?} {seed} {told:?}");
                exhausted += told.iter().flatten().count();
            }
        }
    }
    // Pairs with port blocks stay relayed in half of their runs.
    assert!(exhausted >= 10, "{exhausted}");
}

#[test]
fn a_pair_is_reached_although_the_last_flight_of_the_handshake_is_lost() {
    // Found by dchat-sim: only the first flight, which had arrived, was probed for.
    let [ei_apd, v6] =
        ["ei-apd", "v6-firewall"].map(|name| Profile::named(name).expect("a profile"));
    let weather = Weather {
        reorder: 0.0,
        ..STORMY
    };
    let run = run((ei_apd, v6), 469, weather);
    assert!(run.reachable, "{run:?}");
}
