//! What a position costs (spec `70-dht` §2).
//!
//! A node does not choose where it stands: its position is a digest of what a memory-hard puzzle
//! yields for its public key and a nonce, and only one nonce in `2^D` is accepted, `D` being the
//! network's difficulty. The puzzle is one pass of Argon2id (RFC 9106) over [`MEMORY_KIB`]; the first
//! eight of the 64 bytes that come out, as a big-endian number, must begin with `D` zero bits, and the
//! other 56 make the position. Both follow from the same pass, so that there is no cheaper way to
//! look for a position than to pay `2^D` passes for each that one gets to see: whether a nonce is
//! accepted says nothing about where it leads.
//!
//! # What it buys
//! One pass takes 0.30 ms on one core of a server of 2023 whose second-level cache holds the memory,
//! about a millisecond where it does not; that is what it costs to check a stranger's claim. At the
//! default difficulty of 12 an honest node pays 4,096 passes, 1.2 s of one such core, once in its
//! life. An attacker at N = 100,000 nodes who wants an identity
//!
//! * among the 20 nearest to a given key sees one position in N / 20 = 5,000 there: 5,000 × 4,096
//!   passes, 1.7 hours of one core for each, and a core-week for a hundred;
//! * nearer than every honest node sees one in N: 1.4 core-days for each, a core-month for 20.
//!
//! Each step of difficulty doubles all of it, the honest node's second too. Positions do not wear
//! out: what was once computed serves until the network has grown past it.
//!
//! A mebibyte for each pass keeps graphics processors from being much faster than that: thousands
//! of passes side by side are bound by memory bandwidth. It does not stop somebody with a data
//! centre; that a few positions near a key do not suffice to hide it is the lookup's work.
//!
//! Whoever checks claims of strangers has to pace it: a core checks one to three thousand a second.

use core::fmt;

use dchat_wire::defect::{self, Defect};
use dchat_wire::hash::Context;

use crate::key::Key;

/// Memory of one pass, in KiB: what fits the cache of one core, so that a claim is checked quickly,
/// and not the fast memory that a graphics processor has for each of its thousands of threads.
pub const MEMORY_KIB: u32 = 1024;
/// The difficulty of the public network, in bits: seconds of work for a node that joins, core-days
/// for one that wants to be the nearest to a key of somebody else.
pub const DIFFICULTY: u8 = 12;
/// The salt. Fixed: nobody has to be told, and what would be salted is a public key already.
pub const SALT: &[u8; 18] = b"dchat/1 dht puzzle";
/// Bytes a pass yields.
const OUT: usize = 64;

/// The memory a pass works in, a mebibyte; reused from pass to pass.
pub struct Memory {
    argon2: argon2::Argon2<'static>,
    blocks: Vec<argon2::Block>,
}

/// The parameters are refused, which happens only when this module is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the puzzle's parameters are none of Argon2id's")]
pub struct BadParameters;

/// A nonce that is accepted, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The nonce.
    pub nonce: u64,
    /// The position.
    pub at: Key,
}

impl Memory {
    /// Takes the memory.
    ///
    /// # Errors
    /// [`BadParameters`], never with the constants of this module.
    pub fn new() -> Result<Self, BadParameters> {
        let params = argon2::Params::new(MEMORY_KIB, 1, 1, Some(OUT)).map_err(|_| BadParameters)?;
        let blocks = vec![argon2::Block::default(); params.block_count()];
        let argon2 =
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        Ok(Self { argon2, blocks })
    }

    /// One pass: where `nonce` leads the node with `public_key`, if the nonce is accepted at
    /// `difficulty`. A difficulty over 64 accepts none.
    pub fn verify(&mut self, public_key: &[u8; 32], nonce: u64, difficulty: u8) -> Option<Key> {
        let mut password = [0; 40];
        password[..32].copy_from_slice(public_key);
        password[32..].copy_from_slice(&nonce.to_le_bytes());
        let mut out = [0; OUT];
        self.argon2
            .hash_password_into_with_memory(&password, SALT, &mut out, self.blocks.as_mut_slice())
            .ok()?;
        let (zeros, rest) = out.split_first_chunk::<8>()?;
        let accepted = u64::from_be_bytes(*zeros).leading_zeros() >= u32::from(difficulty)
            || defect::is(Defect::SkipsPuzzle);
        accepted.then(|| Key(Context::POSITION.digest(&[rest])))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({MEMORY_KIB} KiB)")
    }
}

/// Looks for a nonce, a few passes at a time: the driver does it on a thread of its own and stops
/// between two slices when the node does.
pub struct Solver {
    memory: Memory,
    public_key: [u8; 32],
    difficulty: u8,
    next: u64,
}

impl Solver {
    /// Starts at nonce 0, which is the one accepted when the difficulty is 0. To go on later, give
    /// the nonce that [`next_nonce`](Self::next_nonce) told.
    ///
    /// # Errors
    /// [`BadParameters`], never with the constants of this module.
    pub fn new(public_key: [u8; 32], difficulty: u8, from: u64) -> Result<Self, BadParameters> {
        Ok(Self {
            memory: Memory::new()?,
            public_key,
            difficulty,
            next: from,
        })
    }

    /// Makes at most `passes` passes, of 0.3 to 1 ms each. Once it has found a nonce,
    /// further steps look for the next one.
    pub fn step(&mut self, passes: u32) -> Option<Solution> {
        for _ in 0..passes {
            let nonce = self.next;
            self.next = self.next.wrapping_add(1);
            if let Some(at) = self.memory.verify(&self.public_key, nonce, self.difficulty) {
                return Some(Solution { nonce, at });
            }
        }
        None
    }

    /// The nonce tried next.
    #[must_use]
    pub fn next_nonce(&self) -> u64 {
        self.next
    }
}

impl fmt::Debug for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Solver(next {})", self.next)
    }
}
