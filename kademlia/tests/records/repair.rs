//! Records stay where they belong while nodes come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use dchat_kademlia::call::{Answer, Nodes, Question};
use dchat_kademlia::record::Strict;
use dchat_kademlia::repair::{IN_FLIGHT, NEIGHBOURS, ROUND, Repair};
use dchat_kademlia::store::{Limits, Store};
use dchat_kademlia::token::Writer;
use dchat_kademlia::{Contact, Key, Subnet, Time};
use dchat_wire::record::SignedRecord;

use crate::support::*;
use crate::world::{Manner, World};

const MINUTE: u64 = 60_000;

/// A record that lives for a month.
fn lasting_record(signer: u64) -> Arc<SignedRecord> {
    record(signer, 1, &device())
}

/// A key that differs from `key` in bit number `bit`.
fn beside(key: &Key, bit: usize) -> Key {
    let mut beside = *key;
    beside.0[bit / 8] ^= 0x80 >> (bit % 8);
    beside
}

/// Checks DC-DHT-039 (positive).
#[test]
fn a_newcomer_next_to_a_key_is_given_the_record() {
    let mut world = World::new(200, 1);
    let record = lasting_record(1);
    world.publish(&record);
    world.run(30 * MINUTE);
    let newcomer = world.join_at(beside(&key_of(&record), 100), Manner::Honest);
    assert!(!world.holders(&record).contains(&newcomer));
    world.run(30 * MINUTE);
    assert!(world.holders(&record).contains(&newcomer));
}

#[test]
fn the_next_nearest_gets_the_record_of_one_that_left() {
    let mut world = World::new(200, 2);
    let record = lasting_record(1);
    world.publish(&record);
    world.run(30 * MINUTE);
    let gone = world.nearest(&key_of(&record), 5);
    gone.into_iter().for_each(|index| world.leave(index));
    let left = world.holders(&record).len();
    world.run(30 * MINUTE);
    assert_eq!(world.replicas(&record), 20);
    assert!(world.holders(&record).len() > left);
}

#[test]
fn a_record_that_reached_one_holder_reaches_all() {
    let mut world = World::new(100, 3);
    let record = lasting_record(1);
    let one = world.nearest(&key_of(&record), 20)[7];
    world.publish_at(one, &record);
    assert_eq!(world.replicas(&record), 1);
    world.run(12 * 60 * MINUTE);
    assert_eq!(world.replicas(&record), 20);
}

#[test]
fn a_newer_record_at_one_holder_replaces_the_old_one_at_all() {
    let mut world = World::new(100, 4);
    let (old, new) = (record(1, 1, &device()), record(1, 2, &device()));
    world.publish(&old);
    world.run(30 * MINUTE);
    let one = world.nearest(&key_of(&old), 20)[7];
    world.publish_at(one, &new);
    world.run(12 * 60 * MINUTE);
    assert_eq!(world.replicas(&new), 20);
    assert_eq!(world.holders(&old), []);
}

#[test]
fn several_records_under_one_key_are_all_kept() {
    let mut world = World::new(200, 5);
    let records: Vec<_> = (0..5).map(|slot| record(1, 1, &rendezvous(slot))).collect();
    for record in &records {
        world.publish(record);
    }
    world.run(30 * MINUTE);
    let newcomer = world.join_at(beside(&key_of(&records[0]), 100), Manner::Honest);
    world.run(30 * MINUTE);
    for record in &records {
        assert!(world.holders(record).contains(&newcomer));
    }
}

/// Checks DC-DHT-039 (negative).
#[test]
fn newcomers_get_records_although_the_nearest_holders_lie() {
    let mut world = World::new(200, 6);
    let record = lasting_record(1);
    let key = key_of(&record);
    for bit in 0..16 {
        world.join_at(beside(&key, 60 + bit), Manner::Liar);
    }
    world.publish(&record);
    assert_eq!(world.holders(&record).len(), 4);
    // What they crowd out of the twenty is within the radius that should hold twenty.
    world.run(2 * 60 * MINUTE);
    let newcomer = world.join_at(beside(&key, 90), Manner::Honest);
    world.run(4 * 60 * MINUTE);
    assert!(world.holders(&record).contains(&newcomer));
    assert!(world.holders(&record).len() >= 12);
}

#[test]
fn a_hundred_ids_next_to_a_key_do_not_hide_it_from_its_radius() {
    let mut world = World::new(400, 7);
    let record = lasting_record(1);
    let key = key_of(&record);
    let honest = world.nearest(&key, 20);
    world.publish(&record);
    for number in 0..30 {
        let mut at = beside(&key, 64 + number % 8);
        at.0[31] ^= number as u8;
        world.join_at(at, Manner::Liar);
    }
    // A newcomer outside the thirty, and inside the radius.
    let edge = world.peers[honest[5] as usize].as_ref().unwrap().at;
    let newcomer = world.join_at(beside(&edge, 40), Manner::Honest);
    world.run(6 * 60 * MINUTE);
    assert!(world.holders(&record).contains(&newcomer));
}

#[test]
fn half_of_the_nodes_leave_at_once() {
    let mut world = World::new(400, 8);
    let records: Vec<_> = (0..100).map(lasting_record).collect();
    for record in &records {
        world.publish(record);
    }
    world.run(30 * MINUTE);
    let gone: Vec<_> = world.alive().into_iter().step_by(2).collect();
    gone.into_iter().for_each(|index| world.leave(index));
    world.run(2 * MINUTE);
    world.notice_losses();
    world.run(15 * MINUTE);
    for record in &records {
        assert!(world.replicas(record) >= 18, "{}", world.replicas(record));
    }
}

/// What is left of records after churn.
struct Outcome {
    /// Of the twenty nearest nodes, those that hold a record, for each.
    replicas: Vec<usize>,
    /// Bytes per second of a node.
    rate: f64,
    /// Records that are held by one of the twenty nearest after half of the nodes left at once.
    kept: usize,
}

/// Each of `nodes` publishes a record and is soon replaced: sessions are of Weibull shape 0.6, in a
/// steady state. Among them are `liars` who never leave.
fn churn(nodes: usize, liars: usize, hours: u64, median_min: f64, seed: u64) -> Outcome {
    let mut world = World::new(nodes, seed);
    let records: Vec<_> = (0..nodes as u64).map(lasting_record).collect();
    let shape = 0.6_f64;
    let scale = median_min / std::f64::consts::LN_2.powf(1.0 / shape);
    let session = |world: &mut World| {
        let minutes = scale * (-world.random.fraction().ln()).powf(1.0 / shape);
        (minutes * 60_000.0) as u64
    };
    let mut ends = BTreeSet::new();
    for index in world.alive() {
        ends.insert((world.now.0 + session(&mut world), index));
    }
    let mut replace = |world: &mut World, until: u64| {
        while ends.first().is_some_and(|(end, _)| *end <= until) {
            let (end, index) = ends.pop_first().unwrap();
            world.leave(index);
            let index = world.join(Manner::Honest);
            ends.insert((end + session(world), index));
        }
    };
    for _ in 0..liars {
        world.join(Manner::Liar);
    }
    // Who has been there for long stays for long: many medians until that shows.
    let warm = Time(world.now.0 + (20.0 * median_min) as u64 * MINUTE);
    replace(&mut world, warm.0);
    world.now = warm;
    for record in &records {
        world.publish(record);
    }
    for _ in 0..hours * 60 {
        let now = world.now.0 + MINUTE;
        replace(&mut world, now);
        world.notice_losses();
        world.run(MINUTE);
    }
    let replicas: Vec<_> = records
        .iter()
        .map(|record| world.replicas(record))
        .collect();
    let seconds = world.now.since(warm).as_secs_f64();
    let rate = world.bytes as f64 / seconds / nodes as f64;
    let gone: Vec<_> = world.alive().into_iter().step_by(2).collect();
    gone.into_iter().for_each(|index| world.leave(index));
    world.run(2 * MINUTE);
    world.notice_losses();
    world.run(5 * MINUTE);
    let kept = records.iter().filter(|record| world.replicas(record) > 0);
    Outcome {
        replicas,
        rate,
        kept: kept.count(),
    }
}

#[test]
fn records_outlive_their_publishers_through_churn() {
    let (nodes, hours) = if cfg!(debug_assertions) {
        (300, 12)
    } else {
        (10_000, 72)
    };
    let after = churn(nodes, 0, hours, 60.0, 9);
    let least = after.replicas.iter().min().unwrap();
    assert!(*least >= 10, "{least}");
    assert!(after.replicas.iter().sum::<usize>() >= 19 * nodes);
    assert!(after.rate < 60.0, "{} bytes/s", after.rate);
    assert!(after.kept * 1000 >= nodes * 999, "{} kept", after.kept);
}

#[test]
fn records_outlive_sessions_of_five_minutes() {
    let nodes = if cfg!(debug_assertions) { 200 } else { 10_000 };
    let after = churn(nodes, 0, 3, 5.0, 10);
    let held = after.replicas.iter().filter(|count| **count > 0).count();
    assert!(held * 100 >= nodes * 99, "{held} held");
    assert!(after.replicas.iter().sum::<usize>() >= 15 * nodes);
}

#[test]
fn records_outlive_churn_among_a_fifth_of_liars() {
    let nodes = if cfg!(debug_assertions) { 200 } else { 8_000 };
    let after = churn(nodes, nodes / 4, 10, 60.0, 11);
    let least = after.replicas.iter().min().unwrap();
    assert!(*least >= 4, "{least}");
    assert!(after.replicas.iter().sum::<usize>() >= 15 * nodes);
    assert!(after.kept * 1000 >= nodes * 999, "{} kept", after.kept);
}

// The state machine by itself.

fn contact(number: u8) -> Contact<u32> {
    Contact {
        at: Key([number; 32]),
        subnet: Subnet::EXEMPT,
        handle: number.into(),
    }
}

/// A store with `records` records and the machine one round later; nothing is taken to be anywhere.
fn after_a_round(records: u64, neighbours: &[Contact<u32>]) -> (Repair<u32>, Store, Time) {
    let mut store = Store::new(Limits::default());
    let nobody = Writer {
        id: [1; 32],
        subnet: Subnet::EXEMPT,
    };
    for signer in 0..records {
        put(&mut store, &record(signer, 1, &device()), nobody, NOW).unwrap();
    }
    let mut repair = Repair::new(Key([0x77; 32]), 3);
    repair.handle_stored(NOW);
    let first = repair.poll_timeout().unwrap();
    repair.handle_timeout(&mut store, &[], 1.0, first);
    let second = repair.poll_timeout().unwrap();
    repair.handle_timeout(&mut store, neighbours, 1.0, second);
    (repair, store, second)
}

/// Checks DC-DHT-040 (negative).
#[test]
fn an_empty_store_calls_for_no_rounds() {
    let mut repair = Repair::<u32>::new(Key([0; 32]), 1);
    let mut store = Store::new(Limits::default());
    assert_eq!(repair.poll_timeout(), None);
    repair.handle_timeout(&mut store, &[contact(1)], 1.0, NOW);
    assert!(repair.poll_ask(&mut store).is_none());
    repair.handle_stored(NOW);
    let due = repair.poll_timeout().unwrap();
    assert!(due > NOW && due <= NOW + ROUND * 5 / 4);
    repair.handle_timeout(&mut store, &[contact(1)], 1.0, due);
    assert_eq!(repair.poll_timeout(), None);
}

/// Checks DC-DHT-040 (positive, negative).
#[test]
fn few_questions_are_under_way_at_once() {
    let (mut repair, mut store, _) = after_a_round(20, &[contact(1)]);
    let mut asks: Vec<_> = std::iter::from_fn(|| repair.poll_ask(&mut store)).collect();
    assert_eq!(asks.len(), IN_FLIGHT);
    repair.handle_failure(asks.remove(0).id);
    // The neighbour that failed is left alone.
    assert!(repair.poll_ask(&mut store).is_none());
}

#[test]
fn a_neighbour_that_failed_is_asked_again_in_the_next_round() {
    let (mut repair, mut store, now) = after_a_round(1, &[contact(1)]);
    let ask = repair.poll_ask(&mut store).unwrap();
    repair.handle_failure(ask.id);
    assert!(repair.poll_ask(&mut store).is_none());
    let next = repair.poll_timeout().unwrap();
    assert!(next > now);
    repair.handle_timeout(&mut store, &[contact(1)], 1.0, next);
    assert!(repair.poll_ask(&mut store).is_some());
}

#[test]
fn one_that_has_the_record_is_not_put_to_and_not_asked_again() {
    let (mut repair, mut store, _) = after_a_round(1, &[contact(1)]);
    let ask = repair.poll_ask(&mut store).unwrap();
    let Question::Get { have, want: 0, .. } = &ask.question else {
        panic!("{:?}", ask.question);
    };
    assert_eq!(have.len(), 1);
    let has = values(1, Vec::new());
    repair.handle_answer(ask.id, &has, &mut store, &mut Strict, NOW);
    assert!(repair.poll_ask(&mut store).is_none());
    // Not even by the next round, but for an audit, which is the third one's.
    let next = repair.poll_timeout().unwrap();
    repair.handle_timeout(&mut store, &[contact(1)], 1.0, next);
    assert!(repair.poll_ask(&mut store).is_none());
}

fn values(held: u16, records: Vec<Arc<SignedRecord>>) -> Answer<u32> {
    Answer::Values {
        records,
        held,
        token: [5; 16],
        nodes: Nodes::default(),
    }
}

#[test]
fn one_that_lacks_the_record_is_put_to_with_its_token() {
    let (mut repair, mut store, _) = after_a_round(1, &[contact(1)]);
    let ask = repair.poll_ask(&mut store).unwrap();
    repair.handle_answer(ask.id, &values(0, Vec::new()), &mut store, &mut Strict, NOW);
    let put = repair.poll_ask(&mut store).unwrap();
    let Question::Put { token, record, .. } = &put.question else {
        panic!("{:?}", put.question);
    };
    assert_eq!((token, record), (&[5; 16], &lasting_record(0)));
    let stored = Answer::Stored { keep_s: 1 };
    repair.handle_answer(put.id, &stored, &mut store, &mut Strict, NOW);
    assert!(repair.poll_ask(&mut store).is_none());
}

#[test]
fn what_a_neighbour_has_that_is_newer_is_taken() {
    let (mut repair, mut store, _) = after_a_round(1, &[contact(1)]);
    let ask = repair.poll_ask(&mut store).unwrap();
    let newer = record(0, 2, &device());
    let answer = values(1, vec![newer.clone()]);
    assert!(repair.handle_answer(ask.id, &answer, &mut store, &mut Strict, NOW));
    let held = store.values(&key_of(&newer), &[], NOW).records;
    assert_eq!(held, [newer]);
    // The old one is gone, and with it the reason to put it.
    assert!(repair.poll_ask(&mut store).is_none());
}

/// Checks DC-DHT-025 (negative), DC-DHT-028 (negative).
#[test]
fn forged_records_in_an_answer_are_dropped() {
    let (mut repair, mut store, _) = after_a_round(1, &[contact(1)]);
    let ask = repair.poll_ask(&mut store).unwrap();
    let newer = forged(&record(0, 2, &device()));
    let answer = values(1, vec![newer]);
    assert!(!repair.handle_answer(ask.id, &answer, &mut store, &mut Strict, NOW));
    assert_eq!(store.len(), 1);
}

#[test]
fn answers_nobody_asked_for_change_nothing() {
    let (mut repair, mut store, _) = after_a_round(1, &[contact(1)]);
    let ask = repair.poll_ask(&mut store).unwrap();
    let newer = record(0, 2, &device());
    let other = dchat_kademlia::repair::AskId(ask.id.0 + 1);
    let answer = values(1, vec![newer]);
    assert!(!repair.handle_answer(other, &answer, &mut store, &mut Strict, NOW));
    repair.handle_answer(ask.id, &Answer::Pong, &mut store, &mut Strict, NOW);
    repair.handle_answer(ask.id, &answer, &mut store, &mut Strict, NOW);
    assert_eq!(
        store.values(&key_of(&lasting_record(0)), &[], NOW).records,
        [lasting_record(0)]
    );
}

#[test]
fn what_comes_near_while_it_is_held_is_kept_until_it_expires() {
    let mut store = Store::new(Limits::default());
    let record = lasting_record(1);
    let key = key_of(&record);
    put_at(&mut store, key, &record, writer(1), false, NOW).unwrap();
    let mut repair = Repair::new(Key([0x77; 32]), 3);
    repair.handle_stored(NOW);
    let round = repair.poll_timeout().unwrap();
    // With one neighbour, everything is near.
    repair.handle_timeout(&mut store, &[contact(1)], 1.0, round);
    assert_eq!(store.far_bytes(), 0);
    assert_eq!(store.expire(after(HOUR)), 0);
    assert_eq!(store.poll_timeout(), Some(after(30 * 24 * HOUR)));
    assert_eq!(store.expire(after(30 * 24 * HOUR)), 1);
}

#[test]
fn what_is_far_by_now_counts_as_far() {
    let mut store = Store::new(Limits::default());
    let record = lasting_record(1);
    let key = key_of(&record);
    put(&mut store, &record, writer(1), NOW).unwrap();
    let mut repair = Repair::new(beside(&key, 0), 3);
    repair.handle_stored(NOW);
    let round = repair.poll_timeout().unwrap();
    let nearer: Vec<_> = (0..40)
        .map(|bit| Contact {
            at: beside(&key, 20 + bit),
            subnet: Subnet::EXEMPT,
            handle: 0,
        })
        .collect();
    repair.handle_timeout(&mut store, &nearer, 1e-9, round);
    assert_eq!(store.far_bytes(), store.bytes());
    // It is others' to hand on now: one may be audited, and nobody else is asked.
    let asks = std::iter::from_fn(|| repair.poll_ask(&mut store));
    assert!(asks.count() <= 1);
}

#[test]
fn more_neighbours_than_are_told_apart_do_no_harm() {
    let crowd: Vec<_> = (0..200).map(contact).collect();
    let (mut repair, mut store, _) = after_a_round(3, &crowd);
    while let Some(ask) = repair.poll_ask(&mut store) {
        assert!(ask.to.handle < NEIGHBOURS as u32);
        let has = values(1, Vec::new());
        repair.handle_answer(ask.id, &has, &mut store, &mut Strict, NOW);
    }
}

#[test]
fn a_quarter_of_the_neighbours_gone_hastens_the_next_round() {
    let crowd: Vec<_> = (1..41).map(contact).collect();
    let (mut repair, _, now) = after_a_round(1, &crowd);
    let planned = repair.poll_timeout().unwrap();
    repair.handle_lost(&crowd[9..], now + ROUND / 10);
    assert_eq!(repair.poll_timeout(), Some(planned));
    repair.handle_lost(&crowd[10..], now + ROUND / 10);
    assert!(repair.poll_timeout().unwrap() < now + ROUND / 4);
}
