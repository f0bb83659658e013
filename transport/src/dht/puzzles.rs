//! Puzzles, away from the runtime's threads: one takes a millisecond of a processor and a mebibyte.
//!
//! Bounds: claims are checked one after the other in the whole process, in one mebibyte that is kept:
//! strangers take one core of several at most, and leave no holes in the heap. Our own solution is
//! looked for in another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dchat_kademlia::Key;
use dchat_kademlia::puzzle::{Memory, Solution, Solver};
use dchat_wire::PeerId;

use crate::sync::lock;

/// Passes between two looks whether the solution is still wanted: some 30 ms.
const SLICE: u32 = 32;

/// Where claims are checked.
static CHECKING: Mutex<Option<Memory>> = Mutex::new(None);

/// Where a nonce leads a node; `None` when it does not solve the puzzle. Takes a millisecond, and
/// waits for its turn.
pub(super) fn position(peer: &PeerId, nonce: u64, difficulty: u8) -> Option<Key> {
    let mut memory = lock(&CHECKING);
    if memory.is_none() {
        *memory = Memory::new().ok();
    }
    memory
        .as_mut()?
        .verify(peer.public_key(), nonce, difficulty)
}

/// Where nonces lead their nodes; `None` for those that do not solve the puzzle.
pub(super) async fn positions(claims: Vec<(PeerId, u64)>, difficulty: u8) -> Vec<Option<Key>> {
    let count = claims.len();
    let work = move || {
        let position = |(peer, nonce)| position(&peer, nonce, difficulty);
        claims.into_iter().map(position).collect::<Vec<_>>()
    };
    let mut positions = tokio::task::spawn_blocking(work).await.unwrap_or_default();
    // A runtime that shuts down does no work, and nobody is believed.
    positions.resize(count, None);
    positions
}

/// Looks for a nonce that solves the puzzle of `peer`, until the guard that comes with it is dropped.
pub(super) fn solve(
    peer: PeerId,
    difficulty: u8,
) -> (Wanted, impl Future<Output = Option<Solution>>) {
    let wanted = Wanted(Arc::new(AtomicBool::new(true)));
    let seen = Arc::clone(&wanted.0);
    let work = move || {
        let mut solver = Solver::new(*peer.public_key(), difficulty, 0).ok()?;
        while seen.load(Ordering::Relaxed) {
            let solution = solver.step(SLICE);
            if solution.is_some() {
                return solution;
            }
        }
        None
    };
    let solution = async { tokio::task::spawn_blocking(work).await.ok().flatten() };
    (wanted, solution)
}

/// Lets a search for a solution go on until it is dropped.
#[derive(Debug)]
pub(super) struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use dchat_wire::sign::Identity;

    use super::*;

    fn peer() -> PeerId {
        Identity::from_seed(&[1; 32]).peer_id()
    }

    #[tokio::test]
    async fn what_is_solved_is_believed_and_nothing_else() {
        let (_wanted, solution) = solve(peer(), 2);
        let solution = solution.await;
        let nonce = solution.map_or(0, |solution| solution.nonce);
        let claims = vec![(peer(), nonce), (peer(), nonce.wrapping_add(1 << 40))];
        let positions = positions(claims, 2).await;
        assert_eq!(
            positions.first().copied().flatten(),
            solution.map(|one| one.at)
        );
        let other = positions.get(1).copied().flatten();
        assert_ne!(other, solution.map(|one| one.at));
    }

    #[tokio::test]
    async fn a_search_nobody_wants_ends() {
        // No nonce is ever accepted at this difficulty.
        let (wanted, solution) = solve(peer(), 65);
        drop(wanted);
        assert_eq!(solution.await, None);
    }
}
