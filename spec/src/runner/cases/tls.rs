//! TLS (`30-transport` §2, `20-identity` §7): who may connect, and what the listener shows of itself.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{NamedGroup, SignatureScheme};

use super::super::case::{Case, Fault, Outcome, expect};
use super::super::identity::Identity;
use super::super::link::Ending;
use super::super::partner::{Partner, own};
use super::super::tls::{Credential, Dialing, Facts, Signs};
use crate::der::{self, SPKI_PREFIX, Validity, ed25519_spki, signed_certificate};

/// TLS alerts (RFC 8446 §6).
const NO_APPLICATION_PROTOCOL: u8 = 120;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = shown();
    cases.extend(refused());
    cases.extend(ignored());
    cases.extend(exchanges());
    cases
}

/// What the listener shows.
fn shown() -> Vec<Case> {
    vec![
        Case::positive(
            "tls/one-certificate",
            "the listener presents exactly one certificate, over its key",
            &["DC-ID-037", "DC-CONN-010"],
            |partner| async move {
                let facts = facts(&partner).await?;
                let count = facts.chain.len();
                expect(count == 1, "one certificate", format!("{count} of them"))?;
                let certificate = facts.chain.first().map(Vec::as_slice).unwrap_or_default();
                let right = parse(certificate)
                    .is_some_and(|parsed| parsed.spki == ed25519_spki(&partner.subject.peer));
                let expected = "the SubjectPublicKeyInfo of 44 bytes over the peer's key";
                expect(right, expected, crate::json::hex(certificate))
            },
        ),
        Case::positive(
            "tls/certificate-version",
            "the listener's certificate is of version 3 without a critical extension",
            &["DC-ID-043"],
            |partner| async move {
                let facts = facts(&partner).await?;
                let certificate = facts.chain.first().map(Vec::as_slice).unwrap_or_default();
                let Some(parsed) = parse(certificate) else {
                    let seen = crate::json::hex(certificate);
                    return Err(Fault::new("a certificate of version 3", seen));
                };
                let seen = "an extension that is marked critical";
                expect(!parsed.has_critical, "no critical extension", seen)
            },
        ),
        Case::positive(
            "tls/asks-for-a-certificate",
            "the listener asks the dialer for a certificate, and for Ed25519 signatures only",
            &["DC-CONN-019", "DC-CONN-010"],
            |partner| async move {
                let facts = facts(&partner).await?;
                let seen = format!("{:?}", facts.schemes);
                let right = facts
                    .schemes
                    .is_some_and(|list| list == [SignatureScheme::ED25519]);
                expect(right, "a CertificateRequest that takes ed25519 alone", seen)
            },
        ),
        Case::positive(
            "tls/alpn-selected",
            "the listener selects the protocol dchat/1",
            &["DC-CONN-009"],
            |partner| async move {
                let link = partner.handshake(&partner.identity()).await?;
                let data = link.quic().handshake_data();
                let data = data
                    .and_then(|data| data.downcast::<quinn::crypto::rustls::HandshakeData>().ok());
                let protocol = data.and_then(|data| data.protocol);
                let seen = format!("{:?}", protocol.as_deref().map(String::from_utf8_lossy));
                expect(protocol.as_deref() == Some(b"dchat/1"), "dchat/1", seen)
            },
        ),
        Case::positive(
            "tls/no-tickets",
            "the listener sends no session ticket",
            &["DC-CONN-017", "DC-CONN-002"],
            |partner| async move {
                // Tickets come right behind the handshake, so before the answer to a question.
                let link = partner.link().await?;
                link.lives().await?;
                let tickets = link.shown.facts().tickets;
                link.leave();
                expect(
                    tickets == 0,
                    "no session ticket",
                    format!("{tickets} of them"),
                )
            },
        ),
        Case::positive(
            "tls/same-key-twice",
            "the listener shows the same key on each connection",
            &["DC-CONN-010"],
            |partner| async move {
                for _ in 0..2 {
                    partner.link().await?.leave();
                }
                Ok(())
            },
        ),
    ]
}

/// Dialers that must not get through.
fn refused() -> Vec<Case> {
    let mut cases = vec![
        refusal(
            "tls/alpn-other",
            "a dialer that offers another protocol fails",
            &["DC-CONN-009"],
            |_, me| {
                Ok(Dialing {
                    alpn: vec![b"h3".to_vec()],
                    ..Dialing::of(me)
                })
            },
        ),
        refusal(
            "tls/alpn-next-version",
            "a dialer that offers a protocol of the future alone fails",
            &["DC-CONN-009"],
            |_, me| {
                Ok(Dialing {
                    alpn: vec![b"dchat/2".to_vec()],
                    ..Dialing::of(me)
                })
            },
        ),
        refusal(
            "tls/alpn-none",
            "a dialer that offers no protocol fails",
            &["DC-CONN-009"],
            |_, me| {
                Ok(Dialing {
                    alpn: Vec::new(),
                    ..Dialing::of(me)
                })
            },
        ),
        credential(
            "tls/no-certificate",
            "a dialer without a certificate is refused",
            &["DC-ID-038", "DC-CONN-010"],
            |_, _| Ok(Credential::Nothing),
        ),
        credential(
            "tls/two-certificates",
            "a dialer with two certificates is refused",
            &["DC-ID-038", "DC-CONN-011"],
            |partner, me| {
                let other = partner.identity().certificate();
                Ok(chain(vec![me.certificate(), other], Signs::with(me)))
            },
        ),
        credential(
            "tls/same-certificate-twice",
            "a dialer with its certificate twice is refused",
            &["DC-ID-038", "DC-CONN-011"],
            |_, me| {
                let twice = vec![me.certificate(), me.certificate()];
                Ok(chain(twice, Signs::with(me)))
            },
        ),
        credential(
            "tls/key-of-another-kind",
            "a dialer with a key of ECDSA over P-256 is refused",
            &["DC-ID-040", "DC-CONN-011"],
            |_, _| ecdsa(),
        ),
        credential(
            "tls/signature-spoiled",
            "a CertificateVerify with a wrong signature is refused",
            &["DC-CONN-011"],
            |_, me| {
                let signs = Signs {
                    is_spoiled: true,
                    ..Signs::with(me)
                };
                Ok(chain(vec![me.certificate()], signs))
            },
        ),
        credential(
            "tls/signature-of-another-key",
            "a certificate whose key the dialer does not hold is refused",
            &["DC-CONN-011"],
            |partner, me| {
                let signs = Signs::with(&partner.identity());
                Ok(chain(vec![me.certificate()], signs))
            },
        ),
        credential(
            "tls/certificate-of-the-listener",
            "the listener's own certificate in the hand of another is refused",
            &["DC-CONN-011"],
            |partner, me| {
                let spki = ed25519_spki(&partner.subject.peer);
                let certificate = signed_certificate(me.key(), &spki, "you", Validity::Long);
                Ok(chain(vec![certificate], Signs::with(me)))
            },
        ),
    ];
    for (scheme, name) in [
        (SignatureScheme::ED448, "ed448"),
        (SignatureScheme::ECDSA_NISTP256_SHA256, "ecdsa"),
        (SignatureScheme::RSA_PSS_SHA256, "rsa"),
    ] {
        cases.push(credential(
            format!("tls/signature-called-{name}"),
            "a CertificateVerify that names another scheme is refused",
            &["DC-CONN-011", "DC-CONN-019"],
            move |_, me| {
                let signs = Signs {
                    scheme,
                    ..Signs::with(me)
                };
                Ok(chain(vec![me.certificate()], signs))
            },
        ));
    }
    cases.extend(wrong_certificates().into_iter().map(|wrong| {
        let (id, about, req, make) = wrong;
        credential(id, about, req, move |_, me| {
            Ok(chain(vec![make(me)], Signs::with(me)))
        })
    }));
    cases
}

/// Makes a certificate.
type Make = fn(&Identity) -> Vec<u8>;
type Wrong = (&'static str, &'static str, &'static [&'static str], Make);

/// Certificates that are none, or not over a key that counts (`20-identity` §7).
fn wrong_certificates() -> Vec<Wrong> {
    fn over(me: &Identity, spki: &[u8]) -> Vec<u8> {
        signed_certificate(me.key(), spki, "partner", Validity::Long)
    }
    vec![
        (
            "tls/certificate-cut",
            "a certificate that is cut is refused",
            &["DC-ID-039"],
            |me| {
                let whole = me.certificate();
                whole[..whole.len() - 1].to_vec()
            },
        ),
        (
            "tls/certificate-with-more",
            "a certificate with a byte after it is refused",
            &["DC-ID-039"],
            |me| [me.certificate(), vec![0]].concat(),
        ),
        (
            "tls/certificate-of-junk",
            "bytes that are no certificate are refused",
            &["DC-ID-039"],
            |_| vec![0x30, 0x82, 0x7f, 0xff, 1, 2, 3],
        ),
        (
            "tls/key-with-parameters",
            "an Ed25519 key whose algorithm has parameters is refused",
            &["DC-ID-040"],
            |me| {
                let bits = [&[0], me.public().as_slice()].concat();
                over(me, &der::spki(&[0x2b, 0x65, 0x70], &[5, 0], &bits))
            },
        ),
        (
            "tls/key-of-x25519",
            "a key that is called X25519 is refused",
            &["DC-ID-040"],
            |me| {
                let bits = [&[0], me.public().as_slice()].concat();
                over(me, &der::spki(&[0x2b, 0x65, 0x6e], &[], &bits))
            },
        ),
        (
            "tls/key-of-31-bytes",
            "an Ed25519 key of 31 bytes is refused",
            &["DC-ID-040"],
            |me| {
                let bits = [&[0], &me.public()[..31]].concat();
                over(me, &der::spki(&[0x2b, 0x65, 0x70], &[], &bits))
            },
        ),
        (
            "tls/key-of-small-order",
            "a key of small order is refused",
            &["DC-ID-041", "DC-ID-005"],
            |me| over(me, &ed25519_spki(&neutral())),
        ),
        (
            "tls/key-that-is-an-alias",
            "a key that is not canonical is refused",
            &["DC-ID-041", "DC-ID-004"],
            |me| {
                // y = p + 1, another name of the neutral element.
                let mut alias = [0xff; 32];
                (alias[0], alias[31]) = (0xee, 0x7f);
                over(me, &ed25519_spki(&alias))
            },
        ),
        (
            "tls/key-off-the-curve",
            "32 bytes that are no point of the curve are refused",
            &["DC-ID-041", "DC-ID-003"],
            |me| {
                let mut bytes = [0; 32];
                bytes[0] = 2;
                over(me, &ed25519_spki(&bytes))
            },
        ),
    ]
}

/// Dialers whose certificate is odd where nobody may look.
fn ignored() -> Vec<Case> {
    let odd: [(&str, &str, Make); 4] = [
        ("tls/expired", "a certificate that is long expired", |me| {
            signed_certificate(
                me.key(),
                &ed25519_spki(&me.public()),
                "partner",
                Validity::Past,
            )
        }),
        ("tls/odd-name", "a certificate of an odd name", |me| {
            let name = "*.example\u{202e}.invalid\u{0}";
            signed_certificate(me.key(), &ed25519_spki(&me.public()), name, Validity::Long)
        }),
        ("tls/empty-name", "a certificate with an empty name", |me| {
            signed_certificate(me.key(), &ed25519_spki(&me.public()), "", Validity::Long)
        }),
        (
            "tls/signed-by-another",
            "a certificate that another key signed",
            |me| {
                let other = Identity::new(&[0x77; 32]);
                let spki = ed25519_spki(&me.public());
                signed_certificate(other.key(), &spki, "partner", Validity::Long)
            },
        ),
    ];
    odd.into_iter()
        .map(|(id, about, make)| {
            let about = format!("{about} is as good as any");
            Case::positive(id, about, &["DC-ID-042"], move |partner| async move {
                let me = partner.identity();
                let dialing = Dialing {
                    credential: chain(vec![make(&me)], Signs::with(&me)),
                    ..Dialing::of(&me)
                };
                succeeds(&partner, &me, &dialing).await
            })
        })
        .collect()
}

/// Key exchanges.
fn exchanges() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "tls/x25519-alone",
            "a dialer that knows X25519 alone gets through",
            &["DC-CONN-013"],
            |partner| async move {
                let me = partner.identity();
                let dialing = Dialing {
                    groups: vec![NamedGroup::X25519],
                    ..Dialing::of(&me)
                };
                succeeds(&partner, &me, &dialing).await
            },
        ),
        Case::positive(
            "tls/hybrid-preferred",
            "with a dialer that knows both, X25519MLKEM768 is used",
            &["DC-CONN-014"],
            |partner| async move {
                let me = partner.identity();
                let link = dialed(&partner, &me, &Dialing::of(&me)).await?;
                let group = link.shown.facts().group;
                link.leave();
                match group {
                    Some(NamedGroup::X25519MLKEM768) => Ok(()),
                    other => Err(Fault::unsupported(format!("{other:?} was used"))),
                }
            },
        ),
    ];
    for (group, name) in [
        (NamedGroup::secp256r1, "p256"),
        (NamedGroup::secp384r1, "p384"),
    ] {
        cases.push(refusal(
            format!("tls/{name}-alone"),
            "a dialer that knows another key exchange alone fails",
            &["DC-CONN-015"],
            move |_, me| {
                Ok(Dialing {
                    groups: vec![group],
                    ..Dialing::of(me)
                })
            },
        ));
    }
    cases.push(Case::negative(
        "tls/server-name",
        "a dialer that names a server is not treated otherwise, or fails",
        &["DC-CONN-016"],
        |partner| async move {
            let me = partner.identity();
            let dialing = Dialing {
                server_name: Some("name.invalid"),
                ..Dialing::of(&me)
            };
            // A fault of the dialer's for which no reaction is said: it may come up or fail.
            match partner.dial(&me, &dialing).await? {
                Ok(link) => link.leave(),
                Err(ending) => {
                    let expected = "a handshake that ends well or by TLS";
                    expect(ending.alert().is_some(), expected, ending.to_string())?;
                }
            }
            partner.link().await?.lives().await
        },
    ));
    cases
}

fn refusal(
    id: impl Into<String>,
    about: &str,
    req: &'static [&'static str],
    make: impl Fn(&Partner, &Identity) -> Result<Dialing, Fault> + Clone + Send + Sync + 'static,
) -> Case {
    Case::negative(id, about, req, move |partner| {
        let make = make.clone();
        async move {
            let me = partner.identity();
            let dialing = make(&partner, &me)?;
            let ending = ending(&partner, &me, &dialing).await?;
            let expected = "a handshake that fails by TLS";
            expect(ending.alert().is_some(), expected, ending.to_string())?;
            if dialing.alpn != Dialing::of(&me).alpn {
                let alert = ending.alert();
                let expected = "the alert no_application_protocol (RFC 7301, RFC 9001 §8.1)";
                let is_it = alert == Some(NO_APPLICATION_PROTOCOL);
                expect(is_it, expected, ending.to_string())?;
            }
            // And everybody else is served as before.
            partner.link().await?.lives().await
        }
    })
}

fn credential(
    id: impl Into<String>,
    about: &str,
    req: &'static [&'static str],
    make: impl Fn(&Partner, &Identity) -> Result<Credential, Fault> + Clone + Send + Sync + 'static,
) -> Case {
    refusal(id, about, req, move |partner, me| {
        Ok(Dialing {
            credential: make(partner, me)?,
            ..Dialing::of(me)
        })
    })
}

/// How a handshake ends that should not end well. A dialer is done before the listener has seen its
/// certificate, so the end may come as that of a connection; it must come before HELLO.
async fn ending(partner: &Partner, me: &Identity, dialing: &Dialing) -> Result<Ending, Fault> {
    match partner.dial(me, dialing).await? {
        Err(ending) => Ok(ending),
        Ok(link) => {
            let ending = link.ending("a handshake that fails").await?;
            let hello = link.journal().hello();
            expect(hello.is_none(), "a handshake that fails", "HELLO")?;
            Ok(ending)
        }
    }
}

async fn dialed(
    partner: &Partner,
    me: &Identity,
    dialing: &Dialing,
) -> Result<super::super::Link, Fault> {
    let mut link = partner
        .dial(me, dialing)
        .await?
        .map_err(|ending| Fault::new("a handshake that succeeds", ending.to_string()))?;
    link.control(&super::super::Greeting::new(partner).bytes())
        .await;
    link.until("HELLO", |journal| journal.hello()).await?;
    Ok(link)
}

async fn succeeds(partner: &Partner, me: &Identity, dialing: &Dialing) -> Outcome {
    let link = dialed(partner, me, dialing).await?;
    link.lives().await?;
    link.leave();
    Ok(())
}

async fn facts(partner: &Partner) -> Result<Facts, Fault> {
    let link = partner.link().await?;
    link.leave();
    Ok(link.shown.facts())
}

fn ecdsa() -> Result<Credential, Fault> {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| own(e.to_string()))?;
    let params = CertificateParams::default();
    let certificate = params.self_signed(&pair).map_err(|e| own(e.to_string()))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
    let key = any_supported_type(&key).map_err(|e| own(e.to_string()))?;
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    Ok(Credential::Library(Arc::new(certified)))
}

fn chain(certificates: Vec<Vec<u8>>, signs: Signs) -> Credential {
    Credential::Chain(certificates, Box::new(signs))
}

/// The neutral element: order 1.
fn neutral() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
}

/// What of a certificate the documents speak of.
struct Parsed {
    spki: Vec<u8>,
    has_critical: bool,
}

/// Reads the smallest structure that is a certificate here (`20-identity` §7); `None` for any other.
fn parse(certificate: &[u8]) -> Option<Parsed> {
    let (outer, after) = element(certificate, 0x30)?;
    let (to_be_signed, _) = element(outer, 0x30)?;
    let (version, rest) = element(to_be_signed, 0xa0)?;
    let is_third = version == [0x02, 0x01, 0x02];
    let (_serial, rest) = element(rest, 0x02)?;
    let mut rest = rest;
    // Signature, issuer, validity and subject.
    for _ in 0..4 {
        (_, rest) = element(rest, 0x30)?;
    }
    let (_key, after_key) = element(rest, 0x30)?;
    let spki = rest.get(..rest.len() - after_key.len())?.to_vec();
    // An extension that is critical holds BOOLEAN TRUE behind its identifier.
    let has_critical = after_key
        .windows(3)
        .any(|window| window == [0x01, 0x01, 0xff]);
    let is_key = spki.starts_with(&SPKI_PREFIX);
    (is_third && after.is_empty() && is_key).then_some(Parsed { spki, has_critical })
}

/// The content of the element at the front, which must have this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let [high, low] = *rest.first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes([high, low])), rest.get(2..)?)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(len))?
}
