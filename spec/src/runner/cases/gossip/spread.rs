//! Spreading (`80-gossip` §8): what one member says reaches another through the peer.

use dchat_wire::Frame;

use super::super::super::bodies::room::{self, ASKED, Item, PULL, PUSH};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::journal::RawFrame;
use super::super::super::member::{Member, announced};
use super::super::super::partner::Partner;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "gossip/passes-on",
            "an item of one member reaches another, unchanged",
            &["DC-GOSSIP-040", "DC-GOSSIP-018"],
            |partner| async move {
                let (mut one, mut other) = Member::two(&partner).await?;
                let mut author = one.author(&partner);
                let item = author.says("hello");
                one.passes(&mut other, &item, author.mark()).await
            },
        ),
        Case::positive(
            "gossip/in-order",
            "many items of a log reach another member in order, each once",
            &["DC-GOSSIP-021", "DC-GOSSIP-011"],
            in_order,
        ),
        Case::negative(
            "gossip/twice",
            "an item that comes twice is passed on once",
            &["DC-GOSSIP-021"],
            twice,
        ),
        Case::positive(
            "gossip/gap",
            "an item that comes before the one before it is put aside, and that one asked for",
            &["DC-GOSSIP-020", "DC-GOSSIP-042", "DC-GOSSIP-021"],
            gap,
        ),
        Case::positive(
            "gossip/announced",
            "what is announced is asked for, and reaches another member",
            &["DC-GOSSIP-042", "DC-GOSSIP-049"],
            announcement,
        ),
        Case::negative(
            "gossip/announced-twice",
            "what is announced again while it is asked for is not asked for twice",
            &["DC-GOSSIP-042"],
            announced_twice,
        ),
        Case::positive(
            "gossip/pull",
            "GOSSIP_PULL is answered with what is wanted, in order, with hops 255",
            &["DC-GOSSIP-043"],
            pulls,
        ),
        Case::negative(
            "gossip/pull-of-nothing",
            "GOSSIP_PULL of what the peer does not hold brings nothing, and no harm",
            &["DC-GOSSIP-043"],
            pull_of_nothing,
        ),
        Case::positive(
            "gossip/told-of-own-log",
            "an author is told by its neighbour that its item is stored",
            &["DC-GOSSIP-050"],
            told,
        ),
        Case::negative(
            "gossip/asked-item-of-old",
            "an item with hops 255 that is over 2 s old is announced and not pushed",
            &["DC-GOSSIP-041"],
            old,
        ),
    ];
    for hops in [6, 200, 254] {
        cases.push(Case::negative(
            format!("gossip/hops-{hops}"),
            format!("hops of {hops} count as 5: they go on as 4 or less"),
            &["DC-GOSSIP-039"],
            move |partner| counts_down(partner, hops),
        ));
    }
    cases.push(Case::positive(
        "gossip/hops-5",
        "hops of 5 go on as 4 or less",
        &["DC-GOSSIP-039"],
        |partner| counts_down(partner, 5),
    ));
    cases
}

/// The sequences of a log in the order in which its items were pushed to a member.
fn order(member: &Member, items: &[Item]) -> Vec<u32> {
    let pushes = member
        .frames()
        .into_iter()
        .filter(|frame| frame.code == PUSH);
    pushes
        .filter_map(|frame| {
            let bytes = frame.body.get(1..)?;
            let found = items.iter().find(|item| item.structure().bytes == bytes)?;
            Some(found.header.seq)
        })
        .collect()
}

async fn in_order(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let items: Vec<Item> = (0..12)
        .map(|n| author.says(&format!("number {n}")))
        .collect();
    for item in &items {
        one.push(item, 5).await;
    }
    for item in &items {
        other.obtains(item, author.mark()).await?;
    }
    let came = order(&other, &items);
    let sorted = came.windows(2).all(|pair| pair[0] < pair[1]);
    expect(
        sorted && came.len() == items.len(),
        "1 to 12 in order",
        format!("{came:?}"),
    )
}

async fn twice(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let item = author.says("once");
    for _ in 0..3 {
        one.push(&item, 5).await;
    }
    let next = author.says("next");
    one.push(&next, 5).await;
    other.obtains(&item, author.mark()).await?;
    other.obtains(&next, author.mark()).await?;
    let times = other.pushed(&item).len();
    expect(times == 1, "the item once", format!("{times} times"))
}

/// The wants of a GOSSIP_PULL for a log.
fn wanted(frame: &RawFrame, mark: u64) -> Option<(u32, u32)> {
    match frame.decoded() {
        Some(Frame::GossipPull(pull)) => {
            let wants = pull.wants.as_slice().iter();
            wants
                .filter(|want| want.log == mark)
                .map(|want| (want.after, want.upto))
                .next()
        }
        _ => None,
    }
}

async fn asks(member: &Member, mark: u64) -> Result<(u32, u32), Fault> {
    member
        .until("GOSSIP_PULL for the log", |frames| {
            frames.iter().find_map(|frame| wanted(frame, mark))
        })
        .await
}

async fn gap(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let items: Vec<Item> = (0..3).map(|n| author.says(&format!("{n}"))).collect();
    one.push(&items[0], 5).await;
    one.push(&items[2], 5).await;
    let (after, upto) = asks(&one, author.mark()).await?;
    let right = after == 1 && (2..=3).contains(&upto);
    expect(
        right,
        "a request for what is after item 1",
        format!("after {after}, up to {upto}"),
    )?;
    one.push(&items[1], ASKED).await;
    for item in &items {
        other.obtains(item, author.mark()).await?;
    }
    Ok(())
}

async fn announcement(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let items: Vec<Item> = (0..3).map(|n| author.says(&format!("{n}"))).collect();
    let marks = room::announce(&[(author.mark(), 3, 0)]);
    one.say(room::ANNOUNCE, &marks).await;
    let (after, upto) = asks(&one, author.mark()).await?;
    expect(
        (after, upto) == (0, 3),
        "a request for items 1 to 3",
        format!("after {after}, up to {upto}"),
    )?;
    for item in &items {
        one.push(item, ASKED).await;
    }
    for item in &items {
        other.obtains(item, author.mark()).await?;
    }
    Ok(())
}

async fn announced_twice(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = other.author(&partner);
    let item = author.says("asked for once");
    let marks = room::announce(&[(author.mark(), 1, 0)]);
    one.say(room::ANNOUNCE, &marks).await;
    one.say(room::ANNOUNCE, &marks).await;
    asks(&one, author.mark()).await?;
    one.push(&item, ASKED).await;
    other.obtains(&item, author.mark()).await?;
    // A second request would have come in the same breath as the first; one after a round trip
    // without an answer is allowed, and then there was no answer yet.
    let frames = one.frames();
    let pulls = frames
        .iter()
        .filter(|frame| frame.code == PULL)
        .filter_map(|frame| match frame.decoded() {
            Some(Frame::GossipPull(pull)) => Some(pull),
            _ => None,
        });
    let most = pulls
        .map(|pull| {
            let wants = pull.wants.as_slice().iter();
            wants.filter(|want| want.log == author.mark()).count()
        })
        .max();
    expect(
        most == Some(1),
        "the log once in a request",
        format!("{most:?}"),
    )
}

async fn pulls(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let items: Vec<Item> = (0..5).map(|n| author.says(&format!("{n}"))).collect();
    for item in &items {
        one.push(item, 5).await;
    }
    for item in &items {
        other.obtains(item, author.mark()).await?;
    }
    // A third member, to whom nothing was pushed when it came.
    let mut third = Member::enter(&partner).await?;
    third
        .say(PULL, &room::pull(false, &[(author.mark(), 1, 4)]))
        .await;
    let what = "items 2 to 4";
    third
        .until(what, |frames| {
            let is_last = |frame: &&&RawFrame| {
                frame.code == PUSH && frame.body.get(1..) == Some(&items[3].structure().bytes)
            };
            frames.iter().find(is_last).map(|_| ())
        })
        .await?;
    let came = order(&third, &items);
    expect(
        came == [2, 3, 4],
        "items 2, 3 and 4 in order",
        format!("{came:?}"),
    )?;
    for item in &items[1..4] {
        let hops = third.pushed(item);
        expect(hops == [ASKED], "hops 255", format!("{hops:?}"))?;
    }
    Ok(())
}

async fn pull_of_nothing(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let unknown = partner.number();
    one.say(
        PULL,
        &room::pull(
            true,
            &[
                (unknown, 0, 9),
                (author.mark(), 3, 1),
                (author.mark(), 0, u32::MAX),
            ],
        ),
    )
    .await;
    let item = author.says("hello");
    one.passes(&mut other, &item, author.mark()).await?;
    other
        .say(
            PULL,
            &room::pull(false, &[(author.mark(), 5, 9), (author.mark(), 0, 1)]),
        )
        .await;
    other.link.lives().await?;
    one.link.lives().await
}

async fn told(partner: Partner) -> Outcome {
    let mut one = Member::enter(&partner).await?;
    let mut author = one.author(&partner);
    let item = author.says("did you get that?");
    one.push(&item, 5).await;
    one.until("an announcement of the own log", |frames| {
        let is_told = |frame: &&&RawFrame| announced(frame, author.mark(), 1);
        frames.iter().find(is_told).map(|_| ())
    })
    .await
}

async fn old(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    author.next.sent_at -= 60_000;
    author.next.lamport = author.next.sent_at;
    let item = author.says("a minute ago");
    one.push(&item, ASKED).await;
    other.hears(&item, author.mark()).await?;
    let hops = other.pushed(&item);
    expect(
        hops.is_empty(),
        "an announcement",
        format!("a push with hops {hops:?}"),
    )
}

async fn counts_down(partner: Partner, hops: u8) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let item = author.says("hop");
    one.push(&item, hops).await;
    let came = other.obtains(&item, author.mark()).await?;
    let right = came <= 4 || came == ASKED;
    expect(right, "hops of at most 4", format!("hops of {came}"))
}
