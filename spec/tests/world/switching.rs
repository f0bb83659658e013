//! A conversation while its paths come and go.

use std::time::Instant;

use dchat_spec::sim::scenario::{PathConfig, PathRun, Weather, path};

fn run(seed: u64, loss: f64) -> PathRun {
    let reorder = loss;
    let config = PathConfig {
        switches: 15,
        rate: 50,
        weather: Weather { loss, reorder },
    };
    path(config, seed, Instant::now())
}

#[test]
fn nothing_is_lost_doubled_or_reordered_and_no_connection_ends() {
    for (seed, loss) in [(0, 0.0), (1, 0.0), (2, 0.02)] {
        let run = run(seed, loss);
        assert!(run.switches >= 15, "{run:?}");
        assert!(run.messages > 500, "{run:?}");
        let faults = [run.lost, run.doubled, run.reordered, run.closed];
        assert_eq!(faults, [0; 4], "{seed} {run:?}");
        assert_eq!(run.delivered, run.messages);
    }
}

#[test]
fn the_same_seed_is_the_same_conversation() {
    let first = run(5, 0.01);
    assert_eq!(run(5, 0.01), first);
    assert_ne!(run(6, 0.01).trace, first.trace);
}
