//! The table of contacts, against a naive one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dchat_kademlia::table::{Admission, Missed, Table};
use dchat_kademlia::{Config, Contact, Key, Subnet, Time};

use crate::script::Script;

/// Input: parameters, then a script of contacts that come, are heard of, do not answer, and of
/// questions.
///
/// The table holds whom it says it does and nobody else, as a map that is told the same; nobody twice
/// and never ourselves; no more in a bucket, of a subnet in a bucket or in all than may be; the
/// nearest to any target as sorting everybody gives them; and as long as nobody was lost and subnets
/// are not limited, the nearest to ourselves of all who ever came.
///
/// # Panics
/// When it is not so.
pub fn table(data: &[u8]) {
    let mut script = Script::new(data);
    let mut model = Model::new(script.u8());
    let mut steps = 0;
    while let Some(step) = script.step() {
        steps += 1;
        if steps > 600 {
            break;
        }
        model.step(step, &mut script);
        model.check();
    }
}

struct Model {
    config: Arc<Config>,
    table: Table<u16>,
    at: Key,
    now: Time,
    /// Who is in the table: the subnet it was admitted or heard of with, and the handle.
    known: BTreeMap<Key, (Subnet, u16)>,
    /// Everybody who was ever offered, as long as nobody was lost.
    offered: Option<Vec<Key>>,
    is_limited: bool,
}

impl Model {
    fn new(choice: u8) -> Self {
        let small = Config {
            k: 4,
            wide: [8, 6, 5],
            spares: 2,
            siblings: 8,
            subnet_table: 5,
            ..Config::default()
        };
        let config = Arc::new(if choice & 1 == 0 {
            small
        } else {
            Config::default()
        });
        let at = Key([0x5a; 32]);
        Self {
            table: Table::new(Arc::clone(&config), at),
            config,
            at,
            now: Time(1_800_000_000_000),
            known: BTreeMap::new(),
            offered: Some(Vec::new()),
            is_limited: choice & 2 != 0,
        }
    }

    /// Somebody who shares some leading bits with us, and then as many with others as the script says.
    fn contact(&self, script: &mut Script<'_>) -> Contact<u16> {
        let depth = script.u8();
        let noise = script.u8();
        let mut at = Key(core::array::from_fn(|byte| {
            self.at.0[byte] ^ noise.rotate_left(byte as u32 % 7)
        }));
        // As far as they are shared, bits are ours; the next one is not.
        for bit in 0..u32::from(depth) {
            if at.bit(bit) != self.at.bit(bit) {
                at = at.with_bit_turned(bit);
            }
        }
        if noise != 0 && at.bit(depth.into()) == self.at.bit(depth.into()) {
            at = at.with_bit_turned(depth.into());
        }
        let subnet = match script.u8() {
            number if self.is_limited => Subnet::of([20, 0, number % 16, 1].into()),
            _ => Subnet::EXEMPT,
        };
        Contact {
            at,
            subnet,
            handle: u16::from_le_bytes([depth, noise]),
        }
    }

    /// Somebody who is there, or anybody.
    fn one_of(&self, script: &mut Script<'_>) -> Key {
        let number = script.u8();
        let known = self
            .known
            .keys()
            .nth(usize::from(number) % self.known.len().max(1));
        known.copied().unwrap_or(Key([number; 32]))
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0..7 => self.admit(script),
            7 => self.hear(script),
            8 | 9 => {
                let at = self.one_of(script);
                self.miss(&at);
            }
            10 => {
                let at = self.one_of(script);
                let was = self.known.contains_key(&at);
                let gone = self.table.remove(&at);
                assert_eq!(gone.is_some(), was);
                self.lost(&at);
            }
            11 => {
                self.now = self.now + script.time() * 64;
                self.due(script.below(8));
            }
            12 => self.table.doubt(),
            13 => {
                let contact = self.contact(script);
                self.wants(&contact);
            }
            _ => {
                let target = if script.flag() {
                    self.contact(script).at
                } else {
                    Key(script.array())
                };
                self.closest(&target, script.below(24));
            }
        }
    }

    fn admit(&mut self, script: &mut Script<'_>) {
        let contact = self.contact(script);
        let rtt = script.u8();
        let rtt = (rtt > 0).then(|| Duration::from_millis(u64::from(rtt) * 8));
        let wanted = self.table.wants(&contact);
        let was = self.known.contains_key(&contact.at);
        let told = self.table.admit(&contact, rtt, self.now);
        match told {
            Admission::Ourselves => assert_eq!(contact.at, self.at),
            Admission::Known => assert!(was),
            Admission::Added => assert!(!was),
            Admission::Replaced(old) => assert!(!was && self.known.contains_key(&old.at)),
            Admission::Full(oldest) => {
                assert!(!was);
                assert!(oldest.is_none_or(|oldest| self.known.contains_key(&oldest.at)));
            }
            Admission::Crowded => assert!(self.is_limited),
        }
        let is_in = matches!(
            told,
            Admission::Added | Admission::Replaced(_) | Admission::Known
        );
        assert_eq!(self.table.entry(&contact.at).is_some(), is_in);
        if was && matches!(told, Admission::Crowded) {
            // It moved to where too many are already.
            return self.lost(&contact.at);
        }
        let gone = self.catch_up(is_in.then_some(&contact));
        match told {
            // Buckets that are near us no more are cut to what others may hold.
            Admission::Added => {}
            Admission::Replaced(old) => assert!(gone.contains(&old.at)),
            _ => assert!(gone.is_empty(), "{gone:?}"),
        }
        if wanted {
            let is_in = matches!(
                told,
                Admission::Added | Admission::Replaced(_) | Admission::Full(_)
            );
            assert!(is_in, "{contact:?} was wanted: {told:?}");
        }
        if let Some(offered) = &mut self.offered
            && contact.at != self.at
        {
            offered.push(contact.at);
        }
    }

    /// Takes over what the table says about itself, in which nobody but `new` may have come, and says
    /// who left.
    fn catch_up(&mut self, new: Option<&Contact<u16>>) -> Vec<Key> {
        let held: BTreeMap<Key, (Subnet, u16)> = held(&self.table);
        let came = held
            .iter()
            .filter(|(at, told)| self.known.get(*at) != Some(*told));
        for (at, (subnet, handle)) in came {
            let contact = Contact {
                at: *at,
                subnet: *subnet,
                handle: *handle,
            };
            assert_eq!(Some(&contact), new);
        }
        let left = self.known.keys().filter(|at| !held.contains_key(*at));
        let left = left.copied().collect();
        self.known = held;
        left
    }

    fn hear(&mut self, script: &mut Script<'_>) {
        let at = self.one_of(script);
        let contact = Contact {
            at,
            ..self.contact(script)
        };
        let was = self.known.contains_key(&at);
        if self.table.hear(&contact, None, self.now) {
            assert!(was);
            assert_eq!(self.catch_up(Some(&contact)), []);
        } else if was {
            assert!(self.is_limited, "it moved to where too many are already");
            self.lost(&at);
        }
    }

    fn miss(&mut self, at: &Key) {
        match self.table.miss(at) {
            Missed::Unknown => assert!(!self.known.contains_key(at)),
            Missed::Suspect => {
                let entry = self.table.entry(at);
                assert!(entry.is_some_and(|entry| entry.fails() > 0 && !entry.is_fresh(0)));
            }
            Missed::Gone(contact, _) => {
                assert_eq!(contact.at, *at);
                assert!(self.known.contains_key(at));
                self.lost(at);
            }
        }
    }

    /// Somebody left the table; a spare may have moved up.
    fn lost(&mut self, at: &Key) {
        if self.known.remove(at).is_none() {
            return;
        }
        self.offered = None;
        let held = held(&self.table);
        let promoted = held.keys().filter(|at| !self.known.contains_key(*at));
        assert!(promoted.count() <= 1, "several spares for one place");
        self.known = held;
    }

    fn due(&mut self, most: usize) {
        let mut asked = Vec::new();
        self.table.due(self.now, most, |contact| {
            asked.push(contact.at);
            true
        });
        assert!(asked.len() <= most);
        assert!(asked.iter().all(|at| self.known.contains_key(at)));
        let before = asked.len();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), before);
    }

    fn wants(&self, contact: &Contact<u16>) {
        if self.table.wants(contact) {
            assert!(!self.known.contains_key(&contact.at) && contact.at != self.at);
        }
    }

    fn closest(&self, target: &Key, want: usize) {
        let want = want.min(20);
        let found: Vec<Key> = self
            .table
            .closest(target, want, |_| true)
            .iter()
            .map(|c| c.at)
            .collect();
        let mut all: Vec<Key> = self.known.keys().copied().collect();
        all.sort_unstable_by_key(|at| target.distance(at));
        all.truncate(want);
        assert_eq!(found, all);
    }

    fn check(&self) {
        let held = held(&self.table);
        assert_eq!(held, self.known);
        assert_eq!(self.table.len(), held.len(), "somebody twice");
        assert!(!held.contains_key(&self.at));
        let sizes: Vec<usize> = self.table.sizes().collect();
        for (depth, size) in sizes.iter().enumerate() {
            let most = self.config.capacity(depth).max(self.config.siblings);
            assert!(*size <= most, "{size} in bucket {depth}");
        }
        let siblings: Vec<Key> = self.table.siblings().iter().map(|entry| entry.at).collect();
        let mut nearest: Vec<Key> = held.keys().copied().collect();
        nearest.sort_unstable_by_key(|at| self.at.distance(at));
        nearest.truncate(self.config.siblings);
        assert_eq!(siblings, nearest);
        if let (Some(offered), false) = (&self.offered, self.is_limited) {
            let mut offered = offered.clone();
            offered.sort_unstable_by_key(|at| self.at.distance(at));
            offered.dedup();
            offered.truncate(self.config.siblings);
            assert_eq!(siblings, offered, "the nearest of all who came");
        }
        if self.is_limited {
            self.check_subnets(&held);
        }
    }

    fn check_subnets(&self, held: &BTreeMap<Key, (Subnet, u16)>) {
        let mut counts: BTreeMap<Subnet, usize> = BTreeMap::new();
        for (subnet, _) in held.values() {
            *counts.entry(*subnet).or_default() += 1;
        }
        for (subnet, count) in counts {
            assert!(count <= self.config.subnet_table, "{count} of {subnet:?}");
        }
    }
}

fn held(table: &Table<u16>) -> BTreeMap<Key, (Subnet, u16)> {
    let told = table.iter().map(|entry| entry.contact());
    told.map(|contact| (contact.at, (contact.subnet, contact.handle)))
        .collect()
}
