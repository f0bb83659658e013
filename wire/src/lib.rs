//! The bytes of the DChat protocol.
//!
//! Everything that crosses a network or is signed is defined here, and nothing else is: no socket,
//! no clock, no randomness. A value goes in and bytes come out, or bytes go in and either a value or
//! a [`DecodeError`] naming the field comes out.
//!
//! Three promises hold for every type (spec `10-encoding`):
//!
//! * **Canonical**: what decodes re-encodes to the same bytes, so a digest or a signature over a
//!   value is one over its bytes.
//! * **Bounded**: every length is checked against [`limits`] and against the bytes at hand before
//!   anything is allocated.
//! * **Total**: no input panics.
//!
//! The layers, from the bottom: [`codec`] encodes bodies, [`frame`] delimits them on a stream,
//! [`sign`] and [`record`] make them provable, and one module per subject ([`hello`], [`identify`],
//! [`ping`], [`chat`], [`parcel`], [`probe`], [`nat`], [`relay`],
//! [`dht`], [`pulse`], [`gossip`], [`room`], [`group`], [`invite`]) gives the bodies themselves.

pub mod address;
pub mod advert;
pub mod chat;
pub mod close;
pub mod codec;
pub mod defect;
pub mod dht;
pub mod extension;
pub mod frame;
pub mod gossip;
pub mod grease;
pub mod group;
pub mod hash;
pub mod hello;
pub mod id;
pub mod identify;
pub mod invite;
pub mod limits;
pub mod nat;
pub mod parcel;
pub mod ping;
pub mod probe;
pub mod pulse;
pub mod record;
pub mod relay;
pub mod room;
pub mod sign;
pub mod statement;

pub use address::Address;
pub use codec::{Bytes, DecodeError, List, Text, decode, encode};
pub use frame::{Frame, FrameReader, FrameType};
pub use id::PeerId;
