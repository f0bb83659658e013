//! In which order own records count: each is newer than those before it, and ends no earlier than
//! they do, also when the clock goes back (spec `70-dht` §6.1).
//!
//! * State: the highest sequence that was used, and when the last record of each [`Item`] ends.
//! * Inputs: what a record is to say; what others hold of ours. Output: the record, signed.
//! * Invariants: no sequence is used twice; a record ends no earlier than one of its name with a lower
//!   sequence, or else as late as its kind allows. A device's record is the engine's, and has its own
//!   order; that we are in a room ends with its epoch.
//! * Bounds: the ends of [`ENDS`] items.

use std::collections::BTreeMap;

use dchat_wire::sign::Identity;

use super::publish::Item;
use super::record::{Content, Ready};

/// Items whose ends are remembered: more than are published at a time. Of more, those that end first
/// are forgotten.
const ENDS: usize = 64;

/// See the [module](self). Times are milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Order {
    sequence: u64,
    ends: BTreeMap<Item, u64>,
}

impl Order {
    /// Signs what `content` says now. `None` when it says nothing that can be signed.
    pub(super) fn sign(
        &mut self,
        content: &Content,
        identity: &Identity,
        now: u64,
    ) -> Option<Ready> {
        self.sequence = now.max(self.sequence.saturating_add(1));
        let item = Item::of(content);
        let ends = self.ends.get(&item).copied().unwrap_or_default();
        let ready = content.sign(identity, self.sequence, ends, now)?;
        self.learn(item, ready.sequence, ready.expires_at);
        Some(ready)
    }

    /// There is a record of ours with this sequence, which ends then.
    pub(super) fn learn(&mut self, item: Item, sequence: u64, ends: u64) {
        self.sequence = self.sequence.max(sequence);
        if matches!(item, Item::Device | Item::Rendezvous(..)) {
            return;
        }
        let latest = self.ends.entry(item).or_default();
        *latest = ends.max(*latest);
        if self.ends.len() > ENDS {
            let first = self.ends.iter().min_by_key(|(_, ends)| **ends);
            if let Some(first) = first.map(|(item, _)| item.clone()) {
                self.ends.remove(&first);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use dchat_kademlia::record::{Notary as _, Strict};
    use dchat_kademlia::{Key, Time};
    use dchat_wire::Address;
    use dchat_wire::dht::Socket;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const HOUR: u64 = 60 * 60 * 1000;

    /// What nodes with the same clock store.
    fn signed(order: &mut Order, content: &Content, now: u64) -> Ready {
        let identity = Identity::from_seed(&[1; 32]);
        let ready = order.sign(content, &identity, now).unwrap();
        let stored = Strict.validate(&Key(ready.key), &ready.record, Time(now));
        assert!(stored.is_ok(), "{stored:?}");
        ready
    }

    fn here() -> Vec<Address> {
        vec![Address::direct("198.51.100.7:4001".parse().unwrap())]
    }

    fn each() -> [Content; 3] {
        let socket = Socket::new("198.51.100.7:4001".parse().unwrap()).unwrap();
        [
            Content::Address(here()),
            Content::Relay(socket, None),
            Content::Service("files".to_owned(), here()),
        ]
    }

    /// Checks DC-DHT-026 (positive), DC-DHT-046 (positive).
    #[test]
    fn a_record_that_is_signed_after_the_clock_went_back_is_newer_and_ends_no_earlier() {
        let mut order = Order::default();
        let content = Content::Address(here());
        let mut before = signed(&mut order, &content, NOW);
        assert_eq!(before.expires_at, NOW + 12 * HOUR);
        for back in [1, HOUR, 12 * HOUR] {
            let ready = signed(&mut order, &content, NOW - back);
            assert!(ready.sequence > before.sequence);
            assert!(ready.expires_at >= before.expires_at, "{back}");
            before = ready;
        }
        let later = signed(&mut order, &content, NOW + HOUR);
        assert_eq!(
            later.expires_at,
            NOW + 13 * HOUR,
            "and no longer than it has to"
        );
    }

    /// Checks DC-DHT-046 (negative).
    #[test]
    fn after_a_clock_that_was_far_ahead_records_live_as_long_as_their_kinds_allow() {
        let mut order = Order::default();
        for (content, most) in each().iter().zip([24, 2, 24]) {
            signed(&mut order, content, NOW);
            let ready = signed(&mut order, content, NOW - 48 * HOUR);
            assert_eq!(ready.expires_at, NOW - 48 * HOUR + most * HOUR);
        }
    }

    /// Checks DC-DHT-026 (negative), DC-DHT-046 (negative).
    #[test]
    fn what_others_hold_of_an_earlier_run_is_followed_by_what_ends_no_earlier() {
        let mut order = Order::default();
        let (held, ends) = (NOW + 5 * HOUR, NOW + 17 * HOUR);
        order.learn(Item::Address, held, ends);
        let mut used = vec![held];
        for content in each() {
            let ready = signed(&mut order, &content, NOW);
            assert!(ready.expires_at >= ends || Item::of(&content) != Item::Address);
            used.push(ready.sequence);
        }
        assert!(used.is_sorted_by(|one, next| one < next), "{used:?}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut order = Order::default();
        for number in 0..2 * ENDS as u64 {
            order.learn(Item::Service(number.to_string()), number, number);
        }
        assert_eq!(order.ends.len(), ENDS);
        let last = Item::Service((2 * ENDS - 1).to_string());
        assert!(order.ends.contains_key(&last));
    }
}
