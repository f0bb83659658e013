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

/// The same when the sprayer may try `spare` ports at most, whatever their number would have to be,
/// and how many rounds of it. As many of a round's mappings are missed as there are ports untried, so
/// further rounds open others; the sprayer tries the same ports, which takes none of its own NAT's
/// that it has not got. What all rounds together send is [`bounds::PLANNED`] at most.
#[must_use]
pub(super) fn rounds(len: u16, spare: u16, limit: u16) -> (Shape, u8) {
    let one = shape(len, limit);
    if one.both() <= bounds::SMALL {
        return (one, 2);
    }
    if one.ports <= spare {
        return (one, 1);
    }
    let spare = spare.max(1);
    let most = u32::from(limit.min(bounds::SOCKETS).min(len / 8).max(1));
    let in_rounds = |rounds: u8| {
        let left = bounds::PLANNED.checked_sub(u32::from(rounds) * u32::from(spare))?;
        let sockets = (left / u32::from(rounds)).min(most);
        (sockets > 0).then_some((sockets, rounds))
    };
    let mut best = (u32::from(one.sockets), 1);
    for (sockets, rounds) in (1..=bounds::ROUNDS).filter_map(in_rounds) {
        if sockets * u32::from(rounds) > best.0 * u32::from(best.1) {
            best = (sockets, rounds);
        }
    }
    let shape = Shape {
        sockets: best.0 as u16,
        ports: spare,
    };
    (shape, best.1)
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

    /// Checks DC-NAT-016 (positive).
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
    fn a_sprayer_with_few_ports_is_given_rounds() {
        // 1 − (1 − 378/64512)^192 = 67.6 % a round, 89 % in two.
        let block = Shape {
            sockets: 378,
            ports: 192,
        };
        assert_eq!(rounds(64512, 192, bounds::SOCKETS), (block, 2));
        for spare in 1..=bounds::GUESSES {
            let (shape, rounds) = rounds(64512, spare, bounds::SOCKETS);
            assert!(shape.both() * u32::from(rounds) <= bounds::PLANNED);
            let all = u32::from(shape.sockets) * u32::from(rounds);
            assert!(all >= u32::from(bounds::SOCKETS), "{spare}: {shape:?}");
        }
        let free = rounds(64512, bounds::GUESSES, bounds::SOCKETS);
        assert_eq!(free, (shape(64512, bounds::SOCKETS), 1));
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
