//! Closing (`30-transport` §8) and two connections with one peer (§5).

use super::super::case::{Case, Outcome};
use super::super::frames::codes;
use super::super::greeting::Greeting;
use super::super::partner::Partner;

/// Close codes of the registry, and some that are not in it.
const CODES: [(u64, &str); 15] = [
    (codes::DONE, "done"),
    (codes::INTERNAL, "internal"),
    (codes::MALFORMED, "malformed"),
    (codes::UNEXPECTED, "unexpected"),
    (codes::VERSION, "version"),
    (codes::UNSUPPORTED, "unsupported"),
    (codes::DUPLICATE, "duplicate"),
    (codes::LIMIT, "limit"),
    (codes::TIMEOUT, "timeout"),
    (codes::REFUSED, "refused"),
    (codes::MYSELF, "myself"),
    (0x0b, "first-unknown"),
    (0x40, "unknown"),
    (0xffff_ffff, "large"),
    ((1 << 62) - 1, "largest"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = CODES
        .into_iter()
        .map(|(code, name)| {
            Case::positive(
                format!("ending/heard-{name}"),
                format!("who closed with {code:#x} and an odd reason can connect again"),
                &["DC-CONN-054", "DC-CONN-055"],
                move |partner| async move { closed_and_back(&partner, code).await },
            )
        })
        .collect();
    cases.extend([
        Case::positive(
            "ending/duplicate-of-one-run",
            "of two connections of one run of the dialer, the later one is kept",
            &["DC-CONN-040"],
            |partner| async move { duplicate(&partner, true).await },
        ),
        Case::positive(
            "ending/duplicate-of-a-new-run",
            "of two connections of different runs of the dialer, the newer one is kept",
            &["DC-CONN-040"],
            |partner| async move { duplicate(&partner, false).await },
        ),
        Case::positive(
            "ending/duplicates-in-a-row",
            "of six connections in a row the last one is kept, each other is closed with DUPLICATE",
            &["DC-CONN-040"],
            in_a_row,
        ),
        Case::positive(
            "ending/two-identities",
            "connections of different peers do not replace each other",
            &["DC-CONN-040"],
            |partner| async move {
                let (one, other) = (partner.link().await?, partner.link().await?);
                one.lives().await?;
                other.lives().await?;
                one.lives().await
            },
        ),
    ]);
    cases
}

/// Text that would steer whoever acts on a reason, or shows it.
const REASON: &[u8] = b"{\"redial\":false}\x1b[2J\xff\xfe\xe2\x80\xae";

async fn closed_and_back(partner: &Partner, code: u64) -> Outcome {
    let me = partner.identity();
    let greeting = Greeting::new(partner);
    let link = partner.link_with(&me, &greeting).await?;
    link.lives().await?;
    link.close(code, REASON);
    let again = partner.link_with(&me, &greeting).await?;
    again.lives().await?;
    again.leave();
    Ok(())
}

async fn duplicate(partner: &Partner, same_run: bool) -> Outcome {
    let me = partner.identity();
    let greeting = Greeting::new(partner);
    let first = partner.link_with(&me, &greeting).await?;
    first.lives().await?;
    let mut newer = greeting.clone();
    if !same_run {
        newer.instance = partner.array();
    }
    let second = partner.link_with(&me, &newer).await?;
    first.expect_close(codes::DUPLICATE).await?;
    second.lives().await?;
    second.leave();
    Ok(())
}

async fn in_a_row(partner: Partner) -> Outcome {
    let me = partner.identity();
    let greeting = Greeting::new(&partner);
    let mut earlier = partner.link_with(&me, &greeting).await?;
    for _ in 0..5 {
        let later = partner.link_with(&me, &greeting).await?;
        earlier.expect_close(codes::DUPLICATE).await?;
        earlier = later;
    }
    earlier.lives().await
}
