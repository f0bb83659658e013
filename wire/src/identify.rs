//! IDENTIFY and IDENTIFY_PUSH: where a peer is, and where it sees the other.

use crate::address::Address;
use crate::codec::{List, body};
use crate::extension::Extensions;
use crate::limits;

body! {
    /// Addresses, sent once after HELLO and pushed whole whenever they change.
    pub struct Identify {
        /// Grows by one with each one sent on a connection, from 1: a late one is ignored.
        pub revision: u64,
        /// Where the sender sees the receiver's packets come from, without a PeerId.
        pub observed: Option<Address>,
        /// Where the sender can be reached. Empty towards a peer that is not an accepted contact.
        pub addresses: List<Address, { limits::ADDRESSES }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}
