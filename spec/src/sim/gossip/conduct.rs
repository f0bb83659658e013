//! How members behave.
//!
//! An attacker runs the production core too, so that it finds neighbours and keeps them like anybody;
//! what it sends is distorted, and some send more than that.

use std::sync::Arc;

use dchat_gossip::frontier::Digest;
use dchat_gossip::log::Item;
use dchat_gossip::{LogId, Message};
use dchat_wire::gossip::{Mark, Sketched, Want};

use crate::sim::Rng;

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// What the protocol says.
    Honest,
    /// Agrees to be a neighbour and never says a word again.
    Silent,
    /// Takes part in everything, but passes no item on, nor says that it has one, nor sends what it
    /// is asked for.
    Hoarding,
    /// Its digests and sketches are made up.
    Lying,
    /// Sends frames of all kinds at random, a hundred a second, and items nobody signed.
    Flooding,
    /// Writes two items for one place, and gives each to a part of its neighbours.
    Equivocating,
}

impl Conduct {
    /// Those of attackers, who take turns.
    pub const HOSTILE: [Self; 5] = [
        Self::Silent,
        Self::Hoarding,
        Self::Lying,
        Self::Flooding,
        Self::Equivocating,
    ];

    /// Whether it is an attacker's.
    #[must_use]
    pub fn is_hostile(self) -> bool {
        self != Self::Honest
    }

    /// What becomes of a message its core wants to send.
    #[must_use]
    pub fn distort(self, message: Message<u32>, rng: &mut Rng) -> Option<Message<u32>> {
        match (self, message) {
            (
                Self::Silent,
                Message::Open {
                    nonce,
                    answer,
                    alone,
                },
            ) => Some(Message::Open {
                nonce,
                answer,
                alone,
            }),
            (Self::Silent, _) => None,
            (Self::Hoarding, Message::Push { .. } | Message::Announce(_)) => None,
            (Self::Lying, Message::Digest(digest)) => {
                let root = rng.next_u64();
                let total = digest
                    .total
                    .wrapping_add(number(rng) % 1000)
                    .wrapping_sub(500);
                Some(Message::Digest(Digest {
                    root,
                    total,
                    ..digest
                }))
            }
            (
                Self::Lying,
                Message::Sketch {
                    salt,
                    of,
                    horizon,
                    first,
                    mut cells,
                },
            ) => {
                rng.fill(&mut cells);
                Some(Message::Sketch {
                    salt,
                    of,
                    horizon,
                    first,
                    cells,
                })
            }
            (_, message) => Some(message),
        }
    }
}

fn number(rng: &mut Rng) -> u32 {
    (rng.next_u64() >> 32) as u32
}

/// A frame that makes no sense, about logs that exist or not. `known` gives an item that exists, and
/// `forged` one with a wrong signature.
pub fn nonsense(
    rng: &mut Rng,
    log: LogId,
    horizon: u32,
    members: u32,
    known: impl Fn() -> Option<Arc<Item>>,
    forged: impl Fn() -> Option<Arc<Item>>,
) -> Option<Message<u32>> {
    let log = if rng.chance(0.75) {
        log.prefix()
    } else {
        rng.next_u64()
    };
    let peer = number(rng) % members.max(1);
    Some(match rng.below(12) {
        0 => Message::Announce(
            (0..rng.below(200))
                .map(|at| mark(rng, log ^ at << 32))
                .collect(),
        ),
        1 => Message::Pull {
            graft: rng.chance(0.5),
            wants: vec![want(rng, log); 20],
        },
        2 => Message::Tree {
            graft: vec![log; 10],
            prune: vec![rng.next_u64(); 10],
        },
        3 => Message::Digest(Digest {
            root: rng.next_u64(),
            total: number(rng),
            horizon,
        }),
        4 => {
            let mut cells = vec![0; rng.below(40) as usize * 9];
            rng.fill(&mut cells);
            let first = if rng.chance(0.5) {
                0
            } else {
                number(rng) % 100
            };
            let (salt, of) = (number(rng) % 4, Sketched::Sequences);
            Message::Sketch {
                salt,
                of,
                horizon,
                first,
                cells,
            }
        }
        5 => Message::More {
            salt: number(rng),
            have: number(rng),
            want: number(rng),
            unknown: vec![number(rng); 10],
        },
        6 => Message::Shuffle {
            answer: rng.chance(0.5),
            peers: vec![peer; 8],
        },
        7 => Message::Join {
            peer,
            hops: number(rng) as u8,
        },
        8 => {
            let (answer, alone) = (rng.chance(0.5), rng.chance(0.5));
            Message::Open {
                nonce: rng.next_u64(),
                answer,
                alone,
            }
        }
        9 => Message::Push {
            hops: number(rng) as u8,
            item: known()?,
        },
        10 => Message::Proof(known()?, known()?),
        _ => Message::Push {
            hops: 3,
            item: forged()?,
        },
    })
}

fn mark(rng: &mut Rng, log: u64) -> Mark {
    let age = number(rng) as u16;
    Mark {
        log,
        seq: number(rng),
        age,
    }
}

fn want(rng: &mut Rng, log: u64) -> Want {
    Want {
        log,
        after: number(rng) % 5,
        upto: number(rng),
    }
}
