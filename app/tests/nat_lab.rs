//! The laboratory itself: every NAT does what it is called after.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod lab;
mod support;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use lab::gateway::Nat;
use lab::internet::{Internet, public};
use lab::link::Conditions;
use lab::prober::{Observed, Prober, bind, receive};
use lab::profile::{PROFILES, Profile, Site};
use lab::service::{Service, stun_address};
use lab::stun::{self, Change};
use lab::translator::{Allocation, Behaviour, Dependence};
use lab::verdict::traversable;
use support::namespace::Host;

/// Longer than a packet takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn every_nat_maps_filters_and_allocates_as_it_is_called() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    for (name, profile) in PROFILES {
        let (Some(wanted), true) = (profile.behaviour(), profile != Profile::UdpCut) else {
            continue;
        };
        let (host, site) = Site::build(&internet, profile).unwrap();
        let seen = prober.observe(&host);
        assert_eq!(seen.mapping, wanted.mapping, "{name}: {seen:?}");
        assert_eq!(seen.filtering, wanted.filtering, "{name}: {seen:?}");
        assert_eq!(seen.address, site.public, "{name}");
        assert_allocates(name, &seen, wanted.allocation);
    }
}

fn assert_allocates(name: &str, seen: &Observed, wanted: Allocation) {
    let right = match wanted {
        Allocation::Preserving => seen.preserves(),
        Allocation::Sequential(stride) => seen.stride() == Some(stride),
        Allocation::Block(size) => seen.stride().is_none() && seen.span() < size,
        Allocation::Random => seen.stride().is_none() && seen.span() > 4096,
    };
    assert!(right, "{name}: {seen:?}");
}

#[test]
fn a_firewall_for_ipv6_lets_only_answers_in() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let [_, outside] = public(false, 1);
    let server = internet.host(&public(false, 1)).unwrap();
    let any = Behaviour::new(Dependence::Endpoint, Dependence::Endpoint);
    for nat in [Nat::Random, Nat::Emulated(any)] {
        let (host, _site) = Site::build(&internet, Profile::V6Firewall(nat)).unwrap();
        let theirs = [bind(&server, outside), bind(&server, outside)];
        let ours = bind(&host, "::".parse().unwrap());
        ours.send_to(b"?", theirs[0].local_addr().unwrap()).unwrap();
        let from = receive(&theirs[0], PATIENCE).unwrap();
        theirs[1].send_to(b"!", from).unwrap();
        theirs[0].send_to(b"!", from).unwrap();
        assert_eq!(receive(&ours, PATIENCE), theirs[0].local_addr().ok());
        assert_eq!(
            from.port(),
            ours.local_addr().unwrap().port(),
            "nothing is translated"
        );
    }
}

#[test]
fn a_mapping_ends_with_its_lifetime() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    let behaviour = Behaviour {
        lifetime: Duration::from_millis(200),
        ..Behaviour::new(Dependence::AddressAndPort, Dependence::Endpoint)
    };
    let (host, _site) = Site::build(&internet, Profile::Nat(Nat::Emulated(behaviour))).unwrap();
    let socket = bind(&host, "0.0.0.0".parse().unwrap());
    let mapped = prober.mapped(&socket);
    std::thread::sleep(2 * behaviour.lifetime);
    prober.send(mapped);
    assert_eq!(receive(&socket, Duration::from_millis(100)), None);
    assert_ne!(prober.mapped(&socket), mapped, "ports are random");
}

#[test]
fn a_cut_stops_udp_until_it_is_mended() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    for name in ["masquerade", "ei-ei", "double-nat"] {
        let (host, site) = Site::build(&internet, Profile::named(name)).unwrap();
        assert!(prober.gets_through(&host), "{name}");
        site.outermost().cut_udp();
        assert!(!prober.gets_through(&host), "{name}");
        site.outermost().restore();
        assert!(prober.gets_through(&host), "{name}");
    }
    let (host, _site) = Site::build(&internet, Profile::UdpCut).unwrap();
    assert!(!prober.gets_through(&host));
}

#[test]
fn one_remote_can_be_cut_off_while_others_are_reached() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    let (host, site) = Site::build(&internet, Profile::named("masquerade")).unwrap();
    let IpAddr::V4(other) = public(true, 200)[0] else {
        unreachable!("the first address is of IPv4");
    };
    site.outermost().cut_off(&[other]);
    assert!(
        prober.gets_through(&host),
        "the first address of the prober is another"
    );
    let IpAddr::V4(first) = prober.first().ip() else {
        unreachable!("the prober is asked by IPv4");
    };
    site.outermost().cut_off(&[first]);
    assert!(!prober.gets_through(&host));
}

#[test]
fn a_reboot_forgets_mappings() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    for name in ["kernel-random", "sequential", "ei-ei"] {
        let (host, site) = Site::build(&internet, Profile::named(name)).unwrap();
        let socket = bind(&host, "0.0.0.0".parse().unwrap());
        let before = prober.mapped(&socket);
        assert_eq!(prober.mapped(&socket), before, "{name}");
        site.outermost().reboot();
        // Nothing has been sent since, so nobody has a mapping to answer through.
        prober.send(before);
        assert_eq!(receive(&socket, Duration::from_millis(100)), None, "{name}");
        let after = prober.mapped(&socket);
        assert_eq!(
            after == before,
            name == "ei-ei",
            "{name}: a port that is kept is kept again"
        );
    }
}

#[test]
fn a_host_moves_to_another_place() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    let (host, home) = Site::build(&internet, Profile::named("masquerade")).unwrap();
    let (other, cafe) = Site::build(&internet, Profile::named("kernel-random")).unwrap();
    other.ip(&["link", "delete", "eth0"]);
    assert_eq!(prober.observe(&host).address, home.public);
    host.ip(&["link", "delete", "eth0"]);
    cafe.plug(&host);
    assert_eq!(prober.observe(&host).address, cafe.public);
}

#[test]
fn two_hosts_behind_a_hairpin_reach_each_other_by_their_outside_addresses() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    for hairpin in [true, false] {
        let behaviour = Behaviour {
            hairpin,
            ..Behaviour::new(Dependence::Endpoint, Dependence::Address)
        };
        let (one, site) = Site::build(&internet, Profile::Nat(Nat::Emulated(behaviour))).unwrap();
        let two = Host::new().unwrap();
        site.outermost().plug(&two, 11);
        let sockets = [&one, &two].map(|host| bind(host, "0.0.0.0".parse().unwrap()));
        let mapped = [0, 1].map(|at| prober.mapped(&sockets[at]));
        sockets[0].send_to(b"?", mapped[1]).unwrap();
        sockets[1].send_to(b"?", mapped[0]).unwrap();
        let wait = if hairpin {
            PATIENCE
        } else {
            Duration::from_millis(100)
        };
        let heard = receive(&sockets[0], wait);
        assert_eq!(heard, hairpin.then_some(mapped[1]));
    }
}

#[test]
fn a_line_delays_and_loses() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    let (host, site) = Site::build(&internet, Profile::named("ei-ei")).unwrap();
    let delay = Duration::from_millis(40);
    site.outermost().set_line(Conditions::delayed(40));
    let began = Instant::now();
    assert!(prober.gets_through(&host));
    assert!(began.elapsed() >= 2 * delay, "there and back");

    site.outermost().set_line(Conditions {
        loss: 0.3,
        ..Conditions::default()
    });
    let socket = bind(&host, "0.0.0.0".parse().unwrap());
    for _ in 0..500 {
        socket.send_to(b"?", prober.first()).unwrap();
    }
    let lost = || site.outermost().middlebox().with(|core| core.up.dropped());
    let deadline = Instant::now() + PATIENCE;
    while lost() < 100 {
        assert!(Instant::now() < deadline, "{} of 500 lost", lost());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(lost() < 200, "{} of 500 lost", lost());
}

#[test]
fn a_narrow_line_lets_no_large_packet_out_and_says_so() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    for name in ["masquerade", "ei-ei"] {
        let (host, site) = Site::build(&internet, Profile::named(name)).unwrap();
        site.narrow(&internet, 1300);
        let ping = |from: &Host, to: IpAddr, size: &str| {
            let args = [
                "-c",
                "1",
                "-W",
                "5",
                "-M",
                "do",
                "-s",
                size,
                &to.to_string(),
            ];
            from.run("ping", &args, "").is_ok()
        };
        let server = prober.first().ip();
        assert!(
            ping(&host, server, "1272"),
            "{name}: 1,300 bytes with the headers"
        );
        assert!(!ping(&host, server, "1273"), "{name}");
        let mtu = host
            .run("ip", &["route", "get", &server.to_string()], "")
            .unwrap();
        assert!(
            mtu.contains("mtu 1300"),
            "{name}: the sender was not told: {mtu}"
        );
    }
}

#[test]
fn coturn_answers_from_both_of_its_addresses_and_ports() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let [one, two] = [public(false, 3)[0], public(true, 3)[0]];
    let server = internet.host(&[one, two]).unwrap();
    let _coturn = Service::stun(&server, &[one, two]);
    // Its filter lets answers in from everywhere.
    let (host, site) = Site::build(&internet, Profile::named("ei-ei")).unwrap();
    let socket = bind(&host, "0.0.0.0".parse().unwrap());
    let mut from = BTreeSet::new();
    for (address_changes, port_changes) in [(false, false), (false, true), (true, true)] {
        let change = Change {
            address: address_changes,
            port: port_changes,
        };
        let answer = stun::ask(&socket, stun_address(one), change, PATIENCE).unwrap();
        assert_eq!(answer.mapped.ip(), site.public);
        assert_eq!(answer.other.unwrap().ip(), two);
        assert_eq!(answer.from.ip() == two, address_changes);
        from.insert(answer.from);
    }
    assert_eq!(from.len(), 3);
}

#[test]
fn miniupnpd_opens_ports_by_every_protocol() {
    let Some(internet) = Internet::new() else {
        return;
    };
    let prober = Prober::new(&internet).unwrap();
    let (host, site) = Site::build(&internet, Profile::PortMapping).unwrap();
    // Two mappings of one inside port would be told apart by translating the sender.
    for (by_upnp, outside) in [(false, 40_001), (true, 40_002)] {
        let socket = bind(&host, "0.0.0.0".parse().unwrap());
        let inside = socket.local_addr().unwrap().port().to_string();
        let port = outside.to_string();
        let said = if by_upnp {
            host.run("upnpc", &["-a", "192.168.1.10", &inside, &port, "udp"], "")
        } else {
            let args = ["-g", "192.168.1.1", "-a", &port, &inside, "udp", "600"];
            host.run("natpmpc", &args, "")
        };
        prober.send((site.public, outside).into());
        assert_eq!(receive(&socket, PATIENCE), Some(prober.first()), "{said:?}");
    }
    let socket = bind(&host, "0.0.0.0".parse().unwrap());
    prober.send((site.public, 40_003).into());
    assert_eq!(receive(&socket, Duration::from_millis(100)), None);
}

#[test]
fn packets_alone_tell_which_pairs_need_no_guessing() {
    use Dependence::{Address, AddressAndPort, Endpoint};
    let classes = [Endpoint, Address, AddressAndPort];
    let nats: Vec<_> = classes
        .iter()
        .flat_map(|mapping| classes.map(|filtering| Behaviour::new(*mapping, filtering)))
        .collect();
    let count = |a: &Behaviour| nats.iter().filter(|b| traversable(*a, **b)).count();
    let counts: Vec<usize> = nats.iter().map(count).collect();
    for (a, b) in nats.iter().flat_map(|a| nats.iter().map(move |b| (a, b))) {
        assert_eq!(traversable(*a, *b), traversable(*b, *a), "{a:?} {b:?}");
    }
    // Who keeps one address and lets everybody in reaches all; who has random ports and lets in
    // exact addresses only reaches those who keep theirs and do not look at the port.
    assert_eq!(counts[0], 9);
    assert_eq!(counts[1], 9);
    assert_eq!(counts[8], 2);
    assert!(
        traversable(nats[2], nats[2]),
        "strict filters open for what was sent to"
    );
    assert!(!traversable(nats[2], nats[8]), "a port has to be guessed");
}
