//! Records that lead others to somebody: what the DHT stores beside addresses and prekeys (spec
//! `70-dht` §6).
//!
//! Who shares a secret signs [`Presence`] and [`Rendezvous`] with a key derived from it, and seals
//! their content: nobody else can find them, write there, or read them.

use crate::address::Address;
use crate::codec::{Bytes, List, Text, body};
use crate::dht::Socket;
use crate::extension::Extensions;
use crate::limits;
use crate::record::{Payload, kind};

const MINUTE: u64 = 60 * 1000;
const HOUR: u64 = 60 * MINUTE;

body! {
    /// The signer relays for anybody its policy admits. Stored under its shard of the topic.
    pub struct RelayAdvert {
        /// Which part of the topic, below [`limits::RELAY_SHARDS`]; the key is of this one byte.
        pub shard: u8,
        /// Where the relay listens.
        pub socket: Socket,
        /// Where it listens in the other family.
        pub other: Option<Socket>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

impl Payload for RelayAdvert {
    const KIND: u16 = kind::RELAY;
    /// Two hours: a relay that is up renews it at half that; one that is gone is soon forgotten.
    const MAX_LIFETIME: u64 = 2 * HOUR;
}

body! {
    /// The signer offers a service. Stored under the service's name.
    pub struct ServiceAdvert {
        /// The name; the key is of its UTF-8 bytes.
        pub name: Text<{ limits::NAME }>,
        /// Where the signer can be reached.
        pub addresses: List<Address, { limits::ADVERT_ADDRESSES }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

impl Payload for ServiceAdvert {
    const KIND: u16 = kind::SERVICE;
    /// A day, as for addresses.
    const MAX_LIFETIME: u64 = 24 * HOUR;
}

body! {
    /// Where messages to the signer can be left while it is offline.
    pub struct MailboxPointer {
        /// The mailboxes, each naming its peer.
        pub mailboxes: List<Address, { limits::ADVERT_ADDRESSES }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

impl Payload for MailboxPointer {
    const KIND: u16 = kind::MAILBOX;
    /// A week: it is needed just when its signer is away.
    const MAX_LIFETIME: u64 = 7 * 24 * HOUR;
}

body! {
    /// The signer is online, for those who share a secret with it.
    pub struct Presence {
        /// Sealed for them.
        pub sealed: Bytes<{ limits::SEALED }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

impl Payload for Presence {
    const KIND: u16 = kind::PRESENCE;
    /// An hour: the length of an epoch.
    const MAX_LIFETIME: u64 = HOUR;
}

body! {
    /// A member of a group or room can be met. The group signs; each member has a slot of its own.
    pub struct Rendezvous {
        /// The member's, drawn at random for the epoch.
        pub slot: [u8; 16],
        /// Sealed for the members.
        pub sealed: Bytes<{ limits::SEALED }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

impl Payload for Rendezvous {
    const KIND: u16 = kind::RENDEZVOUS;
    /// Two hours: one epoch and the one after it.
    const MAX_LIFETIME: u64 = 2 * HOUR;
}
