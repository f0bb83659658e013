//! The seam: what a conversation needs of a ratchet session, whoever implements it.

use core::fmt;

use dchat_wire::chat::Stage;
use zeroize::Zeroizing;

use super::{DecryptError, EncryptError, Secret, StateError};

/// Name of a session: SHA-256 over the keys that opened it, equal on both sides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 32]);

impl fmt::Debug for SessionId {
    /// The first four bytes: enough to tell sessions apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "SessionId({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// A ratchet message and its kind.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Whether it also opens the session.
    pub stage: Stage,
    /// At most [`limits::RATCHET_MESSAGE`](dchat_wire::limits::RATCHET_MESSAGE) bytes for a
    /// plaintext of at most [`limits::PARCEL`](dchat_wire::limits::PARCEL).
    pub message: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({:?}, {} bytes)", self.stage, self.message.len())
    }
}

/// One ratchet session between two devices.
///
/// State: the ratchet, in memory. It is written with [`to_state`](Self::to_state) once a
/// transaction, after all that the transaction encrypted and decrypted. A crash between the commit
/// and the sending skips keys, which the other side bridges; a state older than what was sent
/// would use keys twice, and must not come back.
pub trait PairwiseSession: fmt::Debug + Send {
    /// Its name.
    fn id(&self) -> SessionId;

    /// Encrypts `plaintext` with the next key, which is gone then.
    ///
    /// # Errors
    /// [`EncryptError`].
    fn encrypt(&mut self, plaintext: &[u8]) -> Result<Sealed, EncryptError>;

    /// Decrypts a message, whose key is gone then. Messages may come in any order within the
    /// bounds of the [module](super).
    ///
    /// # Errors
    /// [`DecryptError`].
    fn decrypt(&mut self, stage: Stage, message: &[u8])
    -> Result<Zeroizing<Vec<u8>>, DecryptError>;

    /// The state, to be kept encrypted.
    ///
    /// # Errors
    /// [`StateError::TooLarge`].
    fn to_state(&self) -> Result<Secret, StateError>;
}
