//! Other things than one NAT before a host, and what a classification keeps to.

use std::net::IpAddr;

use dchat_nat::classify::Lacking;
use dchat_wire::nat::{Allocation, Filtering, Mapping};

use crate::scene::{INSIDE, OUTSIDE, address, nat, net, ordinary, plain, rfc5780, within_bounds};
use crate::support::nat::{Nat, Ports};
use crate::support::net::Net;

#[test]
fn a_public_host_has_no_nat_and_no_hairpin() {
    let mut net = Net::new(address("203.0.113.9:4001"), vec![], ordinary(), 1);
    let report = net.classify(1);
    within_bounds(&report);
    assert_eq!(report.v4.class.mapping, Mapping::None);
    assert_eq!(report.v4.class.filtering, Filtering::None);
    assert_eq!(report.v4.class.allocation, Allocation::Preserving);
    assert_eq!(report.v4.hairpin, None);
    assert!(report.v4.lacking.is_empty());
}

#[test]
fn a_firewall_without_nat_is_told_from_an_open_host() {
    for filtering in [
        Filtering::AddressDependent,
        Filtering::AddressAndPortDependent,
    ] {
        let firewall = Nat::new(
            Mapping::None,
            filtering,
            Ports::Preserving,
            false,
            IpAddr::from([203, 0, 113, 9]),
            1,
        );
        let mut net = Net::new(address("203.0.113.9:4001"), vec![firewall], ordinary(), 1);
        let report = net.classify(1);
        assert_eq!(report.v4.class.mapping, Mapping::None);
        assert_eq!(report.v4.class.filtering, filtering);
    }
}

#[test]
fn ipv6_behind_a_firewall_is_classified_beside_ipv4() {
    let servers = vec![
        rfc5780("198.51.100.1:3478", "192.0.2.1:3479"),
        plain("198.51.100.20:3478"),
        rfc5780("[2001:db8:1::1]:3478", "[2001:db8:2::1]:3479"),
        plain("[2001:db8:3::1]:3478"),
    ];
    let firewall = Nat::new(
        Mapping::None,
        Filtering::AddressAndPortDependent,
        Ports::Preserving,
        false,
        "2001:db8:9::9".parse().unwrap(),
        1,
    );
    let mut net = Net::new(address("[2001:db8:9::9]:4001"), vec![firewall], servers, 1);
    let report = net.classify(1);
    within_bounds(&report);
    assert!(report.v6.works && !report.v4.works);
    assert_eq!(report.v6.class.mapping, Mapping::None);
    assert_eq!(
        report.v6.class.filtering,
        Filtering::AddressAndPortDependent
    );
}

/// Checks DC-NAT-036 (negative).
#[test]
fn udp_that_is_cut_is_reported_in_time_and_nothing_is_guessed() {
    let mut net = net(
        nat(
            Mapping::EndpointIndependent,
            Filtering::EndpointIndependent,
            Ports::Preserving,
            true,
            1,
        ),
        ordinary(),
        1,
    );
    net.cut = true;
    let report = net.classify(1);
    within_bounds(&report);
    assert!(!report.udp);
    assert_eq!(report.v4.class, dchat_wire::nat::NatClass::UNKNOWN);
    assert_eq!(report.v4.lacking, [Lacking::Answer]);
}

#[test]
fn the_gateways_own_address_tells_a_second_nat() {
    let inner = Nat::new(
        Mapping::EndpointIndependent,
        Filtering::AddressAndPortDependent,
        Ports::Preserving,
        false,
        IpAddr::from([100, 64, 3, 7]),
        1,
    );
    let outer = nat(
        Mapping::AddressAndPortDependent,
        Filtering::AddressAndPortDependent,
        Ports::Random,
        false,
        2,
    );
    let mut net = Net::new(address(INSIDE), vec![inner, outer], ordinary(), 1);
    let mut setup = net.setup();
    setup.gateway = Some(IpAddr::from([100, 64, 3, 7]));
    let report = net.classify_with(dchat_nat::classify::Config::default(), &setup, 1);
    assert_eq!(report.double_nat, Some(true));
    assert_eq!(report.v4.class.mapping, Mapping::AddressAndPortDependent);

    let single = nat(
        Mapping::EndpointIndependent,
        Filtering::EndpointIndependent,
        Ports::Preserving,
        false,
        2,
    );
    let mut net = Net::new(address(INSIDE), vec![single], ordinary(), 1);
    let mut setup = net.setup();
    setup.gateway = Some(IpAddr::from(OUTSIDE));
    let report = net.classify_with(dchat_nat::classify::Config::default(), &setup, 1);
    assert_eq!(report.double_nat, Some(false));
}

#[test]
fn a_symmetric_nat_that_keeps_the_first_port_is_both() {
    let mut net = net(
        nat(
            Mapping::AddressAndPortDependent,
            Filtering::AddressAndPortDependent,
            Ports::Preserving,
            false,
            5,
        ),
        ordinary(),
        5,
    );
    let report = net.classify(5);
    assert_eq!(report.v4.class.mapping, Mapping::AddressAndPortDependent);
    assert_eq!(report.v4.class.allocation, Allocation::Preserving);
    assert_ne!(report.v4.again.allocation, Allocation::Preserving);
}

#[test]
fn a_small_budget_is_kept_and_leaves_questions_open_rather_than_guessed() {
    for packets in 0..40 {
        let mut net = net(
            nat(
                Mapping::AddressAndPortDependent,
                Filtering::AddressDependent,
                Ports::Random,
                false,
                5,
            ),
            ordinary(),
            5,
        );
        let config = dchat_nat::classify::Config {
            packets,
            ..Default::default()
        };
        let setup = net.setup();
        let report = net.classify_with(config, &setup, 5);
        assert!(report.sent <= packets);
        assert!(matches!(
            report.v4.class.filtering,
            Filtering::Unknown | Filtering::AddressDependent
        ));
        assert!(matches!(
            report.v4.class.mapping,
            Mapping::Unknown | Mapping::AddressAndPortDependent
        ));
    }
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let run = || {
        let mut net = net(
            nat(
                Mapping::AddressDependent,
                Filtering::AddressDependent,
                Ports::Random,
                true,
                3,
            ),
            ordinary(),
            3,
        );
        net.loss = 0.05;
        net.classify(3)
    };
    assert_eq!(run(), run());
}
