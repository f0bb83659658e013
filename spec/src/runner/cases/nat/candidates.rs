//! CANDIDATES and PUNCH of strangers (`50-nat` §3 and §4): read, and not acted upon.

use core::time::Duration;

use dchat_wire::Frame;

use super::super::super::bodies::multiaddr;
use super::super::super::bodies::nat::{self, CAN_PUNCH};
use super::super::super::breaks::{self, Break};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::chat::Order;
use super::super::super::chat::talk::{CAN_CHAT, accepted};
use super::super::super::frames::{self, codes, frame};
use super::super::super::greeting::Greeting;
use super::super::super::journal::RawFrame;
use super::super::super::link::{Link, Marker};
use super::super::super::partner::Partner;
use super::super::super::udp::Udp;
use crate::structure::Structure;

/// How long CANDIDATES that may not come are waited for. A person who redeems its invite here becomes a
/// contact when the greeting is over.
const WATCHED: Duration = Duration::from_secs(2);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "nat/candidates",
            "CANDIDATES of a stranger are read, and the connection goes on",
            &["DC-NAT-039", "DC-NAT-011"],
            |partner| async move {
                let mut link = puncher(&partner).await?;
                for generation in [1, 2, 2, 1, 7] {
                    link.control(&candidates(generation, &[])).await;
                }
                link.reads_on(Marker::Unsupported).await
            },
        ),
        Case::positive(
            "nat/candidates-of-every-class",
            "CANDIDATES with any code that is assigned are read",
            &["DC-NAT-001"],
            |partner| async move {
                let mut link = puncher(&partner).await?;
                for code in 0..5 {
                    let at = multiaddr(([192, 0, 2, 7], 4001).into(), None);
                    let one = nat::candidate(code.min(2), &at);
                    let body = nat::candidates(1, &nat::class([code; 3]), &[one]);
                    link.control(&frame(frames::CANDIDATES, &body.bytes)).await;
                }
                link.reads_on(Marker::Unsupported).await
            },
        ),
        Case::positive(
            "nat/candidates-to-a-contact",
            "a contact that can punch is sent CANDIDATES, of generation 1 first",
            &["DC-NAT-010"],
            to_a_contact,
        ),
        Case::negative(
            "nat/candidates-not-without-capability",
            "a contact without PUNCH is sent no CANDIDATES but those that came with IDENTIFY",
            &["DC-NAT-010"],
            |partner| without_capability(partner, &[]),
        )
        .takes(2),
        Case::negative(
            "nat/candidates-not-for-unknown-capabilities",
            "capabilities without a meaning stand for none that has one: whose they are cannot punch",
            &["DC-CONN-025", "DC-NAT-010"],
            |partner| without_capability(partner, UNKNOWN),
        )
        .takes(2),
        Case::negative(
            "nat/candidates-not-to-strangers",
            "who is no contact is sent no CANDIDATES and no PUNCH, though it can punch and asks",
            &["DC-NAT-009", "DC-NAT-025"],
            |partner| async move {
                let mut link = puncher(&partner).await?;
                link.control(&candidates(1, &[])).await;
                link.control(&punch(1, false)).await;
                link.lives().await?;
                link.reads_on(Marker::Unsupported).await?;
                silent(&link)
            },
        ),
        Case::negative(
            "nat/candidates-not-probed",
            "the candidates of a stranger are sent nothing",
            &["DC-NAT-025", "DC-NAT-012"],
            |partner| async move {
                let udp = Udp::new(&partner)?;
                let at = multiaddr(udp.address()?, None);
                let mut link = puncher(&partner).await?;
                link.control(&candidates(1, &[nat::candidate(0, &at)]))
                    .await;
                let body = nat::punch(1, false, Some(&at));
                link.control(&frame(frames::PUNCH, &body.bytes)).await;
                link.lives().await?;
                link.reads_on(Marker::Unsupported).await?;
                let came = udp.came().await?;
                expect(
                    came.is_none(),
                    "nothing at the candidate",
                    format!("{came:?}"),
                )
            },
        ),
        Case::negative(
            "nat/punch-again",
            "a PUNCH whose round was seen, and an answer to none, change nothing",
            &["DC-NAT-015"],
            |partner| async move {
                let mut link = puncher(&partner).await?;
                for (round, answers) in [(1, false), (1, false), (7, true), (0, false)] {
                    link.control(&punch(round, answers)).await;
                }
                link.reads_on(Marker::Unsupported).await?;
                silent(&link)
            },
        ),
    ];
    cases.extend(broken());
    cases
}

/// A connection of a stranger who can punch.
async fn puncher(partner: &Partner) -> Result<Link, Fault> {
    let mut greeting = Greeting::new(partner);
    greeting.capabilities = vec![1, CAN_PUNCH];
    partner.link_with(&partner.identity(), &greeting).await
}

fn candidates(generation: u32, list: &[crate::structure::Part]) -> Vec<u8> {
    let body = nat::candidates(generation, &nat::class([2, 4, 1]), list);
    frame(frames::CANDIDATES, &body.bytes)
}

fn punch(round: u32, answers: bool) -> Vec<u8> {
    frame(frames::PUNCH, &nat::punch(round, answers, None).bytes)
}

/// The frames on the peer's control stream.
fn on_control(link: &Link) -> Vec<RawFrame> {
    let journal = link.journal();
    let control = journal.control().map(|stream| stream.frames.clone());
    control.unwrap_or_default()
}

/// Generations of the CANDIDATES among them.
fn generations(frames: &[RawFrame]) -> Vec<u32> {
    let sent = frames
        .iter()
        .filter(|frame| frame.code == frames::CANDIDATES);
    let generation = |frame: &RawFrame| match frame.decoded() {
        Some(Frame::Candidates(candidates)) => Some(candidates.generation),
        _ => None,
    };
    sent.filter_map(generation).collect()
}

async fn to_a_contact(partner: Partner) -> Outcome {
    let mut person = partner.subject.people.take(&partner, Order::Any).await?;
    let (mut link, _chat) = partner.contact(&mut person, &[CAN_CHAT, CAN_PUNCH]).await?;
    let hello = link.journal().hello();
    if !hello.is_some_and(|hello| hello.capabilities.as_slice().contains(&CAN_PUNCH)) {
        return Err(Fault::unsupported("it cannot punch"));
    }
    link.control(&candidates(1, &[])).await;
    let what = "CANDIDATES for a contact that can punch";
    let first = link.until(what, |journal| {
        generations(&journal.control()?.frames).first().copied()
    });
    let first = match first.await {
        Ok(first) => first,
        Err(_) => {
            link.lives().await?;
            return Err(Fault::unsupported(
                "it tells nobody where it can be reached",
            ));
        }
    };
    expect(first == 1, "generation 1 first", first.to_string())?;
    link.lives().await
}

/// Capabilities without a meaning that have the low byte or bits of those to punch.
const UNKNOWN: &[u16] = &[
    CAN_PUNCH | 0x0040,
    CAN_PUNCH | 0x0100,
    CAN_PUNCH << 8,
    CAN_PUNCH | 0x8000,
];

/// Somebody who cannot punch, and has capabilities of `more`.
async fn without_capability(partner: Partner, more: &'static [u16]) -> Outcome {
    let mut person = partner.subject.people.take(&partner, Order::Any).await?;
    let capabilities = [&[CAN_CHAT], more].concat();
    let mut link = partner.able_link_of(&person, &capabilities).await?;
    // Behind the flight of IDENTIFY, and before the peer knows who it is that has an invite.
    link.lives().await?;
    let frames = on_control(&link);
    let before = generations(&frames);
    let mut behind = frames
        .iter()
        .skip_while(|frame| frame.code != frames::IDENTIFY);
    let in_flight = behind
        .nth(1)
        .is_some_and(|frame| frame.code == frames::CANDIDATES);
    let right = before.is_empty() || in_flight && before == [1];
    let seen = format!("generations {before:?}, right behind IDENTIFY: {in_flight}");
    expect(right, "no CANDIDATES, or generation 1 with IDENTIFY", seen)?;
    let _chat = accepted(&link, &mut person).await?;
    link.control(&candidates(1, &[])).await;
    link.control(&punch(1, false)).await;
    tokio::time::sleep(WATCHED).await;
    link.reads_on(Marker::Unsupported).await?;
    let after = generations(&on_control(&link));
    let seen = format!("generations {before:?}, then {after:?}");
    expect(after == before, "no CANDIDATES behind these", seen)
}

/// No frame of this document came on the control stream.
fn silent(link: &Link) -> Outcome {
    let journal = link.journal();
    let control = journal.control().map(|stream| stream.frames.as_slice());
    let of_nat = control
        .unwrap_or_default()
        .iter()
        .find(|frame| matches!(frame.code, frames::CANDIDATES | frames::PUNCH));
    let seen = of_nat.map(ToString::to_string).unwrap_or_default();
    expect(of_nat.is_none(), "neither CANDIDATES nor PUNCH", seen)
}

fn broken() -> Vec<Case> {
    let at = multiaddr(([192, 0, 2, 7], 4001).into(), None);
    let one = nat::candidate(0, &at);
    let of = |code: [u8; 3], list: &[crate::structure::Part]| {
        nat::candidates(1, &nat::class(code), list)
    };
    let whole = of([0; 3], core::slice::from_ref(&one));
    let mut all: Vec<(u16, &str, Break)> = Vec::new();
    let mut add = |code, name, list: Vec<Break>| {
        all.extend(list.into_iter().map(|broken| (code, name, broken)));
    };
    let unassigned = |slug: &str, about: &str, body: Structure| {
        Break::new(slug, about, &["DC-NAT-001", "DC-WIRE-017"], body.bytes)
    };
    add(frames::CANDIDATES, "candidates", breaks::cuts(&whole));
    add(
        frames::CANDIDATES,
        "candidates",
        breaks::counts(&whole, "Candidates.candidates", 24),
    );
    add(
        frames::CANDIDATES,
        "candidates",
        breaks::extensions(&whole, "Candidates.extensions"),
    );
    add(
        frames::CANDIDATES,
        "candidates",
        vec![
            unassigned(
                "mapping-5",
                "has a mapping without a meaning",
                of([5, 0, 0], &[]),
            ),
            unassigned(
                "filtering-5",
                "has a filtering without a meaning",
                of([0, 5, 0], &[]),
            ),
            unassigned(
                "allocation-5",
                "has an allocation without a meaning",
                of([0, 0, 5], &[]),
            ),
            unassigned(
                "kind-4",
                "has a candidate of a kind without a meaning",
                of([0; 3], &[nat::candidate(4, &at)]),
            ),
        ],
    );
    let punch = nat::punch(1, false, Some(&at));
    add(frames::PUNCH, "punch", breaks::cuts(&punch));
    add(
        frames::PUNCH,
        "punch",
        breaks::extensions(&punch, "Punch.extensions"),
    );
    add(
        frames::PUNCH,
        "punch",
        vec![Break::new(
            "answers-2",
            "has a bool that is neither true nor false",
            &["DC-WIRE-017"],
            punch.replace("Punch.answers", &[2]),
        )],
    );
    all.into_iter()
        .map(|(code, name, broken)| {
            let bytes = frame(code, &broken.bytes);
            let title = name.to_uppercase();
            Case::negative(
                format!("nat/{name}-{}", broken.slug),
                format!("{title} that {} closes with MALFORMED", broken.about),
                broken.req,
                move |partner| {
                    let bytes = bytes.clone();
                    async move {
                        let mut link = puncher(&partner).await?;
                        link.control(&bytes).await;
                        link.expect_close(codes::MALFORMED).await
                    }
                },
            )
        })
        .collect()
}
