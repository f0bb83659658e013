//! Floods.

use std::sync::Arc;

use dchat_kademlia::call::{Answer, K, Known, Question};
use dchat_kademlia::node::Asker;
use dchat_kademlia::{Key, Subnet};
use dchat_wire::codec::Bytes;
use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;

use super::super::job::Ended;
use super::super::population::{random_key, random_subnet};
use super::super::records::{self, Filed};
use super::super::world::{EPOCH, World};
use super::plan::{Plan, Report};
use super::summary::{part, summary};
use super::town::{MINUTE, filled, publish, search};
use crate::sim::Rng;

/// Questions a second that one subnet asks each victim.
const RATE: u64 = 10_000;
/// Seconds of it, unless `--hours` says otherwise.
const SECONDS: u64 = 60;
/// Records that victims are to store in all within so many seconds.
const STORES: u64 = 1_000_000;
/// Records kept ready to be asked to store.
const READY: u32 = 512;
/// A week and a bit ago.
const LONG_AGO: u64 = 8 * 24 * 3_600_000;

/// The 20 nodes nearest to the key of a record are flooded from one subnet each with 10,000
/// questions a second for a minute, and a million bogus records in all; honest nodes look for all
/// records meanwhile, and their success is compared with that of the minute before.
pub(super) fn run(plan: &Plan, memory: &mut dyn FnMut() -> u64) -> Report {
    let mut world = filled(plan);
    world.run(1_000);
    publish(&mut world, plan, 100, MINUTE);
    let lookups = plan.lookups.unwrap_or(5_000);
    world.reset();
    search(&mut world, lookups, MINUTE, 0);
    let quiet = success(&world);
    world.reset();
    let target = world.filed()[0].key;
    let victims = world.truth().nearest(&target, K, |_| true);
    let mut flood = Flood::new(plan.seed, &target);
    let before = memory();
    let begin = world.now();
    let seconds = plan
        .hours
        .map_or(SECONDS, |hours| (hours * 3600.0).ceil() as u64);
    for tick in 0..seconds * 10 {
        world.run(begin + tick * 100);
        for victim in &victims {
            flood.ask(&mut world, *victim, &target, RATE / 10);
            flood.store(&mut world, *victim, STORES / (SECONDS * 10 * K as u64));
        }
        let due = u32::try_from(u64::from(lookups) * (tick + 1) / (seconds * 10));
        for _ in flood.searched..due.unwrap_or(lookups) {
            flood.searched += 1;
            let record = world.draw(100) as u32;
            if let Some(node) = world.random_honest() {
                world.get(node, record);
            }
        }
    }
    world.run(world.now() + 15_000);
    let after = memory();
    let loud = success(&world);
    let mut report = summary(&mut world);
    report.more.push(("success_before", quiet));
    report.more.push(("success_lost", quiet - loud));
    report.more.push(("questions", flood.asked as f64));
    report.more.push(("answered", flood.answered as f64));
    report.more.push(("stores", flood.stores as f64));
    report.more.push(("stored", flood.stored as f64));
    let growth = after.saturating_sub(before) as f64 / K as f64;
    report.more.push(("memory_growth_per_victim", growth));
    for (reason, count) in flood.refused {
        report.more.push((name(reason), count as f64));
    }
    report
}

fn success(world: &World) -> f64 {
    let gets: Vec<&Ended> = world.ended().iter().collect();
    part(&gets, |get| get.value)
}

/// The names of refusals in reports.
fn name(reason: Refusal) -> &'static str {
    match reason {
        Refusal::NotServing => "refused_not_serving",
        Refusal::TooMany => "refused_too_many",
        Refusal::BadToken => "refused_bad_token",
        Refusal::BadRecord => "refused_bad_record",
        Refusal::BadSignature => "refused_bad_signature",
        Refusal::WrongKey => "refused_wrong_key",
        Refusal::Expired => "refused_expired",
        Refusal::Outdated => "refused_outdated",
        Refusal::Conflict => "refused_conflict",
        Refusal::WriterQuota => "refused_writer_quota",
        Refusal::SubnetQuota => "refused_subnet_quota",
        Refusal::Full => "refused_full",
        Refusal::TooFar => "refused_too_far",
        Refusal::BadPuzzle => "refused_bad_puzzle",
    }
}

struct Flood {
    rng: Rng,
    subnet: Subnet,
    /// Valid ones, with keys of their own.
    valid: Vec<Filed>,
    expired: Vec<Filed>,
    forged: Vec<Arc<SignedRecord>>,
    garbage: Arc<SignedRecord>,
    asked: u64,
    answered: u64,
    stores: u64,
    stored: u64,
    searched: u32,
    refused: Vec<(Refusal, u64)>,
}

impl Flood {
    fn new(seed: u64, target: &Key) -> Self {
        let mut rng = Rng::new(seed, "flood", 0);
        let number = |n: u32| 1_000_000 + n;
        let valid: Vec<Filed> = (0..READY)
            .map(|n| records::file(seed, number(n), 1, EPOCH))
            .collect();
        let expired = (0..READY)
            .map(|n| records::file(seed, number(n), 1, EPOCH - LONG_AGO))
            .collect();
        let forge = |filed: &Filed| {
            let mut record = SignedRecord::clone(&filed.record);
            record.signature[0] ^= target.0[0] | 1;
            Arc::new(record)
        };
        let forged = valid.iter().map(forge).collect();
        let mut bytes = vec![0; 4_096];
        rng.fill(&mut bytes);
        let garbage = Arc::new(SignedRecord {
            body: Bytes::new(bytes).unwrap_or_default(),
            signature: [7; 64],
        });
        Self {
            subnet: random_subnet(&mut rng),
            rng,
            valid,
            expired,
            forged,
            garbage,
            asked: 0,
            answered: 0,
            stores: 0,
            stored: 0,
            searched: 0,
            refused: Refusal::ALL.iter().map(|reason| (*reason, 0)).collect(),
        }
    }

    fn asker(&mut self, own_subnet: bool) -> Asker<u32> {
        let mut id = [0; 32];
        self.rng.fill(&mut id);
        let subnet = if own_subnet {
            random_subnet(&mut self.rng)
        } else {
            self.subnet
        };
        Asker {
            subnet,
            id,
            contact: None,
        }
    }

    fn ask(&mut self, world: &mut World, victim: u32, target: &Key, count: u64) {
        let question = Question::Find {
            target: *target,
            want: 20,
            known: Known::default(),
        };
        for _ in 0..count {
            let asker = self.asker(false);
            self.asked += 1;
            match world.confront(victim, &asker, &question) {
                Some(Answer::Refused { reason, .. }) => self.count(reason),
                Some(_) => self.answered += 1,
                None => {}
            }
        }
    }

    /// Records of every bad kind, each from a new subnet and with the token of a question asked
    /// before, so that nothing but the record can be the reason to refuse it.
    fn store(&mut self, world: &mut World, victim: u32, count: u64) {
        for _ in 0..count {
            let kind = self.stores % 6;
            self.stores += 1;
            let pick = self.rng.below(u64::from(READY)) as usize;
            let key = self.valid[pick].key;
            let (key, record) = match kind {
                0 => (key, self.forged[pick].clone()),
                1 => (key, self.expired[pick].record.clone()),
                2 => (random_key(&mut self.rng), self.valid[pick].record.clone()),
                3 => (key, self.garbage.clone()),
                _ => (key, self.valid[pick].record.clone()),
            };
            let asker = self.asker(true);
            let token = match kind {
                5 => [0; 16],
                _ => token(world, victim, &asker, key),
            };
            let question = Question::Put { key, token, record };
            match world.confront(victim, &asker, &question) {
                Some(Answer::Refused { reason, .. }) => self.count(reason),
                Some(Answer::Stored { .. }) => self.stored += 1,
                _ => {}
            }
        }
    }

    fn count(&mut self, reason: Refusal) {
        for (known, count) in &mut self.refused {
            *count += u64::from(*known == reason);
        }
    }
}

fn token(world: &mut World, victim: u32, asker: &Asker<u32>, key: Key) -> [u8; 16] {
    let question = Question::Get {
        key,
        want: 1,
        known: Known::default(),
        have: Vec::new(),
    };
    match world.confront(victim, asker, &question) {
        Some(Answer::Values { token, .. }) => token,
        _ => [0; 16],
    }
}
