//! STUN (`50-nat` §2). What is not answered is shown by what is answered after it.

use super::super::super::bodies::nat::{CAN_REACH, Read, Stun, read, stun};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::partner::Partner;
use super::super::super::udp::Udp;

/// Bytes of a padded request.
const PADDED: usize = 56;

type Make = fn(&[u8; 12]) -> Vec<u8>;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let answered: [(&str, &str, Make); 8] = [
        ("padded", "64 bytes with a FINGERPRINT", |id| {
            request(id).padded(PADDED).fingerprint(0).bytes()
        }),
        (
            "without-fingerprint",
            "64 bytes without a FINGERPRINT",
            |id| request(id).padded(PADDED + 8).bytes(),
        ),
        (
            "of-32-bytes",
            "32 bytes, as long as an answer over IPv4",
            |id| request(id).padded(44).bytes(),
        ),
        ("long", "1500 bytes", |id| request(id).padded(1500).bytes()),
        ("of-32-attributes", "32 attributes", |id| {
            attributes(id, 32).bytes()
        }),
        (
            "unknown-optional",
            "an attribute that need not be understood",
            |id| request(id).with(0xc123, &[7; 40]).bytes(),
        ),
        (
            "no-change",
            "a CHANGE-REQUEST that asks for no change",
            |id| {
                let changes = request(id).with(stun::CHANGE_REQUEST, &[0; 4]);
                changes.padded(PADDED + 8).fingerprint(0).bytes()
            },
        ),
        (
            "after-integrity",
            "something behind MESSAGE-INTEGRITY",
            |id| {
                let sealed = request(id).padded(60).with(0x0008, &[9; 20]);
                sealed.with(0x7f00, b"").fingerprint(0).bytes()
            },
        ),
    ];
    for (slug, about, make) in answered {
        cases.push(Case::positive(
            format!("nat/stun-{slug}"),
            format!("a Binding request of {about} is answered with where it came from"),
            &["DC-NAT-002", "DC-NAT-003"],
            move |partner| success(partner, make),
        ));
    }
    cases.push(Case::negative(
        "nat/stun-amplifies",
        "a Binding request of 20 bytes, which any answer is longer than, is not answered",
        &["DC-NAT-003"],
        |partner| silent(partner, |id| request(id).bytes()),
    ));
    cases.push(Case::negative(
        "nat/stun-amplifies-by-a-little",
        "a Binding request of 28 bytes, 4 fewer than the answer, is not answered",
        &["DC-NAT-003"],
        |partner| silent(partner, |id| request(id).with(0xc123, &[0; 4]).bytes()),
    ));
    let refused: [(&str, &str, Make); 4] = [
        (
            "change-both",
            "CHANGE-REQUEST for another address and port",
            |id| changing(id, 6),
        ),
        ("change-port", "CHANGE-REQUEST for another port", |id| {
            changing(id, 2)
        }),
        (
            "change-address",
            "CHANGE-REQUEST for another address",
            |id| changing(id, 4),
        ),
        (
            "unknown-required",
            "an attribute that has to be understood and is not",
            |id| request(id).with(0x7f00, &[1; 8]).padded(PADDED + 8).bytes(),
        ),
    ];
    for (slug, about, make) in refused {
        cases.push(Case::negative(
            format!("nat/stun-{slug}"),
            format!("a Binding request with {about} gets error 420"),
            &["DC-NAT-020", "DC-NAT-003"],
            move |partner| error(partner, make),
        ));
    }
    cases.push(Case::negative(
        "nat/stun-unknown-required-short",
        "one that an error 420 would be longer than is not answered",
        &["DC-NAT-020", "DC-NAT-003"],
        |partner| silent(partner, |id| request(id).with(0x7f00, b"").bytes()),
    ));
    let other: [(&str, &str, Make); 6] = [
        ("indication", "a Binding indication", |id| whole(0x0011, id)),
        ("success", "a success response", |id| {
            whole(stun::SUCCESS, id)
        }),
        ("error", "an error response", |id| whole(stun::ERROR, id)),
        ("allocate", "a request of TURN's", |id| whole(0x0003, id)),
        ("shared-secret", "a request of RFC 3489's", |id| {
            whole(0x0002, id)
        }),
        (
            "last-method",
            "a request of the last method there is",
            |id| whole(0x3eef, id),
        ),
    ];
    for (slug, about, make) in other {
        cases.push(Case::negative(
            format!("nat/stun-{slug}"),
            format!("{about} is not answered"),
            &["DC-NAT-004"],
            move |partner| silent(partner, make),
        ));
    }
    let broken: [(&str, &str, Make); 11] = [
        (
            "too-long-by-length",
            "a length 4 above the datagram's",
            |id| relength(request(id).padded(64).bytes(), 4),
        ),
        (
            "too-short-by-length",
            "a length 4 below the datagram's",
            |id| relength(request(id).padded(64).bytes(), -4),
        ),
        ("odd-length", "a length that is no multiple of 4", |id| {
            let mut bytes = relength(request(id).padded(64).bytes(), 1);
            bytes.push(0);
            bytes
        }),
        ("cut", "19 bytes", |id| request(id).bytes()[..19].to_vec()),
        (
            "false-fingerprint",
            "a FINGERPRINT with one bit wrong",
            |id| request(id).padded(PADDED).fingerprint(1).bytes(),
        ),
        ("of-33-attributes", "33 attributes", |id| {
            attributes(id, 33).bytes()
        }),
        ("over-1500", "1504 bytes", |id| {
            request(id).padded(1504).bytes()
        }),
        (
            "attribute-over-the-end",
            "an attribute that goes on after its end",
            |id| {
                let mut bytes = request(id).padded(64).bytes();
                bytes[22..24].copy_from_slice(&200_u16.to_be_bytes());
                bytes
            },
        ),
        ("other-cookie", "another cookie", |id| {
            let mut bytes = request(id).padded(64).bytes();
            bytes[4] ^= 1;
            bytes
        }),
        ("cookie-of-3489", "none, as before RFC 5389", |id| {
            let mut bytes = request(id).padded(64).bytes();
            bytes[4..8].copy_from_slice(&[0; 4]);
            bytes
        }),
        (
            "cut-in-attribute",
            "the header of an attribute cut in two",
            |id| {
                let mut bytes = request(id).padded(64).bytes();
                bytes.extend_from_slice(&[0x80, 0x22]);
                relength(bytes, 2)
            },
        ),
    ];
    for (slug, about, make) in broken {
        let req: &'static [&'static str] = match slug {
            "other-cookie" | "cookie-of-3489" => &["DC-NAT-004"],
            _ => &["DC-NAT-019"],
        };
        cases.push(Case::negative(
            format!("nat/stun-{slug}"),
            format!("a Binding request with {about} is dropped"),
            req,
            move |partner| silent(partner, make),
        ));
    }
    cases
}

fn request(transaction: &[u8; 12]) -> Stun {
    Stun::new(stun::REQUEST, transaction)
}

fn whole(kind: u16, transaction: &[u8; 12]) -> Vec<u8> {
    let message = Stun::new(kind, transaction);
    message.padded(PADDED).fingerprint(0).bytes()
}

fn changing(transaction: &[u8; 12], flags: u8) -> Vec<u8> {
    let changes = request(transaction).with(stun::CHANGE_REQUEST, &[0, 0, 0, flags]);
    changes.padded(PADDED + 8).fingerprint(0).bytes()
}

fn attributes(transaction: &[u8; 12], count: u16) -> Stun {
    (0..count).fold(request(transaction), |message, number| {
        message.with(0xc000 + number, &[0; 4])
    })
}

fn relength(mut bytes: Vec<u8>, by: i16) -> Vec<u8> {
    let len = u16::from_be_bytes([bytes[2], bytes[3]]).wrapping_add_signed(by);
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    bytes
}

/// A socket, if the peer answers STUN at all.
async fn socket(partner: &Partner) -> Result<Udp, Fault> {
    let link = partner.link().await?;
    let hello = link.journal().hello();
    link.leave();
    let reaches = hello.is_some_and(|hello| hello.capabilities.as_slice().contains(&CAN_REACH));
    if reaches {
        Udp::new(partner)
    } else {
        Err(Fault::unsupported(
            "its HELLO does not have the capability REACH",
        ))
    }
}

async fn asked(udp: &Udp, question: &[u8], transaction: &[u8; 12]) -> Result<Read, Fault> {
    let (bytes, _) = udp.ask("an answer to a STUN message", question).await?;
    let Some(answer) = read(&bytes) else {
        return Err(Fault::new("a STUN message", format!("{bytes:02x?}")));
    };
    let seen = format!("{} bytes for {}", bytes.len(), question.len());
    expect(
        bytes.len() <= question.len(),
        "no more bytes than were asked with",
        seen,
    )
    .map_err(|fault| fault.by("DC-NAT-003"))?;
    let expected = "the transaction of the question";
    let seen = format!("an answer of type {:#06x} to another", answer.kind);
    expect(answer.transaction == *transaction, expected, seen)?;
    Ok(answer)
}

async fn success(partner: Partner, make: Make) -> Outcome {
    let udp = socket(&partner).await?;
    mapped(&udp, &make(&partner.array()), None).await
}

/// Asks, and expects the own address.
async fn mapped(udp: &Udp, question: &[u8], by: Option<&'static str>) -> Outcome {
    let mut transaction = [0; 12];
    transaction.copy_from_slice(&question[8..20]);
    let answer = asked(udp, question, &transaction)
        .await
        .map_err(|fault| match by {
            Some(id) => fault.by(id),
            None => fault,
        })?;
    let here = udp.address()?;
    let seen = format!("type {:#06x}, {:?}", answer.kind, answer.mapped());
    let right = answer.kind == stun::SUCCESS
        && answer
            .mapped()
            .is_some_and(|at| here.ip().is_unspecified() || at == here);
    expect(
        right,
        format!("success with XOR-MAPPED-ADDRESS {here}"),
        seen,
    )
    .map_err(|fault| fault.by("DC-NAT-002"))
}

async fn silent(partner: Partner, make: Make) -> Outcome {
    let udp = socket(&partner).await?;
    udp.send(&make(&partner.array())).await?;
    // What comes first is the answer to this one.
    let good = request(&partner.array()).padded(PADDED).fingerprint(0);
    mapped(&udp, &good.bytes(), None).await
}

async fn error(partner: Partner, make: Make) -> Outcome {
    let udp = socket(&partner).await?;
    let transaction = partner.array();
    let answer = asked(&udp, &make(&transaction), &transaction).await?;
    let seen = format!("type {:#06x}, error {:?}", answer.kind, answer.error());
    let right = answer.kind == stun::ERROR && answer.error() == Some(420);
    expect(right, "error 420", seen).map_err(|fault| fault.by("DC-NAT-020"))
}
