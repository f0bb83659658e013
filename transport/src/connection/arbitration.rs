//! Which of two connections with the same peer stays.
//!
//! Both sides apply the same rule to the same facts and so keep the same connection, without a word
//! about it (spec `30-transport` §5):
//!
//! 1. A connection of another instance of the peer's process wins over any earlier one: the process
//!    that had the earlier one is gone.
//! 2. Of two dialed by different sides, the one that the smaller PeerId dialed stays.
//! 3. Of two dialed by the same side, the later one stays: its dialer had given up the earlier.
//!
//! A connection takes part once both HELLOs are there. A side that sees another connection with the
//! peer up before it has sent HELLO on its own dial abandons that dial, which the peer therefore
//! never saw up. So rule 2 decides only when both HELLOs crossed, and rule 3 only when the dialer
//! lost the earlier connection.

use dchat_wire::PeerId;
use dchat_wire::defect::{self, Defect};

/// What the rule needs to know of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who dialed it.
    pub dialer: PeerId,
    /// The peer's instance from its HELLO.
    pub instance: [u8; 16],
    /// When it was dialed, for our own dials, or came up, for others: only the order counts, and
    /// only between connections with the same dialer.
    pub order: u64,
}

/// The one that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The connection that was up first.
    Existing,
    /// The one that came up now.
    New,
}

/// Decides between the connection that is up and the one that came up now, both between `us` and
/// `peer`.
#[must_use]
pub fn arbitrate(us: &PeerId, peer: &PeerId, existing: &Claim, new: &Claim) -> Kept {
    if existing.instance != new.instance {
        return Kept::New;
    }
    let existing_stays = if existing.dialer == new.dialer {
        existing.order > new.order
    } else {
        existing.dialer == *us.min(peer)
    };
    if existing_stays != defect::is(Defect::KeepsWrongConnection) {
        Kept::Existing
    } else {
        Kept::New
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use dchat_wire::sign::Identity;
    use proptest::prelude::*;

    use super::*;

    fn peers() -> (PeerId, PeerId) {
        let one = Identity::from_seed(&[1; 32]).peer_id();
        let other = Identity::from_seed(&[2; 32]).peer_id();
        (one.min(other), one.max(other))
    }

    fn claim(dialer: PeerId, instance: u8, order: u64) -> Claim {
        Claim {
            dialer,
            instance: [instance; 16],
            order,
        }
    }

    /// Checks DC-CONN-040 (positive).
    #[test]
    fn a_new_instance_wins_whoever_dialed() {
        let (small, large) = peers();
        for (dialer, order) in [(small, 9), (large, 1)] {
            let kept = arbitrate(
                &small,
                &large,
                &claim(small, 1, 5),
                &claim(dialer, 2, order),
            );
            assert_eq!(kept, Kept::New);
        }
    }

    /// Checks DC-CONN-040 (positive).
    #[test]
    fn crossing_dials_keep_the_smaller_peers_in_either_order() {
        let (small, large) = peers();
        let (its, other) = (claim(small, 1, 1), claim(large, 1, 2));
        for (us, peer) in [(small, large), (large, small)] {
            assert_eq!(arbitrate(&us, &peer, &its, &other), Kept::Existing);
            assert_eq!(arbitrate(&us, &peer, &other, &its), Kept::New);
        }
    }

    #[test]
    fn a_second_dial_of_one_side_replaces_the_first() {
        let (small, large) = peers();
        for dialer in [small, large] {
            let kept = arbitrate(&small, &large, &claim(dialer, 1, 1), &claim(dialer, 1, 2));
            assert_eq!(kept, Kept::New);
        }
    }

    /// Two sides that follow the rules of the module's text, joined by links that deliver HELLO and
    /// CLOSE in order for each connection but in any order between connections.
    #[derive(Debug, Default)]
    struct Side {
        live: Option<usize>,
        /// Connections on which our HELLO went out, in dial order.
        greeted: Vec<usize>,
        heard: Vec<usize>,
        closed: Vec<usize>,
    }

    #[derive(Clone, Copy, Debug)]
    enum Packet {
        Hello(usize),
        Close(usize),
    }

    struct World {
        ids: [PeerId; 2],
        sides: [Side; 2],
        dialers: Vec<usize>,
        /// Packets under way to each side.
        wires: [Vec<Packet>; 2],
    }

    impl World {
        fn claim(&self, side: usize, connection: usize) -> Claim {
            let dialer = self.dialers[connection];
            let order = if dialer == side {
                connection
            } else {
                let mut heard = self.sides[side].heard.iter();
                heard.position(|other| *other == connection).unwrap()
            };
            claim(self.ids[dialer], 1, order as u64)
        }

        fn greet(&mut self, side: usize, connection: usize) {
            self.sides[side].greeted.push(connection);
            self.wires[1 - side].push(Packet::Hello(connection));
        }

        fn close(&mut self, side: usize, connection: usize) {
            self.sides[side].closed.push(connection);
            self.wires[1 - side].push(Packet::Close(connection));
        }

        /// The dialer's handshake is done: HELLO goes out unless another connection is up or ours is
        /// on its way.
        fn finish_dial(&mut self, connection: usize) {
            let side = self.dialers[connection];
            let pending = self.sides[side].greeted.iter().any(|other| {
                self.dialers[*other] == side && !self.sides[side].closed.contains(other)
            });
            if self.sides[side].live.is_some() || pending {
                self.close(side, connection);
            } else {
                self.greet(side, connection);
            }
        }

        fn deliver(&mut self, side: usize, packet: Packet) {
            match packet {
                Packet::Close(connection) => {
                    self.sides[side].closed.push(connection);
                    if self.sides[side].live == Some(connection) {
                        self.sides[side].live = None;
                    }
                }
                Packet::Hello(connection) => {
                    if self.sides[side].closed.contains(&connection) {
                        return;
                    }
                    self.sides[side].heard.push(connection);
                    let Some(existing) = self.sides[side].live else {
                        self.sides[side].live = Some(connection);
                        return;
                    };
                    let (us, peer) = (self.ids[side], self.ids[1 - side]);
                    let (old, new) = (self.claim(side, existing), self.claim(side, connection));
                    match arbitrate(&us, &peer, &old, &new) {
                        Kept::Existing => self.close(side, connection),
                        Kept::New => {
                            self.close(side, existing);
                            self.sides[side].live = Some(connection);
                        }
                    }
                }
            }
        }

        /// Delivers one packet, chosen by `choice` among those that are first of their connection.
        fn step(&mut self, choice: usize) -> bool {
            let side = if self.wires[choice % 2].is_empty() {
                1 - choice % 2
            } else {
                choice % 2
            };
            if self.wires[side].is_empty() {
                return false;
            }
            let at = choice / 2 % self.wires[side].len();
            let of = |packet: &Packet| match packet {
                Packet::Hello(connection) | Packet::Close(connection) => *connection,
            };
            let connection = of(&self.wires[side][at]);
            let first = self.wires[side].iter().position(|p| of(p) == connection);
            let packet = self.wires[side].remove(first.unwrap());
            self.deliver(side, packet);
            true
        }
    }

    proptest! {
        /// Checks DC-CONN-040 (negative).
        #[test]
        fn however_packets_cross_both_sides_end_with_the_same_connection(
            dialers in proptest::collection::vec(0usize..2, 1..6),
            choices in proptest::collection::vec(0usize..64, 0..60),
        ) {
            let (small, large) = peers();
            let mut world = World {
                ids: [small, large],
                sides: [Side::default(), Side::default()],
                dialers: dialers.clone(),
                wires: [Vec::new(), Vec::new()],
            };
            // The accepting side sends HELLO as soon as its handshake is done, and the dialing one
            // when it has looked around.
            let mut todo: Vec<usize> = (0..dialers.len()).collect();
            for choice in choices {
                if choice % 3 == 0 && !todo.is_empty() {
                    let connection = todo.remove(choice / 3 % todo.len());
                    world.greet(1 - dialers[connection], connection);
                    world.finish_dial(connection);
                } else {
                    world.step(choice);
                }
            }
            while let Some(connection) = todo.pop() {
                world.greet(1 - dialers[connection], connection);
                world.finish_dial(connection);
            }
            while world.step(0) {}
            prop_assert!(world.sides[0].live.is_some());
            prop_assert_eq!(world.sides[0].live, world.sides[1].live);
        }
    }
}
