//! How many packets make a hit likely. All in integers, so that both ends and every machine agree.

use crate::agent::bounds;

/// One, in the fixed point of this file.
const ONE: u64 = 1 << 32;
/// A miss that is rare enough: one in 1,024.
const MISS: u64 = ONE >> 10;

/// How many mappings against how many tried ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Mappings, each of a socket of its own.
    pub sockets: u16,
    /// Ports that are tried.
    pub ports: u16,
}

impl Shape {
    /// Probes of both sides.
    #[must_use]
    pub fn both(self) -> u32 {
        u32::from(self.sockets) + u32::from(self.ports)
    }
}

/// The mappings to open among `len` ports with at most `limit` sockets, and the ports to try.
/// Near equal numbers need the fewest packets; a small block lends an eighth of its ports.
#[must_use]
pub fn shape(len: u16, limit: u16) -> Shape {
    let even = (u32::from(len) * 28 / 5).isqrt();
    let sockets = even
        .min(u32::from(len / 8).max(1))
        .min(u32::from(limit.min(bounds::SOCKETS)))
        .max(1) as u16;
    Shape {
        sockets,
        ports: ports(len, sockets),
    }
}

/// Ports to try among `len`, `sockets` of which are mapped: until the odds of a miss are one in
/// 1,024, all are tried, or [`bounds::GUESSES`] are.
#[must_use]
pub(crate) fn ports(len: u16, sockets: u16) -> u16 {
    let (len, sockets) = (u64::from(len), u64::from(sockets.max(1)));
    let mut miss = ONE;
    let mut tried = 0;
    while tried < len && tried < u64::from(bounds::GUESSES) && miss > MISS {
        let left = len - tried;
        miss = miss * left.saturating_sub(sockets) / left;
        tried += 1;
    }
    tried as u16
}

/// Percent of attempts with a hit, when each of `packets` hits one of `len` ports.
pub(super) fn one_sided(len: u16, packets: u32) -> u32 {
    hit(packets, u64::from(len))
}

/// The same when both source and destination have to be hit, and both send `packets`.
pub(super) fn two_sided(a: u16, b: u16, packets: u32) -> u32 {
    hit(packets * packets, u64::from(a) * u64::from(b))
}

fn hit(trials: u32, cells: u64) -> u32 {
    let (mut miss, cells) = (ONE, cells.max(1));
    // (1 − 1/cells)^trials by squaring.
    let mut factor = ONE - ONE / cells;
    let mut left = trials;
    while left > 0 {
        if left & 1 == 1 {
            miss = (miss * factor) >> 32;
        }
        factor = (factor * factor) >> 32;
        left >>= 1;
    }
    ((ONE - miss) * 100 / ONE) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthday_stays_within_its_packets() {
        let all = shape(64512, bounds::SOCKETS);
        assert_eq!(all.sockets, bounds::SOCKETS);
        assert_eq!(all.ports, bounds::GUESSES);
        assert!(all.both() <= bounds::PLANNED);
    }

    #[test]
    fn a_block_takes_few_packets() {
        for len in [1, 2, 16, 64, 512, 1024, 2048, 4096] {
            let shape = shape(len, bounds::SOCKETS);
            // An eighth of a small block needs more tries than an even split would.
            let even = 2 * (7 * u32::from(len)).isqrt();
            assert!(
                shape.both() <= even + u32::from(len.min(64)),
                "{len}: {shape:?}"
            );
            assert!(
                shape.ports <= len && shape.sockets <= len,
                "{len}: {shape:?}"
            );
        }
    }

    #[test]
    fn odds_are_those_of_the_textbook() {
        // 1 − (1 − 1/512)^1106 = 88.5 %, 1 − exp(−565²/512²) = 70.4 %.
        assert_eq!(one_sided(512, 1106), 88);
        assert_eq!(two_sided(512, 512, 565), 70);
        assert_eq!(two_sided(64512, 64512, 565), 0);
        assert_eq!(one_sided(64512, 1106), 1);
        assert_eq!(one_sided(1, 1), 100);
    }
}
