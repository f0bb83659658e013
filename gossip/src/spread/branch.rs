//! The part of a log's tree around one member.

use crate::time::Time;

/// No slot.
pub(crate) const NOBODY: u8 = u8::MAX;

/// Sixteen bytes a log; sets are masks of link slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    /// Who is pushed to.
    pub(crate) children: u16,
    /// Who is known to have the newest item.
    pub(crate) told: u16,
    /// To whom it is still to be announced.
    pub(crate) pending: u16,
    /// Who pushes here.
    pub(crate) parent: u8,
    /// Who would have had the newest item about as early.
    pub(crate) backup: u8,
    /// Items in a row that came from elsewhere than the parent.
    pub(crate) misses: u8,
    /// The newest item was pushed here, not pulled.
    pub(crate) pushed: bool,
    /// When it came: the low half of the milliseconds.
    arrived: u32,
}

const _: () = assert!(size_of::<Branch>() == 16, "a room has ten thousand of them");

impl Default for Branch {
    fn default() -> Self {
        Self {
            children: 0,
            told: 0,
            pending: 0,
            parent: NOBODY,
            backup: NOBODY,
            misses: 0,
            pushed: false,
            arrived: 0,
        }
    }
}

impl Branch {
    pub(crate) fn arrive(&mut self, now: Time) {
        self.arrived = now.0 as u32;
    }

    /// Milliseconds since the newest item came; 65,535 for longer.
    ///
    /// The clock is truncated: after 49 days an item seems new again, which costs one announcement
    /// that a peer has no use for.
    pub(crate) fn age(&self, now: Time) -> u16 {
        u16::try_from((now.0 as u32).wrapping_sub(self.arrived)).unwrap_or(u16::MAX)
    }

    /// Forgets the link in `slot`.
    pub(crate) fn clear(&mut self, slot: usize) {
        let keep = !(1_u16 << slot);
        self.children &= keep;
        self.told &= keep;
        self.pending &= keep;
        if usize::from(self.parent) == slot {
            self.parent = NOBODY;
        }
        if usize::from(self.backup) == slot {
            self.backup = NOBODY;
        }
    }
}
