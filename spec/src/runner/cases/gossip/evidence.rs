//! Authors who contradict themselves (`80-gossip` §4.4).

use dchat_wire::Frame;

use super::super::super::bodies::room::{self, Author, Header, Item, PROOF, parting};
use super::super::super::case::{Case, Outcome, expect};
use super::super::super::journal::RawFrame;
use super::super::super::member::{Member, announced};
use super::super::super::partner::Partner;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::negative(
            "gossip/fork",
            "two items of one sequence yield a proof, which the other members are sent",
            &["DC-GOSSIP-023", "DC-GOSSIP-024"],
            |partner| contradiction(partner, fork),
        ),
        Case::negative(
            "gossip/broken-chain",
            "a second item that does not name the first yields a proof",
            &["DC-GOSSIP-023", "DC-GOSSIP-024"],
            |partner| contradiction(partner, chain),
        ),
        Case::negative(
            "gossip/clock-back",
            "a second item that was sent before the first yields a proof",
            &["DC-GOSSIP-023", "DC-GOSSIP-024", "DC-GOSSIP-013"],
            |partner| contradiction(partner, clock),
        ),
        Case::negative(
            "gossip/lamport-back",
            "a second item whose lamport time is not greater yields a proof",
            &["DC-GOSSIP-023", "DC-GOSSIP-024", "DC-GOSSIP-013"],
            |partner| contradiction(partner, lamport),
        ),
        Case::positive(
            "gossip/proof",
            "a proof that a member sends closes the log and goes on to others",
            &["DC-GOSSIP-024", "DC-GOSSIP-023"],
            proof,
        ),
        Case::negative(
            "gossip/closed-log",
            "what comes of a closed log is passed on no more, and its sender sent the proof",
            &["DC-GOSSIP-023", "DC-GOSSIP-024"],
            closed,
        ),
        Case::negative(
            "gossip/closed-log-asked-for",
            "who asks for a closed log is sent the proof",
            &["DC-GOSSIP-043", "DC-GOSSIP-024"],
            asked,
        ),
        Case::negative(
            "gossip/proof-of-nothing",
            "two items that follow each other are no proof, and the log goes on",
            &["DC-GOSSIP-025"],
            |partner| proves_nothing(partner, honest),
        ),
        Case::negative(
            "gossip/proof-of-one-item",
            "one item twice is no proof",
            &["DC-GOSSIP-025"],
            |partner| {
                proves_nothing(partner, |author, _| {
                    let item = author.says("once");
                    vec![item.clone(), item]
                })
            },
        ),
        Case::negative(
            "gossip/proof-forged",
            "two items of which one is not signed by the author are no proof",
            &["DC-GOSSIP-025"],
            |partner| proves_nothing(partner, forged),
        ),
        Case::negative(
            "gossip/proof-of-two-logs",
            "items of two incarnations of an author are no proof",
            &["DC-GOSSIP-025"],
            |partner| proves_nothing(partner, two_logs),
        ),
        Case::negative(
            "gossip/proof-too-short",
            "a proof of fewer than two items is ignored",
            &["DC-GOSSIP-025"],
            |partner| proves_nothing(partner, |author, _| vec![author.says("alone")]),
        ),
        Case::negative(
            "gossip/proofs-of-nothing",
            "a neighbour that sends proofs of nothing one after another is parted from",
            &["DC-GOSSIP-025"],
            many,
        ),
    ]
}

/// Two items that contradict each other.
type Pair = fn(&mut Author) -> [Item; 2];

fn fork(author: &mut Author) -> [Item; 2] {
    let header = author.next.clone();
    let other = author.item(&header, &author.plain(b"the other").bytes);
    [author.says("the one"), other]
}

fn second(author: &mut Author, change: impl FnOnce(&mut Header, &Item)) -> [Item; 2] {
    let first = author.says("first");
    let mut header = author.next.clone();
    change(&mut header, &first);
    let second = author.item(&header, &author.plain(b"second").bytes);
    [first, second]
}

fn chain(author: &mut Author) -> [Item; 2] {
    second(author, |header, _| header.prev[0] ^= 1)
}

fn clock(author: &mut Author) -> [Item; 2] {
    second(author, |header, first| {
        header.sent_at = first.header.sent_at - 1
    })
}

fn lamport(author: &mut Author) -> [Item; 2] {
    second(author, |header, first| {
        header.lamport = first.header.lamport;
        header.sent_at = first.header.sent_at;
    })
}

/// Whether a frame proves something about an author.
fn proves(frame: &RawFrame, author: &Author) -> bool {
    match frame.decoded() {
        Some(Frame::GossipProof(proof)) => {
            let items = proof.items.as_slice();
            let of_log = items.iter().all(|item| {
                item.header.author == author.key.public()
                    && item.header.incarnation == author.next.incarnation
            });
            items.len() == 2 && of_log
        }
        _ => false,
    }
}

async fn expect_proof(member: &Member, author: &Author) -> Outcome {
    member
        .until("GOSSIP_PROOF about the log", |frames| {
            let found = frames.iter().find(|frame| proves(frame, author));
            found.map(|_| ())
        })
        .await
        .map_err(|fault| fault.by("DC-GOSSIP-024"))
}

async fn contradiction(partner: Partner, pair: Pair) -> Outcome {
    let (mut one, other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    for item in pair(&mut author) {
        one.push(&item, 5).await;
    }
    expect_proof(&other, &author).await
}

async fn proof(partner: Partner) -> Outcome {
    let (mut one, other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let pair = fork(&mut author);
    one.push(&pair[0], 5).await;
    one.say(PROOF, &room::proof(&pair)).await;
    expect_proof(&other, &author).await
}

async fn closed(partner: Partner) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    let mut author = one.author(&partner);
    let pair = fork(&mut author);
    for item in &pair {
        one.push(item, 5).await;
    }
    expect_proof(&other, &author).await?;
    let mut third = Member::enter(&partner).await?;
    let late = author.says("too late");
    third.push(&late, 5).await;
    expect_proof(&third, &author).await?;
    let mut good = third.author(&partner);
    let item = good.says("after it");
    third.push(&item, 5).await;
    other.obtains(&item, good.mark()).await?;
    let pushed = other.pushed(&late);
    expect(
        pushed.is_empty(),
        "nothing more of the closed log",
        "a push",
    )
}

async fn asked(partner: Partner) -> Outcome {
    let mut one = Member::enter(&partner).await?;
    let mut author = one.author(&partner);
    for item in fork(&mut author) {
        one.push(&item, 5).await;
    }
    let mut other = Member::enter(&partner).await?;
    // It may be told by a digest before.
    other
        .say(room::PULL, &room::pull(false, &[(author.mark(), 0, 1)]))
        .await;
    expect_proof(&other, &author).await
}

fn honest(author: &mut Author, _: &Partner) -> Vec<Item> {
    vec![author.says("first"), author.says("second")]
}

fn forged(author: &mut Author, partner: &Partner) -> Vec<Item> {
    let mut pair = fork(author);
    pair[1].sign(&author.room.id, &partner.identity());
    pair.to_vec()
}

fn two_logs(author: &mut Author, partner: &Partner) -> Vec<Item> {
    let mut other = author.clone();
    other.next.incarnation = partner.array();
    vec![author.says("here"), other.says("there")]
}

async fn proves_nothing(partner: Partner, pair: fn(&mut Author, &Partner) -> Vec<Item>) -> Outcome {
    let (mut one, mut other) = Member::two(&partner).await?;
    // Somebody else's log: the one who says so is judged for itself.
    let mut author = other.author(&partner);
    let items = pair(&mut author, &partner);
    one.push(&items[0], 5).await;
    one.say(PROOF, &room::proof(&items)).await;
    // The log goes on.
    let mut next = author.clone();
    next.next = author.after(&items[0]);
    let item = next.says("goes on");
    let other_next = if items.len() == 2 && items[1].header.seq == 2 {
        items[1].clone()
    } else {
        item
    };
    one.push(&other_next, 5).await;
    other.obtains(&other_next, author.mark()).await?;
    let is_proven = other.frames().iter().any(|frame| proves(frame, &author));
    expect(
        !is_proven,
        "nothing said against the author",
        "GOSSIP_PROOF",
    )
}

async fn many(partner: Partner) -> Outcome {
    let mut one = Member::enter(&partner).await?;
    for _ in 0..8 {
        let mut author = one.author(&partner);
        let items = honest(&mut author, &partner);
        one.say(PROOF, &room::proof(&items)).await;
    }
    one.expect_leave(parting::MISBEHAVED).await?;
    let told = one.frames().iter().any(|frame| announced(frame, 0, 0));
    expect(!told, "no announcement of nothing", "one")
}
