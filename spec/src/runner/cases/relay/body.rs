//! Questions to a relay that must be refused with MALFORMED (`10-encoding` §2 and §5, `20-identity`
//! §2).

use super::super::super::bodies::relay;
use super::super::super::breaks::{self, Break};
use super::super::super::case::Case;
use super::super::super::frames::{codes, frame};
use super::at_relay;

pub(super) fn cases() -> Vec<Case> {
    let reserve = relay::reserve(600, &[]);
    let connect = relay::connect(&crate::actor::ALICE.public(), &[]);
    let mut all: Vec<(u16, &str, Break)> = Vec::new();
    let of_reserve = breaks::cuts(&reserve)
        .into_iter()
        .chain(breaks::extensions(&reserve, "RelayReserve.extensions"));
    all.extend(of_reserve.map(|broken| (relay::RESERVE, "reserve", broken)));
    let of_connect = breaks::cuts(&connect)
        .into_iter()
        .chain(breaks::extensions(&connect, "RelayConnect.extensions"))
        .chain(nobody());
    all.extend(of_connect.map(|broken| (relay::CONNECT, "connect", broken)));
    all.into_iter()
        .map(|(code, name, broken)| {
            let bytes = frame(code, &broken.bytes);
            let title = name.to_uppercase();
            Case::negative(
                format!("relay/{name}-{}", broken.slug),
                format!("RELAY_{title} that {} closes with MALFORMED", broken.about),
                broken.req,
                move |partner| {
                    let bytes = bytes.clone();
                    async move {
                        let link = at_relay(&partner, &partner.identity()).await?;
                        let (mut send, _recv) = link.bi(&bytes).await?;
                        let _closed = send.finish();
                        link.expect_close(codes::MALFORMED).await
                    }
                },
            )
        })
        .collect()
}

/// Keys that are nobody's.
fn nobody() -> Vec<Break> {
    let of = |slug, about, req, key: [u8; 32]| {
        Break::new(slug, about, req, relay::connect(&key, &[]).bytes)
    };
    let mut one = [0; 32];
    one[0] = 1;
    // 2 is the second coordinate of no point.
    let mut two = [0; 32];
    two[0] = 2;
    // 2²⁵⁵ − 18, which stands for 1.
    let mut above = [0xff; 32];
    (above[0], above[31]) = (0xee, 0x7f);
    vec![
        of(
            "peer-neutral",
            "names the neutral element",
            &["DC-ID-005", "DC-WIRE-017"],
            one,
        ),
        of(
            "peer-not-canonical",
            "names a key that does not encode to itself",
            &["DC-ID-004", "DC-WIRE-017"],
            above,
        ),
        of(
            "peer-off-curve",
            "names a point that is not on the curve",
            &["DC-ID-003", "DC-WIRE-017"],
            two,
        ),
    ]
}
