//! Servers that are few, dead, or lie.

use dchat_nat::classify::{FaultKind, Lacking};
use dchat_wire::nat::{Allocation, Filtering, Mapping};

use crate::scene::{
    FILTERINGS, MAPPINGS, address, nat, net, node, ordinary, plain, rfc5780, within_bounds,
};
use crate::support::nat::Ports;
use crate::support::net::{Host, Manner};

#[test]
fn one_server_without_another_address_leaves_mapping_and_filtering_unknown() {
    let mut net = net(
        nat(
            Mapping::AddressDependent,
            Filtering::AddressDependent,
            Ports::Random,
            false,
            1,
        ),
        vec![plain("198.51.100.1:3478")],
        1,
    );
    let report = net.classify(1);
    assert_eq!(report.v4.class.mapping, Mapping::Unknown);
    assert_eq!(report.v4.class.filtering, Filtering::Unknown);
    assert_eq!(
        report.v4.lacking,
        [Lacking::SecondServer, Lacking::Filtering]
    );
}

#[test]
fn without_two_ports_of_one_host_a_dependent_mapping_says_what_it_lacks() {
    let mut net = net(
        nat(
            Mapping::AddressDependent,
            Filtering::AddressDependent,
            Ports::Random,
            false,
            1,
        ),
        vec![plain("198.51.100.1:3478"), plain("192.0.2.1:3478")],
        1,
    );
    let report = net.classify(1);
    assert_eq!(report.v4.class.mapping, Mapping::AddressAndPortDependent);
    assert!(report.v4.lacking.contains(&Lacking::MappingByPort));
}

#[test]
fn a_lying_server_is_outvoted_and_named_whatever_its_lie() {
    for lie in [
        Manner::Lies(address("192.0.2.99:5555")),
        Manner::Lies(address("203.0.113.5:5555")),
        Manner::Babbles,
    ] {
        for position in 0..3 {
            for seed in 0..20 {
                let mut servers = vec![
                    rfc5780("198.51.100.1:3478", "192.0.2.1:3479"),
                    plain("192.0.2.30:3478"),
                ];
                let liar = Host {
                    manner: lie,
                    ..plain("198.51.100.66:3478")
                };
                servers.insert(position, liar);
                let mut net = net(
                    nat(
                        Mapping::EndpointIndependent,
                        Filtering::AddressAndPortDependent,
                        Ports::Preserving,
                        false,
                        seed,
                    ),
                    servers,
                    seed,
                );
                let report = net.classify(seed);
                assert_eq!(report.v4.class.mapping, Mapping::EndpointIndependent);
                assert_eq!(
                    report.v4.class.filtering,
                    Filtering::AddressAndPortDependent
                );
                assert_eq!(
                    report.v4.class.allocation,
                    Allocation::Preserving,
                    "{report:?}"
                );
                assert_eq!(report.v4.public, Some(address("203.0.113.5:4001")));
                let named: Vec<_> = report
                    .faults
                    .iter()
                    .filter(|fault| fault.kind == FaultKind::Outvoted)
                    .map(|fault| fault.server)
                    .collect();
                assert_eq!(named, [address("198.51.100.66:3478")]);
            }
        }
    }
}

/// Checks DC-NAT-037 (negative).
#[test]
fn a_server_that_ignores_change_requests_proves_nothing_and_is_named() {
    let servers = vec![
        Host {
            manner: Manner::IgnoresChange,
            ..rfc5780("198.51.100.1:3478", "192.0.2.1:3479")
        },
        plain("192.0.2.30:3478"),
    ];
    let mut net = net(
        nat(
            Mapping::EndpointIndependent,
            Filtering::EndpointIndependent,
            Ports::Preserving,
            false,
            1,
        ),
        servers,
        1,
    );
    let report = net.classify(1);
    assert_eq!(report.v4.class.filtering, Filtering::Unknown);
    assert!(
        report
            .faults
            .iter()
            .any(|fault| fault.kind == FaultKind::IgnoredChange)
    );
}

/// Checks DC-NAT-037 (negative).
#[test]
fn a_node_that_withholds_reach_datagrams_is_contradicted_by_one_that_sends_them() {
    let servers = vec![
        Host {
            manner: Manner::Withholds,
            ..node("198.51.100.1:4001")
        },
        node("192.0.2.2:4001"),
        plain("198.51.100.20:3478"),
    ];
    let mut net = net(
        nat(
            Mapping::EndpointIndependent,
            Filtering::EndpointIndependent,
            Ports::Preserving,
            false,
            1,
        ),
        servers,
        1,
    );
    let report = net.classify(1);
    assert_eq!(report.v4.class.filtering, Filtering::EndpointIndependent);
    assert!(report.faults.iter().any(|fault| {
        fault.kind == FaultKind::NotSent && fault.server == address("198.51.100.1:4001")
    }));
}

#[test]
fn a_server_that_names_a_false_other_address_cannot_make_the_filter_look_strict() {
    let mut servers = ordinary();
    servers[0].manner = Manner::NamesFalseOther;
    let mut net = net(
        nat(
            Mapping::EndpointIndependent,
            Filtering::EndpointIndependent,
            Ports::Preserving,
            false,
            1,
        ),
        servers,
        1,
    );
    let report = net.classify(1);
    assert_eq!(report.v4.class.filtering, Filtering::Unknown);
    assert!(report.faults.iter().any(|fault| {
        fault.kind == FaultKind::NoOther && fault.server == address("198.51.100.1:3478")
    }));
}

/// Checks DC-NAT-037 (positive).
#[test]
fn one_rfc_5780_server_suffices_for_mapping_and_filtering() {
    for mapping in MAPPINGS {
        for filtering in FILTERINGS {
            let mut net = net(
                nat(mapping, filtering, Ports::Random, true, 3),
                vec![rfc5780("198.51.100.1:3478", "192.0.2.1:3479")],
                3,
            );
            let report = net.classify(3);
            within_bounds(&report);
            assert_eq!(report.v4.class.mapping, mapping);
            assert_eq!(report.v4.class.filtering, filtering);
            assert_eq!(report.v4.class.allocation, Allocation::Random);
            // Nothing is sent to an address that one operator alone names.
            assert_eq!(report.v4.hairpin, None);
        }
    }
}

#[test]
fn dead_servers_are_replaced_by_the_one_in_reserve() {
    let dead = |text| Host {
        manner: Manner::Dead,
        ..plain(text)
    };
    let servers = vec![
        dead("198.51.100.70:3478"),
        plain("198.51.100.20:3478"),
        dead("198.51.100.71:3478"),
        plain("192.0.2.30:3478"),
    ];
    let mut net = net(
        nat(
            Mapping::EndpointIndependent,
            Filtering::AddressDependent,
            Ports::Preserving,
            true,
            3,
        ),
        servers,
        3,
    );
    let report = net.classify(3);
    within_bounds(&report);
    assert_eq!(report.v4.class.mapping, Mapping::EndpointIndependent);
}
