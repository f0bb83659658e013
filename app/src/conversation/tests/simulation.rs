//! Anything may happen in any order; each text still arrives exactly once, in its author's order.

use proptest::prelude::*;

use super::memory::{Memory, Progress};
use super::world::{A, B, Crash, World};
use crate::conversation::Author;

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    WriteBriefly(usize),
    Deliver(usize, usize),
    CrashOnDelivery(usize, usize, bool),
    ReadAll(usize),
    Break,
    Connect,
    Later,
    LoseSessions(usize),
    Copy,
    Restore,
}

const SECOND: u64 = 1000;

fn step() -> impl Strategy<Value = Step> {
    let side = 0..2_usize;
    prop_oneof![
        6 => side.clone().prop_map(Step::Write),
        1 => side.clone().prop_map(Step::WriteBriefly),
        8 => (side.clone(), 1..6_usize).prop_map(|(side, count)| Step::Deliver(side, count)),
        2 => (side.clone(), 1..4_usize, any::<bool>())
            .prop_map(|(side, count, committed)| Step::CrashOnDelivery(side, count, committed)),
        1 => side.clone().prop_map(Step::ReadAll),
        1 => Just(Step::Break),
        3 => Just(Step::Connect),
        1 => Just(Step::Later),
        1 => side.prop_map(Step::LoseSessions),
        1 => Just(Step::Copy),
        1 => Just(Step::Restore),
    ]
}

/// Plays the steps; `restored` is the side whose home may be put back to an old copy.
fn play(steps: &[Step], restored: usize) {
    let mut world = World::new();
    let mut written = 0_u32;
    let mut copy: Option<Memory> = None;
    let mut went_back = false;
    for step in steps {
        match *step {
            Step::Write(side) => {
                written += 1;
                world.write(side, &format!("{written:04}"), None);
            }
            Step::WriteBriefly(side) => {
                written += 1;
                world.write(side, &format!("{written:04} brief"), Some(SECOND));
            }
            Step::Deliver(side, count) => world.deliver(side, count, Crash::No),
            Step::CrashOnDelivery(side, count, committed) => {
                let crash = if committed {
                    Crash::AfterCommit
                } else {
                    Crash::BeforeCommit
                };
                world.deliver(side, count, crash);
            }
            Step::ReadAll(side) => world.read_all(side),
            Step::Break => world.disconnect(),
            Step::Connect => world.connect(),
            Step::Later => {
                world.now += SECOND;
                for side in [A, B] {
                    let now = world.now;
                    world.sides[side].ledger.expire(now);
                }
            }
            Step::LoseSessions(side) => {
                world.disconnect();
                world.sides[side].ledger.sessions.clear();
            }
            Step::Copy => copy = Some(world.sides[restored].ledger.clone()),
            Step::Restore => {
                if let Some(copy) = &copy {
                    world.disconnect();
                    world.sides[restored].ledger = copy.clone();
                    let now = world.now;
                    world.sides[restored].ledger.expire(now);
                    went_back = true;
                }
            }
        }
    }
    world.connect();
    world.run();
    for (author, reader) in [(A, B), (B, A)] {
        check(&world, author, reader, went_back && reader == restored);
    }
}

fn check(world: &World, author: usize, reader: usize, reader_went_back: bool) {
    let shown = world.shown(reader);
    assert!(
        shown.is_sorted_by(|a, b| a < b),
        "in order and once each: {shown:?}"
    );
    let ledger = &world.sides[reader].ledger;
    for row in world.sides[author].ledger.own_rows() {
        if let Some(text) = &row.entry.text {
            assert!(
                row.entry.expires_at.is_some() || shown.contains(&text.as_str()),
                "{text} was lost"
            );
        }
        assert_ne!(row.progress, Progress::Queued, "not acknowledged");
    }
    // What was read is known to be, and nothing else is.
    for log in ledger.logs.iter().filter(|log| log.author == Author::Peer) {
        for ((_, incarnation, seq), row) in &world.sides[author].ledger.rows {
            if *incarnation != log.incarnation || row.progress == Progress::Failed {
                continue;
            }
            let read = *seq <= log.read;
            if read || !reader_went_back {
                assert_eq!(row.progress == Progress::Read, read);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn each_text_arrives_exactly_once_in_order(
        steps in prop::collection::vec(step(), 1..60),
        restored in 0..2_usize,
    ) {
        play(&steps, restored);
    }
}
