//! `dchat doctor` tells every place for what it is, quickly and with few packets.
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

use std::time::{Duration, Instant};

use lab::internet::{Internet, public};
use lab::link::Conditions;
use lab::meter::Meter;
use lab::network::Network;
use lab::profile::{PROFILES, Profile, Site};
use lab::service::{Service, stun_address};
use lab::translator::{Allocation, Dependence};
use serde_json::Value;
use support::command::object;
use support::node::Node;

/// What a diagnosis may take.
const TIME: Duration = Duration::from_secs(2);
/// What starting a process may take besides, on a machine with other things to do.
const LOAD: Duration = Duration::from_secs(2);
/// Packets of ours that a diagnosis may take beyond our own router, whose UPnP is of TCP and its
/// own business.
const PACKETS: u64 = 40;

#[test]
fn a_stun_server_is_enough_to_know_the_nat() {
    let Some(internet) = Internet::new() else {
        return;
    };
    // Two, since one alone is not believed in everything; each with two addresses a family.
    let servers = [3, 4].map(|number| {
        let addresses = [public(false, number), public(true, number)].concat();
        let host = internet.host(&addresses).unwrap();
        (Service::stun(&host, &addresses), host, addresses)
    });
    let mut args = vec![
        "doctor".to_owned(),
        "--json".to_owned(),
        "--no-mdns".to_owned(),
    ];
    for (_, _, addresses) in &servers {
        for address in &addresses[..2] {
            args.extend(["--stun".to_owned(), stun_address(*address).to_string()]);
        }
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut faults = Vec::new();
    for (name, profile) in PROFILES {
        let (host, site) = Site::build(&internet, profile).unwrap();
        let node = Node::new(host, "Alice");
        let meter = Meter::leaving(&node.host);
        let began = Instant::now();
        let report = object(&mut node.dchat(&args));
        let (took, packets) = (began.elapsed(), meter.read());
        eprintln!(
            "{name:<21} {:>5} ms {packets:>3} packets, {:>2} to the router, {}",
            took.as_millis(),
            meter.near(),
            report["nat"]
        );
        if report["ipv6"] != profile.has_v6() {
            faults.push(format!("{name}: IPv6 is {}", report["ipv6"]));
        }
        faults.extend(
            wrong(profile, &site, &report).map(|wrong| format!("{name}: {wrong}: {report}")),
        );
        if took > TIME + LOAD || packets > PACKETS {
            faults.push(format!("{name}: {took:?} and {packets} packets"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn other_nodes_are_enough_to_know_the_nat() {
    let Some(network) = Network::new() else {
        return;
    };
    let mut faults = Vec::new();
    // Nodes have one port each, by which the two kinds of dependent mapping look alike.
    for name in [
        "public",
        "ei-ad",
        "apd-apd",
        "sequential",
        "kernel-random",
        "double-nat",
    ] {
        let profile = Profile::named(name);
        let peer = network.peer("Alice", profile, Conditions::default());
        let report = peer.doctor(&[]);
        eprintln!("{name:<21} {}", report["nat"]);
        faults.extend(
            wrong(profile, &peer.site, &report).map(|wrong| format!("{name}: {wrong}: {report}")),
        );
        let relays = report["relays"].as_array().unwrap();
        let reached = relays
            .iter()
            .filter(|relay| relay["rtt_ms"].is_number())
            .count();
        if reached != network.relays.len() {
            faults.push(format!("{name}: {reached} relays are told: {report}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_reason_for_relaying_is_told() {
    let Some(network) = Network::new() else {
        return;
    };
    let hard = Profile::named("kernel-random");
    let [alice, bob] = ["Alice", "Bob"].map(|name| network.peer(name, hard, Conditions::default()));
    alice.befriend(&bob, &network.relays[0]);
    alice.say(&bob, "hello");
    let patience = Duration::from_secs(60);
    let told = |report: &Value| report["peer"]["reason"].as_str().map(str::to_owned);
    let began = Instant::now();
    let mut report = alice.doctor(&["--peer", "Bob"]);
    while told(&report).as_deref() != Some("both-symmetric") {
        assert!(began.elapsed() < patience, "{report}");
        report = alice.doctor(&["--peer", "Bob"]);
    }
    assert_eq!(report["peer"]["path"], "relay");
}

/// What a report gets wrong about a place.
fn wrong(profile: Profile, site: &Site, report: &Value) -> Option<String> {
    let expect = |pointer: &str, wanted: Value| {
        let said = report.pointer(pointer).cloned().unwrap_or_default();
        (said != wanted).then(|| format!("{pointer} is {said}, not {wanted}"))
    };
    if profile == Profile::UdpCut {
        return expect("/udp", false.into());
    }
    let mapping = profile == Profile::PortMapping;
    let ours = [
        expect("/udp", true.into()),
        expect("/ipv4", true.into()),
        expect("/port_mapping/upnp", mapping.into()),
        expect("/port_mapping/nat_pmp", mapping.into()),
        expect("/port_mapping/pcp", mapping.into()),
        expect("/nat/lifetime_s", Value::Null),
    ];
    let nat = match profile.behaviour() {
        None => vec![
            expect("/nat/mapping", "none".into()),
            expect("/nat/filtering", "none".into()),
        ],
        Some(nat) => vec![
            expect("/nat/mapping", depends(nat.mapping).into()),
            expect("/nat/filtering", depends(nat.filtering).into()),
            expect("/nat/allocation", allocates(nat.allocation).into()),
            // Only an address that two servers agree on is sent to.
            match nat.mapping {
                Dependence::Endpoint => expect("/nat/hairpin", nat.hairpin.into()),
                _ => expect("/nat/hairpin", Value::Null)
                    .and(expect("/nat/hairpin", nat.hairpin.into())),
            },
        ],
    };
    let public = report["nat"]["public"]
        .to_string()
        .contains(&site.public.to_string());
    let public = (!public).then(|| format!("{} is not told", site.public));
    ours.into_iter().chain(nat).chain([public]).flatten().next()
}

fn depends(dependence: Dependence) -> &'static str {
    match dependence {
        Dependence::Endpoint => "endpoint-independent",
        Dependence::Address => "address-dependent",
        Dependence::AddressAndPort => "address-and-port-dependent",
    }
}

fn allocates(allocation: Allocation) -> &'static str {
    match allocation {
        Allocation::Preserving => "preserving",
        Allocation::Sequential(_) => "sequential",
        Allocation::Block(_) => "block",
        Allocation::Random => "random",
    }
}
