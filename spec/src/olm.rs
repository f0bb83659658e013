//! The Olm profile of `40-messaging` §3, as far as the vectors need it: the initiator's side of a
//! session, with every secret given.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use sha2::{Digest as _, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

/// HMAC with SHA-256 (RFC 2104), for keys of at most one block.
#[must_use]
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message);
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner.finalize());
    outer.finalize().into()
}

/// HKDF with SHA-256 (RFC 5869).
#[must_use]
pub fn hkdf(salt: &[u8], secret: &[u8], info: &[u8], len: usize) -> Vec<u8> {
    let key = hmac(salt, secret);
    let mut output = Vec::new();
    let mut block = Vec::new();
    for index in 1..=len.div_ceil(32) {
        block = hmac(&key, &[&block, info, &[index as u8]].concat()).to_vec();
        output.extend_from_slice(&block);
    }
    output.truncate(len);
    output
}

/// X25519 (RFC 7748).
#[must_use]
pub fn dh(secret: &[u8; 32], public: &[u8; 32]) -> [u8; 32] {
    let secret = StaticSecret::from(*secret);
    secret.diffie_hellman(&PublicKey::from(*public)).to_bytes()
}

/// The public key of an X25519 secret.
#[must_use]
pub fn public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// A root key and the chain key that comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// `R`.
    pub root: [u8; 32],
    /// `C`.
    pub chain: [u8; 32],
}

impl Step {
    fn from_bytes(bytes: &[u8]) -> Self {
        let (mut root, mut chain) = ([0; 32], [0; 32]);
        root.copy_from_slice(&bytes[..32]);
        chain.copy_from_slice(&bytes[32..64]);
        Self { root, chain }
    }

    /// The first step, from the shared secret.
    #[must_use]
    pub fn first(shared: &[u8]) -> Self {
        Self::from_bytes(&hkdf(&[0], shared, b"OLM_ROOT", 64))
    }

    /// The step to the other direction.
    #[must_use]
    pub fn reply(&self, secret: &[u8; 32], public: &[u8; 32]) -> Self {
        Self::from_bytes(&hkdf(&self.root, &dh(secret, public), b"OLM_RATCHET", 64))
    }
}

/// The keys of one message: AES key, MAC key, IV, in 80 bytes.
#[must_use]
pub fn cipher_keys(message_key: &[u8; 32]) -> Vec<u8> {
    hkdf(&[0], message_key, b"OLM_KEYS", 80)
}

/// The message key at the head of a chain.
#[must_use]
pub fn message_key(chain: &[u8; 32]) -> [u8; 32] {
    hmac(chain, &[1])
}

/// The chain key after `chain`.
#[must_use]
pub fn next_chain(chain: &[u8; 32]) -> [u8; 32] {
    hmac(chain, &[2])
}

/// AES-256-CBC with PKCS #7.
pub(crate) fn encrypt(key: &[u8], iv: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut key_bytes = [0; 32];
    key_bytes.copy_from_slice(key);
    let cipher = Aes256::new(&key_bytes.into());
    let missing = 16 - plaintext.len() % 16;
    let mut padded = plaintext.to_vec();
    padded.resize(plaintext.len() + missing, missing as u8);
    let mut last = [0; 16];
    last.copy_from_slice(iv);
    let mut ciphertext = Vec::with_capacity(padded.len());
    for block in padded.chunks(16) {
        for (byte, plain) in last.iter_mut().zip(block) {
            *byte ^= plain;
        }
        let mut array = last.into();
        cipher.encrypt_block(&mut array);
        last = array.into();
        ciphertext.extend_from_slice(&last);
    }
    ciphertext
}

/// An integer of Protocol Buffers.
pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field of Protocol Buffers with a length.
#[must_use]
pub fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], varint(content.len() as u64).as_slice(), content].concat()
}

/// An Olm message: `plaintext` under the key of `chain`, which is the one of `index`.
#[must_use]
pub fn message(chain: &[u8; 32], index: u64, ratchet: &[u8; 32], plaintext: &[u8]) -> Vec<u8> {
    let keys = cipher_keys(&message_key(chain));
    let ciphertext = encrypt(&keys[..32], &keys[64..], plaintext);
    let mut bytes = vec![3];
    bytes.extend(field(0x0a, ratchet));
    bytes.push(0x10);
    bytes.extend(varint(index));
    bytes.extend(field(0x22, &ciphertext));
    let mac = hmac(&keys[32..64], &bytes);
    bytes.extend_from_slice(&mac[..8]);
    bytes
}

/// An Olm pre-key message around a message.
#[must_use]
pub fn pre_key(
    fallback: &[u8; 32],
    base: &[u8; 32],
    identity: &[u8; 32],
    message: &[u8],
) -> Vec<u8> {
    [
        vec![3],
        field(0x0a, fallback),
        field(0x12, base),
        field(0x1a, identity),
        field(0x22, message),
    ]
    .concat()
}

/// The secrets of the initiator, and the public keys of the other side.
#[derive(Clone, Debug)]
pub struct Initiator {
    /// Secret of `IA`.
    pub identity: [u8; 32],
    /// Secret of `EA`.
    pub base: [u8; 32],
    /// Secret of `TA`.
    pub ratchet: [u8; 32],
    /// `IB`.
    pub their_identity: [u8; 32],
    /// `EB`.
    pub their_fallback: [u8; 32],
}

impl Initiator {
    /// `S`.
    #[must_use]
    pub fn shared(&self) -> Vec<u8> {
        [
            dh(&self.identity, &self.their_fallback),
            dh(&self.base, &self.their_identity),
            dh(&self.base, &self.their_fallback),
        ]
        .concat()
    }

    /// The session id.
    #[must_use]
    pub fn session_id(&self) -> [u8; 32] {
        Sha256::new()
            .chain_update(public(&self.identity))
            .chain_update(public(&self.base))
            .chain_update(self.their_fallback)
            .finalize()
            .into()
    }

    /// The pre-key message with `index` in the first chain.
    #[must_use]
    pub fn opening(&self, index: u64, plaintext: &[u8]) -> Vec<u8> {
        let first = Step::first(&self.shared()).chain;
        let chain = (0..index).fold(first, |chain, _| next_chain(&chain));
        let inner = message(&chain, index, &public(&self.ratchet), plaintext);
        let (base, identity) = (public(&self.base), public(&self.identity));
        pre_key(&self.their_fallback, &base, &identity, &inner)
    }
}
