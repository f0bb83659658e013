//! Two hundred members and a network that loses, delays, splits and lies: everybody ends with the
//! same. The world itself checks that items are delivered in order and once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::sync::Arc;

use dchat_gossip::frontier::Digest;
use dchat_gossip::log::Item;
use dchat_gossip::{Config, Input, Message};
use dchat_wire::gossip::{Mark, Sketched, Want};
use support::world::{Net, World, percentile};

const CLEAN: Net = Net {
    loss: 0.0,
    as_delay: false,
};
const LOSSY: Net = Net {
    loss: 0.2,
    as_delay: false,
};
const SLOW: Net = Net {
    loss: 0.2,
    as_delay: true,
};

fn world(members: u32, seed: u64, net: Net) -> World {
    let mut world = World::new(members, seed, net, Config::default());
    world.run(45_000);
    world
}

fn talk(world: &mut World, messages: u32, gap: u64) {
    for message in 0..messages {
        let living: Vec<u32> = (0..world.nodes.len() as u32)
            .filter(|at| world.alive[*at as usize] && !world.mute.contains(at))
            .collect();
        let authors = living.len().min(10) as u32;
        let author = living[(message % authors) as usize * living.len() / authors as usize];
        world.publish(author);
        world.run(gap);
    }
}

/// Milliseconds until all is equal.
#[track_caller]
fn ends_equal(world: &mut World, within: u64) -> u64 {
    let took = world.until_equal(within);
    assert_eq!(world.roots().len(), 1, "different roots after {took:?}");
    took.unwrap()
}

#[test]
fn a_room_of_nine_is_a_full_mesh_without_a_duplicate() {
    let mut world = world(9, 1, CLEAN);
    assert!(
        world
            .nodes
            .iter()
            .all(|node| node.neighbours().count() == 8)
    );
    talk(&mut world, 50, 100);
    ends_equal(&mut world, 1000);
    assert_eq!(world.duplicates(), 0);
    let mut all: Vec<u32> = world.latency.values().flatten().copied().collect();
    all.sort_unstable();
    assert!(percentile(&all, 1.0) <= 50, "one hop");
}

#[test]
fn neighbours_are_bounded_and_half_of_them_chosen() {
    let world = world(200, 2, CLEAN);
    for node in &world.nodes {
        let degree = node.neighbours().count();
        assert!((6..=12).contains(&degree), "{degree}");
        assert!(node.chosen() >= 3, "{}", node.chosen());
    }
}

#[test]
fn trees_come_close_to_flooding_without_duplicates() {
    let mut world = world(200, 3, CLEAN);
    talk(&mut world, 200, 50);
    ends_equal(&mut world, 5000);
    world.reset_counts();
    let (duplicates, delivered) = (world.duplicates(), world.delivered());
    talk(&mut world, 100, 50);
    ends_equal(&mut world, 5000);
    let delivered = world.delivered() - delivered;
    let duplicates = (world.duplicates() - duplicates) as f64 / delivered as f64;
    let mut all: Vec<u32> = world.latency.values().flatten().copied().collect();
    all.sort_unstable();
    let mut flooding: Vec<u32> = (0..10).flat_map(|at| world.flooding(at * 20)).collect();
    flooding.sort_unstable();
    let (ours, best) = (percentile(&all, 0.99), percentile(&flooding, 0.99));
    assert!(duplicates <= 0.05, "{duplicates}");
    assert!(
        f64::from(ours) <= 1.35 * f64::from(best),
        "{ours} and {best}"
    );
    let ideal = world.sent[0].item.encoded_len() as u64 * delivered;
    assert!((world.bytes as f64) < 1.35 * ideal as f64);
}

#[test]
fn a_fifth_of_all_frames_lost_loses_no_item() {
    for net in [LOSSY, SLOW] {
        let mut world = world(200, 4, net);
        talk(&mut world, 200, 50);
        ends_equal(&mut world, 20_000);
        let mut all: Vec<u32> = world.latency.values().flatten().copied().collect();
        all.sort_unstable();
        let p99 = percentile(&all, 0.99);
        assert!(p99 <= 1000, "{p99}");
    }
}

#[test]
fn loss_and_churn_and_a_split_room_end_in_one_history() {
    let mut world = world(200, 5, LOSSY);
    talk(&mut world, 50, 50);
    world.split(|number| number % 2 == 0);
    world.run(10_000);
    for round in 0..20 {
        talk(&mut world, 10, 50);
        let out = world.random.below(200) as u32;
        world.crash(out);
        world.run(3000);
        let back = (0..200).find(|at| !world.alive[*at as usize] && *at != out);
        if let Some(back) = back.filter(|_| round % 2 == 1) {
            world.restart(back);
        }
    }
    for number in 0..200 {
        if !world.alive[number as usize] {
            world.restart(number);
        }
    }
    world.heal();
    let took = ends_equal(&mut world, 60_000);
    assert!(took <= 20_000, "{took} ms");
}

#[test]
fn who_comes_late_or_comes_back_catches_up() {
    let mut world = world(100, 6, CLEAN);
    world.crash(7);
    talk(&mut world, 300, 20);
    let late = world.add();
    world.restart(7);
    ends_equal(&mut world, 20_000);
    assert_eq!(world.nodes[late as usize].stat().delivered, 300);
}

#[test]
fn an_author_who_contradicts_itself_harms_nobody_else() {
    let mut world = world(100, 7, CLEAN);
    talk(&mut world, 30, 50);
    // Two items for one place, each given to a part of its neighbours.
    let one = world.item(0, 100);
    let other = world.item(0, 120);
    assert_eq!(one.seq(), other.seq());
    let neighbours: Vec<u32> = world.nodes[0].neighbours().collect();
    for (at, peer) in neighbours.iter().enumerate() {
        let item = Arc::clone(if at % 2 == 0 { &one } else { &other });
        world.keep(&item);
        world.inject(0, *peer, Message::Push { hops: 1, item });
    }
    talk(&mut world, 30, 50);
    world.run(30_000);
    assert_eq!(world.roots().len(), 1);
    let closed = (1..100).filter(|at| world.evidence.contains(&(*at, one.log())));
    assert_eq!(closed.count(), 99, "everybody has evidence");
    ends_equal(&mut world, 1000);
}

#[test]
fn an_invalid_item_travels_one_hop_and_who_sends_it_is_shunned() {
    let mut world = world(50, 8, CLEAN);
    let to = world.nodes[3].neighbours().next().unwrap();
    for _ in 0..3 {
        let item: Arc<Item> = world.item(3, 100);
        world.bad.insert(*item.hash());
        world.inject(3, to, Message::Push { hops: 3, item });
    }
    world.run(10_000);
    assert_eq!(
        world
            .nodes
            .iter()
            .map(|node| node.stat().rejected)
            .sum::<u64>(),
        3
    );
    assert_eq!(world.delivered(), 0);
    assert_eq!(world.shunned, [(to, 3)]);
}

#[test]
fn a_third_that_passes_nothing_on_keeps_nothing_from_the_others() {
    let mut world = world(150, 9, CLEAN);
    world.mute = (0..150).filter(|at| at % 3 == 1).collect();
    talk(&mut world, 100, 50);
    let took = world.until_equal(10_000);
    assert!(took.is_some_and(|took| took <= 3000), "{took:?}");
}

#[test]
fn a_quiet_room_costs_next_to_nothing() {
    let mut world = world(200, 10, CLEAN);
    talk(&mut world, 20, 50);
    ends_equal(&mut world, 5000);
    world.run(120_000);
    world.reset_counts();
    world.run(600_000);
    let rate = world.bytes as f64 / 600.0 / 200.0;
    assert!(rate <= 16.0, "{rate}");
}

#[test]
fn an_overflow_turns_items_into_announcements_and_loses_none() {
    let mut world = world(20, 11, CLEAN);
    talk(&mut world, 20, 50);
    world.run(1000);
    let peers: Vec<u32> = world.nodes[0].neighbours().collect();
    for congested in [true, false] {
        for peer in &peers {
            let peer = *peer;
            world.input(0, Input::Congested { peer, congested });
        }
        if congested {
            world.reset_counts();
            for _ in 0..30 {
                world.publish(0);
            }
            world.run(2000);
            assert!(!world.by_kind.contains_key("push"), "nothing is pushed");
        }
    }
    ends_equal(&mut world, 5000);
}

/// Frames of every kind with numbers at random, to one member from all its neighbours.
#[test]
fn hostile_frames_take_a_bounded_part_of_memory_and_nobody_elses_items() {
    let mut world = world(30, 12, CLEAN);
    talk(&mut world, 20, 50);
    let victim = 5;
    for _ in 0..20_000 {
        let peers: Vec<u32> = world.nodes[victim as usize].neighbours().collect();
        if peers.is_empty() {
            world.run(1000);
            continue;
        }
        let from = peers[world.random.below(peers.len() as u64) as usize];
        let message = hostile(&mut world);
        world.inject(from, victim, message);
        if world.random.chance(0.01) {
            world.run(50);
        }
    }
    let stat = world.nodes[victim as usize].stat();
    assert!(
        stat.wanted <= 4096 && stat.parked <= 128 && stat.passive <= 64,
        "{stat:?}"
    );
    world.run(700_000);
    talk(&mut world, 20, 50);
    ends_equal(&mut world, 30_000);
}

fn hostile(world: &mut World) -> Message<u32> {
    let logs = [World::log_of(0), World::log_of(6), World::log_of(1000)];
    let World { random, sent, .. } = world;
    let mut number = || random.number();
    let log = logs[(number() % 3) as usize].prefix() ^ (number() % 4 / 3 * number());
    let horizon = (support::world::START / 3_600_000 - 24) as u32;
    match number() % 11 {
        0 => Message::Announce(
            (0..number() % 200)
                .map(|at| Mark {
                    log: log ^ at << 32,
                    seq: number() as u32,
                    age: number() as u16,
                })
                .collect(),
        ),
        1 => Message::Pull {
            graft: number() % 2 == 0,
            wants: vec![
                Want {
                    log,
                    after: (number() % 5) as u32,
                    upto: number() as u32,
                };
                20
            ],
        },
        2 => Message::Tree {
            graft: vec![log; 10],
            prune: vec![number(); 10],
        },
        3 => Message::Digest(Digest {
            root: number(),
            total: number() as u32,
            horizon,
        }),
        4 => Message::Sketch {
            salt: number() as u32 % 4,
            of: Sketched::Sequences,
            horizon,
            first: if number() % 2 == 0 {
                0
            } else {
                number() as u32 % 100
            },
            cells: (0..number() % 40 * 9)
                .map(|_| number() as u8 & 0x7f)
                .collect(),
        },
        5 => Message::More {
            salt: number() as u32,
            have: number() as u32,
            want: number() as u32,
            unknown: vec![number() as u32; 10],
        },
        6 => Message::Shuffle {
            answer: number() % 2 == 0,
            peers: vec![(number() % 30) as u32; 8],
        },
        7 => Message::Join {
            peer: (number() % 30) as u32,
            hops: number() as u8,
        },
        8 => Message::Open {
            nonce: number(),
            answer: number() % 2 == 0,
            alone: number() % 2 == 0,
        },
        9 => {
            let chosen = &sent[(number() % sent.len() as u64) as usize];
            let (hops, item) = (number() as u8, Arc::clone(&chosen.item));
            Message::Push { hops, item }
        }
        _ => {
            let at = |number: u64| (number % sent.len() as u64) as usize;
            let (one, other) = (at(number()), at(number()));
            Message::Proof(Arc::clone(&sent[one].item), Arc::clone(&sent[other].item))
        }
    }
}
