//! Which of the peer's questions are answered: each once, and none too often.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::bounds;
use super::limit::Bucket;

/// Questions answered lately, oldest first, and the limit on all of them.
#[derive(Debug)]
pub(super) struct Answers {
    recent: VecDeque<([u8; 8], SocketAddr, Instant)>,
    bucket: Bucket,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self {
            recent: VecDeque::new(),
            bucket: Bucket::new(bounds::ANSWERS_PER_SECOND, bounds::ANSWER_BURST),
        }
    }

    /// Whether this question is to be answered; if so it counts as answered.
    pub(super) fn allow(&mut self, from: SocketAddr, transaction: [u8; 8], now: Instant) -> bool {
        let spent = self.recent.iter().any(|(answered, addr, at)| {
            *answered == transaction || (*addr == from && now < *at + bounds::ANSWER_GAP)
        });
        if spent || !self.bucket.take(now) {
            return false;
        }
        if self.recent.len() >= bounds::ANSWERED {
            self.recent.pop_front();
        }
        self.recent.push_back((transaction, from, now));
        true
    }
}
