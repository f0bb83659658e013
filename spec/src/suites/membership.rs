//! Who belongs to a group after operations in several orders (`81-groups` §3).

use crate::actor::{ALICE, Actor, BOB, CAROL};
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::structure::Structure;

use super::group::{LogCut, Operation, hash, seat, signed_operation};
use super::item::log_name;

mod readings;

const ANN: Actor = ALICE;
const CAL: Actor = CAROL;
const DAN: Actor = Actor(5);
const REQ: &[&str] = &["DC-GROUP-003", "DC-GROUP-007"];

const INVITE: u8 = 2;
const ACCEPT: u8 = 3;
const LEAVE: u8 = 4;
const REMOVE: u8 = 5;
const PROMOTE: u8 = 6;
const RENAME: u8 = 7;
const POLICY: u8 = 8;

/// A group while it is told what happens in it.
#[derive(Clone, Debug, Default)]
struct Story {
    group: [u8; 32],
    operations: Vec<Structure>,
    /// Signed, in the order in which they were made.
    signed: Vec<Vec<u8>>,
    hashes: Vec<[u8; 32]>,
    seqs: Vec<(u8, u32)>,
}

/// An operation of a [`Story`], by its number.
type Step = usize;

impl Story {
    fn add(&mut self, operation: &Operation) -> Step {
        let structure = operation.structure();
        self.signed
            .push(signed_operation(operation.author, &structure).bytes);
        self.hashes.push(hash(&structure));
        self.operations.push(structure);
        self.operations.len() - 1
    }

    fn plain(&mut self, author: Actor, after: &[Step], deed: u8) -> Operation {
        let seq = match self.seqs.iter_mut().find(|(who, _)| *who == author.0) {
            Some((_, seq)) => {
                *seq += 1;
                *seq
            }
            None => {
                self.seqs.push((author.0, 1));
                1
            }
        };
        let mut after: Vec<[u8; 32]> = after.iter().map(|step| self.hashes[*step]).collect();
        after.sort_unstable();
        Operation {
            group: self.group,
            author,
            seq,
            after,
            at: super::item::SENT_AT,
            deed,
            subject: None,
            text: String::new(),
            seat: None,
            cut: Vec::new(),
        }
    }

    fn create(who: Actor) -> Self {
        let mut story = Self::default();
        let mut operation = story.plain(who, &[], 1);
        "friends".clone_into(&mut operation.text);
        operation.seat = Some(seat(&[0; 32], who, key(who, 1), "Ann"));
        story.add(&operation);
        story.group = story.hashes[0];
        story
    }

    /// Something done to somebody.
    fn to(&mut self, author: Actor, after: &[Step], deed: u8, subject: Actor) -> Step {
        let mut operation = self.plain(author, after, deed);
        operation.subject = Some(subject);
        self.add(&operation)
    }

    fn accept(&mut self, author: Actor, after: &[Step], place: u8) -> Step {
        let mut operation = self.plain(author, after, ACCEPT);
        operation.seat = Some(seat(&self.group, author, key(author, place), "Somebody"));
        self.add(&operation)
    }

    fn text(&mut self, author: Actor, after: &[Step], deed: u8, text: &str) -> Step {
        let mut operation = self.plain(author, after, deed);
        text.clone_into(&mut operation.text);
        self.add(&operation)
    }

    /// A removal, or a leaving, up to item `seq` of the log of `whose` place.
    fn end(
        &mut self,
        author: Actor,
        after: &[Step],
        subject: Option<Actor>,
        cut: &[(Actor, u8, u32)],
    ) -> Step {
        let deed = if subject.is_some() { REMOVE } else { LEAVE };
        let mut operation = self.plain(author, after, deed);
        operation.subject = subject;
        let of = |(who, place, seq): &(Actor, u8, u32)| LogCut(self.log(*who, *place), *seq);
        operation.cut = cut.iter().map(of).collect();
        operation.cut.sort_unstable_by_key(|cut| cut.0);
        self.add(&operation)
    }

    /// The log somebody writes in its place.
    fn log(&self, who: Actor, place: u8) -> [u8; 16] {
        log_name(&self.group, &key(who, place).public(), &[place; 16])
    }

    /// Ann's group with Bob and Cal in it, and Bob an administrator. The last step.
    fn three() -> (Self, Step) {
        let mut story = Self::create(ANN);
        let bob = story.to(ANN, &[0], INVITE, BOB);
        let bob = story.accept(BOB, &[bob], 1);
        let cal = story.to(ANN, &[bob], INVITE, CAL);
        let cal = story.accept(CAL, &[cal], 1);
        let last = story.to(ANN, &[cal], PROMOTE, BOB);
        (story, last)
    }
}

/// What somebody signs with in its first, second … place.
fn key(who: Actor, place: u8) -> Actor {
    Actor(100 + 10 * who.0 + place)
}

/// What is expected of a group.
#[derive(Clone, Debug, Default)]
struct Outcome {
    /// With `admin`, `member` or `invited`.
    members: Vec<(Actor, &'static str)>,
    /// Person, place, and how far the log of this place counts where it ends.
    writers: Vec<(Actor, u8, Option<Option<u32>>)>,
    name: &'static str,
    policy: &'static str,
    void: Vec<Step>,
}

impl Outcome {
    fn json(&self, story: &Story) -> Json {
        let mut members: Vec<([u8; 32], &str)> = self
            .members
            .iter()
            .map(|(who, standing)| (who.public(), *standing))
            .collect();
        members.sort_unstable();
        let members = members.into_iter().map(|(peer, standing)| {
            Json::Object(vec![
                ("peer", Json::bytes(&peer)),
                ("standing", standing.into()),
            ])
        });
        let mut writers: Vec<_> = self
            .writers
            .iter()
            .map(|(who, place, end)| {
                (
                    key(*who, *place).public(),
                    who.public(),
                    story.log(*who, *place),
                    *end,
                )
            })
            .collect();
        writers.sort_unstable();
        let writers = writers.into_iter().map(|(key, member, log, end)| {
            let ends = match end {
                None => Json::Null,
                Some(None) => Json::List(Vec::new()),
                Some(Some(seq)) => Json::List(vec![Json::Object(vec![
                    ("log", Json::bytes(&log)),
                    ("seq", Json::Number(seq)),
                ])]),
            };
            Json::Object(vec![
                ("key", Json::bytes(&key)),
                ("member", Json::bytes(&member)),
                ("ends", ends),
            ])
        });
        let mut void: Vec<[u8; 32]> = self.void.iter().map(|step| story.hashes[*step]).collect();
        void.sort_unstable();
        Json::Object(vec![
            ("members", Json::List(members.collect())),
            ("writers", Json::List(writers.collect())),
            ("name", self.name.into()),
            ("policy", self.policy.into()),
            (
                "void",
                Json::List(void.iter().map(|hash| Json::bytes(hash)).collect()),
            ),
        ])
    }
}

fn told(case: Case, story: &Story, order: &[Step]) -> Case {
    let operations = order
        .iter()
        .map(|step| Json::bytes(&story.signed[*step]))
        .collect();
    case.with("group", Json::bytes(&story.group))
        .with("operations", Json::List(operations))
}

/// The story in the order in which it happened, backwards, and from the middle: with one outcome.
fn ends_as(slug: &str, story: &Story, outcome: &Outcome) -> Vec<Case> {
    let forwards: Vec<Step> = (0..story.signed.len()).collect();
    let mut backwards = forwards.clone();
    backwards.reverse();
    let mut middle = forwards.clone();
    middle.rotate_left(forwards.len() / 2);
    [
        ("", forwards),
        ("-backwards", backwards),
        ("-from-the-middle", middle),
    ]
    .into_iter()
    .map(|(way, order)| {
        let id = format!("membership/{slug}{way}");
        let case = Case::valid(id, "membership", REQ, outcome.json(story));
        told(case, story, &order)
    })
    .collect()
}

fn basis() -> Outcome {
    Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin"), (CAL, "member")],
        writers: vec![(ANN, 1, None), (BOB, 1, None), (CAL, 1, None)],
        name: "friends",
        policy: "late=none keep=forever",
        void: Vec::new(),
    }
}

pub(super) fn suite() -> Suite {
    let mut cases = coming_and_going();
    cases.extend(split());
    cases.extend(readings::cases());
    cases.extend(refused());
    Suite {
        name: "membership",
        cases,
    }
}

fn coming_and_going() -> Vec<Case> {
    let mut cases = Vec::new();
    let alone = Story::create(ANN);
    let of_one = Outcome {
        members: vec![(ANN, "admin")],
        writers: vec![(ANN, 1, None)],
        ..basis()
    };
    cases.push(told(
        Case::valid("membership/alone", "membership", REQ, of_one.json(&alone)),
        &alone,
        &[0],
    ));
    let (three, last) = Story::three();
    cases.extend(ends_as("three", &three, &basis()));

    let mut story = three.clone();
    story.to(ANN, &[last], INVITE, DAN);
    let mut outcome = basis();
    outcome.members.push((DAN, "invited"));
    cases.extend(ends_as("invited", &story, &outcome));

    let mut story = three.clone();
    story.end(CAL, &[last], None, &[(CAL, 1, 4)]);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin")],
        writers: vec![(ANN, 1, None), (BOB, 1, None), (CAL, 1, Some(Some(4)))],
        ..basis()
    };
    cases.extend(ends_as("left", &story, &outcome));

    let mut story = three.clone();
    let gone = story.end(ANN, &[last], Some(CAL), &[(CAL, 1, 9)]);
    let again = story.to(BOB, &[gone], INVITE, CAL);
    story.accept(CAL, &[again], 2);
    let mut outcome = basis();
    outcome.writers = vec![
        (ANN, 1, None),
        (BOB, 1, None),
        (CAL, 1, Some(Some(9))),
        (CAL, 2, None),
    ];
    cases.extend(ends_as("invited-again", &story, &outcome));

    let mut story = three.clone();
    let renamed = story.text(BOB, &[last], RENAME, "others");
    let policy = story.text(ANN, &[renamed], POLICY, "late=50");
    let policy = story.text(ANN, &[policy], POLICY, "keep=30d");
    story.text(ANN, &[policy], POLICY, "color=red");
    let outcome = Outcome {
        name: "others",
        policy: "late=50 keep=30d",
        ..basis()
    };
    cases.extend(ends_as("renamed-and-set", &story, &outcome));

    let mut story = three;
    let by_cal = story.to(CAL, &[last], INVITE, DAN);
    let rename = story.text(CAL, &[by_cal], RENAME, "mine");
    let accepted = story.accept(DAN, &[by_cal], 1);
    let outcome = Outcome {
        void: vec![by_cal, rename, accepted],
        ..basis()
    };
    cases.extend(ends_as("done-without-right", &story, &outcome));
    cases
}

/// Two halves of a network that do not know of each other.
fn split() -> Vec<Case> {
    let mut cases = Vec::new();

    // Ann removes Bob while he removes Cal and writes.
    let (mut story, last) = Story::three();
    story.end(ANN, &[last], Some(BOB), &[(BOB, 1, 7)]);
    let void = story.end(BOB, &[last], Some(CAL), &[(CAL, 1, 3)]);
    let without_bob = Outcome {
        members: vec![(ANN, "admin"), (CAL, "member")],
        writers: vec![(ANN, 1, None), (BOB, 1, Some(Some(7))), (CAL, 1, None)],
        void: vec![void],
        ..basis()
    };
    cases.extend(ends_as("removal-wins", &story, &without_bob));

    // Both administrators remove each other: the senior one stays.
    let (mut story, last) = Story::three();
    story.end(ANN, &[last], Some(BOB), &[(BOB, 1, 7)]);
    let void = story.end(BOB, &[last], Some(ANN), &[(ANN, 1, 8)]);
    let outcome = Outcome {
        void: vec![void],
        ..without_bob.clone()
    };
    cases.extend(ends_as("remove-each-other", &story, &outcome));

    // Bob invites Dan, who accepts, while Ann removes Bob.
    let (mut story, last) = Story::three();
    story.end(ANN, &[last], Some(BOB), &[]);
    let dan = story.to(BOB, &[last], INVITE, DAN);
    let accepted = story.accept(DAN, &[dan], 1);
    let outcome = Outcome {
        writers: vec![(ANN, 1, None), (BOB, 1, Some(None)), (CAL, 1, None)],
        void: vec![dan, accepted],
        ..without_bob.clone()
    };
    cases.extend(ends_as("invited-by-the-removed", &story, &outcome));

    // Bob removes Cal, who leaves at the same time: the lower cut counts.
    let (mut story, last) = Story::three();
    story.end(BOB, &[last], Some(CAL), &[(CAL, 1, 3)]);
    story.end(CAL, &[last], None, &[(CAL, 1, 5)]);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin")],
        writers: vec![(ANN, 1, None), (BOB, 1, None), (CAL, 1, Some(Some(3)))],
        ..basis()
    };
    // Whoever leaves knowing nothing of the removal is struck by it.
    let left = story.operations.len() - 1;
    cases.extend(ends_as(
        "removed-and-left",
        &story,
        &Outcome {
            void: vec![left],
            ..outcome
        },
    ));

    // Two remove Cal at once, and have seen different numbers of items.
    let (mut story, last) = Story::three();
    story.end(ANN, &[last], Some(CAL), &[(CAL, 1, 6)]);
    story.end(BOB, &[last], Some(CAL), &[(CAL, 1, 2)]);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin")],
        writers: vec![(ANN, 1, None), (BOB, 1, None), (CAL, 1, Some(Some(2)))],
        ..basis()
    };
    cases.extend(ends_as("removed-twice", &story, &outcome));

    // Bob goes on after he was removed, knowing of it.
    let (mut story, last) = Story::three();
    let gone = story.end(ANN, &[last], Some(BOB), &[(BOB, 1, 7)]);
    let one = story.to(BOB, &[gone], INVITE, DAN);
    let other = story.text(BOB, &[one], RENAME, "mine");
    let outcome = Outcome {
        void: vec![one, other],
        ..without_bob
    };
    cases.extend(ends_as("acts-after-removal", &story, &outcome));
    cases
}

fn refused() -> Vec<Case> {
    let (three, last) = Story::three();
    let of = |slug: &str, error: &'static str, story: &Story| {
        let case = Case::invalid(format!("membership/{slug}"), "membership", REQ, error);
        told(case, story, &(0..story.signed.len()).collect::<Vec<_>>())
    };
    let with = |slug: &str,
                error: &'static str,
                author: Actor,
                deed: u8,
                change: &dyn Fn(&mut Operation)| {
        let mut story = three.clone();
        let mut operation = story.plain(author, &[last], deed);
        change(&mut operation);
        story.add(&operation);
        of(slug, error, &story)
    };
    let mut forged = three.clone();
    let mut operation = forged.plain(ANN, &[last], INVITE);
    operation.subject = Some(DAN);
    forged.add(&operation);
    if let Some(byte) = forged.signed.last_mut().and_then(|bytes| bytes.last_mut()) {
        *byte ^= 1;
    }
    let other = Story::create(BOB);
    let mut two = three.clone();
    two.signed.push(other.signed[0].clone());
    let group = three.group;
    let bobs = seat(&group, BOB, key(BOB, 1), "Bob");
    let stranger = seat(&group, DAN, key(DAN, 1), "Dan");
    vec![
        with("invite-of-nobody", "bad-shape", ANN, INVITE, &|_| {}),
        with("promote-of-nobody", "bad-shape", ANN, PROMOTE, &|_| {}),
        with("remove-of-nobody", "bad-shape", ANN, REMOVE, &|_| {}),
        with("rename-of-somebody", "bad-shape", ANN, RENAME, &|one| {
            one.subject = Some(BOB)
        }),
        with("accept-without-a-seat", "bad-shape", BOB, ACCEPT, &|_| {}),
        with("invite-with-a-seat", "bad-shape", BOB, INVITE, &|one| {
            (one.subject, one.seat) = (Some(DAN), Some(bobs.clone()));
        }),
        with("rename-with-a-cut", "bad-shape", ANN, RENAME, &|one| {
            one.cut = vec![LogCut([1; 16], 1)]
        }),
        with("after-nothing", "bad-shape", ANN, RENAME, &|one| {
            one.after = Vec::new()
        }),
        with("sequence-twice", "bad-shape", ANN, RENAME, &|one| {
            one.seq -= 1
        }),
        with("sequence-passed-over", "bad-shape", ANN, RENAME, &|one| {
            one.seq += 1
        }),
        with("sequence-0", "bad-shape", CAL, LEAVE, &|one| one.seq = 0),
        with("key-taken-again", "old-key", BOB, ACCEPT, &|one| {
            one.seat = Some(bobs.clone())
        }),
        with("stranger-accepts", "stranger", DAN, ACCEPT, &|one| {
            one.seat = Some(stranger.clone())
        }),
        with("stranger-leaves", "stranger", DAN, LEAVE, &|_| {}),
        with("of-another-group", "other-group", ANN, RENAME, &|one| {
            one.group = [9; 32]
        }),
        of("another-creation", "other-group", &two),
        of("forged", "bad-signature", &forged),
    ]
}
