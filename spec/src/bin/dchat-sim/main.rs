//! dchat-sim
use dchat_spec::sim::{
    scenario::{self, Weather},
    site::Profile,
};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let p = |i: usize| Profile::named(&args[i]).unwrap();
    for seed in 0..args[3].parse().unwrap() {
        let loss = args.get(4).map_or(0.0, |l| l.parse().unwrap());
        let run = scenario::nat(
            p(1),
            p(2),
            seed,
            Weather { loss, reorder: 0.0 },
            std::time::Instant::now(),
        );
        println!(
            "{seed} reach {} direct {:?} first {:?} msg {:?} up {:?} rt {:?} probes {} reason {:?} events {}",
            run.reachable,
            run.direct,
            run.first,
            run.message,
            run.up,
            run.round_trip,
            run.probes,
            run.reason,
            run.events
        );
    }
}
