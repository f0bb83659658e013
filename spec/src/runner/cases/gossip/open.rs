//! Streams of rooms, and how links begin and end (`80-gossip` §3.1, §3.2 and §7).

use super::super::super::bodies::room::{self, LEAVE, OPEN, Room, parting};
use super::super::super::case::{Case, Outcome, expect};
use super::super::super::frames::{self, codes, flagged, frame, ping};
use super::super::super::journal::End;
use super::super::super::member::{self, Member, connect};
use super::super::super::partner::Partner;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::negative(
            "gossip/unknown-room",
            "GOSSIP_OPEN with a tag of no room is answered with UNKNOWN_ROOM, and the stream ends",
            &["DC-GOSSIP-009"],
            |partner| async move {
                let tag = partner.array();
                unknown(&partner, &tag).await
            },
        ),
        Case::negative(
            "gossip/room-of-nobody",
            "GOSSIP_OPEN with the right tag of a room the peer is not in: UNKNOWN_ROOM",
            &["DC-GOSSIP-009"],
            |partner| async move {
                let room = Room::new(&format!("nobody-{:x}", partner.number()));
                let me = partner.identity();
                let tag = room.tag(&me.public(), &partner.subject.peer);
                unknown(&partner, &tag).await
            },
        ),
        Case::positive(
            "gossip/open",
            "GOSSIP_OPEN with the tag of its room is answered with its own tag",
            &["DC-GOSSIP-009", "DC-GOSSIP-008"],
            |partner| async move {
                let member = Member::enter(&partner).await?;
                member.link.lives().await
            },
        )
        .alone(),
        Case::positive(
            "gossip/open-again",
            "a member that opens another stream for the room goes on there",
            &["DC-GOSSIP-008"],
            again,
        )
        .alone(),
        Case::positive(
            "gossip/come-and-go",
            "a member that leaves may come back",
            &["DC-GOSSIP-009"],
            |partner| async move {
                let seed = partner.fresh();
                for _ in 0..3 {
                    let mut member = Member::enter_as(&partner, seed).await?;
                    member.say(LEAVE, &room::leave(parting::LEAVING)).await;
                    member.link.lives().await?;
                    member.link.leave();
                }
                Ok(())
            },
        )
        .alone(),
        Case::negative(
            "gossip/tag-of-another",
            "the tag of somebody else is UNKNOWN_ROOM",
            &["DC-GOSSIP-009"],
            |partner| async move {
                let room = member::room_of(&partner)?;
                let other = partner.identity().public();
                unknown(&partner, &room.tag(&other, &partner.subject.peer)).await
            },
        ),
        Case::negative(
            "gossip/tag-backwards",
            "the tag from the peer to the partner, sent back to it, is UNKNOWN_ROOM",
            &["DC-GOSSIP-009"],
            |partner| async move {
                let room = member::room_of(&partner)?;
                let me = partner.identity();
                let tag = room.tag(&partner.subject.peer, &me.public());
                unknown_to(&partner, &me, &tag).await
            },
        ),
        Case::negative(
            "gossip/not-without-capability",
            "who does not have the capability GOSSIP is sent no frame of a room",
            &["DC-GOSSIP-001"],
            without_capability,
        )
        .alone(),
        Case::positive(
            "gossip/with-capability",
            "who has the capability GOSSIP is let in and gets the items of others",
            &["DC-GOSSIP-001"],
            |partner| async move {
                let (mut one, mut other) = Member::two(&partner).await?;
                let mut author = one.author(&partner);
                let item = author.says("to all that have rooms");
                one.passes(&mut other, &item, author.mark()).await
            },
        )
        .alone(),
        Case::positive(
            "gossip/frames-in-order",
            "before GOSSIP_OPEN what has no meaning is skipped, behind it every frame of rooms is read",
            &["DC-GOSSIP-010"],
            in_order,
        )
        .alone(),
        Case::negative(
            "gossip/other-frame-on-the-stream",
            "a frame of another document on a room's stream closes with UNEXPECTED",
            &["DC-GOSSIP-010"],
            |partner| async move {
                let mut member = Member::enter(&partner).await?;
                member.raw(&frame(frames::PING, &ping(1, &[]).bytes)).await;
                member.link.expect_close(codes::UNEXPECTED).await
            },
        )
        .alone(),
    ];
    let first = [
        (room::PUSH, "push", item()),
        (room::DIGEST, "digest", room::digest(1, 2, 3)),
        (LEAVE, "leave", room::leave(parting::LEAVING)),
        (room::PULL, "pull", room::pull(false, &[])),
    ];
    for (code, slug, body) in first {
        let bytes = frame(code, &body.bytes);
        cases.push(Case::negative(
            format!("gossip/{slug}-before-open"),
            "a stream that begins with another frame of rooms is refused with UNEXPECTED",
            &["DC-GOSSIP-010", "DC-CONN-035"],
            move |partner| {
                let bytes = bytes.clone();
                async move {
                    let link = connect(&partner, &partner.identity()).await?;
                    let talk = link.talk(&bytes).await?;
                    let end = talk.end().await?;
                    let seen = format!("{end:?}");
                    let reset = End::Reset(codes::UNEXPECTED);
                    expect(end == reset, "RESET_STREAM with UNEXPECTED", seen)?;
                    link.lives().await
                }
            },
        ));
    }
    cases
}

/// GOSSIP_PUSH of an item of no room in particular.
fn item() -> crate::structure::Structure {
    let room = Room::new("nowhere");
    let mut author = room::Author::new(&room, &[7; 32], [9; 16]);
    room::push(1, &author.says("hello"))
}

async fn unknown(partner: &Partner, tag: &[u8; 32]) -> Outcome {
    unknown_to(partner, &partner.identity(), tag).await
}

async fn unknown_to(
    partner: &Partner,
    me: &super::super::super::identity::Identity,
    tag: &[u8; 32],
) -> Outcome {
    let link = connect(partner, me).await?;
    let open = room::open(tag, partner.number(), false, true);
    let talk = link.talk(&frame(OPEN, &open.bytes)).await?;
    let leave = talk.first(LEAVE).await?;
    let reason = leave.body.first().copied();
    let seen = format!("reason {reason:?}");
    expect(reason == Some(parting::UNKNOWN_ROOM), "UNKNOWN_ROOM", seen)?;
    talk.end().await?;
    link.lives().await
}

async fn again(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let me = one.link.me.public();
    let tag = one.room.tag(&me, &partner.subject.peer);
    let open = room::open(&tag, partner.number(), false, true);
    let mut second = one.link.talk(&frame(OPEN, &open.bytes)).await?;
    let mut author = one.author(&partner);
    let item = author.says("over the second stream");
    second.say(&item.push(5)).await;
    other.obtains(&item, author.mark()).await?;
    // The first stream may end; the link does not.
    one.talk().finish();
    let item = author.says("and again");
    second.say(&item.push(5)).await;
    other.obtains(&item, author.mark()).await.map(|_| ())
}

async fn without_capability(partner: Partner) -> Outcome {
    let room = member::room_of(&partner)?;
    let plain = partner.link().await?;
    // It knows the room all the same, and asks to be let in.
    let tag = room.tag(&plain.me.public(), &partner.subject.peer);
    let open = room::open(&tag, partner.number(), false, true);
    let _talk = plain.talk(&frame(OPEN, &open.bytes)).await?;
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let item = author.says("among members");
    one.passes(&mut other, &item, author.mark()).await?;
    plain.lives().await?;
    let journal = plain.journal();
    let all = journal.streams.iter().flat_map(|stream| &stream.frames);
    let of_rooms = all.filter(|frame| (OPEN..=room::FETCH).contains(&frame.code));
    let names: Vec<String> = of_rooms.map(|frame| frames::name(frame.code)).collect();
    expect(names.is_empty(), "no frame of a room", names.join(" "))
}

async fn in_order(partner: Partner) -> Outcome {
    let (member, mut other) = Member::two(&partner).await?;
    let me = member.link.me.public();
    let tag = member.room.tag(&me, &partner.subject.peer);
    let mut author = member.author(&partner);
    let reserved = flagged(0x5a2a, 0, &partner.bytes(20));
    let open = room::open(&tag, partner.number(), false, true);
    let begin = [reserved.clone(), frame(OPEN, &open.bytes), reserved].concat();
    let mut stream = member.link.talk(&begin).await?;
    for (code, body) in [
        (room::SHUFFLE, room::shuffle(true, &[])),
        (room::ANNOUNCE, room::announce(&[])),
        (room::PULL, room::pull(false, &[])),
        (room::TREE, room::tree(&[], &[])),
        (room::FETCH, room::fetch(1)),
        (room::DIGEST, room::digest(1, 2, room::horizon())),
    ] {
        stream.say(&frame(code, &body.bytes)).await;
    }
    // It gets through when all before it was read.
    let item = author.says("behind all that");
    stream.say(&item.push(5)).await;
    other.obtains(&item, author.mark()).await?;
    member.link.lives().await
}
