//! Whose is a datagram.

use std::time::Instant;

use super::net::{Net, addr, initial, keys, ms, short, udp};
use crate::path::{Arrival, Config, Input, LegId, Switch, Verdict, VirtualAddress, bounds};

fn switch() -> Switch {
    Switch::new(Config::default(), vec![udp("192.0.2.1:4001")], [7; 32])
}

fn from(text: &str) -> Arrival {
    Arrival {
        leg: LegId(0),
        local: None,
        from: addr(text),
    }
}

fn delivered(verdict: Verdict) -> VirtualAddress {
    match verdict {
        Verdict::Deliver(virt) => virt,
        Verdict::Ambiguous(_) | Verdict::Consumed => panic!("{verdict:?}"),
    }
}

#[test]
fn a_virtual_address_survives_the_way_through_a_socket_address() {
    for serial in 0..100 {
        let virt = VirtualAddress::dialed(&[9; 32], serial);
        assert_eq!(
            VirtualAddress::from_socket_addr(virt.socket_addr()),
            Some(virt)
        );
    }
    assert_eq!(
        VirtualAddress::from_socket_addr(addr("[2001:db8::1]:4001")),
        None
    );
    assert_eq!(
        VirtualAddress::from_socket_addr(addr("127.0.0.1:4001")),
        None
    );
}

#[test]
fn an_attempt_keeps_its_address_across_a_retry_and_an_eviction() {
    let now = Instant::now();
    let mut switch = Switch::new(
        Config {
            provisional: 1,
            ..Config::default()
        },
        vec![udp("192.0.2.1:4001")],
        [7; 32],
    );
    let client = from("198.51.100.1:1000");
    let first = delivered(switch.inbound(client, &initial(b"random00", b"client00"), now));
    // Another's Initial evicts it; the client then comes back with the id a Retry gave it.
    let other = delivered(switch.inbound(from("198.51.100.2:1"), &initial(b"r", b"c"), now));
    assert_ne!(first, other);
    assert_eq!(switch.stats().evicted, 1);
    let again = delivered(switch.inbound(client, &initial(b"of retry", b"client00"), now));
    assert_eq!(first, again);
}

#[test]
fn two_attempts_from_one_address_have_two_virtual_addresses() {
    let now = Instant::now();
    let mut switch = switch();
    let client = from("198.51.100.1:1000");
    let one = delivered(switch.inbound(client, &initial(b"random00", b"client01"), now));
    let two = delivered(switch.inbound(client, &initial(b"random00", b"client02"), now));
    assert_ne!(one, two);
}

#[test]
fn a_dial_and_an_accept_between_the_same_sockets_are_told_apart() {
    let now = Instant::now();
    let mut switch = switch();
    let peer = addr("198.51.100.1:4001");
    let dialed = switch.dial(LegId(0), peer);
    switch.outbound(dialed, &initial(b"random00", b"our id 1"), 1200, now);
    let accepted = delivered(switch.inbound(
        from("198.51.100.1:4001"),
        &initial(b"random11", b"their id"),
        now,
    ));
    assert_ne!(dialed, accepted);
    switch.outbound(accepted, &initial(b"their id", b"our id 2"), 1200, now);
    for (cid, virt) in [(b"our id 1", dialed), (b"our id 2", accepted)] {
        let packet = short(cid, b"", 100);
        assert_eq!(
            delivered(switch.inbound(from("198.51.100.1:4001"), &packet, now)),
            virt
        );
    }
}

/// Checks DC-CONN-050 (negative).
#[test]
fn an_id_of_ours_is_not_taken_over_from_outside() {
    let now = Instant::now();
    let mut switch = switch();
    let victim = switch.dial(LegId(0), addr("198.51.100.1:1"));
    switch.outbound(victim, &initial(b"random00", b"ours 001"), 1200, now);
    let thief = switch.dial(LegId(0), addr("198.51.100.2:2"));
    switch.outbound(thief, &initial(b"random00", b"ours 002"), 1200, now);
    for (at, virt) in [victim, thief].into_iter().enumerate() {
        let (keys, _) = keys(at as u8);
        switch.handle_input(Input::Attach { virt, keys }, now);
    }
    // The thief sends packets with the victim's id from its own, established address.
    let packet = short(b"ours 001", b"", 100);
    for _ in 0..20 {
        assert_eq!(
            delivered(switch.inbound(from("198.51.100.2:2"), &packet, now)),
            victim
        );
    }
    assert_eq!(
        delivered(switch.inbound(from("203.0.113.9:9"), &packet, now)),
        victim
    );
}

#[test]
fn an_unknown_id_is_learned_by_the_only_connection_there() {
    let mut net = Net::connected(&["192.0.2.1:4001"], &["198.51.100.1:4001"]);
    let virt = net.nodes[1].virt;
    // The peer begins to use an id it was given under encryption, and then moves.
    let packet = short(b"new id 1", b"", 100);
    for (from, delivered) in [("192.0.2.1:4001", 1), ("203.0.113.7:9", 1)] {
        net.inject(addr(from), addr("198.51.100.1:4001"), packet.clone());
        net.run(ms(100));
        assert_eq!(net.nodes[1].delivered.len(), delivered);
    }
    assert!(net.nodes[1].delivered.contains(&virt));
    assert_eq!(net.nodes[1].probes.get(&addr("203.0.113.7:9")), Some(&1));
}

#[test]
fn an_unknown_id_is_shown_to_all_connections_with_that_address() {
    let now = Instant::now();
    let mut switch = switch();
    let mut virts = [0, 1].map(|_| switch.dial(LegId(0), addr("198.51.100.1:1")));
    virts.sort_unstable();
    let reset = short(b"anything", b"", 43);
    let verdict = switch.inbound(from("198.51.100.1:1"), &reset, now);
    assert_eq!(verdict, Verdict::Ambiguous(virts.to_vec()));
    // One that was released is no longer meant, and who only sent Initials never was.
    switch.handle_input(Input::Release { virt: virts[0] }, now);
    switch.inbound(
        from("198.51.100.1:1"),
        &initial(b"random00", b"stranger"),
        now,
    );
    let verdict = switch.inbound(from("198.51.100.1:1"), &reset, now);
    assert_eq!(verdict, Verdict::Deliver(virts[1]));
}

#[test]
fn a_stranger_without_an_initial_gets_an_answer_but_no_entry() {
    let now = Instant::now();
    let mut switch = switch();
    let stranger = from("198.51.100.1:1000");
    let virt = delivered(switch.inbound(stranger, &short(b"unknown0", b"", 60), now));
    assert_eq!(switch.stats().virtual_addresses, 0);
    let route = switch
        .outbound(virt, &short(b"whatever", b"", 43), 43, now)
        .unwrap();
    assert_eq!(route.route.remote, stranger.from);
    // A flood of others displaces it, and nothing is sent anywhere then.
    for port in 1..=1000 {
        let other = from(&format!("203.0.113.1:{port}"));
        switch.inbound(other, &short(b"unknown0", b"", 60), now);
    }
    assert_eq!(
        switch.outbound(virt, &short(b"whatever", b"", 43), 43, now),
        None
    );
    assert_eq!(switch.stats().unmapped, 1);
}

#[test]
fn strangers_in_the_middle_of_a_handshake_outlive_a_flood() {
    let now = Instant::now();
    let mut switch = switch();
    let client = from("198.51.100.1:1000");
    let virt = delivered(switch.inbound(client, &initial(b"random00", b"client00"), now));
    switch.outbound(virt, &initial(b"client00", b"server00"), 1200, now);
    switch.inbound(client, &initial(b"server00", b"client00"), now);
    for flood in 0..20_000u32 {
        let ip = std::net::Ipv4Addr::from(0xc633_0000 | flood);
        let arrival = Arrival {
            leg: LegId(0),
            local: None,
            from: (ip, 9).into(),
        };
        switch.inbound(arrival, &initial(b"random00", b"flood000"), now);
    }
    assert!(switch.current(virt, now).is_some());
    assert!(switch.stats().provisional <= Config::default().provisional + 1);
}

#[test]
fn an_address_is_sent_three_times_what_came_from_it_until_it_shows_a_round_trip() {
    let now = Instant::now();
    let mut switch = switch();
    let client = from("198.51.100.1:1000");
    let virt = delivered(switch.inbound(client, &initial(b"random00", b"client00"), now));
    let answer = initial(b"client00", b"server00");
    let send = |switch: &mut Switch, len| switch.outbound(virt, &answer, len, now).is_some();
    assert!(send(&mut switch, 2400));
    assert!(!send(&mut switch, 1201));
    assert!(send(&mut switch, 1200));
    assert!(!send(&mut switch, 54));
    assert_eq!(switch.stats().unallowed, 2);
    // From elsewhere nothing is shown.
    let forger = from("198.51.100.2:1000");
    switch.inbound(forger, &initial(b"server00", b"client00"), now);
    assert!(!send(&mut switch, 54));
    switch.inbound(client, &initial(b"random00", b"client00"), now);
    assert!(send(&mut switch, 3600));
    assert!(!send(&mut switch, 1));
    switch.inbound(client, &initial(b"server00", b"client00"), now);
    assert!(send(&mut switch, 100_000));
}

#[test]
fn a_released_address_is_routed_for_its_close_and_then_forgotten() {
    let now = Instant::now();
    let mut switch = switch();
    let virt = switch.dial(LegId(0), addr("198.51.100.1:1"));
    switch.outbound(virt, &initial(b"random00", b"ours 001"), 1200, now);
    switch.handle_input(Input::Release { virt }, now);
    assert!(
        switch
            .outbound(virt, &short(b"theirs00", b"", 50), 50, now)
            .is_some()
    );
    assert_eq!(switch.poll_timeout(), Some(now + bounds::LINGER));
    switch.handle_timeout(now + bounds::LINGER);
    let stats = switch.stats();
    assert_eq!((stats.virtual_addresses, stats.cids), (0, 0));
    assert_eq!(switch.poll_timeout(), None);
}

#[test]
fn a_full_table_of_connections_lets_nobody_in() {
    let now = Instant::now();
    let mut switch = Switch::new(
        Config {
            virtual_addresses: 3,
            provisional: 3,
        },
        vec![udp("192.0.2.1:4001")],
        [7; 32],
    );
    let dialed: Vec<_> = (1..=3)
        .map(|port| {
            switch.dial(
                LegId(0),
                (std::net::Ipv4Addr::new(198, 51, 100, 1), port).into(),
            )
        })
        .collect();
    let refused = switch.dial(LegId(0), addr("198.51.100.1:4"));
    assert_eq!(switch.current(refused, now), None);
    let stranger = from("198.51.100.9:1000");
    let virt = delivered(switch.inbound(stranger, &initial(b"random00", b"client00"), now));
    assert_eq!(switch.current(virt, now), None);
    // Yet it can be told so.
    assert!(
        switch
            .outbound(virt, &initial(b"client00", b"refused0"), 60, now)
            .is_some()
    );
    assert!(
        dialed
            .iter()
            .all(|virt| switch.current(*virt, now).is_some())
    );
}
