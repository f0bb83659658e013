//! Each policy: one behaviour.

use std::time::Duration;

use dchat_kademlia::table::{Admission, Missed};
use dchat_kademlia::{Config, Contact, Subnet};

use crate::support::*;

#[test]
fn one_bucket_is_enough_until_it_outgrows_the_siblings() {
    let mut table = table(Config::default());
    for number in 1..=40 {
        table.admit(&contact(key(number), number as u32), None, START);
    }
    assert_eq!(table.sizes().collect::<Vec<_>>(), [40]);
    table.admit(&contact(key(41), 41), None, START);
    assert!(table.sizes().count() > 1);
    assert_eq!(table.len(), 41);
}

#[test]
fn the_buckets_of_the_far_half_are_wider() {
    let mut table = table(Config::default());
    for number in 1..=20_000 {
        table.admit(&contact(key(number), number as u32), None, START);
    }
    let sizes: Vec<_> = table.sizes().collect();
    assert_eq!(sizes[..5], [128, 64, 40, 20, 20]);
}

#[test]
fn a_full_bucket_keeps_its_contacts_and_remembers_the_newcomer() {
    let mut table = table(Config::default());
    let old = full_bucket(&mut table);
    let newcomer = contact(key_at(table.at(), 4, &[true, true, true], 3000), 3000);
    let admission = table.admit(&newcomer, None, after(30));
    assert_eq!(admission, Admission::Full(None), "all were heard of lately");
    assert!(old.iter().all(|contact| table.entry(&contact.at).is_some()));
    assert!(table.entry(&newcomer.at).is_none());
    kill(&mut table, &old[3]);
    assert!(table.entry(&newcomer.at).is_some(), "the spare moves up");
}

#[test]
fn before_anybody_is_evicted_the_one_not_heard_of_for_longest_is_to_be_pinged() {
    let mut table = table(Config::default());
    let old = full_bucket(&mut table);
    table.hear(&old[0], None, after(100));
    let newcomer = contact(key_at(table.at(), 4, &[true, true, true], 3000), 3000);
    let admission = table.admit(&newcomer, None, after(120));
    assert_eq!(admission, Admission::Full(Some(old[1])));
}

#[test]
fn a_flood_of_newcomers_causes_one_ping_at_a_time() {
    let mut table = table(Config::default());
    full_bucket(&mut table);
    let mut pings = 0;
    for number in 0..10_000 {
        let at = key_at(table.at(), 4, &[true, true, true], 5000 + number);
        let admission = table.admit(&contact(at, 5000 + number as u32), None, after(200));
        pings += usize::from(matches!(admission, Admission::Full(Some(_))));
    }
    assert!(pings <= 3, "{pings}");
}

#[test]
fn a_young_contact_gives_way_to_one_of_an_emptier_branch() {
    let mut table = table(Config::default());
    near_ones(&mut table);
    for number in 0..20 {
        let at = key_at(table.at(), 4, &[true, false, false], 1000 + number);
        table.admit(&contact(at, 1000 + number as u32), None, START);
    }
    let newcomer = contact(key_at(table.at(), 4, &[false, true, false], 3000), 3000);
    let admission = table.admit(&newcomer, None, after(10));
    assert!(matches!(admission, Admission::Replaced(_)));
    assert!(table.entry(&newcomer.at).is_some());
}

#[test]
fn a_proven_contact_gives_way_to_nobody() {
    let mut table = table(Config::default());
    near_ones(&mut table);
    let mut old = Vec::new();
    for number in 0..20 {
        let at = key_at(table.at(), 4, &[true, false, false], 1000 + number);
        old.push(contact(at, 1000 + number as u32));
        table.admit(&old[number as usize], None, START);
    }
    for contact in &old {
        table.hear(contact, None, after(2 * 3600));
    }
    let newcomer = contact(key_at(table.at(), 4, &[false, true, false], 3000), 3000);
    let admission = table.admit(&newcomer, None, after(2 * 3600));
    assert_eq!(admission, Admission::Full(None));
}

#[test]
fn of_one_branch_the_nearer_by_round_trip_is_preferred() {
    let ms = |ms| Some(Duration::from_millis(ms));
    let mut table = table(Config::default());
    near_ones(&mut table);
    let mut slow = None;
    for number in 0..20_u32 {
        let branch = [number & 1 != 0, number & 2 != 0, number & 4 != 0];
        let at = key_at(table.at(), 4, &branch, 1000 + u64::from(number));
        let rtt = if number == 7 { ms(300) } else { ms(50) };
        let contact = contact(at, 1000 + number);
        if number == 7 {
            slow = Some(contact);
        }
        table.admit(&contact, rtt, START);
    }
    let branch = [true, true, true];
    let hardly = contact(key_at(table.at(), 4, &branch, 3000), 3000);
    assert_eq!(table.admit(&hardly, ms(200), START), Admission::Full(None));
    let clearly = contact(key_at(table.at(), 4, &branch, 3001), 3001);
    let admission = table.admit(&clearly, ms(100), START);
    assert_eq!(admission, Admission::Replaced(slow.unwrap()));
}

#[test]
fn the_nearest_are_all_kept_however_many_are_proven() {
    let mut table = table(Config::default());
    let mut all: Vec<Contact<u32>> = Vec::new();
    for number in 1..=2000 {
        let contact = contact(key(number), number as u32);
        all.push(contact);
        table.admit(&contact, None, START);
        table.hear(&contact, None, after(3 * 3600));
    }
    all.sort_by_key(|contact| table.at().distance(&contact.at));
    let nearest: Vec<_> = all.iter().take(40).map(|contact| contact.at).collect();
    let siblings: Vec<_> = table.siblings().iter().map(|entry| entry.at).collect();
    assert_eq!(siblings, nearest);
}

/// Checks DC-DHT-012 (positive, negative).
#[test]
fn one_subnet_gets_two_places_in_a_bucket_and_ten_in_the_table() {
    let mut table = table(Config::default());
    near_ones(&mut table);
    let mut admitted = [0; 8];
    for number in 0..400_u32 {
        let depth = number % 8;
        let at = key_at(table.at(), depth, &[], 7000 + u64::from(number));
        let contact = Contact {
            subnet: subnet(1),
            ..contact(at, 7000 + number)
        };
        if table.admit(&contact, None, START) == Admission::Added {
            admitted[depth as usize] += 1;
        }
    }
    assert_eq!(admitted.iter().sum::<i32>(), 10);
    assert!(
        admitted[4..].iter().all(|count| *count <= 2),
        "{admitted:?}"
    );
}

/// Checks DC-DHT-012 (positive, negative).
#[test]
fn one_subnet_gets_two_places_among_the_siblings() {
    let mut table = table(Config::default());
    for number in 1..=1000 {
        table.admit(&contact(key(number), number as u32), None, START);
    }
    for number in 0..1000_u32 {
        let at = key_at(table.at(), 20 + number % 50, &[], 9000 + u64::from(number));
        let contact = Contact {
            subnet: subnet(1 << 20),
            ..contact(at, 9000 + number)
        };
        table.admit(&contact, None, START);
    }
    let siblings = table.siblings();
    let ours = siblings
        .iter()
        .filter(|entry| entry.subnet() == subnet(1 << 20));
    assert_eq!(ours.count(), 2);
    assert_eq!(siblings.len(), 40);
}

#[test]
fn a_private_network_knows_no_limits_by_subnet() {
    let mut table = table(Config::default());
    for number in 1..=40 {
        let contact = Contact {
            subnet: Subnet::EXEMPT,
            ..contact(key(number), number as u32)
        };
        assert_eq!(table.admit(&contact, None, START), Admission::Added);
    }
}

#[test]
fn places_of_a_subnet_are_free_again_after_its_contacts_died() {
    let mut table = table(Config::default());
    let of_one = |number: u64| Contact {
        subnet: subnet(1),
        ..contact(key(number), number as u32)
    };
    assert_eq!(table.admit(&of_one(1), None, START), Admission::Added);
    assert_eq!(table.admit(&of_one(2), None, START), Admission::Added);
    assert_eq!(table.admit(&of_one(3), None, START), Admission::Crowded);
    kill(&mut table, &of_one(1));
    assert_eq!(table.admit(&of_one(3), None, START), Admission::Added);
}

#[test]
fn we_are_no_contact_of_our_own() {
    let mut table = table(Config::default());
    let ourselves = contact(table.at(), 1);
    assert_eq!(table.admit(&ourselves, None, START), Admission::Ourselves);
    assert!(!table.wants(&ourselves));
    assert!(table.is_empty());
}

/// Checks DC-DHT-011 (negative).
#[test]
fn one_miss_makes_a_suspect_that_a_sign_of_life_clears() {
    let mut table = table(Config::default());
    let contact = contact(key(1), 1);
    table.admit(&contact, None, START);
    assert!(matches!(table.miss(&contact.at), Missed::Suspect));
    assert!(
        !table
            .entry(&contact.at)
            .unwrap()
            .is_fresh(START.0 as u32 / 1000)
    );
    table.hear(&contact, None, after(1));
    assert!(matches!(table.miss(&contact.at), Missed::Suspect));
    assert!(matches!(table.miss(&contact.at), Missed::Gone(_, 1)));
    assert!(matches!(table.miss(&contact.at), Missed::Unknown));
}

#[test]
fn who_has_been_there_long_is_asked_less_often() {
    let mut table = table(Config::default());
    full_bucket(&mut table);
    let interval = |table: &dchat_kademlia::table::Table<u32>, at| {
        let entry = table.entry(at).unwrap();
        entry.due() - entry.heard()
    };
    let young = contact(key_at(table.at(), 3, &[], 1), 1);
    table.admit(&young, None, START);
    let at_first = interval(&table, &young.at);
    table.hear(&young, None, after(10 * 3600));
    assert!(interval(&table, &young.at) > 3 * at_first);
}

#[test]
fn only_those_due_are_named_and_each_at_most_once_a_second() {
    let mut table = table(Config::default());
    let first = contact(key(1), 1);
    let second = contact(key(2), 2);
    table.admit(&first, None, START);
    table.admit(&second, None, after(100));
    let mut named = Vec::new();
    let mut at = |table: &mut dchat_kademlia::table::Table<u32>, seconds| {
        named.clear();
        table.due(after(seconds), 8, |contact| {
            named.push(contact.handle);
            true
        });
        named.clone()
    };
    assert!(at(&mut table, 100).is_empty());
    assert_eq!(at(&mut table, 160), [1]);
    assert!(at(&mut table, 160).is_empty());
    assert_eq!(at(&mut table, 300).len(), 2);
}

#[test]
fn who_moves_into_a_crowded_subnet_is_a_contact_no_more() {
    let mut table = table(Config::default());
    for number in 1..=3 {
        table.admit(&contact(key(number), number as u32), None, START);
    }
    let moved = |number: u64| Contact {
        subnet: subnet(77),
        ..contact(key(number), number as u32)
    };
    assert!(table.hear(&moved(1), None, after(1)));
    assert!(table.hear(&moved(2), None, after(1)));
    assert!(!table.hear(&moved(3), None, after(1)));
    assert!(table.entry(&key(3)).is_none());
    assert_eq!(table.len(), 2);
}

#[test]
fn a_spare_that_gets_a_place_is_no_spare_any_more() {
    let mut table = table(Config::default());
    let old = full_bucket(&mut table);
    let spare = contact(key_at(table.at(), 4, &[true, true, true], 3000), 3000);
    table.admit(&spare, None, after(30));
    table.remove(&old[0].at);
    assert!(table.entry(&spare.at).is_some());
    let again = contact(key_at(table.at(), 4, &[true, true, true], 3001), 3001);
    table.admit(&again, None, after(31));
    kill(&mut table, &old[1]);
    assert!(table.entry(&again.at).is_some());
    table.admit(&old[1], None, after(32));
    kill(&mut table, &old[2]);
    let places: Vec<_> = table.iter().map(|entry| entry.at).collect();
    let mut unique = places.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(places.len(), unique.len());
}
