//! Write tokens: who puts a record has asked for the key before, from the address it says it has.
//!
//! State: a secret, for as long as the node runs. A token is 16 bytes of a keyed BLAKE3 over the
//! asker, its subnet, the key and the number of the current period; it holds until the end of the
//! next period, so for five to ten minutes. A node that answers stores nothing for it, and no
//! token made elsewhere, for another asker, subnet or key, or too long ago is taken (the idea is
//! BitTorrent's, BEP 5).

use dchat_wire::defect::{self, Defect};

use crate::contact::Subnet;
use crate::key::Key;
use crate::time::Time;

/// Milliseconds of a period.
pub const PERIOD: u64 = 5 * 60 * 1000;

/// Gives out tokens and knows them again.
#[derive(Clone)]
pub struct Tokens {
    secret: [u8; 32],
}

/// Who asks, as tokens and quotas see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Its public key, proven by the connection.
    pub id: [u8; 32],
    /// The subnet the connection comes from.
    pub subnet: Subnet,
}

impl Tokens {
    /// Starts with a `secret` that is used for nothing else.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The token with which `writer` may put a record under `key`.
    #[must_use]
    pub fn issue(&self, writer: &Writer, key: &Key, now: Time) -> [u8; 16] {
        self.of(writer, key, now.0 / PERIOD)
    }

    /// Whether `token` is one for `writer` and `key`, of this period or the one before.
    #[must_use]
    pub fn check(&self, token: &[u8; 16], writer: &Writer, key: &Key, now: Time) -> bool {
        let period = now.0 / PERIOD;
        defect::is(Defect::StoresWithoutToken)
            || equal(token, &self.of(writer, key, period))
            || period
                .checked_sub(1)
                .is_some_and(|before| equal(token, &self.of(writer, key, before)))
    }

    fn of(&self, writer: &Writer, key: &Key, period: u64) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&period.to_le_bytes());
        hasher.update(&writer.subnet.to_bytes());
        hasher.update(&writer.id);
        hasher.update(&key.0);
        let mut token = [0; 16];
        token.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        token
    }
}

/// Compares as numbers, in a time that does not depend on where the two differ.
fn equal(one: &[u8; 16], other: &[u8; 16]) -> bool {
    u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other) == 0
}

impl core::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Tokens")
    }
}
