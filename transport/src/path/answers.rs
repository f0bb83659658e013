//! Which of the peer's questions are answered: each once, and none too often.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::bounds;
use super::limit::Bucket;
use super::questions::Origin;

/// Questions answered lately, oldest first, and the limit on all of them.
#[derive(Debug)]
pub(super) struct Answers {
    recent: VecDeque<([u8; 8], Origin, SocketAddr, Instant)>,
    bucket: Bucket,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self {
            recent: VecDeque::new(),
            bucket: Bucket::new(bounds::ANSWERS_PER_SECOND, bounds::ANSWER_BURST),
        }
    }

    /// Whether this question is to be answered, which came to this end of ours; if so it counts as
    /// answered.
    pub(super) fn allow(
        &mut self,
        to: Origin,
        from: SocketAddr,
        transaction: [u8; 8],
        now: Instant,
    ) -> bool {
        let mut recent = self.recent.iter();
        let repeated = recent.any(|(answered, ..)| *answered == transaction);
        let lately = self.recent.iter().filter(|(_, at_ours, addr, at)| {
            *at_ours == to && *addr == from && now < *at + bounds::ANSWER_GAP
        });
        let spent = repeated || lately.count() >= bounds::ANSWERS_IN_GAP;
        if spent || !self.bucket.take(now) {
            return false;
        }
        if self.recent.len() >= bounds::ANSWERED {
            self.recent.pop_front();
        }
        self.recent.push_back((transaction, to, from, now));
        true
    }
}
