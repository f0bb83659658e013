//! Keys, contacts and tables to test with.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dchat_kademlia::table::{Admission, Missed, Table};
use dchat_kademlia::{Config, Contact, Key, Subnet, Time};

pub(crate) const START: Time = Time(1_800_000_000_000);

pub(crate) fn key(number: u64) -> Key {
    Key(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// A key that shares exactly `depth` bits with `at`, and then goes on with the bits of `branch`.
pub(crate) fn key_at(at: Key, depth: u32, branch: &[bool], number: u64) -> Key {
    let mut key = key(number);
    let bits = (0..depth).map(|bit| at.bit(bit));
    let bits = bits.chain([!at.bit(depth)]).chain(branch.iter().copied());
    for (index, bit) in (0..).zip(bits) {
        if key.bit(index) != bit {
            key = key.with_bit_turned(index);
        }
    }
    key
}

pub(crate) fn subnet(number: u32) -> Subnet {
    let [_, a, b, c] = number.to_be_bytes();
    Subnet::of(IpAddr::from([100 + a, b, c, 1]))
}

/// A contact of a subnet of its own.
pub(crate) fn contact(at: Key, number: u32) -> Contact<u32> {
    Contact {
        at,
        subnet: subnet(number),
        handle: number,
    }
}

pub(crate) fn table(config: Config) -> Table<u32> {
    Table::new(Arc::new(config), key(0))
}

pub(crate) fn after(seconds: u64) -> Time {
    START + Duration::from_secs(seconds)
}

/// Fills bucket 4 of an otherwise well known neighbourhood; its contacts in the order they came,
/// one a second.
pub(crate) fn full_bucket(table: &mut Table<u32>) -> Vec<Contact<u32>> {
    near_ones(table);
    let mut added = Vec::new();
    for number in 0..20_u32 {
        let branch = [number & 1 != 0, number & 2 != 0, number & 4 != 0];
        let at = key_at(table.at(), 4, &branch, 1000 + u64::from(number));
        let contact = contact(at, 1000 + number);
        let admission = table.admit(&contact, None, after(u64::from(number)));
        assert_eq!(admission, Admission::Added);
        added.push(contact);
    }
    added
}

/// Sixty contacts that share eight bits or more with us: no other bucket has to hold siblings.
pub(crate) fn near_ones(table: &mut Table<u32>) {
    for number in 0..60_u32 {
        let at = key_at(table.at(), 8 + number % 4, &[], 2000 + u64::from(number));
        table.admit(&contact(at, 2000 + number), None, START);
    }
}

/// Lets `contact` miss two questions.
pub(crate) fn kill(table: &mut Table<u32>, contact: &Contact<u32>) {
    assert!(matches!(table.miss(&contact.at), Missed::Suspect));
    assert!(matches!(table.miss(&contact.at), Missed::Gone(..)));
}
