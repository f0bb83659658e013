//! What speaks against holding a record: what is held already, and the quotas.

use dchat_wire::defect::{self, Defect};
use dchat_wire::dht::Refusal;

use super::limits::{Limits, OVERHEAD};
use super::pace::Rate;
use super::shelf::{Held, Name, Shelf};
use super::{Put, Refused};
use crate::record::{Meta, Placement, rule};
use crate::time::Time;

/// Which records replace one another. Half a digest, never sent: who finds two names that collide replaces a
/// record of its own, and nobody finds one that collides with another's.
pub(super) fn name(meta: &Meta) -> Name {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&meta.kind.to_le_bytes());
    hasher.update(meta.signer.public_key());
    hasher.update(&meta.slot);
    let mut name = [0; 16];
    name.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    name
}

/// What is held of the same name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// When the very same record goes.
    pub(super) same: Option<Time>,
    /// Another record of the same sequence.
    pub(super) conflict: Option<Conflict>,
    /// Whether a record would be replaced.
    pub(super) older: bool,
}

/// The one of two contradicting records that is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conflict {
    pub(super) digest: [u8; 8],
    pub(super) is_rival: bool,
}

impl Found {
    /// Looks for what stands beside or against the record.
    pub(super) fn of(shelf: &Shelf, meta: &Meta, name: &Name) -> Result<Self, Refused> {
        let mut found = Self::default();
        for (_, held) in shelf
            .under(&meta.key)
            .filter(|(_, held)| held.name == *name)
        {
            if held.sequence > meta.sequence && !defect::is(Defect::StoresOlder) {
                return Err(Refusal::Outdated.into());
            }
            if held.sequence != meta.sequence || defect::is(Defect::StoresContradiction) {
                found.older = true;
            } else if held.digest == meta.short_digest() {
                found.same = Some(held.until);
            } else if let Some(first) = found.conflict
                && found.same.is_none()
            {
                // Two are evidence enough.
                return Err(conflict(first.digest, meta));
            } else {
                found.conflict = Some(Conflict {
                    digest: held.digest,
                    is_rival: held.rival,
                });
            }
        }
        Ok(found)
    }
}

/// The refusal of a record that contradicts another.
pub(super) fn conflict(held: [u8; 8], meta: &Meta) -> Refused {
    Refused {
        evidence: Some([held, meta.short_digest()]),
        ..Refusal::Conflict.into()
    }
}

/// The record as it would be held.
pub(super) fn held(
    put: &Put<'_>,
    meta: &Meta,
    name: Name,
    found: &Found,
    limits: &Limits,
    now: Time,
) -> Held {
    let body = u32::try_from(put.record.body.as_slice().len()).unwrap_or(u32::MAX);
    let [a, b, c, d, e, f, g, h, ..] = put.writer.id;
    let far_until = Time(now.0.saturating_add(u64::from(limits.far_seconds) * 1000));
    Held {
        key: meta.key,
        name,
        rival: found.conflict.is_some_and(|conflict| !conflict.is_rival),
        near: put.near,
        kind: meta.kind,
        bytes: body.saturating_add(64 + OVERHEAD),
        record: put.record.clone(),
        sequence: meta.sequence,
        until: if put.near {
            meta.expires
        } else {
            meta.expires.min(far_until)
        },
        digest: meta.short_digest(),
        writer: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        subnet: put.writer.subnet,
        fresh: true,
        holders: 0,
        wanted: 0,
    }
}

/// The record with the rest of its time, when it is near now and has some left.
pub(super) fn extended(mut held: Held, now: Time) -> Option<Held> {
    if !held.near {
        return None;
    }
    held.until = Time(held.record.unverified().ok()?.expires_at);
    (held.until > now).then_some(held)
}

/// Records and their bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    records: u32,
    bytes: u32,
}

impl Count {
    fn add(&mut self, held: &Held) {
        self.records += 1;
        self.bytes = self.bytes.saturating_add(held.bytes);
    }

    fn exceeds(self, records: u16, bytes: u32) -> bool {
        self.records > u32::from(records) || self.bytes > bytes
    }
}

/// Whether there is room for `new` once what it replaces is gone; the name of another record that
/// has to give way to it. Everything is counted afresh: puts that come this far are paced, and there
/// is nothing to get out of step.
pub(super) fn quotas(
    shelf: &Shelf,
    limits: &Limits,
    new: &Held,
    found: &Found,
    seed: u64,
    now: Time,
) -> Result<Option<Name>, Refused> {
    let rule = rule(new.kind).ok_or(Refused::from(Refusal::BadRecord))?;
    let is_topic = rule.placement == Placement::Topic;
    let [
        mut writer,
        mut subnet,
        mut topic,
        mut kind,
        mut key,
        mut far,
        mut all,
    ] = [Count::default(); 7];
    let replaced =
        |held: &Held| found.conflict.is_none() && held.key == new.key && held.name == new.name;
    for held in shelf.iter().filter(|held| !replaced(held)).chain([new]) {
        all.add(held);
        if held.writer == new.writer {
            writer.add(held);
        }
        if held.subnet == new.subnet && !new.subnet.is_exempt() {
            subnet.add(held);
            if held.key == new.key && is_topic {
                topic.add(held);
            }
        }
        if held.kind == new.kind {
            kind.add(held);
        }
        if held.key == new.key {
            key.add(held);
        }
        if !held.near {
            far.add(held);
        }
    }
    let refused = |reason: Refusal| {
        // Room comes when something goes; the least one can tell without looking for whose it is.
        let next = shelf
            .first()
            .map_or(0, |(_, held)| seconds(held.until, now));
        Err(Refused {
            retry_after_s: next.max(60),
            ..reason.into()
        })
    };
    if writer.exceeds(limits.writer_records, limits.writer_bytes) {
        return refused(Refusal::WriterQuota);
    }
    if subnet.exceeds(limits.subnet_records, limits.subnet_bytes)
        || topic.exceeds(limits.topic_subnet, u32::MAX)
    {
        return refused(Refusal::SubnetQuota);
    }
    let kind_bytes = u64::from(limits.bytes) * u64::from(rule.eighths) / 8;
    if u64::from(kind.bytes) > kind_bytes || all.bytes > limits.bytes {
        return refused(Refusal::Full);
    }
    if !new.near && far.bytes > limits.far_bytes {
        return refused(Refusal::TooFar);
    }
    if key.records <= u32::from(rule.per_key) {
        return Ok(None);
    }
    let loser = shelf
        .under(&new.key)
        .map(|(_, held)| (rank(held, seed), held.name))
        .max();
    match loser {
        Some((lowest, name)) if is_topic && rank(new, seed) < lowest => Ok(Some(name)),
        _ => refused(Refusal::Full),
    }
}

/// The order in which records stay under a crowded topic: by a lot that each node draws for each
/// subnet. So whoever comes first has no advantage, many records from one subnet have none over one,
/// and the nodes near the key hold different ones.
fn rank(held: &Held, seed: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    if held.subnet.is_exempt() {
        hasher.update(&held.name);
    } else {
        hasher.update(&held.subnet.to_bytes());
    }
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Limits {
    /// At which rate a subnet may put.
    pub(super) fn rate(&self) -> Rate {
        Rate {
            burst: self.burst,
            per_second: self.per_second,
        }
    }
}

/// Whole seconds from `now` until `then`.
pub(super) fn seconds(then: Time, now: Time) -> u32 {
    u32::try_from(then.since(now).as_secs()).unwrap_or(u32::MAX)
}
