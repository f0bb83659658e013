//! What spreading a message costs the processor: the protocol cores of three projects, in one run.
//!
//! `cargo run --release --manifest-path spec/comparison/Cargo.toml --bin gossip-cores`. Each room is in
//! one thread and without a network: in each turn of ten milliseconds every member handles what was
//! sent to it in the turn before. [`AUTHORS`] members write in turn, one message of [`BODY`] bytes
//! every second turn. What is measured is the thread's processor time ([`Stopwatch`]) inside the cores,
//! in microseconds for one message at one member other than its author; carrying messages from one
//! core to the next is not. Signatures are neither made nor checked, by nobody.
//!
//! - **dchat** is `dchat_gossip::Node` with `dchat_gossip::log::Item::new` for each item that comes: its
//!   shape, and the hashes of its body, its header and its log's name.
//! - **dchat node** is the node alone: production makes the item before it asks the node.
//! - **iroh-gossip** is `iroh_gossip::proto::State`, which hashes what comes.
//! - **gossipsub** is libp2p's `gossipsub::Behaviour`: what handlers report and what it then does. It
//!   writes to its handlers by private types, so it runs in swarms over the memory transport, whose
//!   time and the handlers' is not counted. Messages carry their author's name and a number, and are
//!   not hashed.
//! - **dchat codec** and **iroh codec** are the first and the third with what they encode and decode
//!   for streams.

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
}

/// What is measured of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// With the hashes of what comes.
    Hashed,
    /// Without, where they are made before.
    Alone,
    /// With the bytes of streams as well.
    Codec,
}

type Make = fn(usize, How) -> Box<dyn Room>;

/// By name: the core, how it is measured, messages and rounds. Carrying gossipsub's messages takes
/// minutes, and it costs so much more that few will do.
const CORES: [(&str, Make, How, u32, usize); 6] = [
    ("dchat", ours::make, How::Hashed, 1000, 5),
    ("dchat node", ours::make, How::Alone, 1000, 5),
    ("iroh-gossip", iroh::make, How::Hashed, 1000, 5),
    ("gossipsub", gossipsub::make, How::Hashed, 200, 3),
    ("dchat codec", ours::make, How::Codec, 1000, 5),
    ("iroh codec", iroh::make, How::Codec, 1000, 5),
];

fn measure(make: Make, members: usize, messages: u32, how: How) -> Cost {
    let mut room = make(members, how);
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
    write(&mut room, messages);
    for _ in 0..SETTLING / 10 {
        room.turn();
    }
    let now = room.count();
    let delivered = (now.delivered - before.delivered) as f64;
    let wanted = f64::from(messages) * (members - 1) as f64;
    assert!(delivered >= wanted * 0.999, "messages are lost");
    Cost {
        micros: (now.spent - before.spent) as f64 / delivered / 1e3,
        copies: (now.copies - before.copies) as f64 / delivered,
        frames: (now.frames - before.frames) as f64 / delivered,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let mut cores = CORES.to_vec();
    cores.retain(|(name, ..)| only.is_empty() || only.iter().any(|chosen| chosen == name));
    println!("| members | core | µs a message | of the first | copies | frames |");
    println!("|---|---|---|---|---|---|");
    for members in [50, 200] {
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); cores.len()];
        for round in 0..ROUNDS {
            for (costs, (_, make, how, messages, rounds)) in costs.iter_mut().zip(&cores) {
                if round < *rounds {
                    costs.push(measure(*make, members, *messages, *how));
                }
            }
        }
        let of = |costs: &[Cost], what: fn(&Cost) -> f64| median(costs.iter().map(what).collect());
        let first = of(&costs[0], |cost| cost.micros);
        for (costs, (name, ..)) in costs.iter().zip(&cores) {
            let micros = of(costs, |cost| cost.micros);
            println!(
                "| {members} | {name} | {micros:.2} | {:.1} | {:.2} | {:.2} |",
                micros / first,
                of(costs, |cost| cost.copies),
                of(costs, |cost| cost.frames),
            );
        }
    }
}
