//! What spreading a message costs the processor: the protocol cores of three projects, in one run.
//!
//! `cargo run --release --manifest-path spec/comparison/Cargo.toml --bin gossip-cores`. Each room is in
//! one thread and without a network: in each turn of ten milliseconds every member handles what was
//! sent to it in the turn before. [`AUTHORS`] members write in turn, one message of [`BODY`] bytes
//! every second turn. What is measured is the thread's processor time ([`Stopwatch`]) inside the cores,
//! in microseconds for one message at one member other than its author; carrying messages from one
//! core to the next is not. Signatures are neither made nor checked, by nobody.
//!
//! - **dchat** is `dchat_gossip::Node` with the hashes of every item that comes (its shape, body, name
//!   and log), which production computes before the core sees it.
//! - **iroh-gossip** is `iroh_gossip::proto::State`, which hashes what comes itself.
//! - **gossipsub** is libp2p's `gossipsub::Behaviour`: what handlers report and what it then does. It
//!   writes to its handlers by private types, so it runs in swarms over the memory transport, whose
//!   time and the handlers' is not counted. Messages carry their author's name and a number and have
//!   no content hash.
//!
//! With `--codec` what each of the first two encodes and decodes for its streams counts as well.

mod gossipsub;
mod iroh;
mod ours;
mod stopwatch;

use stopwatch::Stopwatch;

/// Bytes of a message.
const BODY: usize = 256;
/// Members who write.
const AUTHORS: usize = 10;
/// Milliseconds of a turn.
const TURN: u64 = 10;
/// Messages before what is measured: trees and meshes are there by then.
const WARM_UP: u32 = 200;
const MESSAGES: u32 = 2000;
const ROUNDS: usize = 5;
/// Turns to make neighbours in, and to end in.
const SETTLING: u32 = 1000;

/// A room of one project.
trait Room {
    /// Has a member write a message of its own.
    fn publish(&mut self, member: usize);
    /// Lets every member handle what waits for it.
    fn turn(&mut self);
    /// What was counted since the start.
    fn count(&self) -> Count;
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Messages that came to a member other than their author for the first time.
    delivered: u64,
    /// Messages that were sent to a member.
    copies: u64,
    /// Frames of all kinds.
    frames: u64,
    /// Nanoseconds.
    spent: u64,
}

/// What a message costs at one member.
#[derive(Clone, Copy, Debug)]
struct Cost {
    micros: f64,
    copies: f64,
    frames: f64,
    delivered: f64,
}

type Make = fn(usize, bool) -> Box<dyn Room>;

fn measure(make: Make, members: usize, codec: bool) -> Cost {
    let mut room = make(members, codec);
    for _ in 0..SETTLING {
        room.turn();
    }
    let write = |room: &mut Box<dyn Room>, messages: u32| {
        for number in 0..messages as usize {
            room.publish(number % AUTHORS * (members / AUTHORS));
            room.turn();
            room.turn();
        }
    };
    write(&mut room, WARM_UP);
    let before = room.count();
    write(&mut room, MESSAGES);
    for _ in 0..SETTLING / 10 {
        room.turn();
    }
    let now = room.count();
    let delivered = (now.delivered - before.delivered) as f64;
    Cost {
        micros: (now.spent - before.spent) as f64 / delivered / 1e3,
        copies: (now.copies - before.copies) as f64 / delivered,
        frames: (now.frames - before.frames) as f64 / delivered,
        delivered: delivered / f64::from(MESSAGES) / (members - 1) as f64,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let codec = std::env::args().any(|argument| argument == "--codec");
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let mut makers: Vec<(&str, Make)> = vec![("dchat", ours::make), ("iroh-gossip", iroh::make)];
    if !codec {
        makers.push(("gossipsub", gossipsub::make));
    }
    makers.retain(|(name, _)| only.is_empty() || only.iter().any(|chosen| chosen == name));
    println!("| members | core | µs a message | of ours | copies | frames | delivered |");
    println!("|---|---|---|---|---|---|---|");
    for members in [50, 200] {
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); makers.len()];
        for _ in 0..ROUNDS {
            for (costs, (_, make)) in costs.iter_mut().zip(&makers) {
                costs.push(measure(*make, members, codec));
            }
        }
        let of = |costs: &[Cost], what: fn(&Cost) -> f64| median(costs.iter().map(what).collect());
        let ours = of(&costs[0], |cost| cost.micros);
        for (costs, (name, _)) in costs.iter().zip(&makers) {
            let micros = of(costs, |cost| cost.micros);
            println!(
                "| {members} | {name} | {micros:.2} | {:.1} | {:.2} | {:.2} | {:.4} |",
                micros / ours,
                of(costs, |cost| cost.copies),
                of(costs, |cost| cost.frames),
                of(costs, |cost| cost.delivered),
            );
        }
    }
}
