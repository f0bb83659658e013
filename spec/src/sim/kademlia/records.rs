//! Records for worlds to store: real ones, signed.

use std::sync::Arc;

use dchat_kademlia::Key;
use dchat_wire::advert::MailboxPointer;
use dchat_wire::codec::List;
use dchat_wire::extension::Extensions;
use dchat_wire::hash::dht_key;
use dchat_wire::record::{Payload, SignedRecord};
use dchat_wire::sign::Identity;

use crate::sim::Rng;

/// A record of the world.
#[derive(Clone, Debug)]
pub struct Filed {
    /// Where it belongs.
    pub key: Key,
    /// Its kind.
    pub kind: u16,
    /// The record.
    pub record: Arc<SignedRecord>,
}

/// The record with this number and sequence, valid for as long as its kind allows: a mailbox pointer,
/// which lasts a week, so that nobody has to renew it within a run.
#[must_use]
pub fn file(seed: u64, number: u32, sequence: u64, issued_at: u64) -> Filed {
    let identity = Identity::from_seed(&Rng::secret(seed, "record signer", u64::from(number)));
    let pointer = MailboxPointer {
        mailboxes: List::default(),
        extensions: Extensions::default(),
    };
    let lifetime = MailboxPointer::MAX_LIFETIME;
    let record = SignedRecord::issue(&identity, sequence, issued_at, lifetime, &pointer);
    Filed {
        key: Key(dht_key(
            MailboxPointer::KIND,
            identity.peer_id().public_key(),
        )),
        kind: MailboxPointer::KIND,
        record: Arc::new(record),
    }
}
