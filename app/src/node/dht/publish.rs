//! Which own records to put, and when.
//!
//! * State: for each record its content, when it is due, and what came of putting it.
//! * Inputs: what the records are to say now; what came of putting one. Output: [`Publish::next`],
//!   which to put.
//! * Invariants: one is put at a time; of one record, two are put no closer than [`BETWEEN`]; what
//!   changed is put as soon as that allows, what did not at half of its lifetime, the first times
//!   after [`AGAIN`], and while few nodes hold it after waits that double from [`BETWEEN`] to [`SOON`];
//!   and when twice as many nodes are known as when it was put, for others are nearest to its key by
//!   then.
//!   Records of rooms, which may be many, wait for the others.
//! * Bounds: one record of each [`Item`], of services [`SERVICES`], of rooms two for each topic that
//!   [`Rendezvous`](super::rendezvous::Rendezvous) takes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dchat_kademlia::blinded::Epoch;

use super::backoff::{Bounds, doubled};
use super::rendezvous::Topic;

/// Services offered by name at a time.
pub(super) const SERVICES: usize = 16;
/// Between two times of putting one record: a node that moves to and fro tells each place twice a
/// minute at most.
const BETWEEN: Duration = Duration::from_secs(30);
/// From a change to when it is put: addresses come in steps, a second relay just after the first.
const SETTLE: Duration = Duration::from_millis(500);
/// First and longest wait after a failure.
const RETRY: Bounds = (Duration::from_secs(2), Duration::from_secs(5 * 60));
/// Nodes that are enough to leave a record to: half of a bucket. With fewer the network is small, or
/// was when it was put: others may have come since.
const ENOUGH: u16 = 10;
/// See [`ENOUGH`].
const SOON: Duration = Duration::from_secs(10 * 60);

/// From the first two times that enough nodes took a record to the next: whoever has just started
/// may have stored it a little beside its place. After the first wait the connections are still
/// there, and after the second those who started with us have found theirs.
const AGAIN: [Duration; 2] = [Duration::from_secs(45), Duration::from_secs(6 * 60)];

/// A record of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// Where we are.
    Address,
    /// How a conversation with us begins.
    Device,
    /// That we relay.
    Relay,
    /// That we offer the service of this name.
    Service(String),
    /// That we are in a room, in one epoch.
    Rendezvous(Topic, Epoch),
}

/// See the [module](self). `C` is what a record says.
#[derive(Debug)]
pub(super) struct Publish<C> {
    records: BTreeMap<Item, Record<C>>,
    putting: bool,
    /// Nodes that are known.
    known: usize,
}

#[derive(Debug)]
struct Record<C> {
    content: C,
    due: Instant,
    /// When it was last put, or tried.
    tried: Option<Instant>,
    failures: u32,
    /// How often in a row few nodes took it.
    few: u32,
    /// Nodes that were known when it was put last.
    known: usize,
    /// How often enough nodes took it.
    taken: usize,
}

impl<C> Default for Publish<C> {
    fn default() -> Self {
        Self {
            records: BTreeMap::new(),
            putting: false,
            known: 0,
        }
    }
}

impl<C: Clone + PartialEq> Publish<C> {
    /// What `item` is to say from now on; `None` for nothing, and what was put ends by itself.
    pub(super) fn set(&mut self, item: Item, content: Option<C>, now: Instant) {
        let Some(content) = content else {
            self.records.remove(&item);
            return;
        };
        match self.records.get_mut(&item) {
            Some(record) if record.content == content => {}
            Some(record) => {
                record.content = content;
                (record.failures, record.few) = (0, 0);
                record.due = record.earliest(now);
            }
            None => {
                let record = Record {
                    content,
                    due: now + SETTLE,
                    tried: None,
                    failures: 0,
                    few: 0,
                    known: 0,
                    taken: 0,
                };
                self.records.insert(item, record);
            }
        }
    }

    /// Only those items are to say anything any more.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Item) -> bool) {
        self.records.retain(|item, _| keep(item));
    }

    /// So many nodes are known now.
    pub(super) fn known(&mut self, known: usize, now: Instant) {
        self.known = known;
        for record in self.records.values_mut() {
            if record.known > 0 && known >= 2 * record.known {
                record.due = record.due.min(record.earliest(now));
            }
        }
    }

    /// Whether one more service can be offered.
    pub(super) fn takes_service(&self, name: &str) -> bool {
        let services = |item: &&Item| matches!(item, Item::Service(_));
        self.records.contains_key(&Item::Service(name.to_owned()))
            || self.records.keys().filter(services).count() < SERVICES
    }

    /// The services that are offered.
    pub(super) fn services(&self) -> Vec<String> {
        let each = self.records.keys();
        each.filter_map(|item| match item {
            Item::Service(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
    }

    /// What `item` says.
    pub(super) fn content(&self, item: &Item) -> Option<&C> {
        self.records.get(item).map(|record| &record.content)
    }

    /// The network is another one: what failed may be possible now.
    pub(super) fn network_changed(&mut self, now: Instant) {
        for record in self.records.values_mut().filter(|one| one.failures > 0) {
            record.failures = 0;
            record.due = record.due.min(now);
        }
    }

    /// What to put now. To be told by [`done`](Self::done) before there is another.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Item, C)> {
        if self.putting {
            return None;
        }
        let waiting = self.records.iter();
        let (.., item) = waiting
            .filter(|(_, record)| record.due <= now)
            .map(|(item, record)| {
                let is_room = matches!(item, Item::Rendezvous(..));
                (is_room, record.due, item.clone())
            })
            .min()?;
        let record = self.records.get_mut(&item)?;
        record.tried = Some(now);
        self.putting = true;
        Some((item, record.content.clone()))
    }

    /// `content` was put at `stored` nodes, for `lifetime`; none is a failure. `due` says whether that
    /// was because [`next`](Self::next) said so, and not because somebody wanted it.
    pub(super) fn done(
        &mut self,
        item: &Item,
        content: &C,
        due: bool,
        stored: u16,
        lifetime: Duration,
        now: Instant,
    ) {
        self.putting &= !due;
        let Some(record) = self.records.get_mut(item) else {
            return;
        };
        if record.content != *content {
            // It changed meanwhile.
            record.due = record.earliest(now);
            return;
        }
        if stored == 0 {
            record.due = now + doubled(RETRY, record.failures);
            record.failures = record.failures.saturating_add(1);
            return;
        }
        record.failures = 0;
        record.tried = Some(now);
        record.known = self.known;
        let half = lifetime / 2;
        if stored < ENOUGH {
            record.due = now + doubled((BETWEEN, half.min(SOON)), record.few);
            record.few = record.few.saturating_add(1);
        } else {
            let again = AGAIN.get(record.taken).copied().unwrap_or(half);
            record.due = now + again.min(half);
            record.taken += 1;
            record.few = 0;
        }
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.putting {
            return None;
        }
        self.records.values().map(|record| record.due).min()
    }
}

impl<C> Record<C> {
    fn earliest(&self, now: Instant) -> Instant {
        let settled = now + SETTLE;
        self.tried
            .map_or(settled, |tried| settled.max(tried + BETWEEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn second(start: Instant, second: u64) -> Instant {
        start + Duration::from_secs(second)
    }

    #[test]
    fn what_is_new_is_put_at_once_and_soon_again_and_then_at_half_its_lifetime() {
        let began = Instant::now();
        let mut publish = Publish::default();
        publish.set(Item::Address, Some("her"), began);
        publish.set(Item::Address, Some("here"), began);
        let start = began + SETTLE;
        assert_eq!(publish.next(start), Some((Item::Address, "here")));
        assert_eq!(publish.next(start), None, "one at a time");
        publish.done(&Item::Address, &"here", true, 20, HOUR, start);
        publish.set(Item::Address, Some("here"), start);
        let put: Vec<u64> = (0..6000)
            .filter(|at| {
                let now = second(start, *at);
                let next = publish.next(now);
                if let Some((item, content)) = &next {
                    publish.done(item, content, true, 20, HOUR, now);
                }
                next.is_some()
            })
            .collect();
        assert_eq!(put, [45, 405, 2205, 4005, 5805]);
    }

    #[test]
    fn a_change_is_put_soon_and_not_in_a_storm() {
        let start = Instant::now();
        let mut publish = Publish::default();
        let mut put = Vec::new();
        publish.set(Item::Address, Some(0), start - SETTLE);
        for at in 0..100 {
            let now = second(start, at);
            if let Some((item, content)) = publish.next(now) {
                publish.done(&item, &content, true, 20, HOUR, now);
                put.push(content);
            }
            publish.set(Item::Address, Some(at), now);
        }
        assert_eq!(put, [0, 29, 59, 89]);
        publish.set(Item::Address, Some(1000), second(start, 1000));
        assert_eq!(publish.due(), Some(second(start, 1000) + SETTLE));
    }

    #[test]
    fn what_changed_while_it_was_put_is_put_again() {
        let start = Instant::now();
        let mut publish = Publish::default();
        publish.set(Item::Address, Some("here"), start - SETTLE);
        publish.next(start);
        publish.set(Item::Address, Some("there"), start);
        publish.done(&Item::Address, &"here", true, 20, HOUR, start);
        assert_eq!(publish.due(), Some(start + BETWEEN));
    }

    #[test]
    fn what_failed_is_tried_again_ever_more_rarely() {
        let start = Instant::now();
        let mut publish = Publish::default();
        publish.set(Item::Device, Some(()), start - SETTLE);
        let tried: Vec<u64> = (0..1000)
            .filter(|at| {
                let now = second(start, *at);
                let next = publish.next(now);
                if next.is_some() {
                    publish.done(&Item::Device, &(), true, 0, HOUR, now);
                }
                next.is_some()
            })
            .collect();
        assert_eq!(tried, [0, 2, 6, 14, 30, 62, 126, 254, 510, 810]);
        publish.network_changed(second(start, 1000));
        assert!(publish.next(second(start, 1000)).is_some());
    }

    /// Checks DC-DHT-047 (positive, negative).
    #[test]
    fn what_few_nodes_hold_is_put_again_before_long() {
        let start = Instant::now();
        let mut publish = Publish::default();
        publish.set(Item::Address, Some(()), start - SETTLE);
        let put: Vec<u64> = (0..3600)
            .filter(|at| {
                let now = second(start, *at);
                let next = publish.next(now);
                if next.is_some() {
                    publish.done(&Item::Address, &(), true, 2, HOUR, now);
                }
                next.is_some()
            })
            .collect();
        assert_eq!(put, [0, 30, 90, 210, 450, 930, 1530, 2130, 2730, 3330]);
        // Others have come.
        let now = second(start, 3930);
        publish.next(now);
        publish.done(&Item::Address, &(), true, 20, HOUR, now);
        assert_eq!(publish.due(), Some(now + AGAIN[0]));
    }

    #[test]
    fn what_was_put_into_a_small_network_is_put_again_as_it_grows() {
        let start = Instant::now();
        let mut publish = Publish::default();
        publish.set(Item::Address, Some(()), start - SETTLE);
        let mut put = Vec::new();
        for at in 0..1000 {
            let now = second(start, at);
            publish.known(12 + usize::try_from(at).unwrap_or_default(), now);
            if publish.next(now).is_some() {
                publish.done(&Item::Address, &(), true, 20, HOUR, now);
                put.push(at);
            }
        }
        assert_eq!(put, [0, 30, 73, 159, 331, 675]);
    }

    #[test]
    fn what_is_taken_back_is_put_no_more() {
        let start = Instant::now();
        let mut publish = Publish::default();
        publish.set(Item::Relay, Some(()), start - SETTLE);
        publish.next(start);
        publish.set(Item::Relay, None, start);
        publish.done(&Item::Relay, &(), true, 20, HOUR, start);
        assert_eq!(publish.due(), None);
    }

    #[test]
    fn rooms_wait_for_what_is_of_the_node_itself() {
        let start = Instant::now();
        let mut publish = Publish::default();
        for topic in 0..9 {
            let room = Item::Rendezvous([topic; 32], Epoch(1));
            publish.set(room, Some(topic), start - SETTLE);
        }
        publish.next(start);
        publish.set(Item::Address, Some(9), start - SETTLE);
        publish.done(
            &Item::Rendezvous([0; 32], Epoch(1)),
            &0,
            true,
            20,
            HOUR,
            start,
        );
        assert_eq!(publish.next(start), Some((Item::Address, 9)));
        publish.done(&Item::Address, &9, true, 20, HOUR, start);
        publish.retain(|item| *item == Item::Address);
        assert_eq!(publish.next(start), None);
    }

    #[test]
    fn services_are_few() {
        let start = Instant::now();
        let mut publish = Publish::default();
        for number in 0..SERVICES {
            let name = number.to_string();
            assert!(publish.takes_service(&name));
            publish.set(Item::Service(name), Some(()), start);
        }
        assert!(publish.takes_service("0") && !publish.takes_service("one more"));
        assert_eq!(publish.services().len(), SERVICES);
    }
}
