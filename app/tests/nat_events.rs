//! What happens to networks happens to a conversation of the real binary: nothing is lost,
//! doubled or reordered, no connection ends, and what is late is late by little.
//!
//! Run with `--nocapture` for the figures. `DCHAT_SWITCHES` sets how many path switches there are.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]
#![allow(
    clippy::print_stderr,
    reason = "the figures of a run are worth reading"
)]

mod lab;
mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lab::link::Conditions;
use lab::network::{Network, Peer};
use lab::profile::Profile;
use serde_json::Value;
use support::talk::{self, Talk};
use support::{daemon::PATIENCE, history};

/// From one message of a side to its next.
const PACE: Duration = Duration::from_millis(10);
/// Messages of a side that give an event time to happen among them.
const MESSAGES: usize = 600;
/// Messages of a side that are handed over as fast as the node takes them.
const TRANSFER: usize = 3000;
/// Conversations at once whose path is switched.
const PAIRS: usize = 9;
/// How often the direct path of each is cut and restored.
const CUTS: usize = 3;
/// What a dead direct path or a killed relay may delay delivery by.
const LATE: Duration = Duration::from_secs(1);
/// What else may on a machine with other things to do, the way through our own pipes included.
const LOAD: Duration = Duration::from_millis(1500);

#[test]
fn with_a_public_peer_no_relay_is_needed_to_live_through_a_cut_a_reboot_and_a_move() {
    let Some(network) = Network::new() else {
        return;
    };
    let line = Conditions::delayed(10);
    let mut alice = network.peer("Alice", Profile::named("sequential"), line);
    let bob = network.peer("Bob", Profile::Public, line);
    alice.befriend_at(&bob, &bob.address());
    alice.say(&bob, "hello");
    let conversation = Conversation::begin([&alice, &bob], MESSAGES, PACE);
    conversation.until(MESSAGES / 6);
    alice.site.outermost().reboot();
    conversation.until(2 * MESSAGES / 6);
    alice.site.outermost().cut_udp();
    conversation.until(3 * MESSAGES / 6);
    alice.site.outermost().restore();
    conversation.until(4 * MESSAGES / 6);
    alice.move_to(&network, "ei-apd");
    conversation.until(MESSAGES);
    let report = conversation.end([alice, bob]);
    report.assert_longest("a public peer, a reboot, a cut and a move", PATIENCE);
}

#[test]
fn lines_of_every_mtu_carry_handshakes_and_large_messages() {
    let Some(network) = Network::new() else {
        return;
    };
    let bob = network.peer("Bob", Profile::Public, Conditions::default());
    for (mtu, place) in [
        (1280, "masquerade"),
        (1280, "ei-apd"),
        (1400, "v6-firewall"),
        (1492, "ei-ei"),
    ] {
        let name = format!("Alice-{mtu}-{place}");
        let alice = network.peer(&name, Profile::named(place), Conditions::default());
        alice.site.narrow(&network.internet, mtu);
        alice.befriend_at(&bob, &bob.address());
        let began = Instant::now();
        let text = "long ".repeat(4000);
        for _ in 0..3 {
            alice.say(&bob, &text);
            bob.say(&alice, &text);
        }
        eprintln!(
            "MTU {mtu} behind {place}: {} ms",
            began.elapsed().as_millis()
        );
        assert!(began.elapsed() < PATIENCE, "{mtu} behind {place}");
    }
}

#[test]
fn killing_the_relay_in_use_leaves_the_conversation_to_the_other() {
    let Some(mut network) = Network::new() else {
        return;
    };
    // Between these two nothing but a relay works.
    let [alice, bob] = pair(&network, "kernel-random", "kernel-random", "relay");
    let conversation = Conversation::begin([&alice, &bob], MESSAGES, PACE);
    conversation.until(MESSAGES / 3);
    let path = alice.path_to(&bob).unwrap();
    let used = network.relay_of(path["addr"].as_str().unwrap()).unwrap();
    network.relays[used].daemon.kill();
    conversation.until(2 * MESSAGES / 3);
    let after = alice.path_to(&bob).unwrap();
    assert_ne!(
        network.relay_of(after["addr"].as_str().unwrap()),
        Some(used),
        "{after}"
    );
    let report = conversation.end([alice, bob]);
    report.assert_no_connection_ended();
    report.assert_longest("a killed relay", LATE + LOAD);
}

#[test]
fn a_nat_that_reboots_gives_other_ports_and_the_conversation_goes_on() {
    let Some(network) = Network::new() else {
        return;
    };
    let [alice, bob] = pair(&network, "sequential", "ei-ei", "direct");
    let conversation = Conversation::begin([&alice, &bob], MESSAGES, PACE);
    for third in [1, 2] {
        conversation.until(third * MESSAGES / 3);
        alice.site.outermost().reboot();
    }
    conversation.until(MESSAGES);
    alice.wait_for_path(&bob, "direct", PATIENCE).unwrap();
    let report = conversation.end([alice, bob]);
    report.assert_no_connection_ended();
    report.assert_longest("two reboots of a NAT", PATIENCE);
}

#[test]
fn a_laptop_that_moves_to_another_nat_keeps_its_conversation() {
    moves(MESSAGES, PACE, "a conversation on the move");
}

#[test]
fn a_laptop_that_moves_to_another_nat_keeps_its_transfer() {
    moves(TRANSFER, Duration::ZERO, "a transfer on the move");
}

fn moves(messages: usize, pace: Duration, what: &str) {
    let Some(network) = Network::new() else {
        return;
    };
    let [mut alice, bob] = pair(&network, "masquerade", "ei-ad", "direct");
    let conversation = Conversation::begin([&alice, &bob], messages, pace);
    conversation.until(messages / 3);
    alice.move_to(&network, "ei-apd");
    conversation.until(messages);
    alice.wait_for_path(&bob, "direct", PATIENCE).unwrap();
    let report = conversation.end([alice, bob]);
    report.assert_longest(what, PATIENCE);
}

#[test]
fn what_is_said_while_udp_is_cut_arrives_when_it_is_mended() {
    let Some(network) = Network::new() else {
        return;
    };
    let [alice, bob] = pair(&network, "masquerade", "ei-apd", "direct");
    let conversation = Conversation::begin([&alice, &bob], MESSAGES, PACE);
    conversation.until(MESSAGES / 3);
    alice.site.outermost().cut_udp();
    conversation.until(2 * MESSAGES / 3);
    alice.site.outermost().restore();
    conversation.until(MESSAGES);
    let report = conversation.end([alice, bob]);
    report.assert_longest("a cut of UDP", PATIENCE);
}

/// A direct path that is lost again and again is rightly trusted later and later, so the switches
/// are shared out among several conversations.
#[test]
fn path_switches_under_traffic_lose_double_and_reorder_nothing() {
    let switches = std::env::var("DCHAT_SWITCHES").ok();
    let switches: usize = switches.map_or(100, |text| text.parse().unwrap());
    let Some(network) = Network::new() else {
        return;
    };
    let (mut seen, mut longest) = (0, Duration::ZERO);
    while seen < switches {
        let reports: Vec<Report> = std::thread::scope(|scope| {
            let pairs: Vec<_> = (0..PAIRS)
                .map(|_| scope.spawn(|| switch(&network)))
                .collect();
            pairs.into_iter().map(|pair| pair.join().unwrap()).collect()
        });
        for report in reports {
            report.assert_no_connection_ended();
            report.assert_longest("one conversation of many", LATE + LOAD);
            seen += 2 * CUTS;
            longest = longest.max(report.longest);
        }
    }
    eprintln!(
        "{seen} path switches: longest delivery {} ms",
        longest.as_millis()
    );
}

/// One conversation whose direct path is cut and restored, again and again.
fn switch(network: &Network) -> Report {
    let [alice, bob] = pair(network, "masquerade", "ei-apd", "direct");
    // Without an end of its own: it ends when there have been enough switches.
    let conversation = Conversation::begin([&alice, &bob], usize::MAX, PAIRS as u32 * PACE);
    for _ in 0..CUTS {
        alice.site.outermost().cut_off(&[bob.site.public]);
        alice.wait_for_path(&bob, "relay", PATIENCE).unwrap();
        alice.site.outermost().restore();
        alice.wait_for_path(&bob, "direct", PATIENCE).unwrap();
    }
    let report = conversation.end([alice, bob]);
    let told = report.count("path_changed");
    assert!(told >= 2 * CUTS, "{told} switches were told");
    report
}

/// Two contacts in these places, whose path is of this kind.
fn pair(network: &Network, one: &str, two: &str, path: &str) -> [Peer; 2] {
    let line = Conditions::delayed(10);
    let alice = network.peer("Alice", Profile::named(one), line);
    let bob = network.peer("Bob", Profile::named(two), line);
    alice.befriend(&bob, &network.relays[0]);
    alice.say(&bob, "hello");
    alice.wait_for_path(&bob, path, PATIENCE).unwrap();
    bob.wait_for_path(&alice, path, PATIENCE).unwrap();
    [alice, bob]
}

/// Both talk to each other at once.
struct Conversation {
    runtime: tokio::runtime::Runtime,
    talks: [Talk; 2],
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Conversation {
    fn begin(peers: [&Peer; 2], messages: usize, pace: Duration) -> Self {
        let runtime = talk::runtime();
        let talks = [(peers[0], peers[1]), (peers[1], peers[0])].map(|(from, to)| Talk {
            pace,
            ..Talk::new(
                from.node.path(),
                &to.node.peer,
                &format!("from {}", from.name),
                messages,
            )
        });
        let tasks = talks.clone().map(|talk| runtime.spawn(talk.run()));
        Self {
            runtime,
            talks,
            tasks,
        }
    }

    /// Waits until both have said so much.
    fn until(&self, messages: usize) {
        talk::until("the talk gets on", || {
            let said = |talk: &Talk| talk.sent.load(Ordering::Relaxed);
            self.talks.iter().all(|talk| said(talk) >= messages)
        });
    }

    /// Ends it, waits until all is delivered, and checks every message of both histories.
    fn end(self, mut peers: [Peer; 2]) -> Report {
        for (talk, task) in self.talks.iter().zip(self.tasks) {
            talk.end();
            self.runtime.block_on(task).unwrap();
        }
        for talk in &self.talks {
            self.runtime.block_on(talk::delivered(&talk.home));
        }
        let said = self
            .talks
            .each_ref()
            .map(|talk| talk.sent.load(Ordering::Relaxed));
        let mut report = Report {
            longest: Duration::ZERO,
            said,
            events: Vec::new(),
        };
        for (to, from) in [(0, 1), (1, 0)] {
            report.read(peers[to].daemon.events(), &self.talks[from]);
        }
        let nodes = peers.map(Peer::leave);
        for (me, other) in [(0, 1), (1, 0)] {
            let entries = history::of(nodes[me].path(), &nodes[me].peer, &nodes[other].peer);
            let entries: Vec<_> = entries
                .into_iter()
                .filter(|entry| entry.text.as_deref() != Some("hello"))
                .collect();
            history::assert_said(&entries, &nodes[0].peer, "from Alice", said[0]);
            history::assert_said(&entries, &nodes[1].peer, "from Bob", said[1]);
            history::assert_delivered(&entries);
        }
        report
    }
}

/// What both daemons told of a conversation.
struct Report {
    /// From a message's being taken to its being told to the other.
    longest: Duration,
    said: [usize; 2],
    events: Vec<(Instant, Value)>,
}

impl Report {
    fn read(&mut self, events: Vec<(Instant, Value)>, talk: &Talk) {
        let taken = talk.taken.lock().unwrap();
        let mut next = 1;
        for (told, event) in &events {
            if event["event"] != "message" || event["text"] == "hello" {
                continue;
            }
            let text = format!("{} {next}", talk.prefix);
            assert_eq!(event["text"], text.as_str(), "told once and in order");
            self.longest = self.longest.max(told.duration_since(taken[&text]));
            next += 1;
        }
        assert_eq!(next - 1, taken.len(), "all were told");
        self.events.extend(events);
    }

    fn count(&self, name: &str) -> usize {
        self.events
            .iter()
            .filter(|(_, event)| event["event"] == name)
            .count()
    }

    fn assert_no_connection_ended(&self) {
        assert_eq!(self.count("peer_disconnected"), 0, "{:#?}", self.notable());
    }

    fn assert_longest(&self, what: &str, most: Duration) {
        eprintln!(
            "{what}: {} and {} messages, {} path changes, {} disconnections, longest delivery {} ms",
            self.said[0],
            self.said[1],
            self.count("path_changed"),
            self.count("peer_disconnected"),
            self.longest.as_millis()
        );
        assert!(self.longest <= most, "{:#?}", self.notable());
    }

    /// Everything but messages.
    fn notable(&self) -> Vec<&(Instant, Value)> {
        let message = |event: &Value| {
            event["event"]
                .as_str()
                .is_some_and(|name| name.starts_with("message"))
        };
        self.events
            .iter()
            .filter(|(_, event)| !message(event))
            .collect()
    }
}
