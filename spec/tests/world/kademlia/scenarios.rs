//! Each scenario at a size that a test can wait for.

use dchat_spec::sim::kademlia::adversary::Conduct;
use dchat_spec::sim::kademlia::scenario::{Plan, Report, Scenario, run};

fn plan(scenario: Scenario, nodes: u32, lookups: u32) -> Plan {
    Plan {
        scenario,
        nodes,
        seed: 1,
        churn_median_min: None,
        hostile: 0.0,
        conduct: Conduct::Colluding,
        lookups: Some(lookups),
        hours: None,
    }
}

fn report(plan: &Plan) -> Report {
    run(plan, &mut || 0)
}

fn more(report: &Report, name: &str) -> f64 {
    report
        .more
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap()
        .1
}

#[test]
fn a_still_network_finds_exactly_the_nearest() {
    let report = report(&plan(Scenario::Steady, 500, 300));
    assert!(report.success >= 0.999, "{report:?}");
    assert!(report.exact20 >= 0.998, "{report:?}");
    assert!(report.rpcs_mean <= 28.0, "{report:?}");
}

#[test]
fn the_same_seed_gives_the_same_events_and_another_seed_others() {
    let mut plan = plan(Scenario::Steady, 50, 100);
    plan.churn_median_min = Some(5.0);
    plan.hours = Some(0.05);
    let first = report(&plan).trace_hash;
    assert_eq!(report(&plan).trace_hash, first);
    plan.seed = 2;
    assert_ne!(report(&plan).trace_hash, first);
}

#[test]
fn records_are_found_while_nodes_come_and_go() {
    let mut plan = plan(Scenario::Steady, 100, 300);
    plan.churn_median_min = Some(15.0);
    plan.hours = Some(0.1);
    let report = report(&plan);
    assert!(report.success >= 0.99, "{report:?}");
    assert!(report.overlap20_mean >= 0.9, "{report:?}");
}

#[test]
fn colluding_nodes_do_not_mislead() {
    let mut plan = plan(Scenario::Steady, 300, 300);
    plan.hostile = 0.2;
    let report = report(&plan);
    assert!(report.success >= 0.99, "{report:?}");
    assert!(report.capture_ratio <= 1.3, "{report:?}");
}

#[test]
fn ids_ground_next_to_a_key_do_not_hide_what_is_stored_there() {
    let report = report(&plan(Scenario::Grind, 1_000, 100));
    assert!(report.success >= 0.99, "{report:?}");
}

#[test]
fn two_subnets_do_not_surround_a_node() {
    let report = report(&plan(Scenario::Eclipse, 300, 1));
    assert!(more(&report, "honest_siblings_min") >= 15.0, "{report:?}");
}

#[test]
fn a_newcomer_finds_its_place_from_one_seed() {
    let report = report(&plan(Scenario::Join, 500, 20));
    assert!(report.success >= 1.0, "{report:?}");
    assert!(report.latency_ms_p95 <= 5_000, "{report:?}");
}

#[test]
fn a_partition_heals() {
    let mut plan = plan(Scenario::Partition, 60, 100);
    plan.hours = Some(0.25);
    let report = report(&plan);
    assert!(report.success >= 0.99, "{report:?}");
}

#[test]
fn records_outlive_half_of_the_network() {
    let report = report(&plan(Scenario::MassExit, 100, 200));
    assert!(report.success >= 0.99, "{report:?}");
}

#[test]
fn a_crowd_does_not_disturb_those_who_are_there() {
    let report = report(&plan(Scenario::Flash, 200, 200));
    assert!(report.success >= 0.99, "{report:?}");
}

#[test]
fn floods_cost_honest_nodes_no_record() {
    let mut plan = plan(Scenario::BadInput, 200, 200);
    plan.hours = Some(1.0 / 3600.0);
    let report = report(&plan);
    assert!(more(&report, "success_before") >= 0.99, "{report:?}");
    assert!(more(&report, "success_lost") <= 0.001, "{report:?}");
    assert!(
        more(&report, "refused_bad_signature") > 1_000.0,
        "{report:?}"
    );
}
