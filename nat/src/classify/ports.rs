//! Which port a new mapping gets: the law behind a few samples.

use std::collections::BTreeMap;

use dchat_wire::nat::Allocation;

/// One new mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// The socket's own port, where that is known and this is its first mapping.
    pub(super) internal: Option<u16>,
    /// The port seen outside.
    pub(super) external: u16,
    /// Whether it was made when its turn was: not so when the first datagram may have been lost.
    pub(super) in_turn: bool,
}

/// The law found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Law {
    pub(super) allocation: Allocation,
    /// As in the wire's `NatClass`.
    pub(super) stride: u16,
    pub(super) block_first: u16,
    pub(super) block_len: u16,
}

/// Samples that show preservation: three sockets keep their port by accident once in 10¹⁴.
pub(super) const TO_PRESERVE: usize = 3;

/// Samples below which neither a block nor randomness is claimed: with seven, all of a block of 128
/// ports or more lie in one half of it once in 64 times.
pub(super) const TO_SPREAD: usize = 7;

/// Steps between mappings of one host, in ports: who counts goes by one or two, and a stride is looked
/// for up to this.
const STRIDE: i32 = 16;

/// Mappings of other hosts, or of ours that were not counted, between two of ours.
const BETWEEN: i32 = 8;

/// Largest block told from the whole range: NATs that give a subscriber a block give 64 to 2,048 ports
/// (RFC 7422 §2 and RFC 6888 §6 leave it open). Seven random ports of 64,512 lie within 2,048 once in
/// 10⁸ times.
const BLOCK: u32 = 2_048;

/// The law behind `samples`, in the order in which they were made.
pub(super) fn law(samples: &[Sample]) -> Law {
    preserving(samples)
        .or_else(|| sequential(samples))
        .or_else(|| block(samples))
        .or_else(|| {
            (samples.len() >= TO_SPREAD).then_some(Law {
                allocation: Allocation::Random,
                ..Law::default()
            })
        })
        .unwrap_or_default()
}

/// Three of four keep their own port: the others found theirs taken.
fn preserving(samples: &[Sample]) -> Option<Law> {
    let known = samples.iter().filter(|sample| sample.internal.is_some());
    let kept = known
        .clone()
        .filter(|sample| sample.internal == Some(sample.external))
        .count();
    (kept >= TO_PRESERVE && 4 * kept >= 3 * known.count()).then_some(Law {
        allocation: Allocation::Preserving,
        ..Law::default()
    })
}

/// At least three steps, and three of four of them a few strides in the same direction.
fn sequential(samples: &[Sample]) -> Option<Law> {
    let mut steps = Vec::new();
    let mut previous: Option<u16> = None;
    for sample in samples.iter().filter(|sample| sample.in_turn) {
        if let Some(previous) = previous {
            steps.push(i32::from(sample.external) - i32::from(previous));
        }
        previous = Some(sample.external);
    }
    let mut often: BTreeMap<i32, usize> = BTreeMap::new();
    for step in &steps {
        if *step != 0 && step.abs() <= STRIDE {
            *often.entry(*step).or_default() += 1;
        }
    }
    // The most frequent step, of equally frequent ones the shortest: others are its multiples.
    let (stride, times) = often
        .into_iter()
        .max_by_key(|(step, times)| (*times, -step.abs()))?;
    let fitting = steps
        .iter()
        .filter(|step| **step % stride == 0 && (1..=BETWEEN).contains(&(**step / stride)))
        .count();
    (steps.len() >= 3 && times >= 2 && 4 * fitting >= 3 * steps.len()).then_some(Law {
        allocation: Allocation::Sequential,
        stride: wire_stride(stride),
        ..Law::default()
    })
}

/// Two's complement, as it travels.
fn wire_stride(stride: i32) -> u16 {
    i16::try_from(stride).unwrap_or_default().cast_unsigned()
}

/// All samples but at most one of eight in a short range.
fn block(samples: &[Sample]) -> Option<Law> {
    let mut ports: Vec<u32> = samples.iter().map(|s| u32::from(s.external)).collect();
    ports.sort_unstable();
    let all = (*ports.first()?, *ports.last()?);
    let mut ranges = vec![(ports.len(), all)];
    if ports.len() > TO_SPREAD {
        // One server may lie about the port, or one mapping be another's of old.
        ranges.push((ports.len() - 1, (*ports.get(1)?, all.1)));
        ranges.push((ports.len() - 1, (all.0, *ports.get(ports.len() - 2)?)));
    }
    let (count, (low, high)) = ranges
        .into_iter()
        .find(|(count, (low, high))| *count >= TO_SPREAD && high - low < BLOCK)?;
    let (first, length) = extent(low, high, u32::try_from(count).ok()?);
    Some(Law {
        allocation: Allocation::Block,
        stride: 0,
        block_first: u16::try_from(first).ok()?,
        block_len: u16::try_from(length).ok()?,
    })
}

/// The block behind `count` ports from `low` to `high`: the smallest power of two from 64 on that is
/// aligned to its own size and holds them, as blocks are cut in practice; where that is more than
/// twice what the spread makes likely, the likely range instead.
fn extent(low: u32, high: u32, count: u32) -> (u32, u32) {
    let mut aligned = 64;
    while low / aligned != high / aligned {
        aligned *= 2;
    }
    // Of n ports drawn from m, the spread is (n-1)/(n+1) of m on average.
    let spread = high - low + 1;
    let likely = (spread * (count + 1) / count.saturating_sub(1).max(1)).next_multiple_of(64);
    if aligned <= 2 * likely {
        (low / aligned * aligned, aligned)
    } else {
        let first = low.saturating_sub((likely - spread) / 2).max(1);
        (first, likely.min(65_536 - first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples(ports: &[u16]) -> Vec<Sample> {
        let sample = |external: &u16| Sample {
            internal: None,
            external: *external,
            in_turn: true,
        };
        ports.iter().map(sample).collect()
    }

    fn found(ports: &[u16]) -> Law {
        law(&samples(ports))
    }

    #[test]
    fn strides_are_found_in_both_directions() {
        for stride in [1_i16, -1, 2, -2, 4, 16] {
            let ports: Vec<u16> = (0..5)
                .map(|n| 30_000_u16.wrapping_add_signed(n * stride))
                .collect();
            let law = found(&ports);
            assert_eq!(law.allocation, Allocation::Sequential, "{stride}");
            assert_eq!(law.stride.cast_signed(), stride);
        }
    }

    #[test]
    fn a_stride_survives_an_old_first_mapping_and_others_in_between() {
        let law = found(&[9_000, 30_000, 30_002, 30_004, 30_008, 30_010, 30_012]);
        assert_eq!((law.allocation, law.stride), (Allocation::Sequential, 2));
    }

    #[test]
    fn three_ports_in_a_row_are_too_few_for_a_law() {
        assert_eq!(found(&[30_000, 30_001, 30_002]), Law::default());
    }

    #[test]
    fn what_was_not_in_turn_does_not_count_for_a_stride() {
        let mut samples = samples(&[30_000, 30_005, 30_001, 30_002, 30_003, 30_004]);
        samples[1].in_turn = false;
        assert_eq!(law(&samples).stride, 1);
    }

    #[test]
    fn kept_ports_are_told_even_if_one_was_taken() {
        let mut samples = samples(&[4001, 40_001, 40_002, 7_777]);
        for (sample, port) in samples.iter_mut().zip([4001, 40_001, 40_002, 40_003]) {
            sample.internal = Some(port);
        }
        assert_eq!(law(&samples).allocation, Allocation::Preserving);
        samples[0].external = 5_000;
        assert_eq!(law(&samples), Law::default());
    }

    #[test]
    fn an_aligned_block_is_found_whole() {
        let law = found(&[10_241, 10_400, 10_300, 10_455, 10_377, 10_290, 10_490]);
        assert_eq!(law.allocation, Allocation::Block);
        assert_eq!((law.block_first, law.block_len), (10_240, 256));
    }

    #[test]
    fn a_block_across_a_power_of_two_is_estimated_by_its_spread() {
        let law = found(&[8_150, 8_230, 8_180, 8_260, 8_200, 8_170, 8_245]);
        assert_eq!(law.allocation, Allocation::Block);
        assert!(law.block_len <= 256, "{law:?}");
        assert!(law.block_first <= 8_150 && law.block_first + law.block_len > 8_260);
    }

    #[test]
    fn one_lie_in_eight_does_not_hide_a_block() {
        let law = found(&[
            10_241, 10_400, 55_555, 10_300, 10_455, 10_377, 10_290, 10_490,
        ]);
        assert_eq!((law.block_first, law.block_len), (10_240, 256));
    }

    #[test]
    fn few_samples_are_neither_a_block_nor_random() {
        assert_eq!(
            found(&[10_241, 10_400, 10_300, 10_455, 10_377, 10_290]),
            Law::default()
        );
        assert_eq!(
            found(&[1_241, 60_400, 30_300, 20_455, 5_377, 45_290]),
            Law::default()
        );
    }

    proptest! {
        #[test]
        fn a_law_always_fits_what_it_was_made_from(
            ports in prop::collection::vec(any::<u16>(), 0..20)
        ) {
            let law = found(&ports);
            let last = u32::from(law.block_first) + u32::from(law.block_len);
            prop_assert!(last <= 65_536);
            if law.allocation == Allocation::Block {
                let inside = ports
                    .iter()
                    .filter(|port| (u32::from(law.block_first)..last).contains(&u32::from(**port)))
                    .count();
                prop_assert!(inside + 1 >= ports.len() && inside >= TO_SPREAD);
            } else {
                prop_assert_eq!((law.block_first, law.block_len), (0, 0));
            }
            prop_assert_eq!(law.stride != 0, law.allocation == Allocation::Sequential);
        }

        #[test]
        fn ports_in_a_block_anywhere_are_never_taken_for_random(
            first in 1_024_u16..60_000,
            offsets in prop::collection::vec(0_u16..512, 8..12),
        ) {
            let ports: Vec<u16> = offsets.iter().map(|offset| first + offset).collect();
            prop_assert_ne!(found(&ports).allocation, Allocation::Random);
        }

        #[test]
        fn random_ports_are_never_taken_for_a_stride_or_kept(
            ports in prop::collection::vec(1_024_u16..65_000, 9)
        ) {
            let spread = ports.iter().max().unwrap_or(&0) - ports.iter().min().unwrap_or(&0);
            prop_assume!(spread > 20_000);
            let mut sorted = ports.clone();
            sorted.sort_unstable();
            // Not all but one by accident near each other.
            prop_assume!(sorted[7] - sorted[0] > 2_048 && sorted[8] - sorted[1] > 2_048);
            let near = ports.windows(2).filter(|w| w[0].abs_diff(w[1]) <= 128).count();
            prop_assume!(near < 4);
            prop_assert_eq!(found(&ports).allocation, Allocation::Random);
        }
    }
}
