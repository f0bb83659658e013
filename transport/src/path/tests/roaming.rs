//! A side's address changes; the connection does not notice.

use super::net::{Net, addr, ms, short};

const DIALER: &str = "192.0.2.1:4001";
const LISTENER: &str = "198.51.100.1:4001";

/// Checks DC-CONN-045 (positive), DC-CONN-050 (positive).
#[test]
fn after_the_dialers_address_changed_traffic_resumes_both_ways() {
    let mut net = Net::connected(&[DIALER], &[LISTENER]);
    net.talk(0, 0..20);
    assert_eq!(net.nodes[1].got.len(), 20);
    let new = addr("203.0.113.7:999");
    net.shown.insert(addr(DIALER), new);
    net.talk(0, 20..40);
    assert_eq!(net.path(1).remote, new);
    assert_eq!(
        net.nodes[1].got.len(),
        40,
        "nothing from the new address was withheld"
    );
    assert_eq!(
        net.nodes[1].delivered.len(),
        1,
        "all from the same virtual address"
    );
    // And what the listener says arrives again.
    net.talk(1, 100..110);
    assert_eq!(net.nodes[0].got.len(), 10);
}

#[test]
fn the_switch_to_a_new_address_takes_about_one_round_trip() {
    let mut net = Net::connected(&[DIALER], &[LISTENER]);
    net.talk(0, 0..20);
    net.shown.insert(addr(DIALER), addr("203.0.113.7:999"));
    let moved = net.now;
    net.talk(0, 20..40);
    let at = net.nodes[1].events.last().unwrap().0;
    // 10 ms until the first packet is there, 20 ms for the probe, a little for the old path's last
    // chance.
    assert!(at - moved <= ms(65), "{:?}", at - moved);
}

#[test]
fn after_the_listeners_address_changed_traffic_resumes_both_ways() {
    let mut net = Net::connected(&[DIALER], &[LISTENER]);
    net.talk(0, 0..20);
    let new = addr("203.0.113.7:999");
    net.shown.insert(addr(LISTENER), new);
    // The listener has something to say; that shows the dialer where it is now.
    net.talk(1, 100..120);
    assert_eq!(net.path(0).remote, new);
    net.talk(0, 20..40);
    assert_eq!(net.nodes[1].got.len(), 40);
}

#[test]
fn both_sides_may_change_one_after_the_other_many_times() {
    let mut net = Net::connected(&[DIALER], &[LISTENER]);
    for round in 0..20u16 {
        let side = usize::from(round % 2);
        let bound = net.nodes[side].addrs[0];
        net.shown.insert(
            bound,
            (std::net::Ipv4Addr::new(203, 0, 113, 7), 1000 + round).into(),
        );
        net.talk(side, u64::from(round) * 100..u64::from(round) * 100 + 60);
        let other = 1 - side;
        assert_eq!(net.path(other).remote, net.shown_as(bound), "round {round}");
    }
}

/// Checks DC-CONN-048 (negative), DC-CONN-050 (negative), DC-CONN-051 (negative).
#[test]
fn a_captured_packet_from_elsewhere_draws_one_probe_and_no_data() {
    let mut net = Net::connected(&[DIALER], &[LISTENER]);
    net.talk(0, 0..20);
    let thief = addr("203.0.113.66:6");
    let packet = short(&net.nodes[1].cid, b"replayed", 300);
    net.inject(thief, addr(LISTENER), packet);
    net.talk(0, 20..100);
    assert_eq!(net.path(1).remote, addr(DIALER));
    assert_eq!(net.nodes[1].probes.get(&thief), Some(&1));
    assert_eq!(net.nodes[1].sent.get(&thief), Some(&64));
    assert_eq!(net.switches(1), 0);
}

#[test]
fn packets_in_flight_on_the_old_path_do_not_hold_a_move_up() {
    let mut net = Net::connected(&[DIALER], &[LISTENER]);
    net.talk(0, 0..20);
    net.data(0, 20);
    net.data(0, 21);
    net.shown.insert(addr(DIALER), addr("203.0.113.7:999"));
    net.talk(0, 22..60);
    assert_eq!(net.path(1).remote, addr("203.0.113.7:999"));
}
