//! Messages a second through the pure core, both sides in one thread: compose, encrypt, decrypt,
//! append, acknowledge. The ledger is in memory and commits by doing nothing, so this is the share
//! that encryption and conversation have of a message's cost; the database has the rest.
//!
//! `cargo bench -p dchat --bench conversation [-- MESSAGES]`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark reports on the terminal and stops at the first fault"
)]

#[path = "../src/conversation/tests/memory.rs"]
#[allow(dead_code, unused_imports, unreachable_pub)]
mod memory;

use std::time::Instant;

// The ledger names its types from the root of the crate.
use dchat::{conversation, e2ee};

use conversation::{Conversation, Draft, Input, Output, Pair, compose, publish_device};
use dchat_wire::codec::Text;
use dchat_wire::sign::Identity;
use dchat_wire::{Frame, FrameReader};
use memory::Memory;

const NOW: u64 = 1_800_000_000_000;

struct Side {
    pair: Pair,
    ledger: Memory,
    chat: Conversation,
}

impl Side {
    fn new(own: &Identity, peer: &Identity, fresh: u8) -> Self {
        let pair = Pair::new(own.peer_id(), peer.peer_id());
        let mut side = Self {
            pair,
            ledger: Memory::default(),
            chat: Conversation::new(pair, [fresh; 16]),
        };
        let device = publish_device(&mut side.ledger, own, NOW).unwrap();
        let name = Text::new("name".to_owned()).unwrap();
        let open = Input::Open {
            name,
            invite: None,
            device,
        };
        side.chat.handle_input(&mut side.ledger, open, NOW).unwrap();
        side
    }

    /// One transaction: what came in, and what goes out, as bytes of a stream.
    fn step(&mut self, stream: &[u8]) -> Vec<u8> {
        let mut reader = FrameReader::new();
        let mut rest = stream;
        while let Some(frame) = reader.read(&mut rest).unwrap() {
            self.chat
                .handle_input(&mut self.ledger, Input::Frame(frame), NOW)
                .unwrap();
        }
        self.chat.settle(&mut self.ledger, NOW).unwrap();
        self.chat.committed();
        let mut out = Vec::new();
        while let Some(output) = self.chat.poll_output() {
            if let Output::Send(frame) = output {
                out.extend(Frame::to_bytes(&frame));
            }
        }
        out
    }
}

fn exchange(a: &mut Side, b: &mut Side) {
    let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
    loop {
        let from_a = a.step(&core::mem::take(&mut to_a));
        to_b.extend(from_a);
        to_a.extend(b.step(&core::mem::take(&mut to_b)));
        if to_a.is_empty() {
            return;
        }
    }
}

fn run(messages: usize, batch: usize, text: &str) {
    let (one, two) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
    let (mut a, mut b) = (Side::new(&one, &two, 1), Side::new(&two, &one, 2));
    exchange(&mut a, &mut b);
    let draft = Draft {
        text,
        expires_at: None,
    };
    let start = Instant::now();
    for _ in 0..messages / batch {
        for _ in 0..batch {
            compose(&mut a.ledger, &a.pair, &draft, &[3; 16], NOW).unwrap();
        }
        exchange(&mut a, &mut b);
    }
    let seconds = start.elapsed().as_secs_f64();
    let held = b.ledger.shown.len();
    assert_eq!(held, messages / batch * batch);
    println!(
        "batch {batch:>3}, {:>5} bytes: {:>8.0} messages/s, {:>6.1} us each",
        text.len(),
        held as f64 / seconds,
        seconds * 1e6 / held as f64
    );
}

fn main() {
    let asked = std::env::args().find_map(|argument| argument.parse().ok());
    let messages = asked.unwrap_or(20_000);
    for batch in [1, 64] {
        for length in [64, 1024] {
            run(messages, batch, &"x".repeat(length));
        }
    }
}
