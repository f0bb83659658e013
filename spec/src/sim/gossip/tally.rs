//! What was counted.

use std::collections::BTreeMap;

use dchat_gossip::Message;

/// Milliseconds told apart; what takes longer counts as this.
const MOST_MS: usize = 120_000;

/// Counters since the last [`World::reset`](super::World::reset).
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Items delivered to honest members, apart from their own.
    pub delivered: u64,
    /// Items that came again, to honest members.
    pub duplicates: u64,
    /// Bytes of the items delivered, as they travel.
    pub ideal: u64,
    /// Frames sent by honest members, by kind: how many, and bytes.
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
    /// Milliseconds from writing to delivery, for members that could be reached all the while.
    pub latency: Histogram,
    /// Items delivered out of order or twice: none.
    pub disorder: u64,
    /// Frames with items whose signature is wrong that honest members sent: none.
    pub forged: u64,
    /// Neighbours shunned: who, and whom.
    pub shunned: Vec<(u32, u32)>,
}

impl Tally {
    /// Duplicates for each item delivered.
    #[must_use]
    pub fn duplicates_mean(&self) -> f64 {
        self.duplicates as f64 / self.delivered.max(1) as f64
    }

    /// Bytes of all frames over those of the items they delivered.
    #[must_use]
    pub fn bytes_ratio(&self) -> f64 {
        self.bytes() as f64 / self.ideal.max(1) as f64
    }

    /// Bytes of all frames.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.kinds.values().map(|(_, bytes)| bytes).sum()
    }

    /// Frames and bytes for each item delivered, by kind.
    #[must_use]
    pub fn each(&self) -> Vec<(&'static str, f64, f64)> {
        let delivered = self.delivered.max(1) as f64;
        let each = |(kind, (frames, bytes)): (&&'static str, &(u64, u64))| {
            (*kind, *frames as f64 / delivered, *bytes as f64 / delivered)
        };
        self.kinds.iter().map(each).collect()
    }

    pub(super) fn sent(&mut self, message: &Message<u32>, len: u64) {
        let kind = self.kinds.entry(kind(message)).or_default();
        kind.0 += 1;
        kind.1 += len;
    }
}

/// Which frame.
#[must_use]
pub fn kind(message: &Message<u32>) -> &'static str {
    match message {
        Message::Open { .. } => "open",
        Message::Leave { .. } => "leave",
        Message::Join { .. } => "join",
        Message::Shuffle { .. } => "shuffle",
        Message::Push { .. } => "push",
        Message::Announce(_) => "announce",
        Message::Pull { .. } => "pull",
        Message::Tree { .. } => "tree",
        Message::Digest(_) => "digest",
        Message::Sketch { .. } => "sketch",
        Message::More { .. } => "more",
        Message::Proof(..) => "proof",
        Message::Range { .. } => "range",
        Message::Spans { .. } => "spans",
        Message::Fetch { .. } => "fetch",
    }
}

/// How many of each number of milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Adds one.
    pub fn add(&mut self, ms: u64) {
        let place = usize::try_from(ms).unwrap_or(MOST_MS).min(MOST_MS);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.total += 1;
    }

    /// The least number that at least this part of all does not exceed; 0 of none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> u64 {
        let rank = (part * self.total as f64).ceil() as u64;
        let mut below = 0;
        for (ms, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank.max(1) {
                return ms as u64;
            }
        }
        0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_added() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        for ms in (1..=100).rev() {
            histogram.add(ms);
        }
        assert_eq!(histogram.quantile(0.5), 50);
        assert_eq!(histogram.quantile(0.99), 99);
        assert_eq!(histogram.quantile(1.0), 100);
    }
}
