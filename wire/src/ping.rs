//! PING and PONG, on a bidirectional stream of their own.

use crate::codec::body;
use crate::extension::Extensions;

body! {
    /// Asks for an answer; the answer repeats the nonce.
    pub struct Ping {
        /// Chosen by the asker.
        pub nonce: u64,
        /// Extensions.
        pub extensions: Extensions,
    }
}
