//! Who reaches whom, with the real binary: ordered pairs of places, each with its verdict.
//!
//! All pairs exchange messages, at once over a relay. Those that `lab::verdict` finds a way for
//! become direct by themselves in the time of their class; the others may. Pairs run side by
//! side, and the table is printed: `cargo test -p dchat --test nat_matrix -- --nocapture`.
//! `DCHAT_MATRIX_ONLY=a,b` runs one pair.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]
#![allow(clippy::print_stderr, reason = "the table is the result")]

mod lab;
mod support;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lab::link::Conditions;
use lab::network::{Network, Peer};
use lab::profile::{PROFILES, Profile};
use lab::verdict::{Way, reason, way};
use support::history;

/// The places of which every ordered pair runs.
const SQUARE: [&str; 6] = [
    "public",
    "ei-ei",
    "ei-ad",
    "masquerade",
    "sequential",
    "kernel-block",
];
/// Further pairs: every other place at least once, and the ways that need luck or many probes.
const MORE: [(&str, &str); 16] = [
    ("v6-firewall", "v6-firewall"),
    ("v6-firewall", "double-nat"),
    ("double-nat", "masquerade"),
    ("double-nat", "double-nat"),
    ("double-kernel-random", "ei-ad"),
    ("ei-apd", "ei-apd"),
    ("ei-apd", "port-block"),
    ("ad-ei", "ei-apd"),
    ("ad-ad", "ad-ad"),
    ("ad-apd", "ei-ad"),
    ("apd-ei", "ei-ad"),
    ("apd-ad", "ei-ad"),
    ("apd-apd", "public"),
    ("masquerade", "kernel-random"),
    ("kernel-random", "kernel-random"),
    ("port-mapping", "kernel-random"),
];
/// Pairs at once: three of them keep two cores busy.
const AT_ONCE: usize = 3;
/// How long an attempt to find a direct path may take, on a loaded machine.
const SETTLES: Duration = Duration::from_secs(45);
/// Of pairs whose way is a birthday, so many may fail by chance: each has odds of 98 %.
const UNLUCKY: usize = 1;

struct Outcome {
    names: (&'static str, &'static str),
    way: Way,
    /// From the first contact to the first message delivered.
    first: Duration,
    /// From the first contact to a direct path at both ends.
    direct: Option<Duration>,
    /// What `doctor` says to either of it.
    told: Option<[String; 2]>,
    fault: Option<String>,
}

#[test]
fn every_pair_exchanges_messages_and_becomes_direct_where_there_is_a_way() {
    let Some(network) = Network::new() else {
        return;
    };
    let pairs = Mutex::new(pairs());
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = pairs.lock().unwrap().pop_front();
                    let Some(names) = next else { return };
                    let outcome = outcome(&network, names);
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    eprintln!("{}", table(&outcomes));
    let failed =
        |way| move |one: &&Outcome| one.fault.is_some() && (one.way == Way::Birthday) == way;
    let faults: Vec<_> = outcomes
        .iter()
        .filter(failed(false))
        .map(|one| (one.names, &one.fault))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let unlucky: Vec<_> = outcomes
        .iter()
        .filter(failed(true))
        .map(|one| (one.names, &one.fault))
        .collect();
    assert!(unlucky.len() <= UNLUCKY, "{unlucky:#?}");
}

fn pairs() -> VecDeque<(&'static str, &'static str)> {
    let named = |name: &str| PROFILES.iter().find(|(known, _)| *known == name).unwrap().0;
    if let Ok(only) = std::env::var("DCHAT_MATRIX_ONLY") {
        let (a, b) = only.split_once(',').expect("DCHAT_MATRIX_ONLY=a,b");
        return [(named(a), named(b))].into();
    }
    let square = SQUARE.iter().flat_map(|a| SQUARE.map(|b| (*a, b)));
    // Those that take longest first.
    MORE.into_iter().rev().chain(square).collect()
}

fn outcome(network: &Network, names: (&'static str, &'static str)) -> Outcome {
    let places = (Profile::named(names.0), Profile::named(names.1));
    let way = way(places.0, places.1);
    let mut outcome = Outcome {
        names,
        way,
        first: Duration::ZERO,
        direct: None,
        told: None,
        fault: None,
    };
    let ran = catch_unwind(AssertUnwindSafe(|| run(network, places, &mut outcome)));
    if let Err(why) = ran {
        let said = why.downcast_ref::<String>().cloned();
        outcome.fault = said.or(Some("it panicked".to_owned()));
    }
    outcome
}

/// One pair, from two fresh homes to the end of a conversation.
fn run(network: &Network, places: (Profile, Profile), outcome: &mut Outcome) {
    let line = Conditions {
        jitter: Duration::from_millis(1),
        ..Conditions::delayed(10)
    };
    let alice = network.peer("Alice", places.0, line);
    let bob = network.peer("Bob", places.1, line);
    let began = Instant::now();
    alice.befriend(&bob, &network.relays[0]);
    alice.say(&bob, "from Alice 1");
    outcome.first = began.elapsed();
    bob.say(&alice, "from Bob 1");

    let patience = outcome.way.patience().unwrap_or(Duration::from_secs(5));
    let reached = alice
        .wait_for_path(&bob, "direct", patience)
        .and_then(|_| bob.wait_for_path(&alice, "direct", patience));
    match reached {
        Ok(_) => outcome.direct = Some(began.elapsed()),
        Err(path) if outcome.way.patience().is_some() => {
            let path = path.map(|peer| peer["path"].clone());
            let reasons = (told(&alice, &bob), told(&bob, &alice));
            outcome.fault = Some(format!("{path:?} after {patience:?}: {reasons:?}"));
        }
        Err(_) => {}
    }
    alice.say(&bob, "from Alice 2");
    bob.say(&alice, "from Bob 2");
    let both = || [(&alice, &bob), (&bob, &alice)].map(|(one, other)| settled_reason(one, other));
    let mut told = both();
    if outcome.direct.is_none() && told.iter().any(|told| told == "direct") {
        // Luck came late: perhaps one was asked before it and the other after.
        let reached = alice
            .wait_for_path(&bob, "direct", SETTLES)
            .and_then(|_| bob.wait_for_path(&alice, "direct", SETTLES));
        outcome.direct = reached.ok().map(|_| began.elapsed());
        told = both();
    }
    let right = match outcome.direct {
        Some(_) => "direct",
        None => reason(places.0, places.1),
    };
    if told.iter().any(|told| told != right) {
        outcome
            .fault
            .get_or_insert(format!("{told:?}, not {right}"));
    }
    outcome.told = Some(told);
    assert_conversation(alice, bob);
}

/// Why a peer is not reached directly, once it is no longer tried.
fn settled_reason(peer: &Peer, other: &Peer) -> String {
    let began = Instant::now();
    loop {
        let reason = told(peer, other);
        if reason != "still-trying" || began.elapsed() > SETTLES {
            return reason;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Why a peer is not reached directly.
fn told(peer: &Peer, other: &Peer) -> String {
    let report = peer.doctor(&["--peer", &other.name]);
    report["peer"]["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn assert_conversation(alice: Peer, bob: Peer) {
    let (alice, bob) = (alice.leave(), bob.leave());
    for (me, other) in [(&alice, &bob), (&bob, &alice)] {
        let entries = history::of(me.path(), &me.peer, &other.peer);
        history::assert_said(&entries, &alice.peer, "from Alice", 2);
        history::assert_said(&entries, &bob.peer, "from Bob", 2);
        history::assert_delivered(&entries);
    }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut sorted: Vec<_> = outcomes.iter().collect();
    sorted.sort_by_key(|one| (one.way, one.names));
    let mut table = format!(
        "{:<21} {:<21} {:<9} {:>9} {:>9} {}\n",
        "a", "b", "way", "first ms", "direct ms", "doctor"
    );
    for one in sorted {
        let direct = one
            .direct
            .map_or("relay".to_owned(), |took| took.as_millis().to_string());
        let said = one.told.as_ref().map_or("", |told| told[0].as_str());
        let fault = one.fault.as_deref().unwrap_or("");
        let first = one.first.as_millis();
        let way = format!("{:?}", one.way);
        let (a, b) = one.names;
        writeln!(
            table,
            "{a:<21} {b:<21} {way:<9} {first:>9} {direct:>9} {said} {fault}"
        )
        .unwrap();
    }
    table
}
