//! Digests, sketches and ranges (`80-gossip` §5, §6 and §9), and how much of them is too much (§11).

use core::time::Duration;

use dchat_wire::Frame;
use dchat_wire::gossip::GossipSketch;
use tokio::time::{Instant, timeout};

use super::super::super::bodies::room::{
    self, ASKED, DIGEST, EVERYTHING, FETCH, MORE, PUSH, RANGE, SKETCH, SPANS, parting,
};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::journal::RawFrame;
use super::super::super::member::{Member, announced};
use super::super::super::partner::Partner;

/// The primes of the three sums of a cell.
const PRIMES: [u64; 3] = [16_777_213, 4_294_967_291, 65_521];
/// Bytes of a cell.
const CELL: usize = 9;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "gossip/digest-of-less",
            "a digest that differs and has less is answered with a digest",
            &["DC-GOSSIP-029"],
            |partner| async move {
                let mut member = holding(&partner).await?.0;
                let before = count(&member, DIGEST);
                member
                    .say(DIGEST, &room::digest(partner.number(), 0, room::horizon()))
                    .await;
                answer(&member, before).await
            },
        ),
        Case::positive(
            "gossip/digest-of-more",
            "a digest that differs and has more is answered with a sketch",
            &["DC-GOSSIP-029", "DC-GOSSIP-033"],
            |partner| async move {
                let mut member = holding(&partner).await?.0;
                let sketch = sketched(&mut member, &partner).await?;
                right(&sketch)
            },
        ),
        Case::positive(
            "gossip/more-cells",
            "GOSSIP_MORE brings so many more cells, from where the sketch ended",
            &["DC-GOSSIP-049"],
            more_cells,
        ),
        Case::positive(
            "gossip/everything",
            "GOSSIP_MORE that cannot read the sketch brings announcements of everything",
            &["DC-GOSSIP-049"],
            everything,
        ),
        Case::positive(
            "gossip/sketch-without-cells",
            "a sketch without cells brings announcements of everything",
            &["DC-GOSSIP-049"],
            without_cells,
        ),
        Case::positive(
            "gossip/late-comer",
            "who comes later gets what was said before, by digests and what follows",
            &["DC-GOSSIP-031", "DC-GOSSIP-043", "DC-GOSSIP-049"],
            late_comer,
        ),
        Case::negative(
            "gossip/sketches-of-nonsense",
            "a neighbour that sends cells that cannot be is parted from: MISBEHAVED",
            &["DC-GOSSIP-033", "DC-GOSSIP-047"],
            nonsense,
        ),
        Case::negative(
            "gossip/questions-too-many",
            "a neighbour that has everything announced again and again is parted from: MISBEHAVED",
            &["DC-GOSSIP-047"],
            |partner| async move {
                let mut member = holding(&partner).await?.0;
                for _ in 0..400 {
                    let salt = partner.number() as u32;
                    let sketch = room::sketch(salt, room::horizon(), 0, &[]);
                    member.say(SKETCH, &sketch).await;
                }
                member.expect_leave(parting::MISBEHAVED).await
            },
        ),
        Case::negative(
            "gossip/clock-of-another",
            "a digest whose horizon is hours off starts nothing",
            &["DC-GOSSIP-029"],
            other_clock,
        ),
        Case::positive(
            "gossip/fetch",
            "GOSSIP_FETCH is answered with at most so many items, or not at all",
            &["DC-GOSSIP-046"],
            fetch,
        ),
        Case::positive(
            "gossip/range",
            "GOSSIP_RANGE is answered with parts that differ, within what was asked, or not at all",
            &["DC-GOSSIP-046"],
            range,
        ),
    ];
    let wrong: [(&str, &str, [u8; CELL]); 3] = [
        (
            "amount",
            "an amount that is not below its prime",
            [0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0],
        ),
        ("hashed", "a second sum that is not below its prime", {
            [1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]
        }),
        (
            "check",
            "a third sum that is not below its prime",
            [1, 0, 0, 1, 0, 0, 0, 0xff, 0xff],
        ),
    ];
    for (slug, about, cell) in wrong {
        cases.push(Case::negative(
            format!("gossip/sketch-{slug}"),
            format!("a sketch with {about} is refused, and nothing asked by it"),
            &["DC-GOSSIP-033"],
            move |partner| refused(partner, 0, cell),
        ));
    }
    cases.push(Case::negative(
        "gossip/sketch-out-of-turn",
        "cells that follow none that came are refused",
        &["DC-GOSSIP-033"],
        |partner| refused(partner, 9, [1, 0, 0, 1, 0, 0, 0, 1, 0]),
    ));
    cases
}

/// A member, and the log of an item that the peer holds.
async fn holding(partner: &Partner) -> Result<(Member, u64), Fault> {
    let (mut member, mut other) = Member::two(partner).await?;
    let mut author = member.author(partner);
    let item = author.says("something to compare");
    member.passes(&mut other, &item, author.mark()).await?;
    other.link.leave();
    Ok((member, author.mark()))
}

fn count(member: &Member, code: u16) -> usize {
    let frames = member.frames();
    frames.iter().filter(|frame| frame.code == code).count()
}

/// Waits for a digest more than there were, or a sketch.
async fn answer(member: &Member, before: usize) -> Outcome {
    member
        .until("another GOSSIP_DIGEST", |frames| {
            let digests = frames.iter().filter(|frame| frame.code == DIGEST).count();
            (digests > before).then_some(())
        })
        .await
}

fn sketch_of(frame: &RawFrame) -> Option<GossipSketch> {
    match frame.decoded()? {
        Frame::GossipSketch(sketch) => Some(sketch),
        _ => None,
    }
}

/// Makes the peer send its sketch.
async fn sketched(member: &mut Member, partner: &Partner) -> Result<GossipSketch, Fault> {
    let before = count(member, SKETCH);
    let deadline = Instant::now() + member.link.patience();
    // A later round may answer as well as this one.
    while Instant::now() < deadline {
        let digest = room::digest(partner.number(), u32::MAX >> 1, room::horizon());
        member.say(DIGEST, &digest).await;
        let next = member.until("GOSSIP_SKETCH", |frames| {
            let mut sketches = frames.iter().filter_map(|frame| sketch_of(frame));
            sketches.nth(before)
        });
        if let Ok(sketch) = timeout(Duration::from_secs(2), next).await {
            return sketch;
        }
    }
    Err(Fault::new("GOSSIP_SKETCH", "none").by("DC-GOSSIP-029"))
}

/// Whether cells can be.
fn right(sketch: &GossipSketch) -> Outcome {
    let cells = sketch.cells.as_slice();
    let seen = format!("{} bytes from cell {}", cells.len(), sketch.first);
    expect(
        cells.len().is_multiple_of(CELL) && sketch.first == 0,
        "whole cells from 0",
        seen,
    )?;
    for cell in cells.chunks(CELL) {
        let sum = |range: core::ops::Range<usize>| {
            let bytes = cell[range].iter().rev();
            bytes.fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let sums = [sum(0..3), sum(3..7), sum(7..9)];
        let below = sums.iter().zip(PRIMES).all(|(sum, prime)| *sum < prime);
        expect(below, "sums below their primes", format!("{sums:?}"))
            .map_err(|fault| fault.by("DC-GOSSIP-033"))?;
    }
    Ok(())
}

async fn more_cells(partner: Partner) -> Outcome {
    let mut member = holding(&partner).await?.0;
    let sketch = sketched(&mut member, &partner).await?;
    let have = (sketch.cells.as_slice().len() / CELL) as u32;
    if have == 0 {
        return Err(Fault::unsupported(
            "it holds less than a sketch would be long",
        ));
    }
    member.say(MORE, &room::more(sketch.salt, have, 32)).await;
    let next = member
        .until("more cells", |frames| {
            let mut sketches = frames.iter().filter_map(|frame| sketch_of(frame));
            sketches.find(|one| one.salt == sketch.salt && one.first > 0)
        })
        .await?;
    let came = next.cells.as_slice().len() / CELL;
    let seen = format!("{came} cells from {}", next.first);
    expect(
        next.first == have && came == 32,
        format!("32 cells from {have}"),
        seen,
    )
}

async fn everything(partner: Partner) -> Outcome {
    let (mut member, mark) = holding(&partner).await?;
    let sketch = sketched(&mut member, &partner).await?;
    let have = (sketch.cells.as_slice().len() / CELL) as u32;
    let more = room::more(sketch.salt, have, EVERYTHING);
    member.say(MORE, &more).await;
    all(&member, mark).await
}

async fn all(member: &Member, mark: u64) -> Outcome {
    member
        .until("an announcement of the log", |frames| {
            let told = frames.iter().find(|frame| announced(frame, mark, 1));
            told.map(|_| ())
        })
        .await
        .map_err(|fault| fault.by("DC-GOSSIP-049"))
}

async fn without_cells(partner: Partner) -> Outcome {
    let (_first, mark) = holding(&partner).await?;
    let mut member = Member::enter(&partner).await?;
    let salt = partner.number() as u32;
    let sketch = room::sketch(salt, room::horizon(), 0, &[]);
    member.say(SKETCH, &sketch).await;
    all(&member, mark).await
}

async fn late_comer(partner: Partner) -> Outcome {
    let mut one = Member::enter(&partner).await?;
    let mut author = one.author(&partner);
    let items: Vec<_> = (0..4)
        .map(|n| author.says(&format!("before {n}")))
        .collect();
    for item in &items {
        one.push(item, 5).await;
    }
    one.link.lives().await?;
    let mut late = Member::enter(&partner).await?;
    // The least member: it compares, and takes announcements of everything instead of a sketch.
    let sketch = room::sketch(partner.number() as u32, room::horizon(), 0, &[]);
    late.say(SKETCH, &sketch).await;
    for item in &items {
        late.obtains(item, author.mark()).await?;
    }
    Ok(())
}

async fn nonsense(partner: Partner) -> Outcome {
    let mut member = holding(&partner).await?.0;
    for _ in 0..12 {
        let salt = partner.number() as u32;
        let cells = [0xff; CELL * 9];
        let sketch = room::sketch(salt, room::horizon(), 0, &cells);
        member.say(SKETCH, &sketch).await;
    }
    member.expect_leave(parting::MISBEHAVED).await
}

async fn refused(partner: Partner, first: u32, cell: [u8; CELL]) -> Outcome {
    let (mut member, _) = holding(&partner).await?;
    let salt = partner.number() as u32;
    let cells = cell.repeat(9);
    let sketch = room::sketch(salt, room::horizon(), first, &cells);
    member.say(SKETCH, &sketch).await;
    // The link goes on, and no answer was made of it.
    let mut other = Member::enter(&partner).await?;
    let mut author = member.author(&partner);
    let item = author.says("after it");
    member.passes(&mut other, &item, author.mark()).await?;
    let asked = member.frames().iter().any(|frame| match frame.decoded() {
        Some(Frame::GossipMore(more)) => more.salt == salt && more.want < 16_384 && more.want > 0,
        _ => false,
    });
    expect(!asked, "no more cells of it to be wanted", "GOSSIP_MORE")
}

async fn other_clock(partner: Partner) -> Outcome {
    let (mut member, mark) = holding(&partner).await?;
    let before = count(&member, SKETCH);
    let digest = room::digest(partner.number(), u32::MAX >> 1, room::horizon() + 5);
    member.say(DIGEST, &digest).await;
    // What is asked after it is answered, and no sketch came.
    let known = member.frames().len();
    member
        .say(room::PULL, &room::pull(false, &[(mark, 0, 1)]))
        .await;
    member
        .until("the answer to GOSSIP_PULL", |frames| {
            let new = frames.get(known..).unwrap_or_default();
            new.iter().find(|frame| frame.code == PUSH).map(|_| ())
        })
        .await?;
    let sketches = count(&member, SKETCH);
    expect(
        sketches == before,
        "no sketch",
        format!("{sketches} sketches"),
    )
}

async fn fetch(partner: Partner) -> Outcome {
    let (_first, mark) = holding(&partner).await?;
    let mut member = Member::enter(&partner).await?;
    let pushes = |frames: &[&RawFrame]| {
        let pushes = frames.iter().filter(|frame| frame.code == PUSH);
        pushes
            .map(|frame| frame.body.first().copied())
            .collect::<Vec<_>>()
    };
    member.say(FETCH, &room::fetch(1)).await;
    // A question after it on the same stream.
    member
        .say(room::PULL, &room::pull(false, &[(mark, 0, 1)]))
        .await;
    let came = member
        .until("the answer to GOSSIP_PULL", |frames| {
            let came = pushes(frames);
            (!came.is_empty()).then_some(came)
        })
        .await?;
    let right = came.len() <= 2 && came.iter().all(|hops| *hops == Some(ASKED));
    expect(
        right,
        "at most one item more, with hops 255",
        format!("{came:?}"),
    )
}

async fn range(partner: Partner) -> Outcome {
    let (_first, mark) = holding(&partner).await?;
    let mut member = Member::enter(&partner).await?;
    let salt = partner.number();
    let nothing = room::whole_span(0, 0);
    member.say(RANGE, &room::range(salt, &[nothing], 0)).await;
    member
        .say(room::PULL, &room::pull(false, &[(mark, 0, 1)]))
        .await;
    member.frame(PUSH).await?;
    let spans = member
        .frames()
        .into_iter()
        .find(|frame| frame.code == SPANS);
    let Some(spans) = spans else {
        return Err(Fault::unsupported("it leaves ranges unanswered"));
    };
    let Some(Frame::GossipSpans(spans)) = spans.decoded() else {
        return Err(Fault::new(
            "GOSSIP_SPANS that can be read",
            spans.to_string(),
        ));
    };
    let list = spans.spans.as_slice();
    let place = |place: &dchat_wire::gossip::Place| (place.lamport, place.hash);
    let ascending = list.iter().all(|span| place(&span.from) <= place(&span.to))
        && list
            .windows(2)
            .all(|pair| place(&pair[0].to) <= place(&pair[1].from));
    let is_ours = spans.salt == salt && !list.is_empty() && list.len() <= 16;
    expect(
        ascending && is_ours,
        "parts that differ, ascending",
        format!("{list:?}"),
    )
}
