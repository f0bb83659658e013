//! [`PairwiseSession`] over vodozemac's Olm.

use core::fmt;
use std::io;

use dchat_wire::chat::Stage;
use dchat_wire::limits;
use serde::{Serialize, de::DeserializeOwned};
use vodozemac::olm::{
    DecryptionError, Message, OlmMessage, PreKeyMessage, Session, SessionConfig, SessionPickle,
};
use zeroize::Zeroizing;

use super::{
    DecryptError, EncryptError, MAX_STATE, PairwiseSession, Sealed, Secret, SessionId, StateError,
};

/// Tags of 8 bytes; see the [module](super).
pub(super) const CONFIG: fn() -> SessionConfig = SessionConfig::version_1;

/// A vodozemac session and its id.
pub struct OlmSession {
    id: SessionId,
    session: Session,
}

impl OlmSession {
    pub(super) fn new(session: Session) -> Result<Self, StateError> {
        let id = session_id(&session.session_id()).ok_or(StateError::Damaged)?;
        Ok(Self { id, session })
    }

    /// Reads what [`PairwiseSession::to_state`] wrote.
    ///
    /// # Errors
    /// [`StateError`]: the session is lost, a new one replaces it.
    pub fn from_state(state: &[u8]) -> Result<Self, StateError> {
        let pickle: SessionPickle = read_state(state)?;
        Self::new(Session::from_pickle(pickle))
    }
}

impl fmt::Debug for OlmSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OlmSession")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl PairwiseSession for OlmSession {
    fn id(&self) -> SessionId {
        self.id
    }

    fn encrypt(&mut self, plaintext: &[u8]) -> Result<Sealed, EncryptError> {
        let message = self
            .session
            .encrypt(plaintext)
            .map_err(|_| EncryptError::BadKey)?;
        Ok(match message {
            OlmMessage::Normal(message) => Sealed {
                stage: Stage::Established,
                message: message.to_bytes(),
            },
            OlmMessage::PreKey(message) => Sealed {
                stage: Stage::Opening,
                message: message.to_bytes(),
            },
        })
    }

    fn decrypt(
        &mut self,
        stage: Stage,
        message: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let message = match stage {
            Stage::Opening => OlmMessage::PreKey(parse_opening(message)?),
            Stage::Established => {
                check_length(message)?;
                Message::from_bytes(message)
                    .map(OlmMessage::Normal)
                    .map_err(|_| DecryptError::Malformed)?
            }
        };
        self.session
            .decrypt(&message)
            .map(Zeroizing::new)
            .map_err(|error| decrypt_error(&error))
    }

    fn to_state(&self) -> Result<Secret, StateError> {
        write_state(&self.session.pickle())
    }
}

pub(super) fn parse_opening(message: &[u8]) -> Result<PreKeyMessage, DecryptError> {
    check_length(message)?;
    PreKeyMessage::from_bytes(message).map_err(|_| DecryptError::Malformed)
}

/// The id that vodozemac writes in base64 of 32 bytes.
pub(super) fn session_id(text: &str) -> Option<SessionId> {
    let bytes = vodozemac::base64_decode(text).ok()?;
    bytes.try_into().ok().map(SessionId)
}

pub(super) fn decrypt_error(error: &DecryptionError) -> DecryptError {
    match error {
        DecryptionError::InvalidMAC(_) => DecryptError::NotAuthentic,
        DecryptionError::InvalidMACLength(..) | DecryptionError::InvalidPadding(_) => {
            DecryptError::Malformed
        }
        DecryptionError::NonContributoryKey => DecryptError::BadKey,
        DecryptionError::MissingMessageKey(_) | DecryptionError::TooBigMessageGap(..) => {
            DecryptError::NoKey
        }
    }
}

fn check_length(message: &[u8]) -> Result<(), DecryptError> {
    let (len, limit) = (message.len(), limits::RATCHET_MESSAGE);
    if len > limit {
        return Err(DecryptError::TooLarge { len, limit });
    }
    Ok(())
}

/// JSON: vodozemac's states are tagged and have defaults, which only a self-describing format keeps
/// readable over its versions.
pub(super) fn write_state(state: &impl Serialize) -> Result<Secret, StateError> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, state).map_err(|_| StateError::Damaged)?;
    let Length(len) = length;
    if len > MAX_STATE {
        let limit = MAX_STATE;
        return Err(StateError::TooLarge { len, limit });
    }
    // A buffer that had to grow would leave its old block unwiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    serde_json::to_writer(&mut *bytes, state).map_err(|_| StateError::Damaged)?;
    Ok(bytes.into())
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn read_state<T: DeserializeOwned>(state: &[u8]) -> Result<T, StateError> {
    let (len, limit) = (state.len(), MAX_STATE);
    if len > limit {
        return Err(StateError::TooLarge { len, limit });
    }
    serde_json::from_slice(state).map_err(|_| StateError::Damaged)
}
