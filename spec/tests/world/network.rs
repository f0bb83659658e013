//! What stands between two hosts: realms, boxes in a row, firewalls, several interfaces, actions.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use dchat_spec::sim::Time;
use dchat_spec::sim::nat::{Allocation, Behaviour, Filtering, Mapping};
use dchat_spec::sim::net::{Action, HostId, Net, Occurrence, Packet, Quality, RealmId, Unroutable};

const PORT: u16 = 4001;
const MS: Duration = Duration::from_millis(1);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str) -> SocketAddr {
    SocketAddr::new(ip(text), PORT)
}

fn easy() -> Behaviour {
    Behaviour::nat(
        Mapping::EndpointIndependent,
        Filtering::AddressAndPortDependent,
        Allocation::Preserving,
    )
}

fn host(net: &mut Net, realm: RealmId, addresses: &[&str]) -> HostId {
    let host = net.host();
    let addresses = addresses.iter().map(|text| ip(text)).collect();
    net.interface(host, realm, addresses, Quality::delayed(MS));
    host
}

/// A realm behind a box in the internet, or in another realm.
fn behind(net: &mut Net, outside: RealmId, behaviour: Behaviour, public: &[&str]) -> RealmId {
    let inside = net.realm();
    let public = public.iter().map(|text| ip(text)).collect();
    net.middlebox(
        (inside, outside),
        behaviour,
        public,
        Quality::delayed(10 * MS),
    );
    inside
}

fn send(net: &mut Net, from: HostId, to: SocketAddr) -> Result<(), Unroutable> {
    net.send(from, (None, PORT), to, Bytes::from_static(b"hello"))
}

/// Every datagram that arrives from now on.
fn arrivals(net: &mut Net) -> Vec<(HostId, Packet)> {
    std::iter::from_fn(|| net.next(Time::NEVER))
        .filter_map(|occurrence| match occurrence {
            Occurrence::Datagram { host, packet } => Some((host, packet)),
            Occurrence::Wake { .. } | Occurrence::Due { .. } => None,
        })
        .collect()
}

/// Sends one datagram and says as what it arrived.
fn seen(net: &mut Net, from: HostId, to: SocketAddr) -> Option<(HostId, Packet)> {
    send(net, from, to).unwrap();
    arrivals(net).pop()
}

#[test]
fn a_packet_takes_the_time_of_its_links() {
    let mut net = Net::new(1);
    let home = behind(&mut net, Net::INTERNET, easy(), &["192.0.2.1"]);
    let inside = host(&mut net, home, &["192.168.0.2"]);
    let server = host(&mut net, Net::INTERNET, &["203.0.113.1"]);
    let (to, packet) = seen(&mut net, inside, at("203.0.113.1")).unwrap();
    assert_eq!(to, server);
    assert_eq!(packet.src, at("192.0.2.1"));
    assert_eq!(net.now().since(Time::ZERO), 12 * MS);
}

#[test]
fn nobody_outside_is_let_in_unasked_and_the_asked_may_answer() {
    let mut net = Net::new(1);
    let home = behind(&mut net, Net::INTERNET, easy(), &["192.0.2.1"]);
    let inside = host(&mut net, home, &["192.168.0.2"]);
    let server = host(&mut net, Net::INTERNET, &["203.0.113.1"]);
    assert_eq!(seen(&mut net, server, at("192.0.2.1")), None);
    assert_eq!(net.drops().no_mapping, 1);
    seen(&mut net, inside, at("203.0.113.1")).unwrap();
    let (to, packet) = seen(&mut net, server, at("192.0.2.1")).unwrap();
    assert_eq!((to, packet.dst), (inside, at("192.168.0.2")));
}

#[test]
fn boxes_in_a_row_translate_one_after_the_other() {
    let mut net = Net::new(1);
    let carrier = behind(&mut net, Net::INTERNET, easy(), &["192.0.2.1"]);
    let home = behind(&mut net, carrier, easy(), &["100.64.0.5"]);
    let inside = host(&mut net, home, &["192.168.0.2"]);
    let server = host(&mut net, Net::INTERNET, &["203.0.113.1"]);
    let (_, packet) = seen(&mut net, inside, at("203.0.113.1")).unwrap();
    assert_eq!(packet.src, at("192.0.2.1"));
    let (to, packet) = seen(&mut net, server, at("192.0.2.1")).unwrap();
    assert_eq!((to, packet.dst), (inside, at("192.168.0.2")));
}

#[test]
fn a_firewall_hides_no_address_and_lets_in_what_was_asked_for() {
    let mut net = Net::new(1);
    let firewall = Behaviour::firewall(Filtering::AddressAndPortDependent);
    let home = behind(&mut net, Net::INTERNET, firewall, &[]);
    let inside = host(&mut net, home, &["2001:db8:1::2"]);
    let server = host(&mut net, Net::INTERNET, &["2001:db8:2::1"]);
    assert_eq!(seen(&mut net, server, at("2001:db8:1::2")), None);
    let (_, packet) = seen(&mut net, inside, at("2001:db8:2::1")).unwrap();
    assert_eq!(packet.src, at("2001:db8:1::2"));
    assert_eq!(
        seen(&mut net, server, at("2001:db8:1::2")).unwrap().0,
        inside
    );
}

#[test]
fn the_same_private_address_is_another_host_in_another_home() {
    let mut net = Net::new(1);
    let homes =
        ["192.0.2.1", "192.0.2.2"].map(|public| behind(&mut net, Net::INTERNET, easy(), &[public]));
    let [one, other] = homes.map(|home| host(&mut net, home, &["192.168.0.2"]));
    let neighbour = host(&mut net, homes[0], &["192.168.0.3"]);
    assert_eq!(seen(&mut net, neighbour, at("192.168.0.2")).unwrap().0, one);
    assert_eq!(seen(&mut net, other, at("192.168.0.3")), None);
    // Its own address never leaves a host.
    assert_eq!(seen(&mut net, other, at("192.168.0.2")).unwrap().0, other);
}

#[test]
fn neighbours_reach_each_other_by_their_public_address_only_with_hairpinning() {
    for hairpin in [false, true] {
        let mut net = Net::new(1);
        let behaviour = Behaviour {
            hairpin,
            filtering: Filtering::EndpointIndependent,
            ..easy()
        };
        let home = behind(&mut net, Net::INTERNET, behaviour, &["192.0.2.1"]);
        let one = host(&mut net, home, &["192.168.0.2"]);
        let other = host(&mut net, home, &["192.168.0.3"]);
        host(&mut net, Net::INTERNET, &["203.0.113.1"]);
        seen(&mut net, other, at("203.0.113.1")).unwrap();
        let reached = seen(&mut net, one, at("192.0.2.1"));
        assert_eq!(
            reached.as_ref().map(|(to, _)| *to),
            hairpin.then_some(other)
        );
        // It comes from the public address (RFC 4787 REQ-9a), whose port the other one took.
        assert!(reached.is_none_or(|(_, packet)| packet.src.ip() == ip("192.0.2.1")));
    }
}

#[test]
fn an_interface_that_goes_down_leaves_the_other_or_none() {
    let mut net = Net::new(1);
    let laptop = net.host();
    let quality = Quality::delayed(MS);
    let wire = net.interface(laptop, Net::INTERNET, vec![ip("192.0.2.1")], quality);
    let air = net.interface(laptop, Net::INTERNET, vec![ip("192.0.2.2")], quality);
    host(&mut net, Net::INTERNET, &["203.0.113.1"]);
    let source = |net: &mut Net| {
        let sent = send(net, laptop, at("203.0.113.1"));
        sent.map(|()| arrivals(net).pop().unwrap().1.src.ip())
    };
    assert_eq!(source(&mut net), Ok(ip("192.0.2.1")));
    net.apply(Action::Down(laptop, wire));
    assert_eq!(source(&mut net), Ok(ip("192.0.2.2")));
    net.apply(Action::Down(laptop, air));
    assert_eq!(source(&mut net), Err(Unroutable));
    net.apply(Action::Up(laptop, wire));
    assert_eq!(source(&mut net), Ok(ip("192.0.2.1")));
}

#[test]
fn who_roams_is_found_at_the_new_address_only() {
    let mut net = Net::new(1);
    let laptop = net.host();
    let quality = Quality::delayed(MS);
    let wire = net.interface(laptop, Net::INTERNET, vec![ip("192.0.2.1")], quality);
    let peer = host(&mut net, Net::INTERNET, &["203.0.113.1"]);
    send(&mut net, peer, at("192.0.2.1")).unwrap();
    net.apply(Action::Roam(
        laptop,
        wire,
        Net::INTERNET,
        vec![ip("192.0.2.9")],
    ));
    assert_eq!(arrivals(&mut net), []);
    assert_eq!(seen(&mut net, peer, at("192.0.2.9")).unwrap().0, laptop);
}

#[test]
fn a_killed_host_neither_hears_nor_wakes() {
    let mut net = Net::new(1);
    let relay = host(&mut net, Net::INTERNET, &["192.0.2.1"]);
    let peer = host(&mut net, Net::INTERNET, &["203.0.113.1"]);
    send(&mut net, peer, at("192.0.2.1")).unwrap();
    net.wake(relay, Some(Time::ZERO + MS));
    net.apply(Action::Kill(relay));
    assert_eq!(net.next(Time::NEVER), None);
    assert_eq!(send(&mut net, relay, at("203.0.113.1")), Err(Unroutable));
}

#[test]
fn only_the_last_timer_of_a_host_rings() {
    let mut net = Net::new(1);
    let one = host(&mut net, Net::INTERNET, &["192.0.2.1"]);
    net.wake(one, Some(Time::ZERO + MS));
    net.wake(one, Some(Time::ZERO + 3 * MS));
    net.wake(one, Some(Time::ZERO + 2 * MS));
    assert_eq!(net.next(Time::NEVER), Some(Occurrence::Wake { host: one }));
    assert_eq!(net.now(), Time::ZERO + 2 * MS);
    assert_eq!(net.next(Time::NEVER), None);
}
