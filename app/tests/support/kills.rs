//! Kills at places of a run that chance chooses, the same in every run.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::dice::random;
use super::talk;

/// While `sent` grows to `total`, calls `kill` `times` times, once in each equal share of it: with the number of the
/// kill, from 0, and which of `count` it is to be.
pub fn at_random(
    times: usize,
    sent: &AtomicUsize,
    total: usize,
    count: usize,
    mut kill: impl FnMut(usize, usize),
) {
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..times {
        let share = total / times;
        let place = number * share + (random(&mut dice) as usize) % share.max(1);
        talk::until("the messages do not get on", || {
            sent.load(Ordering::Relaxed) >= place
        });
        kill(number, (random(&mut dice) as usize) % count);
    }
}
