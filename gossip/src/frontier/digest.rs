//! The digest as it travels.

use dchat_wire::defect::{self, Defect};
use dchat_wire::hash::Context;

use super::table::Frontier;

/// What salts the digests on one link: a number of each side's, in one order for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSalt([u8; 16]);

impl LinkSalt {
    /// Of the numbers both sides sent when they opened the link.
    #[must_use]
    pub fn of(one: u64, other: u64) -> Self {
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&one.min(other).to_le_bytes());
        salt[8..].copy_from_slice(&one.max(other).to_le_bytes());
        Self(salt)
    }
}

/// All a member holds, in sixteen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// First eight bytes of the salted [root](Frontier::root), little-endian.
    pub root: u64,
    /// [`Frontier::total`].
    pub total: u32,
    /// As of which hour.
    pub horizon: u32,
}

impl Digest {
    /// Of `frontier` as of `horizon`, for one link.
    #[must_use]
    pub fn of(frontier: &mut Frontier, horizon: u32, salt: LinkSalt) -> Self {
        let salted = Context::FRONTIER.digest(&[&salt.0, &frontier.root(horizon)]);
        let [a, b, c, d, e, f, g, h, ..] = salted;
        Self {
            root: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            total: frontier
                .total(horizon)
                .wrapping_add(u32::from(defect::is(Defect::LiesInDigests))),
            horizon,
        }
    }
}
