//! One wrapping of the database key.

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Culprit, DatabaseKey, Entropy, KeyId, Passphrase, VaultError,
    file::{Base64, hex_id},
    key::random,
};

/// Names the construction in the associated data, so that no other use of a KEK fits.
const WRAP_CONTEXT: &[u8] = b"dchat vault slot v1";

/// What Argon2id (version 0x13) may cost; stored in the slot it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes; they run one after the other here.
    pub lanes: u32,
}

impl Cost {
    /// For new slots: 64 MiB and 3 passes, RFC 9106's second recommendation, in one lane since
    /// we do not run them side by side. About 0.2 s on a laptop.
    pub const DEFAULT: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };
    /// Weakest that is believed: OWASP's minimum (19 MiB, 2 passes).
    pub const FLOOR: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    /// Dearest that is run: seconds and 512 MiB, so that a foreign file cannot eat the machine.
    pub const CEILING: Self = Self {
        memory_kib: 512 * 1024,
        passes: 16,
        lanes: 8,
    };

    fn is_sane(self) -> bool {
        let within =
            |value, of: fn(Self) -> u32| (of(Self::FLOOR)..=of(Self::CEILING)).contains(&value);
        within(self.memory_kib, |cost| cost.memory_kib)
            && within(self.passes, |cost| cost.passes)
            && within(self.lanes, |cost| cost.lanes)
    }
}

/// Where the KEK of a slot comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Source {
    /// The file `key`.
    KeyFile {},
    /// A passphrase, through Argon2id.
    Passphrase { salt: Base64<16>, cost: Cost },
}

/// A slot as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slot {
    #[serde(with = "hex_id")]
    id: [u8; 16],
    pub(super) source: Source,
    nonce: Base64<24>,
    /// 32 bytes of key and a 16-byte tag.
    wrapped: Base64<48>,
}

/// A key-encryption key, 32 bytes.
pub(super) type Kek = Zeroizing<[u8; 32]>;

impl Slot {
    /// Wraps `key` under `kek`.
    pub(super) fn seal(
        key: &DatabaseKey,
        kek: &Kek,
        source: Source,
        entropy: Entropy<'_>,
    ) -> Result<Self, VaultError> {
        let mut slot = Self {
            id: *random(&mut *entropy)?,
            source,
            nonce: Base64(*random(entropy)?),
            wrapped: Base64([0; 48]),
        };
        let sealed = cipher(kek)
            .encrypt(
                &XNonce::from(slot.nonce.0),
                Payload {
                    msg: key.as_bytes(),
                    aad: &slot.associated_data(&key.id()),
                },
            )
            .map_err(|_| VaultError::Wrapping)?;
        slot.wrapped = Base64(sealed.try_into().map_err(|_| VaultError::Wrapping)?);
        Ok(slot)
    }

    /// Unwraps the key called `key_id`; `None` when `kek` (or the slot) is not the right one.
    pub(super) fn open(&self, kek: &Kek, key_id: &KeyId) -> Option<DatabaseKey> {
        let opened = cipher(kek)
            .decrypt(
                &XNonce::from(self.nonce.0),
                Payload {
                    msg: &self.wrapped.0,
                    aad: &self.associated_data(key_id),
                },
            )
            .ok()
            .map(Zeroizing::new)?;
        let mut key = Zeroizing::new([0; 32]);
        if opened.len() != key.len() {
            return None;
        }
        key.copy_from_slice(&opened);
        Some(DatabaseKey::from_bytes(key))
    }

    /// Refuses what no dchat writes and what would be too dear to try.
    pub(super) fn check(&self) -> Result<(), Culprit> {
        match self.source {
            Source::Passphrase { cost, .. } if !cost.is_sane() => Err(Culprit::Cost(cost)),
            Source::Passphrase { .. } | Source::KeyFile {} => Ok(()),
        }
    }

    /// Everything of the slot but nonce and ciphertext, each part of fixed length for its kind.
    fn associated_data(&self, key_id: &KeyId) -> Vec<u8> {
        let mut data = WRAP_CONTEXT.to_vec();
        data.extend_from_slice(key_id);
        data.extend_from_slice(&self.id);
        match &self.source {
            Source::KeyFile {} => data.push(0),
            Source::Passphrase { salt, cost } => {
                data.push(1);
                data.extend_from_slice(&salt.0);
                for parameter in [cost.memory_kib, cost.passes, cost.lanes] {
                    data.extend_from_slice(&parameter.to_le_bytes());
                }
            }
        }
        data
    }
}

fn cipher(kek: &Kek) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(**kek))
}

/// Argon2id of a passphrase.
pub(super) fn derive(
    passphrase: &Passphrase,
    salt: &[u8; 16],
    cost: Cost,
) -> Result<Kek, VaultError> {
    let run = || {
        let params = argon2::Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))?;
        let mut memory = vec![argon2::Block::default(); params.block_count()];
        let mut kek = Kek::default();
        let argon2 =
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let result = argon2.hash_password_into_with_memory(
            passphrase.as_bytes(),
            salt,
            kek.as_mut_slice(),
            &mut memory,
        );
        memory.zeroize();
        result.map(|()| kek)
    };
    run().map_err(VaultError::Derivation)
}
