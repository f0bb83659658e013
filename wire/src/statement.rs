//! The payload of a record the DHT stores, of whatever kind (spec `70-dht` §6).
//!
//! A storing node knows neither the signer nor the kind beforehand: it reads what the record says,
//! and from that follow the key it belongs under and what it replaces there. Vouchers are not
//! among the kinds: a relay gives them to its clients, who show them to whom they want.

use crate::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use crate::codec::{self, DecodeError};
use crate::hash::dht_key;
use crate::id::PeerId;
use crate::limits;
use crate::record::{AddressRecord, DeviceRecord, Payload, RecordError};

macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident($payload:ty),)*) => {
        /// What a stored record says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Statement {
            $($(#[$meta])* $name($payload),)*
        }

        impl Statement {
            /// The kinds that are stored.
            pub const KINDS: &'static [u16] = &[$(<$payload as Payload>::KIND),*];

            /// Reads the payload of a record of `kind`.
            ///
            /// # Errors
            /// [`RecordError::WrongKind`] for one that is not stored, and
            /// [`RecordError::Malformed`] when the bytes are not exactly one canonical payload.
            pub fn read(kind: u16, payload: &[u8]) -> Result<Self, RecordError> {
                let statement = match kind {
                    $(<$payload as Payload>::KIND => Self::$name(codec::decode(payload)?),)*
                    _ => return Err(RecordError::WrongKind(kind)),
                };
                statement.check()?;
                Ok(statement)
            }

            /// Its kind.
            #[must_use]
            pub fn kind(&self) -> u16 {
                match self {
                    $(Self::$name(_) => <$payload as Payload>::KIND,)*
                }
            }

            /// Longest time between issue and expiry of a record of `kind`, in milliseconds; none
            /// for a kind that is not stored.
            #[must_use]
            pub fn max_lifetime(kind: u16) -> Option<u64> {
                match kind {
                    $(<$payload as Payload>::KIND => Some(<$payload as Payload>::MAX_LIFETIME),)*
                    _ => None,
                }
            }
        }
    };
}

statements! {
    /// Where the signer can be reached.
    Address(AddressRecord),
    /// How a session to the signer's device is made.
    Device(DeviceRecord),
    /// The signer relays.
    Relay(RelayAdvert),
    /// The signer offers a service.
    Service(ServiceAdvert),
    /// Where messages for the signer can be left.
    Mailbox(MailboxPointer),
    /// The signer is online, for those who share a secret with it.
    Presence(Presence),
    /// A member of a group can be met.
    Rendezvous(Rendezvous),
}

impl Statement {
    /// The key the record belongs under: its topic's, where many speak of one thing, else its
    /// signer's.
    #[must_use]
    pub fn key(&self, signer: &PeerId) -> [u8; 32] {
        let name = match self {
            Self::Relay(advert) => core::slice::from_ref(&advert.shard),
            Self::Service(advert) => advert.name.as_str().as_bytes(),
            Self::Address(_)
            | Self::Device(_)
            | Self::Mailbox(_)
            | Self::Presence(_)
            | Self::Rendezvous(_) => signer.public_key().as_slice(),
        };
        dht_key(self.kind(), name)
    }

    /// Which of the signer's records of this kind under this key it is: those with the same slot
    /// replace one another. Zeros for all kinds of which a signer has one.
    #[must_use]
    pub fn slot(&self) -> [u8; 16] {
        match self {
            Self::Rendezvous(rendezvous) => rendezvous.slot,
            Self::Address(_)
            | Self::Device(_)
            | Self::Relay(_)
            | Self::Service(_)
            | Self::Mailbox(_)
            | Self::Presence(_) => [0; 16],
        }
    }

    fn check(&self) -> Result<(), RecordError> {
        match self {
            Self::Address(record) if record.addresses.is_empty() => {
                Err(RecordError::Malformed(DecodeError::Invalid {
                    field: "AddressRecord.addresses",
                    reason: "whoever is nowhere signs no record of where it is",
                }))
            }
            Self::Relay(advert) if advert.shard >= limits::RELAY_SHARDS => {
                Err(RecordError::Malformed(DecodeError::Invalid {
                    field: "RelayAdvert.shard",
                    reason: "there is no such part of the topic",
                }))
            }
            _ => Ok(()),
        }
    }
}
