//! Own records as they are put, and records of others as they are shown.

use std::time::Duration;

use dchat_kademlia::blinded::EPOCH;
use dchat_wire::advert::{MailboxPointer, RelayAdvert, ServiceAdvert};
use dchat_wire::dht::Socket;
use dchat_wire::extension::Extensions;
use dchat_wire::hash::dht_key;
use dchat_wire::record::{AddressRecord, CLOCK_SKEW, DeviceRecord, Payload, SignedRecord, kind};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, List, PeerId, Text, limits};

use super::meeting::Meeting;
use super::publish::Item;
use crate::api::{self, RecordKind};
use crate::node::profile::random;
use crate::time;

/// How long an address record is valid: a node that is up puts it again at half of it, and whoever
/// was away half a day is seldom where it was.
const ADDRESS_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// How long an advert of a service is valid: as long as can be, for it may be put by hand.
const SERVICE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an advert of a relay is valid: as long as can be.
const RELAY_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

/// How long that we are in a room is valid: for its epoch, and for those whose clock is behind.
const ROOM_LIFETIME: Duration = Duration::from_millis(EPOCH + CLOCK_SKEW);

/// What a record of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// We are there, circuits included.
    Address(Vec<Address>),
    /// The engine's record, signed.
    Device(SignedRecord),
    /// We relay, and are there.
    Relay(Socket, Option<Socket>),
    /// We offer this service, and are there.
    Service(String, Vec<Address>),
    /// We are in a room.
    Rendezvous(Meeting),
}

/// A record ready to be put.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) key: [u8; 32],
    pub(super) record: SignedRecord,
    pub(super) sequence: u64,
    /// Milliseconds since 1970.
    pub(super) expires_at: u64,
}

impl Content {
    /// The interface's word for the record; there is none for one that only who shares a secret
    /// finds.
    pub(super) fn kind(&self) -> Option<RecordKind> {
        match self {
            Self::Address(_) => Some(RecordKind::Address),
            Self::Device(_) => Some(RecordKind::Device),
            Self::Relay(..) => Some(RecordKind::Relay),
            Self::Service(..) => Some(RecordKind::Service),
            Self::Rendezvous(_) => None,
        }
    }

    /// The addresses it names.
    pub(super) fn addresses(&self, us: PeerId) -> Vec<String> {
        let named: Vec<Address> = match self {
            Self::Address(addresses) | Self::Service(_, addresses) => addresses.clone(),
            Self::Rendezvous(meeting) => meeting.addresses.clone(),
            Self::Device(_) => Vec::new(),
            Self::Relay(socket, other) => sockets(*socket, *other),
        };
        named.iter().map(|one| one.of(us).to_string()).collect()
    }

    /// How long it is valid from when it is put.
    pub(super) fn lifetime(&self) -> Duration {
        match self {
            Self::Address(_) => ADDRESS_LIFETIME,
            Self::Device(_) => Duration::from_millis(DeviceRecord::MAX_LIFETIME),
            Self::Relay(..) => RELAY_LIFETIME,
            Self::Service(..) => SERVICE_LIFETIME,
            Self::Rendezvous(_) => ROOM_LIFETIME,
        }
    }

    /// Signs it, with the sequence `sequence`, to be valid until `ends` at least, as far as its kind
    /// allows. A device's record has both of its own.
    pub(super) fn sign(
        &self,
        identity: &Identity,
        sequence: u64,
        ends: u64,
        now: u64,
    ) -> Option<Ready> {
        let us = identity.peer_id();
        let extensions = Extensions::default;
        match self {
            Self::Address(addresses) => {
                let payload = AddressRecord {
                    addresses: List::first_of(addresses.iter().copied()),
                    extensions: extensions(),
                };
                let key = dht_key(kind::ADDRESS, us.public_key());
                Some(self.issue(identity, key, (sequence, ends), now, &payload))
            }
            Self::Service(name, addresses) => {
                let payload = ServiceAdvert {
                    name: Text::new(name.clone()).ok()?,
                    addresses: List::first_of(addresses.iter().copied()),
                    extensions: extensions(),
                };
                let key = dht_key(kind::SERVICE, name.as_bytes());
                Some(self.issue(identity, key, (sequence, ends), now, &payload))
            }
            Self::Relay(socket, other) => {
                let shard = shard_of(&us);
                let payload = RelayAdvert {
                    shard,
                    socket: *socket,
                    other: *other,
                    extensions: extensions(),
                };
                let key = dht_key(kind::RELAY, &[shard]);
                Some(self.issue(identity, key, (sequence, ends), now, &payload))
            }
            Self::Device(record) => {
                let opened = record.open::<DeviceRecord>(&us, now).ok()?;
                Some(Ready {
                    key: dht_key(kind::DEVICE, us.public_key()),
                    record: record.clone(),
                    sequence: opened.sequence,
                    expires_at: opened.expires_at,
                })
            }
            Self::Rendezvous(meeting) => meeting.sign(us, sequence, random().ok()?, now),
        }
    }

    fn issue<P: Payload>(
        &self,
        identity: &Identity,
        key: [u8; 32],
        (sequence, ends): (u64, u64),
        now: u64,
        payload: &P,
    ) -> Ready {
        let lifetime = u64::try_from(self.lifetime().as_millis()).unwrap_or(u64::MAX);
        let lifetime = lifetime.max(ends.saturating_sub(now));
        let lifetime = lifetime.min(P::MAX_LIFETIME);
        Ready {
            key,
            record: SignedRecord::issue(identity, sequence, now, lifetime, payload),
            sequence,
            expires_at: now.saturating_add(lifetime),
        }
    }
}

impl Item {
    /// What it is of.
    pub(super) fn of(content: &Content) -> Self {
        match content {
            Content::Address(_) => Self::Address,
            Content::Device(_) => Self::Device,
            Content::Relay(..) => Self::Relay,
            Content::Service(name, _) => Self::Service(name.clone()),
            Content::Rendezvous(meeting) => Self::Rendezvous(meeting.topic, meeting.epoch),
        }
    }
}

/// The shard a relay belongs to: of its key, so that it is the same after a restart and its newer
/// advert takes the place of the older.
fn shard_of(relay: &PeerId) -> u8 {
    let [first, ..] = *relay.public_key();
    first % limits::RELAY_SHARDS
}

fn sockets(socket: Socket, other: Option<Socket>) -> Vec<Address> {
    let each = [Some(socket), other].into_iter().flatten();
    each.map(|socket| Address::direct(socket.addr())).collect()
}

/// The number of a kind in records.
pub(super) fn number(of: RecordKind) -> u16 {
    match of {
        RecordKind::Address => kind::ADDRESS,
        RecordKind::Device => kind::DEVICE,
        RecordKind::Relay => kind::RELAY,
        RecordKind::Service => kind::SERVICE,
        RecordKind::Mailbox => kind::MAILBOX,
    }
}

/// The relay that a record says its signer is.
pub(super) fn relay(record: &SignedRecord, now: u64) -> Option<Address> {
    let signer = signer(record)?;
    let advert = record.open::<RelayAdvert>(&signer, now).ok()?.payload;
    Some(Address::direct(advert.socket.addr()).of(signer))
}

/// A record of one of the kinds the interface knows, checked once more.
pub(super) fn shown(record: &SignedRecord, of: RecordKind, now: u64) -> Option<api::DhtRecord> {
    let signer = signer(record)?;
    match of {
        RecordKind::Address => show::<AddressRecord>(record, of, signer, now, |said| {
            said.addresses.iter().copied().collect()
        }),
        RecordKind::Device => show::<DeviceRecord>(record, of, signer, now, |_| Vec::new()),
        RecordKind::Relay => show::<RelayAdvert>(record, of, signer, now, |said| {
            sockets(said.socket, said.other)
        }),
        RecordKind::Service => show::<ServiceAdvert>(record, of, signer, now, |said| {
            said.addresses.iter().copied().collect()
        }),
        // A mailbox is somebody else's, and named.
        RecordKind::Mailbox => {
            let mut shown = show::<MailboxPointer>(record, of, signer, now, |_| Vec::new())?;
            let said = record.open::<MailboxPointer>(&signer, now).ok()?.payload;
            shown.addresses = said.mailboxes.iter().map(ToString::to_string).collect();
            Some(shown)
        }
    }
}

fn show<P: Payload>(
    record: &SignedRecord,
    of: RecordKind,
    signer: PeerId,
    now: u64,
    addresses: impl FnOnce(&P) -> Vec<Address>,
) -> Option<api::DhtRecord> {
    let opened = record.open::<P>(&signer, now).ok()?;
    let addresses = addresses(&opened.payload);
    Some(api::DhtRecord {
        kind: of,
        signer: signer.to_string(),
        sequence: opened.sequence,
        issued_at: time::rfc3339(opened.issued_at),
        expires_at: time::rfc3339(opened.expires_at),
        addresses: addresses
            .iter()
            .map(|one| one.of(signer).to_string())
            .collect(),
    })
}

/// Who signed it, as it says; [`SignedRecord::open`] checks it.
fn signer(record: &SignedRecord) -> Option<PeerId> {
    record.unverified().ok().map(|body| body.signer)
}
