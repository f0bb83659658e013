//! The records a node holds for others, against a naive store; and their repair.

use std::sync::Arc;

use dchat_kademlia::call::{Answer, Few, Question};
use dchat_kademlia::record::{Strict, validate};
use dchat_kademlia::repair::{AskId, IN_FLIGHT, Repair};
use dchat_kademlia::store::{Kept, Limits, OVERHEAD, Put, Refused, Store};
use dchat_kademlia::token::Writer;
use dchat_kademlia::{Contact, Key, Subnet, Time};
use dchat_wire::dht::Refusal;

use crate::dht_records::{self as records, Known, START};
use crate::script::Script;

/// Input: whether records are repaired and how much room there is, then a script of puts, questions, neighbours and time.
///
/// Only what is signed, in time and under its key is held, and of one name the newest, with at most
/// one other of the same sequence; a put is refused for a reason that holds, and then nothing
/// changes; no quota is passed; what is given out is what is held; and after the last expiry
/// nothing is left. Whatever neighbours answer, a repair asks a bounded number of questions.
///
/// # Panics
/// When it is not so.
pub fn dht_store(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new(script.u8());
    let mut steps = 0;
    while let Some(step) = script.step() {
        steps += 1;
        if steps > 300 {
            break;
        }
        world.step(step, &mut script);
        world.check();
    }
    world.end();
}

/// Small, so that every bound is met.
const LIMITS: Limits = Limits {
    bytes: 16 * 1024,
    far_bytes: 2 * 1024,
    writer_records: 6,
    writer_bytes: 4 * 1024,
    subnet_records: 9,
    subnet_bytes: 5 * 1024,
    burst: 20,
    per_second: 2,
    far_seconds: 600,
    topic_subnet: 3,
};

/// Room for more than a topic holds.
const ROOMY: Limits = Limits {
    bytes: 512 * 1024,
    writer_records: 256,
    writer_bytes: 256 * 1024,
    burst: 400,
    ..LIMITS
};

/// A record as the naive store holds it.
struct Held {
    known: &'static Known,
    writer: Writer,
    near: bool,
    until: u64,
}

struct World {
    limits: Limits,
    store: Store,
    held: Vec<Held>,
    now: u64,
    repair: Option<Repair<u8>>,
    asked: Vec<(AskId, Key, bool)>,
}

impl World {
    fn new(choice: u8) -> Self {
        let limits = if choice & 2 == 0 { LIMITS } else { ROOMY };
        Self {
            limits,
            store: Store::new(limits).with_seed(11),
            held: Vec::new(),
            now: START + 60_000,
            repair: (choice & 1 == 1).then(|| Repair::new(Key([3; 32]), 7)),
            asked: Vec::new(),
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 8 {
            0..4 => self.put(script),
            4 => self.values(script),
            5 => {
                self.now += u64::from(script.u8()) << (script.u8() % 16);
                self.expire();
            }
            6 => self.round(script),
            _ => self.answer(script),
        }
    }

    fn put(&mut self, script: &mut Script<'_>) {
        let known = records::any(script);
        let flags = script.u8();
        let key = if flags & 0x40 == 0 {
            known.key
        } else {
            records::key(script)
        };
        let subnet = match flags >> 4 & 3 {
            0 => Subnet::EXEMPT,
            number => Subnet::of([20, 0, number, 1].into()),
        };
        let writer = Writer {
            id: [flags & 7; 32],
            subnet,
        };
        let put = Put {
            key,
            record: &known.record,
            writer,
            near: flags & 8 == 0,
        };
        let result = self.store.put(&put, Time(self.now), &mut Strict);
        if self.repair.is_some() {
            if let (Ok(kept), Some(repair)) = (&result, &mut self.repair)
                && kept.new
            {
                repair.handle_stored(Time(self.now));
            }
            return;
        }
        self.judge(known, &put, result);
    }

    /// What the naive store says to the same put.
    fn judge(&mut self, known: &'static Known, put: &Put<'_>, result: Result<Kept, Refused>) {
        let is_timely = self.now < known.expires && known.issued <= self.now + 600_000;
        let same: Vec<&Held> = self.of_name(known, put.key).collect();
        let is_held = same
            .iter()
            .any(|held| Arc::ptr_eq(&held.known.record, &known.record));
        let is_outdated = same.iter().any(|held| held.known.sequence > known.sequence);
        let rivals = same
            .iter()
            .filter(|held| held.known.sequence == known.sequence)
            .count();
        let reason = result.as_ref().map_err(|refused| refused.reason);
        if put.key != known.key {
            assert_eq!(reason, Err(Refusal::WrongKey));
        } else if !is_timely {
            assert_eq!(reason, Err(Refusal::Expired));
        } else if is_outdated {
            assert_eq!(reason, Err(Refusal::Outdated));
        } else if is_held {
            assert!(result.is_ok_and(|kept| !kept.new), "{result:?}");
            return;
        }
        match result {
            Ok(kept) => {
                assert!(kept.new && known.is_signed && rivals == 0);
                let Held { until, .. } = self.insert(known, put, false);
                assert_eq!(u64::from(kept.keep_s), (*until - self.now) / 1000);
                self.give_way(known);
            }
            Err(refused) => match refused.reason {
                Refusal::Conflict => {
                    assert!(rivals > 0 && refused.evidence.is_some());
                    if rivals == 1 {
                        assert!(known.is_signed);
                        self.insert(known, put, true);
                    }
                }
                Refusal::BadSignature => assert!(!known.is_signed),
                Refusal::TooMany => assert!(!put.writer.subnet.is_exempt()),
                Refusal::WriterQuota | Refusal::SubnetQuota | Refusal::Full | Refusal::TooFar => {
                    assert!(refused.retry_after_s > 0)
                }
                Refusal::WrongKey | Refusal::Expired | Refusal::Outdated => {}
                other => panic!("{other:?}"),
            },
        }
    }

    /// Under a crowded topic another record may have made room.
    fn give_way(&mut self, new: &'static Known) {
        if self.store.len() == self.held.len() {
            return;
        }
        let is_held = |held: &Held| {
            self.store
                .records()
                .any(|(_, record, _)| **record == *held.known.record)
        };
        let gone: Vec<_> = self
            .held
            .iter()
            .filter(|held| !is_held(held))
            .map(|held| held.known.name)
            .collect();
        let under = self
            .held
            .iter()
            .filter(|held| held.known.key == new.key)
            .count();
        assert!(
            new.kind == 4 && under == 65 && !gone.contains(&new.name),
            "{gone:?} gave way"
        );
        assert!(gone.iter().all(|name| *name == gone[0]));
        self.held.retain(|held| held.known.name != gone[0]);
    }

    fn of_name(&self, known: &'static Known, key: Key) -> impl Iterator<Item = &Held> {
        let now = self.now;
        self.held
            .iter()
            .filter(move |held| held.known.name == known.name && held.known.key == key)
            .inspect(move |held| assert!(held.until > now, "over, and not expired"))
    }

    fn insert(&mut self, known: &'static Known, put: &Put<'_>, is_rival: bool) -> &Held {
        if !is_rival {
            self.held
                .retain(|held| held.known.name != known.name || held.known.key != put.key);
        }
        let far = self.now + u64::from(self.limits.far_seconds) * 1000;
        self.held.push(Held {
            known,
            writer: put.writer,
            near: put.near,
            until: if put.near {
                known.expires
            } else {
                known.expires.min(far)
            },
        });
        self.held.last().unwrap()
    }

    fn values(&mut self, script: &mut Script<'_>) {
        let key = records::key(script);
        let have: Vec<[u8; 8]> = (0..script.below(4))
            .map(|_| records::short(&records::any(script).record))
            .collect();
        let values = self.store.values(&key, &have, Time(self.now));
        let mut digests: Vec<[u8; 8]> = values
            .records
            .iter()
            .map(|one| records::short(one))
            .collect();
        assert!(digests.iter().all(|digest| !have.contains(digest)));
        for record in &values.records {
            validate(&key, record, Time(self.now)).unwrap();
        }
        let given = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), given, "a record twice");
        if self.repair.is_some() {
            return;
        }
        let held = self.held.iter().filter(|held| held.known.key == key);
        assert_eq!(usize::from(values.held), held.clone().count());
        let lacking = held.filter(|held| !have.contains(&records::short(&held.known.record)));
        assert_eq!(given, lacking.count().min(32));
    }

    fn expire(&mut self) {
        self.store.expire(Time(self.now));
        self.held.retain(|held| held.until > self.now);
    }

    fn neighbours(script: &mut Script<'_>) -> Vec<Contact<u8>> {
        let count = script.below(80);
        let mut first = script.u8();
        (0..count)
            .map(|_| {
                first = first.wrapping_mul(73).wrapping_add(41);
                Contact {
                    at: Key([first; 32]),
                    subnet: Subnet::EXEMPT,
                    handle: first,
                }
            })
            .collect()
    }

    fn round(&mut self, script: &mut Script<'_>) {
        let Some(repair) = &mut self.repair else {
            return;
        };
        let neighbours = Self::neighbours(script);
        let now = Time(self.now);
        match script.u8() % 4 {
            0 => repair.handle_lost(&neighbours, now),
            _ => {
                let share = f64::from(script.u8()) / 128.0;
                repair.handle_timeout(&mut self.store, &neighbours, share, now);
            }
        }
        self.poll();
    }

    fn poll(&mut self) {
        let Some(repair) = &mut self.repair else {
            return;
        };
        let mut asks = 0;
        while let Some(ask) = repair.poll_ask(&mut self.store) {
            asks += 1;
            assert!(asks <= 2 * IN_FLIGHT, "asks without end");
            assert!(self.asked.iter().all(|(id, ..)| *id != ask.id));
            let (key, is_put) = match ask.question {
                Question::Get { key, have, .. } => {
                    assert!(!have.is_empty() && have.len() <= 32);
                    (key, false)
                }
                Question::Put { key, record, .. } => {
                    assert!(self.store.find(&key, &records::short(&record)).is_some());
                    (key, true)
                }
                other => panic!("{other:?}"),
            };
            self.asked.push((ask.id, key, is_put));
        }
        assert!(self.asked.len() <= IN_FLIGHT);
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        let choice = script.u8();
        let index = usize::from(choice) % self.asked.len().max(1);
        let kind = script.u8();
        let values = Answer::Values {
            records: (0..script.below(5))
                .map(|_| Arc::clone(&records::any(script).record))
                .collect(),
            held: script.u8().into(),
            token: [1; 16],
            nodes: Few::default(),
        };
        let Some(repair) = &mut self.repair else {
            return;
        };
        let id = match self.asked.get(index) {
            Some(_) if choice & 0x80 == 0 => self.asked.swap_remove(index).0,
            _ => AskId(u32::from(choice) << 20),
        };
        let answer = match kind % 6 {
            0 => return repair.handle_failure(id),
            1 => Answer::Stored { keep_s: 60 },
            2 => Answer::Pong,
            3 => Answer::Refused {
                reason: script.one_of(Refusal::ALL),
                retry_after_s: 0,
            },
            _ => values,
        };
        let now = Time(self.now);
        if repair.handle_answer(id, &answer, &mut self.store, &mut Strict, now) {
            repair.handle_stored(now);
        }
        self.poll();
    }

    fn check(&self) {
        assert!(self.store.bytes() <= self.limits.bytes);
        let now = Time(self.now);
        for (key, record, until) in self.store.records() {
            let known = records::find(record).unwrap();
            assert!(known.is_signed && known.key == key && until.0 <= known.expires);
            assert!(
                until > now || self.repair.is_some(),
                "over, and not expired"
            );
        }
        if self.repair.is_some() {
            return;
        }
        assert_eq!(self.store.len(), self.held.len());
        let bytes = |held: &Held| held.known.record.body.as_slice().len() as u32 + 64 + OVERHEAD;
        let (mut all, mut far) = (0, 0);
        for held in &self.held {
            all += bytes(held);
            far += if held.near { 0 } else { bytes(held) };
            let of = |one: fn(&Held, &Held) -> bool| {
                let of = self.held.iter().filter(move |other| one(other, held));
                (of.clone().count(), of.map(bytes).sum::<u32>())
            };
            let writer = of(|one, other| one.writer.id == other.writer.id);
            assert!(
                writer.0 <= self.limits.writer_records.into()
                    && writer.1 <= self.limits.writer_bytes
            );
            let subnet = of(|one, other| one.writer.subnet == other.writer.subnet);
            let is_within = subnet.0 <= self.limits.subnet_records.into()
                && subnet.1 <= self.limits.subnet_bytes;
            assert!(is_within || held.writer.subnet.is_exempt());
            let name = of(|one, other| {
                one.known.name == other.known.name && one.known.key == other.known.key
            });
            assert!(name.0 <= 2);
            let key = of(|one, other| one.known.key == other.known.key);
            assert!(key.0 <= if held.known.kind == 1 { 2 } else { 64 });
        }
        assert_eq!((all, far), (self.store.bytes(), self.store.far_bytes()));
        assert!(far <= self.limits.far_bytes);
    }

    fn end(mut self) {
        for _ in 0..2 {
            self.now += 1 << 40;
            self.store.expire(Time(self.now));
        }
        assert!(self.store.is_empty() && self.store.bytes() == 0);
        assert_eq!(self.store.poll_timeout(), None);
    }
}
