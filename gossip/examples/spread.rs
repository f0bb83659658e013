//! Duplicates, latency and bytes of a room on virtual time.
//!
//! ```text
//! cargo run --release -p dchat-gossip --example spread -- [members] [seed] [loss %] [authors] [messages]
//! ```
//! Links take 10 to 50 ms. Cold: each author's first message. Warm: the later ones.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "prints a table")]

#[path = "../tests/support/mod.rs"]
mod support;

use dchat_gossip::Config;
use support::world::{Net, World, percentile};

fn phase(world: &mut World, name: &str, authors: &[u32], gap: u64) {
    world.reset_counts();
    let (dup, del) = (world.duplicates(), world.delivered());
    for author in authors {
        world.publish(*author);
        world.run(gap);
    }
    let whole = world.until_equal(60_000);
    if whole.is_none() {
        for (number, node) in world.nodes.iter().enumerate() {
            for sent in &world.sent {
                let tip = node
                    .frontier()
                    .find(&sent.item.log())
                    .and_then(|log| node.frontier().tip(log));
                let held = tip.map_or(0, |tip| tip.seq);
                if held < sent.item.seq() {
                    println!(
                        "{number} holds {held} of {:?}, degree {}, {:?}",
                        sent.item,
                        node.neighbours().count(),
                        node.stat()
                    );
                    break;
                }
            }
        }
    }
    let members = world.alive.iter().filter(|alive| **alive).count() as u64;
    let ideal: u64 = world
        .sent
        .iter()
        .map(|s| s.item.encoded_len() as u64)
        .sum::<u64>()
        * (members - 1);
    let mut all: Vec<u32> = Vec::new();
    let mut flood: Vec<u32> = Vec::new();
    for sent in &world.sent {
        all.extend(&world.latency[sent.item.hash()]);
    }
    for author in authors.iter().take(20) {
        flood.extend(world.flooding(*author));
    }
    all.sort_unstable();
    flood.sort_unstable();
    let delivered = world.delivered() - del;
    println!(
        "{name:10} whole {whole:?} ms, duplicates {:.3}, bytes {:.3}, latency p50 {} p99 {} max {} (flooding {} {} {})",
        (world.duplicates() - dup) as f64 / delivered as f64,
        world.bytes as f64 / ideal as f64,
        percentile(&all, 0.5),
        percentile(&all, 0.99),
        percentile(&all, 1.0),
        percentile(&flood, 0.5),
        percentile(&flood, 0.99),
        percentile(&flood, 1.0),
    );
    let kinds: Vec<String> = world
        .by_kind
        .iter()
        .map(|(kind, (count, bytes))| {
            format!(
                "{kind} {:.2}x {:.1}B",
                *count as f64 / delivered as f64,
                *bytes as f64 / delivered as f64
            )
        })
        .collect();
    println!("           per delivery: {}", kinds.join(", "));
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>().unwrap());
    let members = arguments.next().unwrap_or(1000) as u32;
    let seed = arguments.next().unwrap_or(1);
    let loss = arguments.next().unwrap_or(0) as f64 / 100.0;
    let authors = arguments.next().unwrap_or(10) as u32;
    let messages = arguments.next().unwrap_or(10) as usize;
    let net = Net {
        loss,
        as_delay: false,
    };
    let mut world = World::new(members, seed, net, Config::default());
    world.run(60_000);
    let degrees: Vec<usize> = world
        .nodes
        .iter()
        .map(|node| node.neighbours().count())
        .collect();
    let mean = degrees.iter().sum::<usize>() as f64 / degrees.len() as f64;
    let chosen = world.nodes.iter().map(|node| node.chosen()).min().unwrap();
    println!(
        "{members} members, loss {loss}: degree {} to {}, mean {mean:.2}, at least {chosen} chosen",
        degrees.iter().min().unwrap(),
        degrees.iter().max().unwrap(),
    );
    let authors: Vec<u32> = (0..authors).map(|at| at * (members / authors)).collect();
    phase(&mut world, "cold", &authors, 200);
    for round in 0..6 {
        phase(&mut world, &format!("warming {round}"), &authors, 200);
    }
    let many: Vec<u32> = authors
        .iter()
        .copied()
        .cycle()
        .take(authors.len() * messages)
        .collect();
    phase(&mut world, "warm", &many, 200);
    phase(&mut world, "lively", &many, 10);
    world.reset_counts();
    world.run(600_000);
    let idle = world.bytes as f64 / 600.0 / f64::from(members);
    println!("idle: {idle:.1} bytes a second and member");
    let moved: u64 = world.nodes.iter().map(|node| node.stat().moved).sum();
    let faults: u64 = world.nodes.iter().map(|node| node.stat().faults).sum();
    println!(
        "moved {moved}, faults {faults}, shunned {}",
        world.shunned.len()
    );
}
