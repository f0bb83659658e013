//! Items that are not what they have to be (`80-gossip` §4.3 and §4.5). An item that is refused travels
//! one hop: another member is not shown it, though what the same neighbour sends next reaches it.

use super::super::super::bodies::room::{Author, Header, Item, LEAVE, parting};
use super::super::super::case::{Case, Outcome, expect};
use super::super::super::identity::Identity;
use super::super::super::member::{Member, announced};
use super::super::super::partner::Partner;

const REQ: &[&str] = &["DC-GOSSIP-018", "DC-GOSSIP-019", "DC-GOSSIP-040"];

type Make = fn(&Author, &Partner) -> Item;

/// The highest sequence.
const LAST: u32 = 4_194_303;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let bad: [(&str, &str, Make); 14] = [
        ("sequence-0", "has the sequence 0", |author, _| {
            with(author, |header| header.seq = 0)
        }),
        (
            "sequence-over-the-last",
            "has a sequence above the last",
            |author, _| {
                with(author, |header| {
                    (header.seq, header.floor, header.prev) = (LAST + 1, LAST + 1, [7; 32]);
                })
            },
        ),
        (
            "first-with-previous",
            "is the first and names one before",
            |author, _| with(author, |header| header.prev = [7; 32]),
        ),
        (
            "second-without-previous",
            "is the second and names none before",
            |author, _| with(author, |header| (header.seq, header.floor) = (2, 2)),
        ),
        ("floor-above", "has a floor above itself", |author, _| {
            with(author, |header| header.floor = 2)
        }),
        (
            "lamport-too-low",
            "has a lamport time before it was sent",
            |author, _| with(author, |header| header.lamport = header.sent_at - 1),
        ),
        (
            "body-of-another-digest",
            "has a body that its digest is not of",
            |author, _| {
                let mut item = with(author, |_| {});
                if let Some(body) = &mut item.body {
                    body[0] ^= 1;
                }
                item
            },
        ),
        (
            "body-of-another-length",
            "has a body of another length",
            |author, _| {
                let mut item = with(author, |_| {});
                item.body_len += 1;
                item.sign(&author.room.id, &author.key);
                item
            },
        ),
        (
            "stub-too-long",
            "is a stub of more than a body may have",
            |author, _| {
                let mut item = with(author, |_| {}).stub();
                item.body_len = 66_561;
                item.sign(&author.room.id, &author.key);
                item
            },
        ),
        (
            "false-signature",
            "has a signature with one bit wrong",
            |author, _| {
                let mut item = with(author, |_| {});
                item.signature[3] ^= 1;
                item
            },
        ),
        (
            "signed-by-another",
            "is signed by another key",
            |author, partner| {
                let mut item = with(author, |_| {});
                item.sign(&author.room.id, &partner.identity());
                item
            },
        ),
        (
            "of-another-room",
            "is signed for another room",
            |author, partner| {
                let mut item = with(author, |_| {});
                item.sign(&partner.array(), &author.key);
                item
            },
        ),
        (
            "sealed-for-another-place",
            "has a body sealed for another place",
            |author, _| {
                let elsewhere = Header {
                    lamport: author.next.lamport + 1,
                    ..author.next.clone()
                };
                let mut item = author.item(&elsewhere, &author.plain(b"moved").bytes);
                item.header = author.next.clone();
                item.sign(&author.room.id, &author.key);
                item
            },
        ),
        (
            "sealed-with-another-key",
            "has a body sealed with the key of another room",
            |author, _| {
                let other = super::super::super::bodies::room::Room::new("another");
                let public = author.key.public();
                let body = other.seal(&public, &author.next, &author.plain(b"elsewhere").bytes);
                let mut item = with(author, |_| {});
                item.body_len = body.len() as u32;
                let hash = "dchat/1 2026-11 item body";
                item.body_hash = super::super::super::bodies::derive(hash, &[&body]);
                item.body = Some(body);
                item.sign(&author.room.id, &author.key);
                item
            },
        ),
    ];
    for (slug, about, make) in bad {
        cases.push(Case::negative(
            format!("gossip/item-{slug}"),
            format!("an item that {about} travels one hop"),
            REQ,
            move |partner| dropped(partner, make),
        ));
    }
    let early: [(&str, &str, Make); 2] = [
        ("of-tomorrow", "was sent a day ahead", |author, _| {
            with(author, |header| {
                header.sent_at += 86_400_000;
                header.lamport = header.sent_at;
            })
        }),
        (
            "lamport-of-tomorrow",
            "has a lamport time a day ahead",
            |author, _| with(author, |header| header.lamport += 86_400_000),
        ),
    ];
    for (slug, about, make) in early {
        cases.push(Case::negative(
            format!("gossip/item-{slug}"),
            format!("an item that {about} is early, and not passed on yet"),
            &["DC-GOSSIP-018"],
            move |partner| dropped(partner, make),
        ));
    }
    let odd: [(&str, &str, Make); 4] = [
        (
            "not-a-room-body",
            "opens and is no RoomBody",
            |author, partner| author.item(&author.next, &partner.bytes(40)),
        ),
        (
            "of-another-statement",
            "has a statement about another key",
            |author, partner| {
                let mut other = author.clone();
                other.key = Identity::new(&partner.array());
                author.item(&author.next, &other.plain(b"not mine").bytes)
            },
        ),
        (
            "of-a-kind-unknown",
            "is of a kind nobody knows",
            |author, _| {
                let header = Header {
                    kind: 0x7777,
                    ..author.next.clone()
                };
                author.item(&header, &author.plain(b"what").bytes)
            },
        ),
        (
            "from-the-middle",
            "begins its log in the middle, which its floor allows",
            |author, partner| {
                let header = Header {
                    seq: 70,
                    floor: 70,
                    prev: partner.array(),
                    ..author.next.clone()
                };
                author.item(&header, &author.plain(b"later").bytes)
            },
        ),
    ];
    for (slug, about, make) in odd {
        cases.push(Case::positive(
            format!("gossip/item-{slug}"),
            format!("an item that {about} is kept and passed on"),
            &["DC-GOSSIP-028", "DC-GOSSIP-018"],
            move |partner| passed(partner, make),
        ));
    }
    cases.push(Case::negative(
        "gossip/items-invalid-too-many",
        "a neighbour that sends invalid items one after another is parted from: MISBEHAVED",
        &["DC-GOSSIP-019", "DC-GOSSIP-038"],
        misbehaves,
    ));
    cases
}

fn with(author: &Author, change: impl FnOnce(&mut Header)) -> Item {
    let mut header = author.next.clone();
    change(&mut header);
    author.item(&header, &author.plain(b"hello").bytes)
}

async fn dropped(partner: Partner, make: Make) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let author = one.author(&partner);
    let bad = make(&author, &partner);
    one.push(&bad, 5).await;
    let mut good = one.author(&partner);
    let item = good.says("after it");
    one.passes(&mut other, &item, good.mark()).await?;
    let frames = other.frames();
    let is_told = frames
        .iter()
        .any(|frame| announced(frame, author.mark(), 0));
    let seen = if is_told { "announced" } else { "pushed" };
    let right = !is_told && other.pushed(&bad).is_empty();
    expect(right, "what was refused not to be passed on", seen)
}

async fn passed(partner: Partner, make: Make) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let author = one.author(&partner);
    let item = make(&author, &partner);
    one.passes(&mut other, &item, author.mark()).await
}

async fn misbehaves(partner: Partner) -> Outcome {
    let mut one = Member::enter(&partner).await?;
    for _ in 0..8 {
        let author = one.author(&partner);
        let mut bad = with(&author, |_| {});
        bad.signature[9] ^= 1;
        one.push(&bad, 5).await;
    }
    let left = one.expect_leave(parting::MISBEHAVED).await;
    left.map_err(|fault| fault.by("DC-GOSSIP-019"))?;
    // Shunned for some minutes.
    let me = one.link.me.clone();
    let tag = one.room.tag(&me.public(), &partner.subject.peer);
    let open = super::super::super::bodies::room::open(&tag, partner.number(), false, true);
    let code = super::super::super::bodies::room::OPEN;
    let talk = one
        .link
        .talk(&super::super::super::frames::frame(code, &open.bytes))
        .await?;
    talk.first(LEAVE)
        .await
        .map(|_| ())
        .map_err(|fault| fault.by("DC-GOSSIP-038"))
}
