//! The key is the identity: TLS 1.3 in which both sides prove the Ed25519 key that is their name.
//!
//! Each side presents exactly one self-signed certificate over its node key. Of a peer's certificate
//! only the key counts: names, validity and the signature on it are ignored, and CertificateVerify
//! proves the possession of the key. Key exchange is X25519MLKEM768 or X25519. There is no SNI, no
//! resumption, no ticket and no 0-RTT, so nothing outside the handshake links two connections (spec
//! `30-transport` §2).
//!
//! * State: none between handshakes but the own certificate and key.
//! * Inputs: a peer's certificates and the handshake's signature. Output: a
//!   [`PeerId`](dchat_wire::PeerId), or an [`IdentityError`] that names what was wrong.
//! * Bounds: rustls limits the handshake messages to 64 KiB; nothing is kept of a failed one.

mod certificate;
mod config;
mod verifier;

pub use config::{ALPN, Tls, TlsError};
pub use verifier::{IdentityError, peer_of};

pub(crate) use config::{Failure, proven_peer};
