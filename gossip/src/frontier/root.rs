//! The root, kept up to date in parts.

use dchat_wire::hash::Context;

use super::id::LogId;
use super::table::{Log, Tip};

const PARTS: usize = 256;

/// Hash and sum of each of 256 parts, as of one horizon. Empty until a root is first asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    horizon: u32,
    parts: Vec<Part>,
    stale: [u64; 4],
    root: Option<[u8; 32]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    hash: [u8; 32],
    total: u32,
}

impl Parts {
    /// Notes that the tip of `id` changed.
    pub(super) fn touch(&mut self, id: LogId) {
        let part = usize::from(id.0[0]);
        self.stale[part / 64] |= 1 << (part % 64);
        self.root = None;
    }

    /// Hashes again what changed, or everything when the horizon did.
    pub(super) fn refresh(&mut self, horizon: u32, order: &[(LogId, Log)], tips: &[Tip]) {
        if self.parts.is_empty() || self.horizon != horizon {
            self.parts.clear();
            self.parts.resize(PARTS, Part::default());
            self.stale = [u64::MAX; 4];
            self.horizon = horizon;
            self.root = None;
        }
        if self.root.is_some() {
            return;
        }
        for (number, part) in self.parts.iter_mut().enumerate() {
            if self.stale[number / 64] & (1 << (number % 64)) != 0 {
                *part = hashed(number as u8, horizon, order, tips);
            }
        }
        self.stale = [0; 4];
        let hashes: Vec<u8> = self.parts.iter().flat_map(|part| part.hash).collect();
        self.root = Some(Context::FRONTIER.digest(&[&hashes]));
    }

    pub(super) fn root(&self) -> [u8; 32] {
        self.root.unwrap_or_default()
    }

    pub(super) fn total(&self) -> u32 {
        self.parts
            .iter()
            .fold(0_u32, |sum, part| sum.wrapping_add(part.total))
    }
}

/// The part of logs whose names begin with `first`: of each name, tip and value, in order.
fn hashed(first: u8, horizon: u32, order: &[(LogId, Log)], tips: &[Tip]) -> Part {
    let from = order.partition_point(|(id, _)| id.0[0] < first);
    let mut bytes = Vec::new();
    let mut total = 0_u32;
    for (id, log) in order.iter().skip(from) {
        if id.0[0] != first {
            break;
        }
        let Some(tip) = tips.get(log.index()).filter(|tip| tip.counts(horizon)) else {
            continue;
        };
        bytes.extend_from_slice(&id.0);
        bytes.extend_from_slice(&tip.hash);
        bytes.extend_from_slice(&tip.value().to_le_bytes());
        total = total.wrapping_add(tip.seq);
    }
    let hash = if bytes.is_empty() {
        [0; 32]
    } else {
        Context::FRONTIER.digest(&[&bytes])
    };
    Part { hash, total }
}
