//! An author caught contradicting itself.

use std::sync::Arc;

use super::item::Item;
use super::{Judge, Verdict};
use crate::frontier::LogId;

/// Two signed items that no honest author signs both of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    one: Arc<Item>,
    other: Arc<Item>,
}

/// Why two items prove nothing. Whoever sent them as a proof misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// An author may well have written both.
    #[error("the items do not contradict each other")]
    Consistent,
    /// At least one is not its author's.
    #[error("an item of the proof is not its author's")]
    NotSigned,
}

impl Proof {
    /// Takes two items if they contradict each other: one place in one log, or the second does not
    /// follow the first.
    ///
    /// # Errors
    /// [`ProofFault`] says why not.
    pub fn new(
        one: Arc<Item>,
        other: Arc<Item>,
        judge: &mut impl Judge,
    ) -> Result<Self, ProofFault> {
        let (one, other) = if one.seq() <= other.seq() {
            (one, other)
        } else {
            (other, one)
        };
        if one.log() != other.log() || !contradict(&one, &other) {
            return Err(ProofFault::Consistent);
        }
        if judge.judge(&one) == Verdict::Reject || judge.judge(&other) == Verdict::Reject {
            return Err(ProofFault::NotSigned);
        }
        Ok(Self { one, other })
    }

    /// The log that ends with it.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.one.log()
    }

    /// The two items, the one with the lower sequence first.
    #[must_use]
    pub fn items(&self) -> (&Arc<Item>, &Arc<Item>) {
        (&self.one, &self.other)
    }
}

fn contradict(one: &Item, other: &Item) -> bool {
    let (first, second) = (&one.signed().header, &other.signed().header);
    match other.seq() - one.seq() {
        0 => one.hash() != other.hash(),
        1 => {
            second.prev != *one.hash()
                || second.lamport <= first.lamport
                || second.sent_at < first.sent_at
        }
        _ => false,
    }
}
