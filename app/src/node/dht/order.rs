//! In which order own records count: each is newer than those before it, and ends no earlier than
//! they do, also when the clock goes back, and over a restart (spec `70-dht` §6.1).
//!
//! * State: the highest sequence that was used, and for each [`Item`] its highest sequence and when the
//!   last of its records ends.
//! * Inputs: what the home remembers of earlier runs; what a record is to say; what others hold of ours.
//!   Outputs: the record, signed, and [what the home is to remember](Order::remembered) before anybody
//!   else sees it.
//! * Invariants: no sequence is used twice; a record ends no earlier than one of its name with a lower
//!   sequence, or else as late as its kind allows. A device's record is the engine's, and has its own
//!   order; that we are in a room ends with its epoch, and the next run says it in another slot.
//! * Bounds: [`MAX_OWN_RECORDS`] items. Of more, those signed longest ago are forgotten.

use std::collections::BTreeMap;

use dchat_wire::record::kind;
use dchat_wire::sign::Identity;

use super::publish::Item;
use super::record::{Content, Ready};
use crate::store::OwnRecord;
use crate::store::limits::MAX_OWN_RECORDS;

/// See the [module](self). Times are milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Order {
    sequence: u64,
    latest: BTreeMap<Item, Latest>,
}

/// Of the records of one item.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    sequence: u64,
    ends: u64,
}

impl Order {
    /// Goes on from what an earlier run left.
    pub(super) fn after(earlier: &[OwnRecord]) -> Self {
        let mut order = Self::default();
        for record in earlier {
            if let Some(item) = item_of(record) {
                order.learn(item, record.sequence, record.expires_at);
            }
        }
        order
    }

    /// Signs what `content` says now. `None` when it says nothing that can be signed.
    pub(super) fn sign(
        &mut self,
        content: &Content,
        identity: &Identity,
        now: u64,
    ) -> Option<Ready> {
        self.sequence = now.max(self.sequence.saturating_add(1));
        let item = Item::of(content);
        let latest = self.latest.get(&item).copied().unwrap_or_default();
        let ready = content.sign(identity, self.sequence, latest.ends, now)?;
        self.learn(item, ready.sequence, ready.expires_at);
        Some(ready)
    }

    /// There is a record of ours with this sequence, which ends then.
    pub(super) fn learn(&mut self, item: Item, sequence: u64, ends: u64) {
        self.sequence = self.sequence.max(sequence);
        if matches!(item, Item::Device | Item::Rendezvous(..)) {
            return;
        }
        let latest = self.latest.entry(item).or_default();
        latest.sequence = latest.sequence.max(sequence);
        latest.ends = latest.ends.max(ends);
        if self.latest.len() > MAX_OWN_RECORDS {
            let oldest = self.latest.iter().min_by_key(|(_, one)| one.sequence);
            if let Some(oldest) = oldest.map(|(item, _)| item.clone()) {
                self.latest.remove(&oldest);
            }
        }
    }

    /// What the home is to remember of an item. `None` for one whose order is not kept here.
    pub(super) fn remembered(&self, item: &Item) -> Option<OwnRecord> {
        let latest = self.latest.get(item)?;
        let (kind, name) = match item {
            Item::Address => (kind::ADDRESS, ""),
            Item::Relay => (kind::RELAY, ""),
            Item::Service(name) => (kind::SERVICE, name.as_str()),
            Item::Device | Item::Rendezvous(..) => return None,
        };
        Some(OwnRecord {
            kind,
            name: name.to_owned(),
            sequence: latest.sequence,
            expires_at: latest.ends,
        })
    }
}

/// `None` for what a later version of this program remembers.
fn item_of(record: &OwnRecord) -> Option<Item> {
    match record.kind {
        kind::ADDRESS => Some(Item::Address),
        kind::RELAY => Some(Item::Relay),
        kind::SERVICE => Some(Item::Service(record.name.clone())),
        _ => None,
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

    /// Checks DC-DHT-026 (negative), DC-DHT-046 (negative).
    #[test]
    fn after_a_restart_with_a_clock_that_went_back_records_are_newer_and_end_no_earlier() {
        let mut order = Order::default();
        let before = each().map(|content| signed(&mut order, &content, NOW));
        let remembered = each().map(|content| order.remembered(&Item::of(&content)).unwrap());
        let mut order = Order::after(&remembered);
        let mut highest = before[2].sequence;
        let earlier = NOW - HOUR;
        for ((content, before), hours) in each().iter().zip(before).zip([24, 2, 24]) {
            let ready = signed(&mut order, content, earlier);
            assert!(ready.sequence > highest, "{content:?}");
            highest = ready.sequence;
            let most = earlier + hours * HOUR;
            assert_eq!(ready.expires_at, before.expires_at.min(most), "{content:?}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut order = Order::default();
        let most = MAX_OWN_RECORDS as u64;
        for number in 0..2 * most {
            order.learn(Item::Service(number.to_string()), number, 2 * most - number);
        }
        assert_eq!(order.latest.len(), MAX_OWN_RECORDS);
        let service = |number: u64| order.remembered(&Item::Service(number.to_string()));
        assert!(service(most - 1).is_none());
        assert!(
            service(most).is_some(),
            "signed later, though it ends earlier"
        );
    }

    #[test]
    fn nothing_is_remembered_of_records_whose_order_is_elsewhere() {
        let mut order = Order::default();
        order.learn(Item::Device, 7, 7);
        assert_eq!(order.remembered(&Item::Device), None);
        let later = OwnRecord {
            kind: kind::PRESENCE,
            name: String::new(),
            sequence: NOW + 1,
            expires_at: NOW,
        };
        assert!(Order::after(&[later]).latest.is_empty());
    }
}
