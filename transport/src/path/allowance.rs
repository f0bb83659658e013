//! How much may be sent to an address that has not shown that it is the sender's.

use dchat_wire::defect::{self, Defect};

/// Times what came from there (RFC 9000 §8.1).
const FACTOR: usize = 3;

/// Bytes of UDP payload to and from such an address. quinn keeps the same count, but sends a whole
/// datagram as long as a byte of its allowance is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowance {
    received: usize,
    sent: usize,
}

impl Allowance {
    /// That many bytes came.
    pub(super) fn received(&mut self, len: usize) {
        self.received = self.received.saturating_add(len);
    }

    /// Whether that many more may be sent; if so they count as sent.
    pub(super) fn send(&mut self, len: usize) -> bool {
        let sent = self.sent.saturating_add(len);
        let may = sent <= self.received.saturating_mul(FACTOR)
            || defect::is(Defect::SendsMoreThanAllowed);
        if may {
            self.sent = sent;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_what_came_may_be_sent_and_not_a_byte_more() {
        let mut allowance = Allowance::default();
        assert!(!allowance.send(1));
        allowance.received(1200);
        assert!(allowance.send(3599));
        assert!(!allowance.send(2));
        assert!(allowance.send(1));
        assert!(!allowance.send(1));
        allowance.received(1);
        assert!(allowance.send(3));
    }
}
