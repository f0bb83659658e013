//! One cell.

use dchat_wire::defect::{self, Defect};

/// Bytes of a cell.
pub const CELL: usize = 9;
/// The largest prime below 2^24: sequences and differences of them, between -2^23 and 2^23.
const SEQ_PRIME: i64 = 16_777_213;
/// The largest prime below 2^32.
pub(super) const HASH_PRIME: u64 = 4_294_967_291;
/// The largest prime below 2^16.
const CHECK_PRIME: u64 = 65_521;

/// Sums over the logs of a cell, each modulo its prime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    amount: u32,
    hashed: u32,
    checked: u16,
}

impl Cell {
    /// Adds `amount`, at most 2^23 either way, of the log that hashes to `hash`.
    pub(super) fn add(&mut self, amount: i32, hash: u32) {
        let sum = (i64::from(self.amount) + i64::from(amount)).rem_euclid(SEQ_PRIME);
        self.amount = sum as u32;
        self.hashed = shifted(u64::from(self.hashed), amount, u64::from(hash), HASH_PRIME) as u32;
        self.checked = shifted(u64::from(self.checked), amount, check(hash), CHECK_PRIME) as u16;
    }

    /// The difference of two cells.
    pub(super) fn minus(self, other: Self) -> Self {
        let amount = (i64::from(self.amount) - i64::from(other.amount)).rem_euclid(SEQ_PRIME);
        let less = |one: u64, two: u64, prime: u64| (one + prime - two) % prime;
        Self {
            amount: amount as u32,
            hashed: less(self.hashed.into(), other.hashed.into(), HASH_PRIME) as u32,
            checked: less(self.checked.into(), other.checked.into(), CHECK_PRIME) as u16,
        }
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// The sum of amounts, as a number around zero.
    pub(super) fn amount(self) -> i32 {
        let amount = i64::from(self.amount);
        let around = if amount > SEQ_PRIME / 2 {
            amount - SEQ_PRIME
        } else {
            amount
        };
        around as i32
    }

    /// Amount and hash, if this is a cell of one log.
    pub(super) fn single(self) -> Option<(i32, u32)> {
        let amount = self.amount();
        if amount == 0 {
            return None;
        }
        let divisor = i64::from(amount).rem_euclid(HASH_PRIME as i64) as u64;
        let hash = u64::from(self.hashed) * inverse(divisor, HASH_PRIME) % HASH_PRIME;
        let hash = u32::try_from(hash).ok()?;
        let expected = shifted(0, amount, check(hash), CHECK_PRIME);
        let is_checked =
            u64::from(self.checked) == expected || defect::is(Defect::SketchesWithoutCheck);
        (hash != 0 && is_checked).then_some((amount, hash))
    }

    pub(super) fn to_bytes(self) -> [u8; CELL] {
        let [a, b, c, _] = self.amount.to_le_bytes();
        let [d, e, f, g] = self.hashed.to_le_bytes();
        let [h, i] = self.checked.to_le_bytes();
        [a, b, c, d, e, f, g, h, i]
    }

    /// A cell, or `None` when a sum is not below its prime.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i] = *bytes else {
            return None;
        };
        let cell = Self {
            amount: u32::from_le_bytes([a, b, c, 0]),
            hashed: u32::from_le_bytes([d, e, f, g]),
            checked: u16::from_le_bytes([h, i]),
        };
        (i64::from(cell.amount) < SEQ_PRIME
            && u64::from(cell.hashed) < HASH_PRIME
            && u64::from(cell.checked) < CHECK_PRIME)
            .then_some(cell)
    }
}

/// A second hash of a log, from the first: multiplication by an odd number mixes the low bits into
/// the high ones (Knuth, The Art of Computer Programming, 6.4).
fn check(hash: u32) -> u64 {
    let mixed = (u64::from(hash) ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    1 + (mixed >> 40) % (CHECK_PRIME - 1)
}

/// `sum + amount · factor` modulo `prime`.
fn shifted(sum: u64, amount: i32, factor: u64, prime: u64) -> u64 {
    let amount = i64::from(amount).rem_euclid(prime as i64) as u64;
    (sum + amount * (factor % prime)) % prime
}

/// The inverse of `number`, not a multiple of `prime`, by Fermat's little theorem.
fn inverse(number: u64, prime: u64) -> u64 {
    let (mut result, mut base, mut exponent) = (1, number % prime, prime - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % prime;
        }
        base = base * base % prime;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_cell_of_one_log_names_it() {
        for amount in [1, -1, 2, 65_521, -65_521 * 3, (1 << 23) - 4, -(1 << 23) + 4] {
            for hash in [1, 77, HASH_PRIME as u32 - 1] {
                let mut cell = Cell::default();
                cell.add(amount, hash);
                assert_eq!(cell.single(), Some((amount, hash)));
                assert_eq!(Cell::from_bytes(&cell.to_bytes()), Some(cell));
                assert_eq!(Cell::default().minus(cell).single(), Some((-amount, hash)));
                cell.add(-amount, hash);
                assert!(cell.is_zero());
            }
        }
    }

    #[test]
    fn a_cell_of_two_logs_is_hardly_ever_taken_for_one() {
        let mut taken = 0;
        for number in 0..20_000_u32 {
            let mut cell = Cell::default();
            cell.add(1, 1 + number * 200_003);
            cell.add(1, 2 + number * 100_019);
            taken += u32::from(cell.single().is_some());
        }
        assert!(taken <= 2, "{taken}");
    }

    #[test]
    fn sums_that_are_not_below_their_prime_are_refused() {
        assert_eq!(Cell::from_bytes(&[0xff; 9]), None);
        assert_eq!(Cell::from_bytes(&[0; 8]), None);
        assert!(Cell::from_bytes(&[0; 9]).unwrap().is_zero());
    }
}
