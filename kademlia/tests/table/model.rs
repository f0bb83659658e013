//! Any sequence of operations, beside a model that does it the slow way.

use std::collections::BTreeMap;

use dchat_kademlia::table::{Missed, Table};
use dchat_kademlia::{Config, Contact, Key, Subnet};
use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Debug)]
enum Operation {
    Admit(u8, u16),
    Miss(u16),
    Remove(u16),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        6 => (0..24_u8, 0..400_u16).prop_map(|(depth, n)| Operation::Admit(depth, n)),
        2 => (0..400_u16).prop_map(Operation::Miss),
        1 => (0..400_u16).prop_map(Operation::Remove),
    ];
    prop::collection::vec(operation, 0..400)
}

/// Contact `number`: at a depth that depends on it, so that deep buckets are filled as well.
fn numbered(at: Key, depth: u8, number: u16, exempt: bool) -> Contact<u32> {
    let number = u32::from(number) * 32 + u32::from(depth);
    let at = key_at(at, u32::from(depth), &[], u64::from(number));
    Contact {
        subnet: if exempt {
            Subnet::EXEMPT
        } else {
            subnet(number % 50 + 1)
        },
        ..contact(at, number)
    }
}

fn entries(table: &Table<u32>) -> BTreeMap<Key, u32> {
    table
        .iter()
        .map(|entry| (entry.at, entry.contact().handle))
        .collect()
}

fn check(table: &Table<u32>, config: &Config) {
    let entries = entries(table);
    assert_eq!(entries.len(), table.len(), "everybody once");
    let count = table.sizes().count();
    for (depth, size) in table.sizes().enumerate() {
        assert!(size <= config.capacity(depth).max(config.siblings));
    }
    let mut seen = vec![0; count];
    for at in entries.keys() {
        seen[(table.at().common_prefix(at) as usize).min(count - 1)] += 1;
    }
    assert_eq!(
        table.sizes().collect::<Vec<_>>(),
        seen,
        "everybody in the right bucket"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_nearest_are_those_of_a_sorted_list(
        operations in operations(),
        targets in prop::collection::vec(any::<u64>(), 8),
        want in 0..40_usize,
        modulus in 1..4_u32,
    ) {
        let config = Config::default();
        let mut table = table(config.clone());
        for operation in &operations {
            if let Operation::Admit(depth, number) = operation {
                table.admit(&numbered(table.at(), *depth, *number, true), None, START);
            }
        }
        let contacts: Vec<_> = entries(&table).into_iter().collect();
        let near = contacts.iter().map(|(at, _)| at.with_bit_turned(40)).take(8);
        let targets = targets.into_iter().map(key).chain([table.at()]).chain(near);
        for target in targets {
            let admits = |handle: &u32| handle.is_multiple_of(modulus);
            let mut wanted: Vec<_> = contacts.iter().filter(|(_, handle)| admits(handle)).collect();
            wanted.sort_by_key(|(at, _)| target.distance(at));
            let wanted: Vec<_> = wanted.iter().take(want.min(20)).map(|(at, _)| *at).collect();
            let found = table.closest(&target, want, |entry| admits(&entry.contact().handle));
            let found: Vec<_> = found.iter().map(|contact| contact.at).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn contacts_stay_where_they_belong_whatever_happens(operations in operations()) {
        let config = Config::default();
        let mut table = table(config.clone());
        for (second, operation) in (0_u64..).zip(operations) {
            match operation {
                Operation::Admit(depth, number) => {
                    let contact = numbered(table.at(), depth, number, false);
                    table.admit(&contact, None, after(second));
                }
                Operation::Miss(number) => {
                    let contact = numbered(table.at(), (number % 24) as u8, number, false);
                    let was = table.entry(&contact.at).is_some();
                    let missed = table.miss(&contact.at);
                    prop_assert_eq!(was, !matches!(missed, Missed::Unknown));
                }
                Operation::Remove(number) => {
                    let contact = numbered(table.at(), (number % 24) as u8, number, false);
                    let was = table.entry(&contact.at).is_some();
                    prop_assert_eq!(table.remove(&contact.at).is_some(), was);
                    prop_assert!(table.entry(&contact.at).is_none());
                }
            }
            check(&table, &config);
        }
        let mut of_subnets = BTreeMap::new();
        for entry in table.iter() {
            *of_subnets.entry(entry.subnet()).or_insert(0) += 1;
        }
        prop_assert!(of_subnets.values().all(|count| *count <= config.subnet_table));
    }

    #[test]
    fn the_siblings_are_the_nearest_of_all_that_came(numbers in prop::collection::vec((0..24_u8, 0..400_u16), 0..300)) {
        let mut table = table(Config::default());
        let mut all = BTreeMap::new();
        for (depth, number) in numbers {
            let contact = numbered(table.at(), depth, number, true);
            all.insert(table.at().distance(&contact.at), contact.at);
            table.admit(&contact, None, START);
        }
        let wanted: Vec<_> = all.into_values().take(40).collect();
        let found: Vec<_> = table.siblings().iter().map(|entry| entry.at).collect();
        prop_assert_eq!(&found, &wanted);
        for (rank, at) in (1..).zip(wanted) {
            prop_assert_eq!(table.sibling_distance(rank), Some(table.at().distance(&at)));
        }
    }
}
