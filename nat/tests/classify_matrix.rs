//! Every kind of NAT is told for what it is, by every kind of server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking, and print what they measured"
)]

mod support;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dchat_nat::classify::{FaultKind, Lacking, Report, ServerKind};
use dchat_wire::nat::{Allocation, Filtering, Mapping};
use support::nat::{Nat, Ports};
use support::net::{Host, Manner, Net};

const INSIDE: &str = "192.168.1.10:4001";
const OUTSIDE: [u8; 4] = [203, 0, 113, 5];

const MAPPINGS: [Mapping; 3] = [
    Mapping::EndpointIndependent,
    Mapping::AddressDependent,
    Mapping::AddressAndPortDependent,
];
const FILTERINGS: [Filtering; 3] = [
    Filtering::EndpointIndependent,
    Filtering::AddressDependent,
    Filtering::AddressAndPortDependent,
];

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn plain(text: &str) -> Host {
    Host {
        address: address(text),
        other: None,
        kind: ServerKind::Stun,
        manner: Manner::Honest,
    }
}

fn rfc5780(text: &str, other: &str) -> Host {
    Host {
        other: Some(address(other)),
        ..plain(text)
    }
}

fn node(text: &str) -> Host {
    Host {
        kind: ServerKind::Node,
        ..plain(text)
    }
}

fn ordinary() -> Vec<Host> {
    vec![
        rfc5780("198.51.100.1:3478", "192.0.2.1:3479"),
        plain("198.51.100.20:3478"),
        plain("192.0.2.30:3478"),
    ]
}

fn nodes() -> Vec<Host> {
    vec![
        node("198.51.100.1:4001"),
        node("192.0.2.2:4001"),
        plain("198.51.100.20:3478"),
        plain("198.51.100.20:3479"),
    ]
}

fn nat(mapping: Mapping, filtering: Filtering, ports: Ports, hairpin: bool, seed: u64) -> Nat {
    Nat::new(
        mapping,
        filtering,
        ports,
        hairpin,
        IpAddr::from(OUTSIDE),
        seed,
    )
}

fn net(nat: Nat, servers: Vec<Host>, seed: u64) -> Net {
    Net::new(address(INSIDE), vec![nat], servers, seed)
}

fn within_bounds(report: &Report) {
    assert!(report.sent <= 40, "{} sent", report.sent);
    assert!(report.took <= Duration::from_secs(2), "{:?}", report.took);
}

const ALLOCATIONS: [Ports; 9] = [
    Ports::Preserving,
    Ports::Sequential(1),
    Ports::Sequential(-1),
    Ports::Sequential(2),
    Ports::Sequential(-2),
    Ports::Block {
        first: 6_400,
        len: 64,
    },
    Ports::Block {
        first: 10_240,
        len: 256,
    },
    Ports::Block {
        first: 20_480,
        len: 512,
    },
    Ports::Random,
];

fn law_fits(report: &Report, ports: Ports) -> bool {
    let class = &report.v4.class;
    match ports {
        Ports::Preserving => class.allocation == Allocation::Preserving,
        Ports::Sequential(stride) => {
            class.allocation == Allocation::Sequential && class.stride.cast_signed() == stride
        }
        Ports::Block { first, len } => {
            // The estimate has to lie inside, and hold most of the block.
            class.allocation == Allocation::Block
                && class.block_first >= first
                && class.block_first + class.block_len <= first + len
                && class.block_len * 2 >= len
        }
        Ports::Random => class.allocation == Allocation::Random,
    }
}

fn whole_matrix(servers: fn() -> Vec<Host>, loss: f64, seeds: u64) -> (u64, u64, Vec<String>, u32) {
    let (mut runs, mut right, mut wrong, mut most) = (0, 0, Vec::new(), 0);
    let mut cases = 0;
    for mapping in MAPPINGS {
        for filtering in FILTERINGS {
            for ports in ALLOCATIONS {
                for hairpin in [false, true] {
                    cases += 1;
                    for seed in 0..seeds {
                        let seed = (seed * 1_000 + cases) * 7_919 + 13;
                        let mut net = net(
                            nat(mapping, filtering, ports, hairpin, seed),
                            servers(),
                            seed,
                        );
                        net.loss = loss;
                        let report = net.classify(seed);
                        within_bounds(&report);
                        most = most.max(report.sent + report.received);
                        let class = &report.v4.class;
                        let hairpin_fits = match report.v4.hairpin {
                            Some(found) => found == hairpin,
                            None => mapping != Mapping::EndpointIndependent,
                        };
                        runs += 1;
                        if class.mapping == mapping
                            && class.filtering == filtering
                            && law_fits(&report, ports)
                            && hairpin_fits
                        {
                            right += 1;
                        } else if wrong.len() < 3 {
                            wrong.push(format!(
                                "{mapping:?} {filtering:?} {ports:?} hairpin {hairpin} seed {seed}: {report:?}"
                            ));
                        }
                    }
                }
            }
        }
    }
    (runs, right, wrong, most)
}

#[test]
fn ordinary_servers_tell_every_nat() {
    let (runs, right, wrong, most) = whole_matrix(ordinary, 0.0, 4);
    println!("ordinary: {right} of {runs}, at most {most} datagrams sent and received");
    // A block is now and then estimated at half its size: seven samples of 512 ports.
    assert!(
        right * 100 >= runs * 98,
        "{right} of {runs}\n{}",
        wrong.join("\n")
    );
}

#[test]
fn nodes_tell_every_nat() {
    let (runs, right, wrong, most) = whole_matrix(nodes, 0.0, 4);
    println!("nodes: {right} of {runs}, at most {most} datagrams sent and received");
    assert!(
        right * 100 >= runs * 98,
        "{right} of {runs}\n{}",
        wrong.join("\n")
    );
}

#[test]
fn five_percent_loss_leaves_nearly_all_verdicts_right() {
    for (name, servers) in [
        ("ordinary", ordinary as fn() -> Vec<Host>),
        ("nodes", nodes),
    ] {
        let (runs, right, wrong, most) = whole_matrix(servers, 0.05, 4);
        println!("{name}, 5 % loss: {right} of {runs}, at most {most} datagrams");
        assert!(
            right * 100 >= runs * 95,
            "{name}: {right} of {runs}\n{}",
            wrong.join("\n")
        );
    }
}

#[test]
fn mapping_and_filtering_survive_loss_almost_always() {
    let (mut runs, mut right, mut wrong) = (0, 0, Vec::new());
    for mapping in MAPPINGS {
        for filtering in FILTERINGS {
            for seed in 0..200 {
                let seed = seed * 9 + runs % 9;
                let mut net = net(
                    nat(mapping, filtering, Ports::Random, false, seed),
                    ordinary(),
                    seed,
                );
                net.loss = 0.05;
                let report = net.classify(seed);
                within_bounds(&report);
                runs += 1;
                let class = report.v4.class;
                let fits = class.mapping == mapping && class.filtering == filtering;
                right += u64::from(fits);
                if !fits && wrong.len() < 12 {
                    wrong.push(format!(
                        "{mapping:?} {filtering:?}: {class:?}, sent {}, {:?} {:?}",
                        report.sent, report.v4.lacking, report.faults
                    ));
                }
            }
        }
    }
    println!("5 % loss, mapping and filtering: {right} of {runs}");
    assert!(
        right * 1_000 >= runs * 995,
        "{right} of {runs}\n{}",
        wrong.join("\n")
    );
}

#[test]
fn other_hosts_mappings_in_between_hide_no_stride() {
    for stride in [1, -1, 2, -2] {
        let mut right = 0;
        for seed in 0..50 {
            let nat = nat(
                Mapping::AddressAndPortDependent,
                Filtering::AddressAndPortDependent,
                Ports::Sequential(stride),
                false,
                seed,
            );
            let mut net = net(nat, ordinary(), seed);
            net.cross_traffic = 0.2;
            let class = net.classify(seed).v4.class;
            right += u32::from(
                class.allocation == Allocation::Sequential && class.stride.cast_signed() == stride,
            );
        }
        assert!(right >= 45, "stride {stride}: {right} of 50");
    }
}

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

#[test]
fn blocks_are_nearly_always_found_whole() {
    for len in [64, 128, 256, 512] {
        let mut exact = 0;
        for seed in 0..200 {
            let first = 1_024 + len * (seed % 100) as u16;
            let nat = nat(
                Mapping::AddressAndPortDependent,
                Filtering::AddressAndPortDependent,
                Ports::Block { first, len },
                false,
                seed,
            );
            let class = net(nat, ordinary(), seed).classify(seed).v4.class;
            exact += u32::from(class.block_first == first && class.block_len == len);
        }
        println!("block of {len}: {exact} of 200 exact");
        assert!(exact >= 198, "{len}: {exact}");
    }
}
