//! The keys of this device, and the record that publishes them.

use core::fmt;

use dchat_wire::codec;
use dchat_wire::extension::Extensions;
use dchat_wire::record::{CLOCK_SKEW, DeviceRecord, SignedRecord, Verified};
use dchat_wire::sign::Identity;
use serde::{Deserialize, Serialize};
use vodozemac::Curve25519PublicKey;
use vodozemac::olm::{Account, AccountPickle, SessionCreationError};
use zeroize::Zeroizing;

use super::olm::{CONFIG, decrypt_error, parse_opening, read_state, session_id, write_state};
use super::{
    AcceptError, DecryptError, OlmSession, OpenSessionError, Secret, SessionId, StateError,
};

const DAY: u64 = 24 * 60 * 60 * 1000;
/// How long a fallback key is published, in milliseconds: 7 days (DESIGN §8). It opens sessions for
/// 7 more.
pub const FALLBACK_LIFETIME: u64 = 7 * DAY;
/// How long a device record is valid, in milliseconds: the 30 days that its kind allows.
pub const RECORD_LIFETIME: u64 = 30 * DAY;

/// The long-lived keys of this device, the current and previous fallback key, and the record in
/// which the identity signs them.
///
/// State: an Olm account without one-time keys (nobody could hand them out exactly once), so
/// making sessions changes nothing here and only [`refresh`](Self::refresh) does.
pub struct Device {
    account: Account,
    fallback_key: [u8; 32],
    rotated_at: u64,
    record: Option<Issued>,
}

struct Issued {
    sequence: u64,
    issued_at: u64,
    signed: SignedRecord,
}

#[derive(Serialize, Deserialize)]
struct State {
    account: AccountPickle,
    fallback_key: [u8; 32],
    rotated_at: u64,
    record: Option<IssuedState>,
}

#[derive(Serialize, Deserialize)]
struct IssuedState {
    sequence: u64,
    issued_at: u64,
    signed: Vec<u8>,
}

impl Device {
    /// New random keys. Save them before [`record`](Self::record) is shown to anybody.
    #[must_use]
    pub fn generate(identity: &Identity, now: u64) -> Self {
        let mut device = Self {
            account: Account::new(),
            fallback_key: [0; 32],
            rotated_at: 0,
            record: None,
        };
        device.rotate(now);
        device.refresh(identity, now);
        device
    }

    /// Reads what [`to_state`](Self::to_state) wrote.
    ///
    /// # Errors
    /// [`StateError`]: the keys are lost. A new device replaces them, and sessions begin anew.
    pub fn from_state(state: &[u8]) -> Result<Self, StateError> {
        let state: State = read_state(state)?;
        let record = match state.record {
            None => None,
            Some(issued) => Some(Issued {
                sequence: issued.sequence,
                issued_at: issued.issued_at,
                signed: codec::decode(&issued.signed).map_err(|_| StateError::Damaged)?,
            }),
        };
        Ok(Self {
            account: Account::from_pickle(state.account),
            fallback_key: state.fallback_key,
            rotated_at: state.rotated_at,
            record,
        })
    }

    /// The state, to be kept encrypted.
    ///
    /// # Errors
    /// [`StateError::TooLarge`].
    pub fn to_state(&self) -> Result<Secret, StateError> {
        write_state(&State {
            account: self.account.pickle(),
            fallback_key: self.fallback_key,
            rotated_at: self.rotated_at,
            record: self.record.as_ref().map(|issued| IssuedState {
                sequence: issued.sequence,
                issued_at: issued.issued_at,
                signed: codec::encode(&issued.signed),
            }),
        })
    }

    /// Rotates the fallback key when it is [`FALLBACK_LIFETIME`] old, and issues a new record when
    /// the key changed or the clock went back behind it. Returns whether the state changed and must
    /// be saved. Call it at start, when a chat opens, and at [`refresh_at`](Self::refresh_at).
    pub fn refresh(&mut self, identity: &Identity, now: u64) -> bool {
        let latest = now.saturating_add(CLOCK_SKEW);
        let clock_went_back = self.rotated_at > latest;
        let is_old = now.saturating_sub(self.rotated_at) >= FALLBACK_LIFETIME;
        let rotates = is_old || clock_went_back;
        if rotates {
            self.rotate(now);
        }
        let issued = self.record.as_ref();
        if !rotates && issued.is_some_and(|issued| issued.issued_at <= latest) {
            return false;
        }
        let sequence = issued.map_or(now, |issued| now.max(issued.sequence.saturating_add(1)));
        let signed = SignedRecord::issue(identity, sequence, now, RECORD_LIFETIME, &self.payload());
        self.record = Some(Issued {
            sequence,
            issued_at: now,
            signed,
        });
        true
    }

    /// When [`refresh`](Self::refresh) is next due, in milliseconds since 1970: at the next rotation,
    /// with which a record is renewed long before it expires.
    #[must_use]
    pub fn refresh_at(&self) -> u64 {
        self.rotated_at.saturating_add(FALLBACK_LIFETIME)
    }

    /// The record to publish; `None` until [`refresh`](Self::refresh) issued the first.
    #[must_use]
    pub fn record(&self) -> Option<&SignedRecord> {
        self.record.as_ref().map(|issued| &issued.signed)
    }

    /// The public keys.
    #[must_use]
    pub fn payload(&self) -> DeviceRecord {
        DeviceRecord {
            identity_key: self.account.curve25519_key().to_bytes(),
            signing_key: *self.account.ed25519_key().as_bytes(),
            fallback_key: self.fallback_key,
            extensions: Extensions::default(),
        }
    }

    /// A new session towards the device of `record`, which must have been verified.
    ///
    /// # Errors
    /// [`OpenSessionError`].
    pub fn open_session(
        &self,
        record: &Verified<DeviceRecord>,
    ) -> Result<OlmSession, OpenSessionError> {
        let peer = &record.payload;
        self.account
            .create_outbound_session(
                CONFIG(),
                Curve25519PublicKey::from_bytes(peer.identity_key),
                Curve25519PublicKey::from_bytes(peer.fallback_key),
            )
            .map_err(|_| OpenSessionError::BadKey)
            .and_then(|session| OlmSession::new(session).map_err(|_| OpenSessionError::BadKey))
    }

    /// Makes the session that `message` opens, from the device of `record`, and decrypts it.
    /// Accepting the same message twice makes the same session twice: the caller looks for a
    /// session with this id first.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub fn accept_session(
        &mut self,
        record: &Verified<DeviceRecord>,
        message: &[u8],
    ) -> Result<(OlmSession, Zeroizing<Vec<u8>>), AcceptError> {
        let opening = parse_opening(message)?;
        let identity_key = Curve25519PublicKey::from_bytes(record.payload.identity_key);
        let created = self
            .account
            .create_inbound_session(CONFIG(), identity_key, &opening)
            .map_err(|error| accept_error(&error))?;
        let plaintext = Zeroizing::new(created.plaintext);
        let session = OlmSession::new(created.session).map_err(|_| DecryptError::Malformed)?;
        Ok((session, plaintext))
    }

    fn rotate(&mut self, now: u64) {
        self.account.generate_fallback_key();
        if let Some(key) = self.account.fallback_key().into_values().next() {
            self.fallback_key = key.to_bytes();
        }
        self.account.mark_keys_as_published();
        self.rotated_at = now;
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("rotated_at", &self.rotated_at)
            .finish_non_exhaustive()
    }
}

/// The session that an opening message is for, without decrypting it.
///
/// # Errors
/// [`DecryptError`] when it is no opening message.
pub(crate) fn opened_session(message: &[u8]) -> Result<SessionId, DecryptError> {
    let opening = parse_opening(message)?;
    session_id(&opening.session_id()).ok_or(DecryptError::Malformed)
}

fn accept_error(error: &SessionCreationError) -> AcceptError {
    match error {
        SessionCreationError::MissingOneTimeKey(_) => AcceptError::UnknownFallback,
        SessionCreationError::MismatchedIdentityKey(..) => AcceptError::ForeignDevice,
        SessionCreationError::MismatchedSessionConfig { .. } => DecryptError::Malformed.into(),
        SessionCreationError::Decryption(error) => decrypt_error(error).into(),
        SessionCreationError::NonContributoryKey => DecryptError::BadKey.into(),
    }
}
