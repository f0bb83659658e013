//! Records put by one node and got by another.

use std::sync::Arc;
use std::time::Duration;

use dchat_kademlia::call::{Answer, Nodes};
use dchat_kademlia::node::{Input, Output};
use dchat_kademlia::record::{Notary as _, Strict};
use dchat_kademlia::{Config, Key, Subnet};
use dchat_wire::List;
use dchat_wire::dht::Refusal;
use dchat_wire::extension::Extensions;
use dchat_wire::record::{AddressRecord, SignedRecord, kind};
use dchat_wire::sign::Identity;

use crate::net::*;

fn acquainted(count: usize, seed: u64) -> Net {
    let config = Config {
        maintain: false,
        ..Config::default()
    };
    let mut net = Net::new(count, &config, seed);
    net.acquaint(&config);
    net
}

/// The `sequence`-th address record of identity `number`: `port` makes it differ.
fn record(net: &Net, number: u8, sequence: u64, port: u16) -> (Key, Arc<SignedRecord>) {
    let identity = Identity::from_seed(&[number; 32]);
    let address = format!("/ip4/192.0.2.7/udp/{port}/quic-v1");
    let addresses = AddressRecord {
        addresses: List::new(vec![address.parse().unwrap()]).unwrap(),
        extensions: Extensions::default(),
    };
    let record = SignedRecord::issue(&identity, sequence, net.now.0, 3_600_000, &addresses);
    (Strict.read(&record).unwrap().key, Arc::new(record))
}

fn put(
    net: &mut Net,
    from: u32,
    key: Key,
    record: &Arc<SignedRecord>,
) -> (u16, Vec<(Refusal, u16)>) {
    let search = net.nodes[from as usize].put(key, Arc::clone(record), net.now);
    let outcome = net.finish(from, search);
    (outcome.stored, outcome.refused)
}

/// Checks DC-DHT-025 (positive).
#[test]
fn a_record_is_kept_by_the_twenty_nearest_and_found_by_anybody() {
    let mut net = acquainted(500, 1);
    let (key, record) = record(&net, 1, 1, 4001);
    assert_eq!(put(&mut net, 4, key, &record), (20, vec![]));
    let holders: Vec<u32> = (0..500)
        .filter(|i| !net.nodes[*i as usize].store().is_empty())
        .collect();
    let mut nearest = net.nearest(&key, 20, |_| true);
    nearest.sort_unstable();
    assert_eq!(holders, nearest);
    for from in [7, 100, 499] {
        let search = net.nodes[from as usize].get(key, kind::ADDRESS, net.now);
        let outcome = net.finish(from, search);
        assert_eq!(outcome.records, [Arc::clone(&record)]);
        assert!(
            outcome.calls < 20,
            "a get ends early: {} questions",
            outcome.calls
        );
    }
}

#[test]
fn who_is_among_the_nearest_keeps_its_own_record_as_well() {
    let mut net = acquainted(500, 2);
    let (key, record) = record(&net, 2, 1, 4001);
    let nearest = net.nearest(&key, 1, |_| true)[0];
    assert_eq!(put(&mut net, nearest, key, &record).0, 20);
    assert_eq!(net.nodes[nearest as usize].store().len(), 1);
}

#[test]
fn the_newest_record_is_returned_though_some_hold_an_older_one() {
    let mut net = acquainted(500, 3);
    let (key, old) = record(&net, 3, 1, 4001);
    put(&mut net, 0, key, &old);
    // Seven of the twenty miss the second put.
    let away: Vec<_> = net
        .nearest(&key, 20, |other| other != 0)
        .into_iter()
        .step_by(3)
        .collect();
    for node in &away {
        net.up[*node as usize] = false;
    }
    let (_, new) = record(&net, 3, 2, 4002);
    put(&mut net, 0, key, &new);
    for node in &away {
        net.up[*node as usize] = true;
    }
    for from in [9, 77, 400] {
        let search = net.nodes[from as usize].get(key, kind::ADDRESS, net.now);
        assert_eq!(net.finish(from, search).records, [Arc::clone(&new)]);
    }
}

#[test]
fn two_records_with_one_sequence_are_reported_and_everybody_takes_the_same() {
    let mut net = acquainted(400, 4);
    let (key, one) = record(&net, 4, 1, 4001);
    let (_, other) = record(&net, 4, 1, 4002);
    assert_eq!(put(&mut net, 0, key, &one).0, 20);
    let (stored, refused) = put(&mut net, 1, key, &other);
    assert_eq!(stored, 0, "nobody stores the second as if nothing was");
    assert!(
        refused
            .iter()
            .any(|(reason, count)| *reason == Refusal::Conflict && *count >= 19)
    );
    let mut taken = Vec::new();
    for from in [5, 50, 300] {
        let search = net.nodes[from as usize].get(key, kind::ADDRESS, net.now);
        let outcome = net.finish(from, search);
        let pair = (
            one.digest().min(other.digest()),
            one.digest().max(other.digest()),
        );
        assert_eq!(outcome.evidence.conflicts, [pair]);
        taken.push(outcome.records);
    }
    assert!(taken.iter().all(|records| *records == taken[0]));
}

#[test]
fn what_is_not_there_is_not_found_and_was_looked_for_on_several_paths() {
    let mut net = acquainted(400, 5);
    let (key, _) = record(&net, 5, 1, 4001);
    let search = net.nodes[0].get(key, kind::ADDRESS, net.now);
    let outcome = net.finish(0, search);
    assert!(outcome.records.is_empty());
    assert!(outcome.complete);
    assert!(outcome.evidence.paths > 1);
    assert!(outcome.evidence.paths_agreed > 1);
}

/// Checks DC-DHT-025 (negative), DC-DHT-028 (negative).
#[test]
fn who_gives_a_forged_record_has_not_answered_and_is_no_contact_any_more() {
    let mut net = acquainted(300, 7);
    let (key, record) = record(&net, 6, 1, 4001);
    let mut forged = SignedRecord::clone(&record);
    forged.signature[3] ^= 1;
    let forged = Arc::new(forged);
    let now = net.now;
    net.nodes[0].get(key, kind::ADDRESS, now);
    let (mut asked, mut ended) = (0, false);
    while let Some(output) = net.nodes[0].poll_output() {
        match output {
            Output::Call { call, to, .. } => {
                asked += 1;
                let answer = Answer::Values {
                    records: vec![Arc::clone(&forged)],
                    held: 1,
                    token: [0; 16],
                    nodes: Nodes::default(),
                };
                net.nodes[0].handle_input(Input::Answered { call, answer }, now);
                assert!(net.nodes[0].table().entry(&to.at).is_none());
            }
            Output::Done { outcome, .. } => {
                assert!(outcome.records.is_empty());
                assert_eq!(outcome.nodes.iter().count(), 0);
                ended = true;
            }
        }
    }
    assert!(asked >= 20 && ended, "{asked} were asked");
}

/// Checks DC-DHT-028 (negative).
#[test]
fn a_forged_record_is_neither_stored_nor_returned() {
    let mut net = acquainted(400, 6);
    let (key, record) = record(&net, 6, 1, 4001);
    let mut forged = SignedRecord::clone(&record);
    forged.signature[3] ^= 1;
    let (stored, refused) = put(&mut net, 0, key, &Arc::new(forged));
    assert_eq!(stored, 0);
    assert_eq!(refused, [(Refusal::BadSignature, 20)]);
    let search = net.nodes[1].get(key, kind::ADDRESS, net.now);
    assert!(net.finish(1, search).records.is_empty());
}

#[test]
fn a_hundred_nodes_ground_next_to_a_key_hide_nothing() {
    let config = Config {
        maintain: false,
        ..Config::default()
    };
    let mut net = Net::new(600, &config, 7);
    let (key, record) = record(&net, 7, 1, 4001);
    for number in 0..100_u64 {
        let mut at = key;
        at.0[6..].copy_from_slice(&hash(&[8, number])[6..]);
        let [a, b, ..] = hash(&[9, number]);
        let index = net.add_at(&config, at, Subnet::of([40, a, b, 1].into()));
        net.manner[index as usize] = Manner::Colluding;
    }
    net.acquaint(&config);
    put(&mut net, 3, key, &record);
    let honest = net.nearest(&key, 20, |other| other < 600);
    let holding = honest
        .iter()
        .filter(|node| !net.nodes[**node as usize].store().is_empty());
    let holding = holding.count();
    assert!(
        holding >= 15,
        "{holding} of the nearest honest nodes keep it"
    );
    let mut found = 0;
    for from in 0..20 {
        let search = net.nodes[from * 29].get(key, kind::ADDRESS, net.now);
        let outcome = net.finish((from * 29) as u32, search);
        assert!(outcome.evidence.density_ratio > 2.0 || !outcome.records.is_empty());
        found += usize::from(outcome.records == [Arc::clone(&record)]);
    }
    assert_eq!(found, 20);
}

#[test]
fn records_outlive_their_publisher_and_half_of_their_holders() {
    let config = Config::default();
    let mut net = Net::new(150, &config, 8);
    net.acquaint(&config);
    let (key, record) = record(&net, 9, 1, 4001);
    put(&mut net, 0, key, &record);
    net.run(Duration::from_secs(900));
    net.up[0] = false;
    for node in net.nearest(&key, 20, |_| true).into_iter().step_by(2) {
        net.up[node as usize] = false;
    }
    net.run(Duration::from_secs(1800));
    let nearest = net.nearest(&key, 20, |_| true);
    let holding = nearest
        .iter()
        .filter(|node| !net.nodes[**node as usize].store().is_empty());
    let holding = holding.count();
    assert!(holding >= 18, "{holding} of the nearest hold it");
}

/// Checks DC-DHT-047 (positive).
#[test]
fn what_was_put_among_colluding_nodes_is_put_anew_once_others_are_known() {
    let config = Config::default();
    let mut net = Net::new(300, &config, 9);
    net.acquaint(&config);
    let is_hostile = |index: u32| index % 5 == 1;
    for index in (1..300).step_by(5) {
        net.manner[index] = Manner::Colluding;
    }
    // It has met nobody else, and takes them for the whole network.
    let publisher = net.add(&config);
    let meet = |net: &mut Net, others: &[u32]| {
        for other in others {
            let seen = Input::Seen {
                contact: net.contact(*other),
                rtt: None,
                ours: true,
            };
            let now = net.now;
            net.nodes[publisher as usize].handle_input(seen, now);
        }
        net.drain(publisher);
    };
    let at = net.keys[publisher as usize];
    let hostile = net.nearest(&at, 60, is_hostile);
    meet(&mut net, &hostile);
    let (key, record) = record(&net, 1, 1, 4001);
    assert_eq!(put(&mut net, publisher, key, &record).0, 20);
    let belong = net.nearest(&key, 20, |other| other != publisher && !is_hostile(other));
    let holders = |net: &Net| {
        let held = |other: &&u32| !net.nodes[**other as usize].store().is_empty();
        belong.iter().filter(held).count()
    };
    net.run(Duration::from_secs(180));
    assert_eq!(holders(&net), 0);
    let honest = net.nearest(&at, 30, |other| other != publisher && !is_hostile(other));
    meet(&mut net, &honest);
    net.run(Duration::from_secs(180));
    assert!(holders(&net) >= 12, "{}", holders(&net));
}
