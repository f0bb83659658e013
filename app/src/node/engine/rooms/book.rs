//! Where members may be, by what others say.

use std::collections::BTreeMap;

use dchat_wire::{Address, PeerId, limits};

/// Peers in the book; who was heard of longest ago goes.
const MOST: usize = 1024;
/// Addresses of one peer; the newest replace others.
const ADDRESSES: usize = 4;

/// Addresses heard of. Nothing of it is proven: a connection shows who is there.
#[derive(Debug, Default)]
pub(super) struct Book {
    known: BTreeMap<PeerId, (u64, Vec<Address>)>,
    turn: u64,
}

impl Book {
    /// Somebody said that `peer` is at `addresses`.
    pub(super) fn learn(&mut self, peer: PeerId, addresses: &[Address]) {
        if addresses.is_empty() {
            return;
        }
        self.turn += 1;
        let (turn, known) = self.known.entry(peer).or_default();
        *turn = self.turn;
        for address in addresses.iter().take(ADDRESSES).rev() {
            known.retain(|other| other != address);
            known.insert(0, *address);
        }
        known.truncate(ADDRESSES);
        if self.known.len() > MOST {
            let oldest = self.known.iter().min_by_key(|(_, (turn, _))| *turn);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.known.remove(&oldest);
            }
        }
    }

    /// Where `peer` may be, the newest first.
    pub(super) fn addresses(&self, peer: &PeerId) -> &[Address] {
        self.known
            .get(peer)
            .map_or(&[], |(_, addresses)| addresses.as_slice())
    }

    /// What others are told: no more than fits.
    pub(super) fn to_tell(&self, peer: &PeerId) -> impl Iterator<Item = Address> + '_ {
        let addresses = self.addresses(peer).iter().copied();
        addresses.take(limits::GOSSIP_ADDRESSES)
    }
}

/// The address without the name of who is there, which is said beside it.
pub(super) fn bare(address: Address) -> Address {
    match address {
        Address::Direct { socket, .. } => Address::direct(socket),
        Address::Circuit { socket, relay, .. } => Address::Circuit {
            socket,
            relay,
            peer: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use dchat_wire::sign::Identity;

    use super::*;

    fn peer(number: u32) -> PeerId {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        Identity::from_seed(&seed).peer_id()
    }

    fn address(port: u16) -> Address {
        Address::direct(([192, 0, 2, 1], port).into())
    }

    #[test]
    fn the_newest_addresses_come_first_and_old_ones_go() {
        let mut book = Book::default();
        let one = peer(1);
        for port in 1..=6 {
            book.learn(one, &[address(port)]);
        }
        book.learn(one, &[address(4)]);
        assert_eq!(book.addresses(&one), [4, 6, 5, 3].map(address));
        assert_eq!(book.to_tell(&one).count(), limits::GOSSIP_ADDRESSES);
    }

    #[test]
    fn the_book_is_bounded_and_forgets_who_was_heard_of_longest_ago() {
        let mut book = Book::default();
        for number in 0..=MOST as u32 {
            book.learn(peer(number), &[address(1)]);
            book.learn(peer(0), &[address(1)]);
        }
        assert_eq!(book.known.len(), MOST);
        assert!(book.addresses(&peer(1)).is_empty());
        assert_eq!(book.addresses(&peer(0)), [address(1)]);
    }
}
