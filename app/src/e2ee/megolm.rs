//! Sender keys of groups: [`OutboundSession`] and [`InboundSession`] over vodozemac's Megolm.
//!
//! Whoever writes in a group has one outbound session and hands everybody who may read its key from
//! one index on. A key opens that item and all later ones of the session and none before. Unlike a
//! ratchet between two, a session decrypts a message as often as it is asked: which item a message
//! belongs to, and that it came once, is the log's to say.
//!
//! Tags are of 8 bytes as in the [module](super). That is enough here: each message also carries the
//! session's Ed25519 signature, and the item around it the author's.

use core::fmt;

use dchat_wire::group::SessionExport;
use dchat_wire::limits;
use vodozemac::megolm::{
    DecryptionError, ExportedSessionKey, GroupSession, GroupSessionPickle, InboundGroupSession,
    MegolmMessage, SessionConfig,
};
use zeroize::Zeroizing;

use super::olm::{read_state, session_id, write_state};
use super::{DecryptError, Secret, SessionId, StateError};

const CONFIG: fn() -> SessionConfig = SessionConfig::version_1;

/// The session an author encrypts with.
pub struct OutboundSession {
    id: SessionId,
    session: GroupSession,
}

impl OutboundSession {
    /// A new random session.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when the library names its sessions in a way that is not known here.
    pub fn generate() -> Result<Self, StateError> {
        Self::new(GroupSession::new(CONFIG()))
    }

    /// Reads what [`to_state`](Self::to_state) wrote.
    ///
    /// # Errors
    /// [`StateError`]: the session is lost, a new one replaces it.
    pub fn from_state(state: &[u8]) -> Result<Self, StateError> {
        let pickle: GroupSessionPickle = read_state(state)?;
        Self::new(GroupSession::from_pickle(pickle))
    }

    fn new(session: GroupSession) -> Result<Self, StateError> {
        let id = session_id(&session.session_id()).ok_or(StateError::Damaged)?;
        Ok(Self { id, session })
    }

    /// The state, to be kept encrypted and saved before what it encrypted is sent.
    ///
    /// # Errors
    /// [`StateError::TooLarge`].
    pub fn to_state(&self) -> Result<Secret, StateError> {
        write_state(&self.session.pickle())
    }

    /// Its name: the Ed25519 key that signs its messages.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// How many messages it encrypted.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.session.message_index()
    }

    /// Encrypts `plaintext` with the next key, which is gone then.
    #[must_use]
    pub fn encrypt(&mut self, plaintext: &[u8]) -> Vec<u8> {
        self.session.encrypt(plaintext).to_bytes()
    }

    /// What opens all later messages.
    #[must_use]
    pub fn reader(&self) -> InboundSession {
        let session = InboundGroupSession::new(&self.session.session_key(), CONFIG());
        InboundSession {
            id: self.id,
            session,
        }
    }
}

impl fmt::Debug for OutboundSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundSession")
            .field("id", &self.id)
            .field("index", &self.index())
            .finish_non_exhaustive()
    }
}

/// A session somebody reads with, from its first known index on.
pub struct InboundSession {
    id: SessionId,
    session: InboundGroupSession,
}

impl InboundSession {
    /// Takes an exported session, of whoever sent it and nobody else.
    ///
    /// # Errors
    /// [`DecryptError::Malformed`] for bytes that are none, [`DecryptError::BadKey`] for a key that
    /// cannot be one.
    pub fn import(export: &SessionExport) -> Result<Self, DecryptError> {
        use vodozemac::megolm::SessionKeyDecodeError as Fault;
        let key = ExportedSessionKey::from_bytes(export).map_err(|fault| match fault {
            Fault::PublicKey(_) => DecryptError::BadKey,
            _ => DecryptError::Malformed,
        })?;
        let session = InboundGroupSession::import(&key, CONFIG());
        let id = session_id(&session.session_id()).ok_or(DecryptError::Malformed)?;
        Ok(Self { id, session })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The first message it opens.
    #[must_use]
    pub fn first_index(&self) -> u32 {
        self.session.first_known_index()
    }

    /// What opens messages from `index` on; `None` when the session does not open that one itself.
    pub fn export_at(&mut self, index: u32) -> Option<Export> {
        let key = self.session.export_at(index)?;
        export(&key)
    }

    /// What opens all that this session does; also its state, to be kept encrypted.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when the library's format is not the one known here.
    pub fn export(&self) -> Result<Export, StateError> {
        export(&self.session.export_at_first_known_index()).ok_or(StateError::Damaged)
    }

    /// Whether `other` is the same session and opens earlier messages.
    #[must_use]
    pub fn is_bettered_by(&mut self, other: &mut Self) -> bool {
        other.first_index() < self.first_index() && self.session.connected(&mut other.session)
    }

    /// Decrypts a message, as often as asked; also returns its index.
    ///
    /// # Errors
    /// [`DecryptError`]; [`DecryptError::NoKey`] for a message before the first index.
    pub fn decrypt(&mut self, message: &[u8]) -> Result<(u32, Zeroizing<Vec<u8>>), DecryptError> {
        let message = parse(message)?;
        let opened = self
            .session
            .decrypt(&message)
            .map_err(|error| decrypt_error(&error))?;
        Ok((opened.message_index, Zeroizing::new(opened.plaintext)))
    }
}

impl fmt::Debug for InboundSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundSession")
            .field("id", &self.id)
            .field("first_index", &self.first_index())
            .finish_non_exhaustive()
    }
}

/// An exported session, wiped when it is dropped.
pub type Export = Zeroizing<SessionExport>;

fn export(key: &ExportedSessionKey) -> Option<Export> {
    let bytes = Zeroizing::new(key.to_bytes());
    let mut export = Zeroizing::new([0; size_of::<SessionExport>()]);
    if bytes.len() != export.len() {
        return None;
    }
    export.copy_from_slice(&bytes);
    Some(export)
}

/// The index of a message, without decrypting it.
///
/// # Errors
/// [`DecryptError`] for what is no message.
pub fn message_index(message: &[u8]) -> Result<u32, DecryptError> {
    parse(message).map(|message| message.message_index())
}

fn parse(message: &[u8]) -> Result<MegolmMessage, DecryptError> {
    let (len, limit) = (message.len(), limits::ENTRY_BODY);
    if len > limit {
        return Err(DecryptError::TooLarge { len, limit });
    }
    MegolmMessage::from_bytes(message).map_err(|_| DecryptError::Malformed)
}

fn decrypt_error(error: &DecryptionError) -> DecryptError {
    match error {
        DecryptionError::Signature(_) | DecryptionError::InvalidMAC(_) => {
            DecryptError::NotAuthentic
        }
        DecryptionError::InvalidMACLength(..) | DecryptionError::InvalidPadding(_) => {
            DecryptError::Malformed
        }
        DecryptionError::UnknownMessageIndex(..) => DecryptError::NoKey,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn pair() -> (OutboundSession, InboundSession) {
        let writer = OutboundSession::generate().unwrap();
        let reader = writer.reader();
        (writer, reader)
    }

    fn text(reader: &mut InboundSession, message: &[u8]) -> Result<(u32, Vec<u8>), DecryptError> {
        let (index, text) = reader.decrypt(message)?;
        Ok((index, text.to_vec()))
    }

    #[test]
    fn messages_open_in_any_order_and_again() {
        let (mut writer, mut reader) = pair();
        let messages: Vec<Vec<u8>> = (0..300_u32)
            .map(|number| writer.encrypt(&number.to_le_bytes()))
            .collect();
        for number in [299_u32, 0, 150, 3, 150, 298, 0] {
            let opened = text(&mut reader, &messages[number as usize]).unwrap();
            assert_eq!(opened, (number, number.to_le_bytes().to_vec()));
        }
        assert_eq!(message_index(&messages[7]), Ok(7));
    }

    #[test]
    fn a_newcomer_opens_from_its_index_on_and_nothing_before() {
        let (mut writer, mut reader) = pair();
        let before = writer.encrypt(b"before");
        let after = [writer.encrypt(b"one"), writer.encrypt(b"two")];
        let export = reader.export_at(1).unwrap();
        let mut late = InboundSession::import(&export).unwrap();
        assert_eq!((late.id(), late.first_index()), (writer.id(), 1));
        assert_eq!(text(&mut late, &before), Err(DecryptError::NoKey));
        assert_eq!(text(&mut late, &after[0]), Ok((1, b"one".to_vec())));
        assert_eq!(text(&mut late, &after[1]), Ok((2, b"two".to_vec())));
        assert!(late.export_at(0).is_none());
        let now = writer.reader();
        assert_eq!(now.first_index(), 3);
    }

    #[test]
    fn an_earlier_key_of_the_same_session_is_better_and_no_other_is() {
        let (mut writer, mut reader) = pair();
        let _ = writer.encrypt(b"first");
        let mut late = writer.reader();
        assert!(late.is_bettered_by(&mut reader));
        assert!(!reader.is_bettered_by(&mut late));
        let mut same = writer.reader();
        assert!(!late.is_bettered_by(&mut same));
        let (_, mut other) = pair();
        assert!(!late.is_bettered_by(&mut other));
        // Another ratchet under the name of the session.
        let mut forged = *reader.export().unwrap();
        forged[20] ^= 1;
        let mut forged = InboundSession::import(&forged).unwrap();
        assert_eq!(forged.id(), late.id());
        assert!(!late.is_bettered_by(&mut forged));
    }

    #[test]
    fn a_state_continues_where_it_was_saved() {
        let (mut writer, mut reader) = pair();
        assert_eq!(writer.index(), 0);
        let _ = writer.encrypt(b"one");
        let state = writer.to_state().unwrap();
        let mut again = OutboundSession::from_state(&state).unwrap();
        assert_eq!((again.id(), again.index()), (writer.id(), 1));
        let two = again.encrypt(b"two");
        assert_eq!(text(&mut reader, &two), Ok((1, b"two".to_vec())));
        let mut kept = InboundSession::import(&reader.export().unwrap()).unwrap();
        assert_eq!(text(&mut kept, &two), Ok((1, b"two".to_vec())));
        assert_eq!(
            OutboundSession::from_state(b"{}").err(),
            Some(StateError::Damaged)
        );
    }

    #[test]
    fn damaged_messages_and_keys_are_refused() {
        let (mut writer, mut reader) = pair();
        let message = writer.encrypt(b"whole");
        for at in 0..message.len() {
            let mut damaged = message.clone();
            damaged[at] ^= 1;
            assert!(text(&mut reader, &damaged).is_err(), "byte {at}");
        }
        assert!(text(&mut reader, &[]).is_err());
        let limit = limits::ENTRY_BODY;
        let refused = text(&mut reader, &vec![0; limit]);
        assert_eq!(refused, Err(DecryptError::Malformed));
        let len = limit + 1;
        let refused = text(&mut reader, &vec![0; len]);
        assert_eq!(refused, Err(DecryptError::TooLarge { len, limit }));
        assert_eq!(
            InboundSession::import(&[0; 165]).err(),
            Some(DecryptError::Malformed)
        );
        // No point of the curve has this y.
        let mut export = *reader.export().unwrap();
        export[133..].fill(0);
        export[133] = 2;
        assert_eq!(
            InboundSession::import(&export).err(),
            Some(DecryptError::BadKey)
        );
        let (_, other) = pair();
        let mut other = InboundSession::import(&other.export().unwrap()).unwrap();
        assert_eq!(text(&mut other, &message), Err(DecryptError::NotAuthentic));
    }

    #[test]
    fn debug_shows_no_keys() {
        let (writer, reader) = pair();
        let export = reader.export().unwrap();
        let shown = format!("{writer:?} {reader:?}");
        assert!(shown.len() < 140, "{shown}");
        let ratchet = format!("{:02x}{:02x}{:02x}", export[5], export[6], export[7]);
        assert!(!shown.contains(&ratchet));
    }
}
