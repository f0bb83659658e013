//! What a room can be tuned by. The defaults are the spec's (`80-gossip` §10) and were measured.

use core::time::Duration;

use crate::log::Window;
use crate::round::Pacing;

/// Settings of one room; a few hundred bytes that all rooms of a process may share.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Neighbours a member wants; with up to one more member than that everybody is everybody's
    /// neighbour. From 2 to [`MAX_DEGREE`].
    pub degree: usize,
    /// Links accepted beyond `degree`, so that a new member is not refused and a split room can
    /// grow together; the least useful go after `trim_after`. At most 4.
    pub spare: usize,
    /// How long there may be more links than `degree`.
    pub trim_after: Duration,
    /// How long an offer to be neighbours may stay unanswered.
    pub open_timeout: Duration,
    /// Between two exchanges of some members' names with a neighbour while few are known; ten times
    /// as long when the cache is half full.
    pub shuffle_every: Duration,
    /// Between two attempts to link with a member that is no neighbour, so that the graph stays
    /// mixed.
    pub mix_every: Duration,
    /// Between two attempts to reach a member that went without a word, while one is remembered:
    /// what heals a split room.
    pub heal_every: Duration,

    /// When rounds of comparing digests take place.
    pub pacing: Pacing,
    /// At least so long between two sketches of this member's.
    pub sketch_gap: Duration,
    /// How long a sketch under way waits for the other side.
    pub session_timeout: Duration,
    /// An item that came less long ago may still be on its way along a tree: it is announced, not
    /// sent again.
    pub settled: Duration,

    /// How long an announcement waits while trees lose nothing: the other end of the link may say
    /// first that it has the item, and items share a frame.
    pub announce_calm: Wait,
    /// While much comes late, but comes.
    pub announce_late: Wait,
    /// While trees lose items.
    pub announce_hasty: Wait,
    /// For a log without a tree: announcing is how it spreads.
    pub announce_cold: Wait,
    /// To how many neighbours an item is announced while trees lose nothing.
    pub announce_to: u32,
    /// How much later than elsewhere an item may come by its tree before it is asked for: half of it
    /// while trees lose items.
    pub patience: Duration,
    /// The same while much comes late, but comes: longer than it takes a stream to send again once
    /// what was lost on a link as long as those trees prefer.
    pub patience_late: Duration,
    /// A pull is repeated, elsewhere if it can be, after five quarters of the round trip and this.
    pub pull_margin: Duration,
    /// Round trip of a link on which none has been measured.
    pub first_rtt: Duration,
    /// By how much earlier an item must have been to be had elsewhere for a log to change its tree.
    pub better_by: Duration,
    /// While much is late or lost, one in so many such items changes the tree: which path was faster
    /// is chance then.
    pub better_one_in: u32,

    /// How long items are kept and logs without items remembered.
    pub window: Window,
}

/// A time at random between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration, pub Duration);

/// Links at once, refused and half-open ones included: one bit each in sixteen.
pub(crate) const SLOTS: usize = 16;
/// Largest [`Config::degree`]: with spare links and half-open ones no more than there are slots.
pub const MAX_DEGREE: usize = 10;

impl Default for Config {
    fn default() -> Self {
        let ms = Duration::from_millis;
        let s = Duration::from_secs;
        Self {
            degree: 8,
            spare: 2,
            trim_after: s(15),
            open_timeout: s(5),
            shuffle_every: s(60),
            mix_every: s(600),
            heal_every: s(5),
            pacing: Pacing::default(),
            sketch_gap: ms(500),
            session_timeout: s(3),
            settled: s(2),
            announce_calm: Wait(ms(100), ms(300)),
            announce_late: Wait(ms(20), ms(60)),
            announce_hasty: Wait(ms(2), ms(10)),
            announce_cold: Wait(ms(5), ms(60)),
            announce_to: 3,
            patience: ms(18),
            patience_late: ms(110),
            pull_margin: ms(10),
            first_rtt: ms(100),
            better_by: ms(2),
            better_one_in: 16,
            window: Window::default(),
        }
    }
}
