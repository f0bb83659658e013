//! Records that tell those who know a room's secret who is in it, and where (spec `70-dht` §8).

use std::collections::BTreeMap;
use std::sync::Arc;

use dchat_kademlia::Key;
use dchat_kademlia::blinded::{Epoch, Seal, Secret};
use dchat_nat::scope::{Scope, is_global, scope};
use dchat_wire::advert::Rendezvous;
use dchat_wire::extension::Extensions;
use dchat_wire::record::{AddressRecord, CLOCK_SKEW, Payload as _, SignedRecord, kind};
use dchat_wire::{Address, List, PeerId};

use super::record::Ready;
use super::rendezvous::Topic;

/// All who are in a room sign as one; the slot tells their records apart.
const LABEL: &[u8] = b"";
/// Own addresses of one member: two families, and another network each.
const DIRECT: usize = 4;
/// Circuits to one member: a node holds reservations at two relays.
const CIRCUITS: usize = 2;

/// That we are in a room, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meeting {
    pub(super) topic: Topic,
    pub(super) secret: Secret,
    pub(super) epoch: Epoch,
    pub(super) slot: [u8; 16],
    /// Without our PeerId.
    pub(super) addresses: Vec<Address>,
}

/// Somebody who says that it is in a room: nothing of this is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) struct Member {
    pub(in crate::node) peer: PeerId,
    /// At most six, each naming the peer.
    pub(in crate::node) addresses: Vec<Address>,
}

impl Meeting {
    /// Seals and signs that `us` is there. `nonce` is drawn at random each time. `None` when the
    /// epoch is over.
    pub(super) fn sign(
        &self,
        us: PeerId,
        sequence: u64,
        nonce: [u8; 24],
        now: u64,
    ) -> Option<Ready> {
        let signer = self.secret.identity(self.epoch, LABEL);
        let named = signer.peer_id();
        let content = AddressRecord {
            addresses: List::first_of(few(&self.addresses, us)),
            extensions: Extensions::default(),
        };
        let content = dchat_wire::encode(&content);
        let sealed = self.secret.seal(&seal(self.epoch, &named), nonce, &content);
        let payload = Rendezvous {
            slot: self.slot,
            sealed: sealed.ok()?,
            extensions: Extensions::default(),
        };
        // Who reads it may be so much behind; and when it was issued is all that its times tell.
        let expires_at = self.epoch.end().0.saturating_add(CLOCK_SKEW);
        let lifetime = expires_at.checked_sub(now).filter(|left| *left > 0)?;
        let lifetime = lifetime.min(Rendezvous::MAX_LIFETIME);
        Some(Ready {
            key: key(&self.secret, self.epoch).0,
            record: SignedRecord::issue(&signer, sequence, now, lifetime, &payload),
            sequence,
            expires_at: now.saturating_add(lifetime),
        })
    }
}

/// Where the records of an epoch are.
pub(super) fn key(secret: &Secret, epoch: Epoch) -> Key {
    secret.key(kind::RENDEZVOUS, epoch, LABEL)
}

/// Who the records of an epoch say is there, but for those in a slot of `own`: each once, and only if
/// an address of it leads anywhere from here, which in a `private` network all do. What is not of the
/// room and the epoch, or has expired, says nothing.
pub(super) fn members(
    secret: &Secret,
    epoch: Epoch,
    records: &[Arc<SignedRecord>],
    own: &[[u8; 16]],
    private: bool,
    now: u64,
) -> Vec<Member> {
    let signer = secret.identity(epoch, LABEL).peer_id();
    let mut newest: BTreeMap<PeerId, (u64, Member)> = BTreeMap::new();
    for record in records {
        let Ok(opened) = record.open::<Rendezvous>(&signer, now) else {
            continue;
        };
        let Rendezvous { slot, sealed, .. } = opened.payload;
        if own.contains(&slot) {
            continue;
        }
        let content = secret.open(&seal(epoch, &signer), sealed.as_slice());
        let Some(member) = content.ok().and_then(|said| member(&said, private)) else {
            continue;
        };
        // One that has restarted has a slot of its earlier run as well.
        let known = newest.get(&member.peer);
        if known.is_none_or(|(issued_at, _)| *issued_at < opened.issued_at) {
            newest.insert(member.peer, (opened.issued_at, member));
        }
    }
    newest.into_values().map(|(_, member)| member).collect()
}

fn member(said: &[u8], private: bool) -> Option<Member> {
    let said: AddressRecord = dchat_wire::decode(said).ok()?;
    let peer = said.addresses.iter().next()?.peer()?;
    // Whoever knows a room's name can write anything: it is not to make us knock on doors at home.
    let leads = |one: &&Address| {
        let ip = one.socket().ip();
        one.peer() == Some(peer) && (is_global(ip) || (private && scope(ip) != Scope::Link))
    };
    let addresses = said.addresses.iter().filter(leads).copied();
    let addresses: Vec<Address> = addresses.take(DIRECT + CIRCUITS).collect();
    (!addresses.is_empty()).then_some(Member { peer, addresses })
}

/// As many addresses as are told, circuits not crowded out.
fn few(addresses: &[Address], us: PeerId) -> impl Iterator<Item = Address> {
    let (direct, circuits): (Vec<Address>, Vec<Address>) = addresses
        .iter()
        .partition(|one| matches!(one, Address::Direct { .. }));
    let direct = direct.into_iter().take(DIRECT);
    let few = direct.chain(circuits.into_iter().take(CIRCUITS));
    few.map(move |one| one.of(us))
}

fn seal(epoch: Epoch, signer: &PeerId) -> Seal<'_> {
    Seal {
        epoch,
        kind: kind::RENDEZVOUS,
        signer: signer.public_key(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use dchat_kademlia::Time;
    use dchat_kademlia::blinded::EPOCH;
    use dchat_kademlia::record::{Notary as _, Strict};
    use dchat_wire::sign::Identity;
    use zeroize::Zeroizing;

    use super::*;

    const NOW: u64 = 500_000 * EPOCH + 1_000;

    fn secret(number: u8) -> Secret {
        Secret::new(Zeroizing::new([number; 32]))
    }

    fn peer(seed: u8) -> PeerId {
        Identity::from_seed(&[seed; 32]).peer_id()
    }

    fn at(address: &str) -> Address {
        Address::direct(address.parse().unwrap())
    }

    fn meeting(slot: u8, addresses: &[Address]) -> Meeting {
        Meeting {
            topic: [1; 32],
            secret: secret(1),
            epoch: Epoch(500_000),
            slot: [slot; 16],
            addresses: addresses.to_vec(),
        }
    }

    fn signed(meeting: &Meeting, of: u8, sequence: u64, now: u64) -> Arc<SignedRecord> {
        let ready = meeting.sign(peer(of), sequence, [9; 24], now).unwrap();
        let stored = Strict.validate(&Key(ready.key), &ready.record, Time(now));
        assert!(stored.is_ok(), "nodes store it where it is looked for");
        assert_eq!(ready.key, key(&meeting.secret, meeting.epoch).0);
        Arc::new(ready.record)
    }

    fn read(records: &[Arc<SignedRecord>], private: bool) -> Vec<Member> {
        members(&secret(1), Epoch(500_000), records, &[], private, NOW)
    }

    /// Checks DC-DHT-048 (positive).
    #[test]
    fn who_shares_the_secret_reads_who_is_there_and_where() {
        let there = at("198.51.100.7:4001");
        let circuit = Address::Circuit {
            socket: "203.0.113.1:4001".parse().unwrap(),
            relay: peer(9),
            peer: None,
        };
        let record = signed(&meeting(1, &[there, circuit]), 2, 1, NOW);
        let expected = Member {
            peer: peer(2),
            addresses: vec![there.of(peer(2)), circuit.of(peer(2))],
        };
        let records = [record];
        assert_eq!(read(&records, false), [expected]);
        let of = |number, epoch, own: &[[u8; 16]], now| {
            members(&secret(number), Epoch(epoch), &records, own, false, now)
        };
        assert_eq!(of(2, 500_000, &[], NOW), [], "another room");
        assert_eq!(of(1, 500_001, &[], NOW), [], "another hour");
        assert_eq!(of(1, 500_000, &[[1; 16]], NOW), [], "our own");
        let over = NOW + EPOCH + CLOCK_SKEW;
        assert_eq!(of(1, 500_000, &[], over), [], "expired");
    }

    #[test]
    fn of_one_who_restarted_the_newest_counts() {
        let (before, now) = (at("198.51.100.7:4001"), at("198.51.100.7:4002"));
        let records = [
            signed(&meeting(2, &[now]), 2, 1, NOW),
            signed(&meeting(1, &[before]), 2, 9, NOW - 1),
        ];
        let members = read(&records, false);
        assert_eq!(members.len(), 1);
        assert_eq!(members[0].addresses, [now.of(peer(2))]);
    }

    /// Checks DC-DHT-048 (negative).
    #[test]
    fn an_address_that_names_another_than_the_first_is_ignored() {
        let (one, other) = (at("198.51.100.7:4001"), at("203.0.113.9:4001"));
        let addresses = List::first_of([one.of(peer(2)), other.of(peer(3)), other.of(peer(2))]);
        let said = AddressRecord {
            addresses,
            extensions: Extensions::default(),
        };
        let read = member(&dchat_wire::encode(&said), false).unwrap();
        assert_eq!(read.peer, peer(2));
        assert_eq!(read.addresses, [one.of(peer(2)), other.of(peer(2))]);
    }

    /// Checks DC-DHT-050 (negative).
    #[test]
    fn nobody_is_sent_to_private_addresses_from_a_public_network() {
        let (home, world) = (at("192.168.1.1:53"), at("198.51.100.7:4001"));
        let record = [signed(&meeting(1, &[home, world]), 2, 1, NOW)];
        assert_eq!(read(&record, false)[0].addresses, [world.of(peer(2))]);
        assert_eq!(read(&record, true)[0].addresses.len(), 2);
        let record = [signed(&meeting(1, &[home]), 2, 1, NOW)];
        assert_eq!(read(&record, false), []);
    }

    #[test]
    fn as_many_addresses_as_are_told_fit() {
        let long = |host: u8| {
            at(&format!(
                "[2001:db8:1234:5678:9abc:def0:1234:56{host:02x}]:65535"
            ))
        };
        let circuits = (0..4).map(|host| Address::Circuit {
            socket: long(host).socket(),
            relay: peer(9),
            peer: None,
        });
        let all: Vec<Address> = (0..12).map(long).chain(circuits).collect();
        let record = signed(&meeting(1, &all), 2, 1, NOW);
        let members = read(&[record], true);
        assert_eq!(members[0].addresses.len(), DIRECT + CIRCUITS);
    }

    #[test]
    fn nothing_is_signed_for_an_hour_that_is_over() {
        let of_then = meeting(1, &[at("198.51.100.7:4001")]);
        let over = Epoch(500_000).end().0 + CLOCK_SKEW;
        assert!(of_then.sign(peer(1), 1, [0; 24], over).is_none());
    }
}
