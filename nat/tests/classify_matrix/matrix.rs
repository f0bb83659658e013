//! All mappings, filterings and laws of ports.

use dchat_nat::classify::Report;
use dchat_wire::nat::{Allocation, Filtering, Mapping};

use crate::scene::{FILTERINGS, MAPPINGS, nat, net, nodes, ordinary, within_bounds};
use crate::support::nat::Ports;
use crate::support::net::Host;

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
