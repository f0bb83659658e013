//! Path switches under messages. `late` counts messages that took longer than a second;
//! `by_action_ms_max` has the longest delay after each kind of action, `delay_ms_max_single` that
//! after actions before which everything had worked for a while.

use std::io::{self, Write};
use std::time::Instant;

use dchat_spec::sim::scenario::{PathConfig, path};
use serde_json::{Map, Value, json};

use crate::args::Args;
use crate::output::{hex, ms, print};

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let began = Instant::now();
    let config = PathConfig {
        switches: args.switches,
        rate: args.rate,
        weather: args.weather,
    };
    let run = path(config, args.seed, began);
    let by_action: Map<String, Value> = run
        .by_action
        .iter()
        .map(|(action, longest)| ((*action).into(), ms(*longest)))
        .collect();
    let line = json!({
        "switches": run.switches,
        "actions": run.actions,
        "messages": run.messages,
        "delivered": run.delivered,
        "lost": run.lost,
        "doubled": run.doubled,
        "reordered": run.reordered,
        "closed": run.closed,
        "delay_ms_p50": ms(run.delay_p50),
        "delay_ms_p99": ms(run.delay_p99),
        "delay_ms_max": ms(run.delay_max),
        "late": run.late,
        "by_action_ms_max": by_action,
        "delay_ms_max_single": ms(run.delay_max_single),
        "virtual_s": run.took.as_secs(),
        "trace_hash": hex(&run.trace),
    });
    print(&line, args.json, 13)?;
    writeln!(io::stderr(), "{:.1} s", began.elapsed().as_secs_f64())
}
