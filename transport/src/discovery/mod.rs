//! Finding peers on the local network by mDNS (RFC 6762, RFC 6763).
//!
//! A node is an instance of `_dchat._udp.local.` whose name is its PeerId; the TXT record holds the
//! protocol version (`v`) and the process's instance (`i`, hexadecimal). A record proves nothing: it
//! is a hint where to dial, and TLS decides who is there (spec `30-transport` §7).
//!
//! * State: a [table](table) of the peers seen, and the daemon's own cache.
//! * Inputs: records, suspicions, changes of our addresses. Outputs: discovered and expired peers.
//! * Bounds: [`Limits::discovered_peers`](crate::Limits); of a record at most 16 addresses are used.

mod advert;
mod mdns;
mod table;

pub(crate) use mdns::discover;
