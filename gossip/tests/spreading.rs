//! One member among neighbours made by hand: what it does with items, requests and proofs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

use std::sync::Arc;

use dchat_gossip::node::Load;
use dchat_gossip::{Config, Input, Item, LogId, Message, Node, Output, Time, Verdict};
use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{ItemHead, ItemHeader, Mark, Parting, SignedItem, Want, body_hash};

const ROOM: [u8; 32] = [7; 32];
const START: u64 = 1_793_491_200_000;
const SERVED: u8 = u8::MAX;

/// A member and what it has put out since the last look.
struct Member {
    node: Node<u32>,
    now: u64,
}

/// What a neighbour signs is marked; anything else is a forgery.
fn judge(item: &Item) -> Verdict {
    match item.signed().signature[0] {
        1 => Verdict::Accept,
        _ => Verdict::Reject,
    }
}

impl Member {
    /// With links to the neighbours 1 to `neighbours`, and nothing under way.
    fn linked(neighbours: u32) -> Self {
        let node = Node::new(Arc::new(Config::default()), 0, (1, 2), Time(START));
        let mut member = Self { node, now: START };
        for from in 1..=neighbours {
            member.receives(
                from,
                Message::Open {
                    nonce: 5,
                    answer: false,
                    alone: false,
                },
            );
        }
        member.outputs();
        member
    }

    fn input(&mut self, input: Input<u32>) {
        let now = Time(self.now);
        self.node.handle_input(input, now, &mut judge);
    }

    fn receives(&mut self, from: u32, message: Message<u32>) {
        self.input(Input::Received { from, message });
    }

    fn pushed(&mut self, from: u32, hops: u8, item: &Arc<Item>) {
        let item = Arc::clone(item);
        self.receives(from, Message::Push { hops, item });
    }

    /// Lets time pass, with every timer that comes due.
    fn waits(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.node.poll_timeout().0 <= until {
            self.now = self.now.max(self.node.poll_timeout().0);
            self.node.handle_timeout(Time(self.now));
        }
        self.now = until;
    }

    fn outputs(&mut self) -> Vec<Output<u32>> {
        core::iter::from_fn(|| self.node.poll_output()).collect()
    }

    fn sent(&mut self) -> Vec<(u32, Message<u32>)> {
        let outputs = self.outputs().into_iter();
        outputs
            .filter_map(|output| match output {
                Output::Send { to, message } => Some((to, message)),
                _ => None,
            })
            .collect()
    }
}

fn item_with(
    author: u8,
    seq: u32,
    prev: [u8; 32],
    sent_at: u64,
    text: &[u8],
    signed: u8,
) -> Arc<Item> {
    let header = ItemHeader {
        author: [author; 32],
        incarnation: [0; 16],
        seq,
        prev,
        lamport: sent_at + u64::from(seq),
        sent_at,
        keep_s: 0,
        floor: 0,
        heads: List::<ItemHead, 4>::default(),
        kind: 1,
        body_len: text.len() as u32,
        body_hash: body_hash(text),
        extensions: Extensions::default(),
    };
    let body = Some(Bytes::new(text.to_vec()).unwrap());
    let signature = [signed; 64];
    Item::new(
        &ROOM,
        SignedItem {
            header,
            signature,
            body,
        },
    )
    .unwrap()
}

/// The first items of an author's log.
fn log(author: u8, count: u32, sent_at: u64) -> Vec<Arc<Item>> {
    let mut items: Vec<Arc<Item>> = Vec::new();
    for seq in 1..=count {
        let prev = items.last().map_or([0; 32], |item| *item.hash());
        items.push(item_with(author, seq, prev, sent_at, b"text", 1));
    }
    items
}

fn id(author: u8) -> LogId {
    LogId::of(&ROOM, &[author; 32], &[0; 16])
}

fn mark(author: u8, seq: u32) -> Message<u32> {
    Message::Announce(vec![Mark {
        log: id(author).prefix(),
        seq,
        age: 0,
    }])
}

fn hops_of(sent: &[(u32, Message<u32>)]) -> Vec<u8> {
    let hops = |(_, message): &(u32, Message<u32>)| match message {
        Message::Push { hops, .. } => Some(*hops),
        _ => None,
    };
    sent.iter().filter_map(hops).collect()
}

fn pulls(sent: &[(u32, Message<u32>)]) -> Vec<(u32, Want)> {
    let wants = |(to, message): &(u32, Message<u32>)| match message {
        Message::Pull { wants, .. } => wants.iter().map(|want| (*to, want.clone())).collect(),
        _ => Vec::new(),
    };
    sent.iter().flat_map(wants).collect()
}

/// Checks DC-GOSSIP-039 (positive, negative).
#[test]
fn hops_beyond_five_count_as_five() {
    for (came, goes) in [(1, 0), (3, 2), (5, 4), (6, 4), (254, 4)] {
        let mut member = Member::linked(3);
        member.pushed(1, came, &log(9, 1, START)[0]);
        let hops = hops_of(&member.sent());
        assert_eq!(hops, [goes; 2], "{came} hops");
    }
}

/// Checks DC-GOSSIP-040 (positive, negative).
#[test]
fn nothing_is_passed_on_before_it_was_checked() {
    let mut member = Member::linked(3);
    member.pushed(1, 3, &item_with(9, 1, [0; 32], START, b"forged", 0));
    member.waits(1000);
    let sent = member.sent();
    assert!(hops_of(&sent).is_empty());
    assert!(
        !sent
            .iter()
            .any(|(_, message)| matches!(message, Message::Announce(_)))
    );
    member.pushed(2, 3, &log(9, 1, START)[0]);
    assert_eq!(
        hops_of(&member.sent()).len(),
        2,
        "the one that is signed is"
    );
}

/// Checks DC-GOSSIP-041 (positive, negative).
#[test]
fn what_was_asked_for_is_pushed_while_it_is_new_and_announced_when_it_is_old() {
    for (age, pushed) in [(0, true), (1900, true), (2100, false), (60_000, false)] {
        let mut member = Member::linked(3);
        // Others push what comes along their trees; so there is one here.
        let items = log(9, 2, START - age);
        member.receives(
            2,
            Message::Tree {
                graft: vec![id(9).prefix()],
                prune: Vec::new(),
            },
        );
        member.receives(1, mark(9, 1));
        member.sent();
        member.pushed(1, SERVED, &items[0]);
        member.receives(
            2,
            Message::Tree {
                graft: vec![id(9).prefix()],
                prune: Vec::new(),
            },
        );
        member.receives(1, mark(9, 2));
        member.sent();
        member.pushed(1, SERVED, &items[1]);
        member.waits(1000);
        let sent = member.sent();
        assert_eq!(!hops_of(&sent).is_empty(), pushed, "{age} ms old");
        let announced = sent
            .iter()
            .any(|(_, message)| matches!(message, Message::Announce(_)));
        assert!(pushed || announced, "{age} ms old");
    }
}

/// Checks DC-GOSSIP-042 (positive, negative).
#[test]
fn an_item_is_asked_of_one_neighbour_at_a_time() {
    let mut member = Member::linked(3);
    for from in 1..=3 {
        member.receives(from, mark(9, 1));
    }
    let asked = pulls(&member.sent());
    assert_eq!(asked.len(), 1, "{asked:?}");
    // Who does not answer in time makes room for another question.
    member.waits(400);
    let again = pulls(&member.sent());
    assert!(!again.is_empty() && again.iter().all(|(to, _)| *to != asked[0].0));
    let items = log(9, 1, START);
    member.pushed(again[0].0, SERVED, &items[0]);
    member.waits(2000);
    assert!(pulls(&member.sent()).is_empty(), "it is here");
}

/// Checks DC-GOSSIP-011 (positive), DC-GOSSIP-043 (positive).
#[test]
fn what_is_asked_for_is_sent_in_order_as_far_as_it_is_held() {
    let mut member = Member::linked(2);
    let items = log(9, 3, START);
    for item in &items {
        member.pushed(1, 0, item);
    }
    member.sent();
    let wants = vec![Want {
        log: id(9).prefix(),
        after: 1,
        upto: 9,
    }];
    member.receives(
        2,
        Message::Pull {
            graft: false,
            wants,
        },
    );
    let pushed: Vec<(u32, u8, u32)> = member
        .sent()
        .into_iter()
        .filter_map(|(to, message)| match message {
            Message::Push { hops, item } => Some((to, hops, item.seq())),
            _ => None,
        })
        .collect();
    assert_eq!(pushed, [(2, SERVED, 2), (2, SERVED, 3)]);
    // Of a log nobody here has heard of there is nothing.
    let wants = vec![Want {
        log: 77,
        after: 0,
        upto: 9,
    }];
    member.receives(
        2,
        Message::Pull {
            graft: false,
            wants,
        },
    );
    assert!(hops_of(&member.sent()).is_empty());
}

/// Checks DC-GOSSIP-044 (positive, negative).
#[test]
fn a_neighbour_that_asks_for_more_parts_than_are_kept_is_sent_no_more_of_them() {
    let mut member = Member::linked(2);
    for author in 1..=200 {
        member.pushed(1, 0, &log(author, 1, START)[0]);
    }
    // Nothing goes out to a neighbour that does not read.
    member.input(Input::Congested {
        peer: 2,
        congested: true,
    });
    let faults = member.node.stat().faults;
    for _ in 0..20 {
        let wants = (1..=200).map(|author| Want {
            log: id(author).prefix(),
            after: 0,
            upto: 1,
        });
        member.receives(
            2,
            Message::Pull {
                graft: false,
                wants: wants.collect(),
            },
        );
    }
    assert!(
        member.node.stat().faults > faults,
        "more is held against it"
    );
    member.outputs();
    member.input(Input::Congested {
        peer: 2,
        congested: false,
    });
    let outputs = member.outputs().len();
    assert!(outputs < 20 * 200, "{outputs} for 4000 questions");
}

/// Checks DC-GOSSIP-023 (positive), DC-GOSSIP-024 (positive, negative), DC-GOSSIP-025 (positive).
/// Checks DC-GOSSIP-043 (negative).
#[test]
fn a_proof_closes_a_log_is_passed_on_and_answers_who_asks() {
    let mut member = Member::linked(3);
    let one = log(9, 1, START);
    let other = item_with(9, 1, [0; 32], START, b"another text", 1);
    member.pushed(1, 0, &one[0]);
    member.outputs();
    member.receives(2, Message::Proof(Arc::clone(&one[0]), Arc::clone(&other)));
    let outputs = member.outputs();
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Evidence(_)))
    );
    let told: Vec<u32> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send {
                to,
                message: Message::Proof(..),
            } => Some(*to),
            _ => None,
        })
        .collect();
    assert_eq!(told, [1, 3], "all but whom it came from");
    // Nothing of the log counts any more, and whoever has not heard is told.
    let next = item_with(9, 2, *one[0].hash(), START, b"more", 1);
    member.pushed(1, 0, &next);
    let outputs = member.outputs();
    assert!(
        !outputs
            .iter()
            .any(|output| matches!(output, Output::Deliver { .. }))
    );
    let asks_for_proof = |outputs: &[Output<u32>], of: u32| {
        outputs
            .iter()
            .any(|output| matches!(output, Output::Load(Load::Proof { peer, .. }) if *peer == of))
    };
    assert!(asks_for_proof(&outputs, 1), "it sent an item of the log");
    member.receives(3, mark(9, 5));
    let outputs = member.outputs();
    assert!(asks_for_proof(&outputs, 3), "it announced one");
    let wants = vec![Want {
        log: id(9).prefix(),
        after: 0,
        upto: 1,
    }];
    member.receives(
        2,
        Message::Pull {
            graft: false,
            wants,
        },
    );
    let outputs = member.outputs();
    assert!(asks_for_proof(&outputs, 2), "it asked for one");
}

/// Checks DC-GOSSIP-025 (negative).
#[test]
fn a_proof_that_proves_nothing_closes_nothing_and_is_held_against_its_sender() {
    let one = log(9, 2, START);
    let of_another = log(8, 1, START);
    let forged = item_with(9, 1, [0; 32], START, b"another text", 0);
    for (a, b) in [
        (&one[0], &one[0]),
        (&one[0], &one[1]),
        (&one[0], &of_another[0]),
        (&one[0], &forged),
    ] {
        let mut member = Member::linked(3);
        member.pushed(1, 0, &one[0]);
        member.outputs();
        let faults = member.node.stat().faults;
        member.receives(2, Message::Proof(Arc::clone(a), Arc::clone(b)));
        let outputs = member.outputs();
        assert!(
            !outputs
                .iter()
                .any(|output| matches!(output, Output::Evidence(_)))
        );
        assert!(member.node.stat().faults > faults);
        member.pushed(1, 0, &one[1]);
        let delivered = member.outputs();
        assert!(
            delivered
                .iter()
                .any(|output| matches!(output, Output::Deliver { .. }))
        );
    }
}

/// Checks DC-GOSSIP-020 (positive, negative), DC-GOSSIP-021 (positive), DC-GOSSIP-054 (negative).
#[test]
fn items_ahead_of_their_turn_wait_for_it_and_not_without_bound() {
    let mut member = Member::linked(2);
    let items = log(9, 3, START);
    member.pushed(1, 0, &items[2]);
    member.pushed(1, 0, &items[1]);
    assert_eq!(member.node.stat().parked, 2);
    member.pushed(1, 0, &items[0]);
    let delivered: Vec<u32> = member
        .outputs()
        .into_iter()
        .filter_map(|output| match output {
            Output::Deliver { item, .. } => Some(item.seq()),
            _ => None,
        })
        .collect();
    assert_eq!(delivered, [1, 2, 3]);
    assert_eq!(member.node.stat().parked, 0);
    // What nobody signed does not wait, and is shown neither early nor later.
    let forged = item_with(9, 9, [1; 32], START, b"forged", 0);
    member.pushed(2, 0, &forged);
    assert_eq!(member.node.stat().parked, 0);
    let told = member.outputs();
    let shown = |output: &Output<u32>| !matches!(output, Output::Send { .. } | Output::Shunned(_));
    assert!(!told.iter().any(shown), "{told:?}");
    // Each of these is signed, and none follows what is here.
    for seq in 2..6000 {
        let item = item_with(3, seq, [1; 32], START, b"ahead", 1);
        member.pushed(1, 0, &item);
        assert!(member.node.stat().parked <= 2048);
    }
}

/// Checks DC-GOSSIP-036 (positive, negative).
#[test]
fn who_leaves_says_so_to_every_neighbour_with_others_to_try() {
    let mut member = Member::linked(3);
    member.input(Input::Leave);
    let sent = member.sent();
    for to in 1..=3 {
        let goodbye = sent
            .iter()
            .find(|(whom, _)| *whom == to)
            .map(|(_, message)| message);
        let Some(Message::Leave {
            reason: Parting::Leaving,
            peers,
        }) = goodbye
        else {
            panic!("{to} was told {goodbye:?}");
        };
        assert!(!peers.is_empty() && !peers.contains(&to), "{peers:?}");
    }
    assert_eq!(member.node.neighbours().count(), 0);
    // And stays away.
    member.waits(60_000);
    assert!(member.sent().is_empty());
}

/// Checks DC-GOSSIP-015 (positive, negative), DC-GOSSIP-017 (positive, negative).
#[test]
fn an_author_is_later_than_all_it_has_seen_and_names_the_latest_of_four_logs() {
    let mut member = Member::linked(1);
    let quiet = member.node.draft(id(1), Time(START));
    assert!(quiet.heads.is_empty() && quiet.lamport >= START);
    for author in 10..16 {
        let item = log(author, 1, START + u64::from(author) * 100).remove(0);
        member.pushed(1, 0, &item);
    }
    let draft = member.node.draft(id(1), Time(START));
    assert!(draft.lamport > START + 1500 && draft.lamport >= draft.sent_at);
    let mut named: Vec<LogId> = draft.heads.iter().map(|head| head.0).collect();
    named.sort();
    let mut latest: Vec<LogId> = (12..16).map(id).collect();
    latest.sort();
    assert_eq!(named, latest);
}

/// Checks DC-GOSSIP-030 (positive, negative).
#[test]
fn digests_go_round_among_the_neighbours() {
    let mut member = Member::linked(4);
    member.pushed(1, 0, &log(9, 1, START)[0]);
    member.outputs();
    let mut compared = Vec::new();
    for _ in 0..120 {
        member.waits(2000);
        for (to, message) in member.sent() {
            if matches!(message, Message::Digest(_)) {
                compared.push(to);
            }
        }
    }
    // Whom it compared with longest ago comes before anybody comes twice.
    assert!(compared.len() >= 8, "{compared:?}");
    for round in compared.chunks_exact(4) {
        let mut round = round.to_vec();
        round.sort_unstable();
        round.dedup();
        assert!(round.len() >= 3, "{compared:?}");
    }
}

/// How often it tries to reach somebody in so many seconds, every attempt being in vain.
fn attempts(member: &mut Member, whom: u32, seconds: u32) -> usize {
    let mut tried = 0;
    for _ in 0..seconds {
        member.waits(1000);
        for output in member.outputs() {
            if let Output::Connect(peer) = output {
                tried += usize::from(peer == whom);
                member.input(Input::Down(peer));
            }
        }
    }
    tried
}

/// Checks DC-GOSSIP-037 (positive, negative).
#[test]
fn others_are_tried_now_and_then_and_who_went_without_a_word_more_often() {
    // Eight neighbours, half of them its own choice: it wants no more.
    let full = || {
        let mut member = Member::linked(4);
        member.input(Input::Contacts((5..=8).collect()));
        for from in 5..=8 {
            member.input(Input::Up(from));
            member.receives(
                from,
                Message::Open {
                    nonce: 5,
                    answer: true,
                    alone: false,
                },
            );
        }
        member.outputs();
        assert_eq!(
            (member.node.neighbours().count(), member.node.chosen()),
            (8, 4)
        );
        member
    };
    let mut mixing = full();
    mixing.input(Input::Contacts(vec![9]));
    mixing.outputs();
    let first = attempts(&mut mixing, 9, 120);
    assert!(first <= 1, "{first}");
    assert!(attempts(&mut mixing, 9, 3600) >= 1, "but now and then");
    let mut healing = full();
    healing.input(Input::Down(1));
    healing.receives(
        9,
        Message::Open {
            nonce: 5,
            answer: false,
            alone: false,
        },
    );
    healing.outputs();
    assert_eq!(healing.node.neighbours().count(), 8);
    let often = attempts(&mut healing, 1, 120);
    assert!(often > first, "{often}");
}
