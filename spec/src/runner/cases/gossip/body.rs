//! Frames of rooms that must be refused with MALFORMED (`10-encoding` §2 and §5).

use super::super::super::bodies::room::{self, Author, Item, Room, parting};
use super::super::super::breaks::Break;
use super::super::super::case::Case;
use super::super::super::frames::{self, codes, frame};
use super::super::super::member::Member;
use crate::structure::Structure;

const REQ: &[&str] = &["DC-WIRE-017", "DC-WIRE-001"];

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (code, body) in bodies() {
        let cut = body.bytes[..body.bytes.len() - 1].to_vec();
        let more = [body.bytes.as_slice(), &[0]].concat();
        all.push((code, Break::new("cut", "has a byte too few", REQ, cut)));
        all.push((
            code,
            Break::new("and-more", "has a byte too many", REQ, more),
        ));
    }
    let leave = room::leave(parting::LEAVING);
    for reason in [0, 5, 255] {
        all.push((
            room::LEAVE,
            Break::new(
                format!("reason-{reason}"),
                "has a reason without a meaning",
                REQ,
                leave.replace("GossipLeave.reason", &[reason]),
            ),
        ));
    }
    let sketch = room::sketch(1, 2, 0, &[0; 9]);
    all.push((
        room::SKETCH,
        Break::new(
            "of-2",
            "is of neither sequences nor tips",
            REQ,
            sketch.replace("GossipSketch.of", &[2]),
        ),
    ));
    let pull = room::pull(false, &[]);
    all.push((
        room::PULL,
        Break::new(
            "wants-1025",
            "wants 1025 things",
            &["DC-WIRE-007", "DC-WIRE-002"],
            pull.replace("GossipPull.wants", &1025_u64.to_le_bytes()),
        ),
    ));
    all.push((
        room::ANNOUNCE,
        Break::new(
            "marks-by-far",
            "has the largest count there is",
            &["DC-WIRE-002", "DC-WIRE-007"],
            u64::MAX.to_le_bytes().to_vec(),
        ),
    ));
    all.into_iter()
        .map(|(code, broken)| {
            let bytes = frame(code, &broken.bytes);
            let name = frames::name(code);
            let slug = name.to_lowercase().replace('_', "-").replace("gossip-", "");
            Case::negative(
                format!("gossip/{slug}-{}", broken.slug),
                format!("{name} that {} closes with MALFORMED", broken.about),
                broken.req,
                move |partner| {
                    let bytes = bytes.clone();
                    async move {
                        let mut member = Member::open(&partner, partner.fresh()).await?;
                        member.raw(&bytes).await;
                        member.link.expect_close(codes::MALFORMED).await
                    }
                },
            )
        })
        .collect()
}

fn item() -> Item {
    let mut author = Author::new(&Room::new("nowhere"), &[7; 32], [9; 16]);
    author.says("hello")
}

/// A body of every frame type of rooms.
fn bodies() -> Vec<(u16, Structure)> {
    let peer = crate::actor::ALICE.public();
    let item = item();
    vec![
        (room::OPEN, room::open(&[1; 32], 7, false, true)),
        (room::LEAVE, room::leave(parting::LEAVING)),
        (room::JOIN, room::join(&peer, 4)),
        (room::SHUFFLE, room::shuffle(false, &[peer])),
        (room::PUSH, room::push(5, &item)),
        (room::ANNOUNCE, room::announce(&[(1, 2, 3)])),
        (room::PULL, room::pull(true, &[(1, 2, 3)])),
        (room::TREE, room::tree(&[1], &[2])),
        (room::DIGEST, room::digest(1, 2, 3)),
        (room::SKETCH, room::sketch(1, 2, 0, &[0; 9])),
        (room::MORE, room::more(1, 2, 3)),
        (room::PROOF, room::proof(&[item.clone(), item])),
        (room::RANGE, room::range(1, &[room::whole_span(0, 0)], 5)),
        (room::SPANS, room::spans(1, &[room::whole_span(0, 0)])),
        (room::FETCH, room::fetch(10)),
    ]
}
