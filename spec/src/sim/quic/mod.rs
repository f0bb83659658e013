//! A model of a QUIC connection: what the path switch and the network notice of one.
//!
//! The real QUIC draws keys and ids from the operating system and computes signatures; in a world
//! of a hundred thousand connections that is neither repeatable nor quick. What remains here:
//!
//! * **Shape.** Long headers until the handshake is done, short ones after, real connection ids of
//!   8 bytes, and Initials of 1,200 bytes, so that the switch reads what it reads in production.
//! * **The handshake** takes the round trips and about the bytes of TLS 1.3 with X25519MLKEM768 and
//!   a certificate on both sides: two datagrams, two, one. The client is done after one round trip,
//!   the server after one and a half. Both then hold the same [`Connection::exported`].
//! * **Loss recovery** of RFC 9002: packet and time threshold, probe timeouts with backoff, the RTT
//!   estimator; acknowledgements delayed by up to 25 ms or sent at the second packet. Lost stream
//!   data is sent again; datagrams are not.
//! * **Streams**, ordered, and **datagrams**, unordered.
//!
//! Not modelled: encryption (the bytes are readable, and a forged packet would be believed),
//! congestion and flow control (what is offered stays far below the links' rates), migration (the
//! switch hides it), and version negotiation.
//!
//! [`Connection`] has the verbs of a core: [`handle_packet`](Connection::handle_packet),
//! [`handle_timeout`](Connection::handle_timeout), [`poll_event`](Connection::poll_event),
//! [`poll_transmit`](Connection::poll_transmit), [`poll_timeout`](Connection::poll_timeout).

mod assembly;
mod connection;
mod packet;
mod received;
mod recovery;
mod rtt;

pub use connection::{Config, Connection, Event, Role};
pub use packet::{Cid, OVERHEAD, Packet, SIZE, StreamId};
