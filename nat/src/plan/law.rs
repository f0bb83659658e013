//! Which ports a NAT may give next.

use dchat_wire::nat::{Allocation, NatClass};

/// First port that NATs give out: those below are for services (RFC 6335 §6).
const FIRST: u16 = 1024;
/// Ports from there on.
const ALL: u16 = u16::MAX - FIRST + 1;

/// What is known of the next port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// The last one and a stride, which is not 0, as two's complement.
    Sequence {
        /// From one mapping to the next.
        stride: u16,
    },
    /// Any of these.
    Among {
        /// The first of them.
        first: u16,
        /// How many, at least 1.
        len: u16,
    },
}

impl Law {
    /// The law of a class. A block that does not fit the ports, and what is unknown, is any port.
    #[must_use]
    pub fn of(class: &NatClass) -> Self {
        let block_fits = class
            .block_first
            .checked_add(class.block_len.saturating_sub(1));
        match class.allocation {
            Allocation::Sequential if class.stride != 0 => Self::Sequence {
                stride: class.stride,
            },
            Allocation::Block
                if class.block_first != 0 && class.block_len != 0 && block_fits.is_some() =>
            {
                Self::Among {
                    first: class.block_first,
                    len: class.block_len,
                }
            }
            Allocation::Sequential
            | Allocation::Block
            | Allocation::Unknown
            | Allocation::Preserving
            | Allocation::Random => Self::Among {
                first: FIRST,
                len: ALL,
            },
        }
    }

    /// How hard it is to guess: the number of ports it may be.
    pub(super) fn cost(self) -> u16 {
        match self {
            Self::Sequence { .. } => 1,
            Self::Among { len, .. } => len.max(2),
        }
    }
}
