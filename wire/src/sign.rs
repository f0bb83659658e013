//! One way to sign, and one to verify.
//!
//! A signature covers a context and a message, each preceded by its length, so that no signature
//! made for one purpose verifies for another (spec `20-identity` §3).

use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use zeroize::Zeroizing;

use crate::defect::{self, Defect};
use crate::id::PeerId;

/// What a signature is for. The registry of spec `registry` §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A [`record`](crate::record).
    Record,
    /// An item of a [room](crate::gossip).
    Item,
    /// An operation on a [group's](crate::group) membership.
    Membership,
    /// That a key signs for a person in a [room](crate::room).
    RoomAuthor,
    /// That a key made for a group is a member's.
    Seat,
}

impl Purpose {
    /// All of them, for the registry and its tests.
    pub const ALL: &'static [Self] = &[
        Self::Record,
        Self::Item,
        Self::Membership,
        Self::RoomAuthor,
        Self::Seat,
    ];

    /// The context string, 1 to 255 bytes of ASCII.
    #[must_use]
    pub fn context(self) -> &'static str {
        match self {
            Self::Record => "dchat/1 record",
            Self::Item => "dchat/1 item",
            Self::Membership => "dchat/1 membership",
            Self::RoomAuthor => "dchat/1 room author",
            Self::Seat => "dchat/1 seat",
        }
    }
}

/// A signature that does not verify: forged, for another purpose, or over other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not the peer's over these bytes")]
pub struct BadSignature;

/// The canonical encodings of the eight points whose order divides the cofactor (RFC 8032 §5.1).
const SMALL_ORDER: [[u8; 32]; 8] = [
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x80,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x85,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0xfa,
    ],
];

/// A node's secret key.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
    peer: PeerId,
}

impl Identity {
    /// Makes the identity whose Ed25519 seed is `seed`.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        #[expect(
            clippy::expect_used,
            reason = "a derived key is a multiple of the base point: canonical and of large order"
        )]
        let peer = PeerId::from_public_key(key.verifying_key().to_bytes())
            .expect("a derived public key is valid");
        Self { key, peer }
    }

    /// The public half.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// The seed, to be stored encrypted.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// Signs `message` for `purpose`.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> [u8; 64] {
        self.key.sign(&signed_bytes(purpose, message)).to_bytes()
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Identity({:?})", self.peer)
    }
}

/// Checks that `signature` is `peer`'s over `message` for `purpose`, strictly (RFC 8032 with
/// canonical encodings and no small-order points).
///
/// # Errors
/// [`BadSignature`]: the bytes are not the peer's; drop them.
pub fn verify(
    peer: &PeerId,
    purpose: Purpose,
    message: &[u8],
    signature: &[u8; 64],
) -> Result<(), BadSignature> {
    Verifier::new(peer).verify(purpose, message, signature)
}

/// A peer's key made ready to check signatures with, which is a fifth of checking one: 200 bytes to be
/// kept for a peer that signs often.
#[derive(Clone, Debug)]
pub struct Verifier(Option<VerifyingKey>);

impl Verifier {
    /// The key of `peer`.
    #[must_use]
    pub fn new(peer: &PeerId) -> Self {
        // A PeerId is a canonical point of large order, so there always is one.
        Self(VerifyingKey::from_bytes(peer.public_key()).ok())
    }

    /// As [`verify`].
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(
        &self,
        purpose: Purpose,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), BadSignature> {
        if defect::is(Defect::AcceptsAnySignature) {
            return Ok(());
        }
        let key = self.0.as_ref().ok_or(BadSignature)?;
        // The first half is compared, as bytes, with the canonical encoding of a point computed from
        // the rest, so it is itself canonical if it passes, and of small order only as one of these.
        let [first, _] = signature.as_chunks::<32>().0 else {
            return Err(BadSignature);
        };
        if SMALL_ORDER.contains(first) && !defect::is(Defect::VerifiesLoosely) {
            return Err(BadSignature);
        }
        key.verify(
            &signed_bytes(purpose, message),
            &Signature::from_bytes(signature),
        )
        .map_err(|_| BadSignature)
    }
}

/// `u8` context length, context, `u64` message length, message.
#[must_use]
pub fn signed_bytes(purpose: Purpose, message: &[u8]) -> Vec<u8> {
    let purpose = if defect::is(Defect::SignsWithoutPurpose) {
        Purpose::Record
    } else {
        purpose
    };
    let context = purpose.context().as_bytes();
    let mut bytes = Vec::with_capacity(1 + context.len() + 8 + message.len());
    bytes.push(context.len() as u8);
    bytes.extend_from_slice(context);
    bytes.extend_from_slice(&(message.len() as u64).to_le_bytes());
    bytes.extend_from_slice(message);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_points_of_small_order_are_all_eight_and_canonical() {
        let mut points = SMALL_ORDER.to_vec();
        points.sort_unstable();
        points.dedup();
        assert_eq!(points.len(), 8);
        for bytes in SMALL_ORDER {
            let point = VerifyingKey::from_bytes(&bytes).unwrap();
            assert!(point.is_weak());
            assert_eq!(point.to_edwards().compress().to_bytes(), bytes);
        }
    }

    #[test]
    fn the_debug_text_of_an_identity_is_its_public_half() {
        let identity = Identity::from_seed(&[7; 32]);
        let shown = format!("Identity({})", identity.peer_id().short());
        assert_eq!(format!("{identity:?}"), shown);
    }

    #[test]
    fn what_dalek_takes_strictly_is_taken_and_nothing_else() {
        let identity = Identity::from_seed(&[7; 32]);
        let verifier = Verifier::new(&identity.peer_id());
        let key = VerifyingKey::from_bytes(identity.peer_id().public_key()).unwrap();
        let good = identity.sign(Purpose::Item, b"hello");
        let signed = signed_bytes(Purpose::Item, b"hello");
        let agree = |bytes: [u8; 64]| {
            let ours = verifier.verify(Purpose::Item, b"hello", &bytes).is_ok();
            let strict = key.verify_strict(&signed, &Signature::from_bytes(&bytes));
            assert_eq!(ours, strict.is_ok());
            ours
        };
        assert!(agree(good));
        for bit in 0..512 {
            let mut other = good;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!agree(other), "bit {bit}");
        }
        for small in SMALL_ORDER {
            let mut other = good;
            other[..32].copy_from_slice(&small);
            assert!(!agree(other));
        }
    }
}
