//! How long a room that was split takes to become one again, and what that costs.
//!
//! ```text
//! cargo run --release -p dchat-gossip --example heal -- [members] [seed] [loss %] [messages]
//! ```
//! Both halves write half of the messages, a hundred milliseconds apart. Links take 10 to 50 ms.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "prints a measurement"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use dchat_gossip::Config;
use support::world::{Net, World};

fn main() {
    let arguments = std::env::args().skip(1);
    let mut arguments = arguments.map(|argument| argument.parse::<u32>().unwrap());
    let members = arguments.next().unwrap_or(1000);
    let seed = arguments.next().unwrap_or(1);
    let loss = f64::from(arguments.next().unwrap_or(0)) / 100.0;
    let messages = arguments.next().unwrap_or(1000);
    let net = Net {
        loss,
        as_delay: false,
    };
    let mut world = World::new(members, seed.into(), net, Config::default());
    world.keep_latency = false;
    world.run(60_000);
    for number in 0..50 {
        world.publish(number * 7 % members);
        world.run(50);
    }
    world.run(5000);
    world.split(|number| number % 2 == 0);
    world.run(30_000);
    world.reset_counts();
    for number in 0..messages {
        world.publish(number * 13 % members);
        world.run(100);
    }
    world.run(10_000);
    println!("{members} members in {} halves", world.roots().len());
    world.reset_counts_keep_sent();
    let (delivered, duplicates) = (world.delivered(), world.duplicates());
    world.heal();
    let took = world.until_equal(60_000);
    let delivered = world.delivered() - delivered;
    let missing = world.sent[0].item.encoded_len() as u64 * delivered;
    println!(
        "one again after {took:?} ms, {} roots, bytes {:.3} of what was missing, duplicates {:.3}",
        world.roots().len(),
        world.bytes as f64 / missing as f64,
        (world.duplicates() - duplicates) as f64 / delivered as f64,
    );
    for (kind, (count, bytes)) in &world.by_kind {
        let each = *bytes as f64 / delivered as f64;
        println!("  {kind}: {count} frames, {each:.1} bytes a delivery");
    }
}
