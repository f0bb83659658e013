//! Middleboxes as RFC 4787 describes them: NATs, and firewalls that translate nothing.
//!
//! A box is five choices ([`Behaviour`]) and one table. Packets from inside are looked up by the
//! mapping's key, packets from outside by the public address they come to:
//!
//! **Mapping** (RFC 4787 §4.1), for a packet from inside `X:x` to `Y:y`:
//!
//! | behaviour | key of the mapping | public address |
//! |---|---|---|
//! | none (a firewall) | `X:x` | `X:x` itself |
//! | endpoint-independent | `X:x` | one for all destinations |
//! | address-dependent | `X:x`, `Y` | one for each destination address |
//! | address-and-port-dependent | `X:x`, `Y:y` | one for each destination address and port |
//!
//! **Filtering** (RFC 4787 §5), for a packet from outside `Y:y` to the public address of a mapping:
//!
//! | behaviour | let in when |
//! |---|---|
//! | endpoint-independent | the mapping lives |
//! | address-dependent | and from inside something went through it to `Y` (any port) |
//! | address-and-port-dependent | and from inside something went through it to `Y:y` |
//!
//! What the filter remembers belongs to one mapping: two mappings of one socket do not share it.
//! That is stricter than the letter of RFC 4787 §5 ("destined for the internal endpoint") and is
//! what session tables do.
//!
//! **Allocation** (RFC 4787 §4.2), for a new mapping:
//!
//! | law | public port |
//! |---|---|
//! | preserving | `x` where it is free, else any that is |
//! | sequential | the one given out before plus a stride, whoever got it |
//! | block | any free one of a block that belongs to `X` |
//! | random | any free one |
//!
//! **States of a mapping.** `t` is the lifetime; the filter's memory of a destination has the same.
//!
//! | state | packet from inside | packet from outside, let in | packet from outside, not let in | `t` passes |
//! |---|---|---|---|---|
//! | absent | → live; forwarded | (impossible) | dropped | absent |
//! | live | live, `t` begins anew (REQ-6); forwarded | forwarded; `t` begins anew if *inbound refresh* | dropped, changes nothing | → absent |
//!
//! **Hairpinning** (RFC 4787 §6). A packet from inside to a public address of the box is either
//! dropped, or goes out and in again: its source is translated to its public address first (REQ-9a),
//! and the filter of the mapping it meets applies.
//!
//! **Reboot.** All mappings, filters and blocks are gone; the sequence starts anywhere.

mod allocation;
mod behaviour;
mod table;
mod translator;

pub use behaviour::{Allocation, Behaviour, Filtering, Mapping};
pub use translator::{Refused, Translator};
