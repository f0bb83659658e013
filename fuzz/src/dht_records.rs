//! Records for scripts: few signers, kinds, sequences and variants, so that they meet.

use std::sync::{Arc, LazyLock};

use dchat_kademlia::Key;
use dchat_wire::advert::{RelayAdvert, Rendezvous};
use dchat_wire::dht::Socket;
use dchat_wire::hash::dht_key;
use dchat_wire::record::{AddressRecord, Payload, SignedRecord};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Bytes, List};

use crate::samples;
use crate::script::Script;

/// Time of issue of the earliest.
pub(crate) const START: u64 = samples::NOW;
const MINUTE: u64 = 60_000;

/// A record and what it is.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) record: Arc<SignedRecord>,
    pub(crate) key: Key,
    pub(crate) kind: u16,
    /// Those with the same name under the same key replace one another.
    pub(crate) name: (u16, u8, u8),
    pub(crate) sequence: u64,
    pub(crate) issued: u64,
    pub(crate) expires: u64,
    pub(crate) is_signed: bool,
}

const SIGNERS: usize = 4;
const CROWD: usize = 80;
const SEQUENCES: usize = 3;
const VARIANTS: usize = 3;
/// An address, a relay of a topic, a member of a group with one of two slots.
const KINDS: usize = 4;

static POOL: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let mut pool = Vec::new();
    for signer in 0..SIGNERS {
        let identity = samples::identity(60 + signer as u8);
        for kind in 0..KINDS {
            for sequence in 0..SEQUENCES {
                for variant in 0..VARIANTS {
                    pool.push(known(&identity, signer, kind, sequence, variant));
                }
            }
        }
    }
    // More relays than there is room for under one key.
    for signer in SIGNERS..SIGNERS + CROWD {
        let identity = samples::identity(60 + signer as u8);
        pool.push(known(&identity, signer, 1, 0, 0));
    }
    // Of the first, one each that nobody signed.
    for index in 0..SIGNERS * KINDS {
        let forged = &pool[index * SEQUENCES * VARIANTS];
        let mut signature = forged.record.signature;
        signature[7] ^= 1;
        let record = SignedRecord {
            signature,
            body: forged.record.body.clone(),
        };
        let forged = Known {
            record: Arc::new(record),
            is_signed: false,
            ..*forged
        };
        pool.push(forged);
    }
    pool
});

fn known(
    identity: &Identity,
    signer: usize,
    kind: usize,
    sequence: usize,
    variant: usize,
) -> Known {
    let socket = ([192, 0, 2, 1], 4001 + variant as u16).into();
    let made = (sequence as u64, START + sequence as u64 * 10 * MINUTE);
    let public = *identity.peer_id().public_key();
    match kind {
        0 => {
            let payload = AddressRecord {
                addresses: List::first_of([Address::direct(socket)]),
                extensions: Default::default(),
            };
            of(identity, (signer, 0), made, &payload, &public)
        }
        1 => {
            let payload = RelayAdvert {
                shard: 1,
                socket: Socket::new(socket).unwrap(),
                other: None,
                extensions: Default::default(),
            };
            of(identity, (signer, 0), made, &payload, &[1])
        }
        slot => {
            let payload = Rendezvous {
                slot: [slot as u8; 16],
                sealed: Bytes::new(vec![variant as u8; 200]).unwrap(),
                extensions: Default::default(),
            };
            of(identity, (signer, slot as u8), made, &payload, &public)
        }
    }
}

fn of<P: Payload>(
    identity: &Identity,
    (signer, slot): (usize, u8),
    (sequence, issued): (u64, u64),
    payload: &P,
    name: &[u8],
) -> Known {
    let life = 90 * MINUTE;
    Known {
        record: Arc::new(SignedRecord::issue(
            identity, sequence, issued, life, payload,
        )),
        key: Key(dht_key(P::KIND, name)),
        kind: P::KIND,
        name: (P::KIND, signer as u8, slot),
        sequence,
        issued,
        expires: issued + life,
        is_signed: true,
    }
}

/// One of them.
pub(crate) fn any(script: &mut Script<'_>) -> &'static Known {
    &POOL[script.below(POOL.len())]
}

/// The one with these bytes, if it is one of them.
pub(crate) fn find(record: &SignedRecord) -> Option<&'static Known> {
    POOL.iter().find(|known| *known.record == *record)
}

/// A key that some of them belong under.
pub(crate) fn key(script: &mut Script<'_>) -> Key {
    any(script).key
}

/// First bytes of a digest.
pub(crate) fn short(record: &SignedRecord) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = record.digest();
    [a, b, c, d, e, f, g, h]
}
