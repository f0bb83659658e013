//! Where this node says that it is in a room, and when it looks who else is (spec `70-dht` §8).
//!
//! * State: for each topic its secret, this node's slot in each hour it is to be found in, how many
//!   neighbours it has there, and when it is to look for more.
//! * Inputs: topics that come and go, the neighbours' number, what came of looking. Outputs:
//!   [`Rendezvous::places`], which records are to be stored; [`Rendezvous::next`], where to look.
//! * Invariants: there is a record for the current epoch, and for the next one from some moment of
//!   the last [`LEAD`] of this one on, which is another for each topic and epoch; a slot is of one
//!   topic and epoch. At most [`AT_ONCE`] lookups at a time, of one topic at most one, and no two of
//!   one topic begin within [`BETWEEN`].
//! * Bounds: [`TOPICS`] topics of two records each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dchat_kademlia::Time;
use dchat_kademlia::blinded::{Epoch, Secret};
use dchat_wire::record::CLOCK_SKEW;

use super::backoff::{Bounds, doubled, spread};

/// The name of a room on the wire.
pub(in crate::node) type Topic = [u8; 32];

/// Topics at a time: each costs two lookups an hour at least.
pub(super) const TOPICS: usize = 64;
/// Neighbours from which on members come by themselves: the others name them.
const ENOUGH: usize = 8;
/// Lookups at a time.
const AT_ONCE: usize = 2;
/// Between two lookups of one topic.
const BETWEEN: Duration = Duration::from_secs(5);
/// First and longest wait while there is nobody.
const ALONE: Bounds = (Duration::from_secs(5), Duration::from_secs(4 * 60));
/// Wait with few neighbours.
const FEW: Duration = Duration::from_secs(4 * 60);
/// Wait with [`ENOUGH`]: often enough that the parts of a room that was parted find each other.
const MANY: Duration = Duration::from_secs(30 * 60);
/// Milliseconds before an epoch ends in which the record for the next one is stored. A reader asks
/// for both epochs when its clock, which may differ by as much, is as near to the boundary.
const LEAD: u64 = CLOCK_SKEW;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Rendezvous {
    topics: BTreeMap<Topic, Meeting>,
    looking: usize,
}

#[derive(Debug)]
struct Meeting {
    secret: Secret,
    neighbours: usize,
    /// At most two, the earlier first.
    places: Vec<Place>,
    looking: bool,
    /// When the last lookup began.
    began: Option<Instant>,
    due: Instant,
    /// Lookups since there was anybody.
    vain: u32,
}

/// A record of ours that is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    epoch: Epoch,
    slot: [u8; 16],
    /// Milliseconds before the end of the epoch at which the next one's record is due.
    lead: u64,
}

/// Where to look for others.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) topic: Topic,
    pub(super) secret: Secret,
    /// Our own records, which say nothing new.
    pub(super) own: Vec<[u8; 16]>,
}

impl Rendezvous {
    /// We are in the room `topic`, with so many neighbours there; to be told again when that changes.
    /// False when there is no room for one more.
    pub(super) fn meet(
        &mut self,
        topic: Topic,
        secret: Secret,
        neighbours: usize,
        now: Instant,
    ) -> bool {
        if let Some(meeting) = self.topics.get_mut(&topic) {
            meeting.neighbours_changed(neighbours, now);
            return true;
        }
        if self.topics.len() >= TOPICS {
            return false;
        }
        let meeting = Meeting {
            secret,
            neighbours,
            places: Vec::new(),
            looking: false,
            began: None,
            due: now,
            vain: 0,
        };
        self.topics.insert(topic, meeting);
        true
    }

    /// No longer. What is stored ends by itself.
    pub(super) fn part(&mut self, topic: &Topic) {
        if let Some(meeting) = self.topics.remove(topic)
            && meeting.looking
        {
            self.looking -= 1;
        }
    }

    /// The network is another one: whoever was not found may be now.
    pub(super) fn network_changed(&mut self, now: Instant) {
        for meeting in self.topics.values_mut() {
            if meeting.neighbours == 0 {
                meeting.hurry(now);
            }
        }
    }

    /// Draws slots where time has gone on to a new epoch.
    pub(super) fn draw(&mut self, time: Time, mut random: impl FnMut() -> Option<[u8; 24]>) {
        let current = Epoch::of(time);
        for meeting in self.topics.values_mut() {
            // One that is ahead of the clock is of a time when the clock was.
            let in_reach = current.0..=current.0.saturating_add(1);
            let places = &mut meeting.places;
            places.retain(|place| in_reach.contains(&place.epoch.0));
            if places.first().is_none_or(|place| place.epoch != current) {
                places.clear();
                places.extend(random().map(|drawn| Place::new(current, drawn)));
            }
            if let [place] = places.as_slice()
                && time.0 >= place.epoch.end().0.saturating_sub(place.lead)
            {
                let next = Epoch(current.0.saturating_add(1));
                places.extend(random().map(|drawn| Place::new(next, drawn)));
            }
        }
    }

    /// The records that are to be stored: topic, secret, epoch and slot of each.
    pub(super) fn places(&self) -> impl Iterator<Item = (Topic, &Secret, Epoch, [u8; 16])> {
        self.topics.iter().flat_map(|(topic, meeting)| {
            let places = meeting.places.iter();
            places.map(|place| (*topic, &meeting.secret, place.epoch, place.slot))
        })
    }

    /// Whether a record is to be stored.
    pub(super) fn has(&self, topic: &Topic, epoch: Epoch) -> bool {
        let meeting = self.topics.get(topic);
        meeting.is_some_and(|one| one.places.iter().any(|place| place.epoch == epoch))
    }

    /// Whether it is known that we are in this room.
    pub(super) fn is_in(&self, topic: &Topic) -> bool {
        self.topics.contains_key(topic)
    }

    /// Where to look now. To be asked until there is nothing.
    pub(super) fn next(&mut self, now: Instant) -> Option<Look> {
        if self.looking >= AT_ONCE {
            return None;
        }
        // Whoever waits longest is first, so that none starves.
        let waiting = self.topics.iter().filter(|(_, one)| !one.looking);
        let due = waiting.map(|(topic, one)| (one.due, *topic));
        let (_, topic) = due.filter(|(due, _)| *due <= now).min()?;
        let meeting = self.topics.get_mut(&topic)?;
        meeting.looking = true;
        meeting.began = Some(now);
        self.looking += 1;
        Some(Look {
            topic,
            secret: meeting.secret.clone(),
            own: meeting.places.iter().map(|place| place.slot).collect(),
        })
    }

    /// A lookup is over. `drawn` chooses the wait between half and all of its bound.
    pub(super) fn done(&mut self, topic: &Topic, drawn: u64, now: Instant) {
        // Of a room that was left meanwhile nothing is counted any more.
        let Some(meeting) = self.topics.get_mut(topic) else {
            return;
        };
        if core::mem::take(&mut meeting.looking) {
            self.looking -= 1;
        }
        let bound = match meeting.neighbours {
            0 => doubled(ALONE, meeting.vain),
            few if few < ENOUGH => FEW,
            _ => MANY,
        };
        meeting.due = now + spread(bound, drawn);
        meeting.vain = meeting.vain.saturating_add(1);
    }
}

impl Place {
    fn new(epoch: Epoch, drawn: [u8; 24]) -> Self {
        let [.., a, b, c, d, e, f, g, h] = drawn;
        let mut slot = [0; 16];
        slot.copy_from_slice(&drawn[..16]);
        Self {
            epoch,
            slot,
            lead: u64::from_le_bytes([a, b, c, d, e, f, g, h]) % LEAD,
        }
    }
}

impl Meeting {
    fn neighbours_changed(&mut self, neighbours: usize, now: Instant) {
        let before = core::mem::replace(&mut self.neighbours, neighbours);
        if neighbours > 0 {
            self.vain = 0;
        }
        if neighbours == 0 && before > 0 {
            self.hurry(now);
        } else if neighbours < ENOUGH && before >= ENOUGH {
            self.due = self.due.min(now + FEW);
        }
    }

    fn hurry(&mut self, now: Instant) {
        let earliest = self.began.map_or(now, |began| now.max(began + BETWEEN));
        self.due = self.due.min(earliest);
        self.vain = 0;
    }
}

#[cfg(test)]
mod tests {
    use dchat_kademlia::blinded::EPOCH;
    use zeroize::Zeroizing;

    use super::*;

    fn secret() -> Secret {
        Secret::new(Zeroizing::new([7; 32]))
    }

    fn topic(number: u8) -> Topic {
        [number; 32]
    }

    /// Each drawn number is another.
    fn numbers() -> impl FnMut() -> Option<[u8; 24]> {
        let mut drawn = 0_u64;
        move || {
            drawn = drawn.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut bytes = [0; 24];
            bytes[..8].copy_from_slice(&drawn.to_le_bytes());
            bytes[16..].copy_from_slice(&drawn.to_le_bytes());
            Some(bytes)
        }
    }

    /// The seconds of an hour in which the room is looked at, each lookup taking none.
    fn looks(meetings: &mut Rendezvous, start: Instant) -> Vec<u64> {
        let looked = (0..3600).filter(|second| {
            let now = start + Duration::from_secs(*second);
            let look = meetings.next(now);
            if let Some(look) = &look {
                meetings.done(&look.topic, u64::MAX, now);
            }
            look.is_some()
        });
        looked.collect()
    }

    #[test]
    fn a_room_is_looked_at_when_it_is_joined_and_the_rarer_the_more_are_met() {
        let start = Instant::now();
        let mut meetings = Rendezvous::default();
        assert!(meetings.meet(topic(1), secret(), 0, start));
        let alone = looks(&mut meetings, start);
        assert_eq!(alone[..5], [0, 5, 15, 35, 75], "{alone:?}");
        assert!(alone.len() <= 21, "{alone:?}");
        let start = start + Duration::from_secs(3600);
        meetings.meet(topic(1), secret(), 3, start);
        assert_eq!(looks(&mut meetings, start).len(), 15);
        let start = start + Duration::from_secs(3600);
        meetings.meet(topic(1), secret(), 8, start);
        assert_eq!(looks(&mut meetings, start).len(), 2);
    }

    #[test]
    fn whoever_has_lost_all_neighbours_looks_at_once_and_not_in_a_storm() {
        let start = Instant::now();
        let mut meetings = Rendezvous::default();
        meetings.meet(topic(1), secret(), 8, start);
        looks(&mut meetings, start);
        let now = start + Duration::from_secs(3599);
        assert!(meetings.next(now).is_none());
        meetings.meet(topic(1), secret(), 0, now);
        assert!(meetings.next(now).is_some());
        meetings.done(&topic(1), u64::MAX, now);
        for _ in 0..9 {
            meetings.meet(topic(1), secret(), 1, now);
            meetings.meet(topic(1), secret(), 0, now);
            meetings.network_changed(now);
        }
        assert!(meetings.next(now).is_none());
        assert!(meetings.next(now + BETWEEN).is_some());
    }

    /// Checks DC-DHT-038 (positive, negative), DC-DHT-049 (positive).
    #[test]
    fn the_record_of_the_next_epoch_is_stored_before_it_begins_and_not_of_all_rooms_at_once() {
        let start = Instant::now();
        let mut meetings = Rendezvous::default();
        let mut random = numbers();
        for number in 0..20 {
            meetings.meet(topic(number), secret(), 0, start);
        }
        let epoch = Epoch(500_000);
        let begins = epoch.0 * EPOCH;
        meetings.draw(Time(begins + 1), &mut random);
        let first: Vec<_> = meetings.places().map(|(.., slot)| slot).collect();
        meetings.draw(Time(begins + EPOCH - LEAD - 1), &mut random);
        let same: Vec<_> = meetings.places().map(|(.., slot)| slot).collect();
        assert_eq!(first, same, "one record each, and it keeps its slot");
        let mut counts = Vec::new();
        for minute in 50..60 {
            meetings.draw(Time(begins + minute * 60_000), &mut random);
            counts.push(meetings.places().count());
        }
        assert!(
            counts.iter().any(|count| (25..35).contains(count)),
            "{counts:?}"
        );
        meetings.draw(Time(epoch.end().0 - 1), &mut random);
        assert_eq!(meetings.places().count(), 40);
        meetings.draw(epoch.end(), &mut random);
        let next = Epoch(epoch.0 + 1);
        assert!(meetings.places().all(|(_, _, of, _)| of == next));
        let mut slots: Vec<_> = meetings.places().map(|(.., slot)| slot).collect();
        slots.extend(first);
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), 40, "no slot is used twice");
    }

    /// Checks DC-DHT-049 (negative).
    #[test]
    fn a_clock_that_jumps_leaves_one_record_of_its_epoch() {
        let mut meetings = Rendezvous::default();
        let mut random = numbers();
        meetings.meet(topic(1), secret(), 0, Instant::now());
        for hours in [500_000, 500_009, 400_000, 400_001] {
            meetings.draw(Time(hours * EPOCH), &mut random);
            let epochs: Vec<_> = meetings.places().map(|(_, _, epoch, _)| epoch).collect();
            assert_eq!(epochs, [Epoch(hours)]);
        }
    }

    #[test]
    fn few_rooms_are_looked_at_a_time_and_a_room_that_was_left_no_more() {
        let now = Instant::now();
        let mut meetings = Rendezvous::default();
        for number in 0..=255 {
            let taken = meetings.meet(topic(number), secret(), 0, now);
            assert_eq!(taken, usize::from(number) < TOPICS);
        }
        let looking: Vec<Topic> = core::iter::from_fn(|| meetings.next(now))
            .map(|look| look.topic)
            .collect();
        assert_eq!(looking.len(), AT_ONCE);
        for topic in &looking {
            meetings.part(topic);
            meetings.done(topic, 0, now);
            assert!(!meetings.is_in(topic));
        }
        assert_eq!(meetings.looking, 0);
        let more = core::iter::from_fn(|| meetings.next(now));
        assert!(
            more.map(|look| look.topic)
                .all(|one| !looking.contains(&one))
        );
    }
}
