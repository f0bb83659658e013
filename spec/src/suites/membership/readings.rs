//! Groups whose outcome another reading of `81-groups` §3 would change: one case for each that somebody
//! fell for, or might.

use crate::case::Case;

use super::{
    ACCEPT, ANN, Actor, BOB, CAL, DAN, INVITE, Outcome, PROMOTE, RENAME, REQ, Step, Story, basis,
    ends_as, key, seat, told,
};

const EVE: Actor = Actor(6);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = strikes();
    cases.extend(circles());
    cases.extend(seniority());
    cases.extend(places());
    cases.extend(order());
    cases.extend(cuts());
    cases
}

/// [`Story::three`] with Cal an administrator, too. The last step.
fn three_administrators() -> (Story, Step) {
    let (mut story, last) = Story::three();
    let last = story.to(ANN, &[last], PROMOTE, CAL);
    (story, last)
}

/// Which operations a REMOVE strikes.
fn strikes() -> Vec<Case> {
    let mut cases = Vec::new();

    // Bob removes Cal; Ann, who has seen that, removes Bob: what she had seen of him stands.
    let (mut story, last) = Story::three();
    let of_cal = story.end(BOB, &[last], Some(CAL), &[(CAL, 1, 3)]);
    story.end(ANN, &[of_cal], Some(BOB), &[(BOB, 1, 7)]);
    let outcome = Outcome {
        members: vec![(ANN, "admin")],
        writers: vec![
            (ANN, 1, None),
            (BOB, 1, Some(Some(7))),
            (CAL, 1, Some(Some(3))),
        ],
        ..basis()
    };
    cases.extend(ends_as("removed-by-who-had-seen-it", &story, &outcome));

    // Cal was removed, and somebody without a right to do so invited it again.
    let (mut story, last) = Story::three();
    let dan = story.to(ANN, &[last], INVITE, DAN);
    let dan = story.accept(DAN, &[dan], 1);
    let gone = story.end(ANN, &[dan], Some(CAL), &[(CAL, 1, 4)]);
    let invited = story.to(DAN, &[gone], INVITE, CAL);
    let accepted = story.accept(CAL, &[invited], 2);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin"), (DAN, "member")],
        writers: vec![
            (ANN, 1, None),
            (BOB, 1, None),
            (CAL, 1, Some(Some(4))),
            (DAN, 1, None),
        ],
        void: vec![invited, accepted],
        ..basis()
    };
    cases.extend(ends_as("invited-again-without-right", &story, &outcome));
    cases
}

/// What becomes of operations none of which can be judged before another.
fn circles() -> Vec<Case> {
    let mut cases = Vec::new();

    // Ann removes Bob, he Cal, and she Ann.
    let (mut story, last) = three_administrators();
    story.end(ANN, &[last], Some(BOB), &[(BOB, 1, 7)]);
    let of_cal = story.end(BOB, &[last], Some(CAL), &[(CAL, 1, 3)]);
    let of_ann = story.end(CAL, &[last], Some(ANN), &[(ANN, 1, 8)]);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (CAL, "admin")],
        writers: vec![(ANN, 1, None), (BOB, 1, Some(Some(7))), (CAL, 1, None)],
        void: vec![of_cal, of_ann],
        ..basis()
    };
    cases.extend(ends_as("ring-of-three", &story, &outcome));

    // Bob removes Ann and Cal, Cal Bob, and Ann renames: his removals are judged before her name.
    let (mut story, last) = three_administrators();
    let of_cal = story.end(BOB, &[last], Some(CAL), &[(CAL, 1, 3)]);
    story.end(BOB, &[of_cal], Some(ANN), &[(ANN, 1, 8)]);
    let of_bob = story.end(CAL, &[last], Some(BOB), &[(BOB, 1, 7)]);
    let renamed = story.text(ANN, &[last], RENAME, "others");
    let outcome = Outcome {
        members: vec![(BOB, "admin")],
        writers: vec![
            (ANN, 1, Some(Some(8))),
            (BOB, 1, None),
            (CAL, 1, Some(Some(3))),
        ],
        void: vec![of_bob, renamed],
        ..basis()
    };
    cases.extend(ends_as("removals-come-first", &story, &outcome));

    // Bob and Cal rename. Ann has seen Cal's and removes Bob, Dan has seen Bob's and removes Cal.
    let (mut story, last) = three_administrators();
    let dan = story.to(ANN, &[last], INVITE, DAN);
    let dan = story.accept(DAN, &[dan], 1);
    let last = story.to(ANN, &[dan], PROMOTE, DAN);
    let by_bob = story.text(BOB, &[last], RENAME, "bob's");
    let by_cal = story.text(CAL, &[last], RENAME, "cal's");
    story.end(ANN, &[by_cal], Some(BOB), &[(BOB, 1, 7)]);
    story.end(DAN, &[by_bob], Some(CAL), &[(CAL, 1, 3)]);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (DAN, "admin")],
        writers: vec![
            (ANN, 1, None),
            (BOB, 1, Some(Some(7))),
            (CAL, 1, Some(Some(3))),
            (DAN, 1, None),
        ],
        name: "bob's",
        void: vec![by_cal],
        ..basis()
    };
    cases.extend(ends_as("circle-headed-by-no-removal", &story, &outcome));
    cases
}

/// Who of two is senior.
fn seniority() -> Vec<Case> {
    let mut cases = Vec::new();
    // Each removes the other; the first of both stays.
    let of_two = |story: &mut Story, last: Step, stays: Actor, goes: Actor| {
        story.end(stays, &[last], Some(goes), &[]);
        story.end(goes, &[last], Some(stays), &[])
    };
    let promoted = |story: &mut Story, last: Step, who: Actor, place: u8| {
        let step = story.accept(who, &[last], place);
        story.to(ANN, &[step], PROMOTE, who)
    };

    // Bob was invited before Cal, went, and was invited again after her.
    let (mut story, last) = three_administrators();
    let gone = story.end(BOB, &[last], None, &[(BOB, 1, 2)]);
    let again = story.to(ANN, &[gone], INVITE, BOB);
    let last = promoted(&mut story, again, BOB, 2);
    let void = of_two(&mut story, last, BOB, CAL);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin")],
        writers: vec![
            (ANN, 1, None),
            (BOB, 1, Some(Some(2))),
            (BOB, 2, None),
            (CAL, 1, Some(None)),
        ],
        void: vec![void],
        ..basis()
    };
    cases.extend(ends_as("senior-by-the-first-invite", &story, &outcome));

    // Cal, no administrator yet, had invited Eve before Ann invited Dan and then Eve: that is void, and
    // makes Eve senior.
    let (mut story, last) = Story::three();
    let void_invite = story.to(CAL, &[last], INVITE, EVE);
    let dan = story.to(ANN, &[void_invite], INVITE, DAN);
    let last = promoted(&mut story, dan, DAN, 1);
    let eve = story.to(ANN, &[last], INVITE, EVE);
    let last = promoted(&mut story, eve, EVE, 1);
    let void = of_two(&mut story, last, EVE, DAN);
    let outcome = Outcome {
        members: vec![
            (ANN, "admin"),
            (BOB, "admin"),
            (CAL, "member"),
            (EVE, "admin"),
        ],
        writers: vec![
            (ANN, 1, None),
            (BOB, 1, None),
            (CAL, 1, None),
            (DAN, 1, Some(None)),
            (EVE, 1, None),
        ],
        void: vec![void_invite, void],
        ..basis()
    };
    cases.extend(ends_as("senior-by-a-void-invite", &story, &outcome));

    // Dan and Eve were invited at one depth: whose INVITE has the lower hash is senior.
    let (mut story, last) = Story::three();
    let dan = story.to(ANN, &[last], INVITE, DAN);
    let eve = story.to(BOB, &[last], INVITE, EVE);
    let (stays, goes) = if story.hashes[dan] < story.hashes[eve] {
        (DAN, EVE)
    } else {
        (EVE, DAN)
    };
    let dan = story.accept(DAN, &[dan], 1);
    let eve = story.accept(EVE, &[eve], 1);
    let dan = story.to(ANN, &[dan, eve], PROMOTE, DAN);
    let last = story.to(ANN, &[dan], PROMOTE, EVE);
    let void = of_two(&mut story, last, stays, goes);
    let outcome = Outcome {
        members: vec![
            (ANN, "admin"),
            (BOB, "admin"),
            (CAL, "member"),
            (stays, "admin"),
        ],
        writers: vec![
            (ANN, 1, None),
            (BOB, 1, None),
            (CAL, 1, None),
            (stays, 1, None),
            (goes, 1, Some(None)),
        ],
        void: vec![void],
        ..basis()
    };
    cases.extend(ends_as("senior-by-the-lower-hash", &story, &outcome));

    // A short way and one of five steps lead to the INVITE of Eve, one of three to that of Dan.
    let (mut story, last) = three_administrators();
    let short = story.text(ANN, &[last], RENAME, "friends");
    let mut long = last;
    for _ in 0..4 {
        long = story.text(BOB, &[long], RENAME, "friends");
    }
    let eve = story.to(BOB, &[short, long], INVITE, EVE);
    let mut dan = last;
    for _ in 0..2 {
        dan = story.text(CAL, &[dan], RENAME, "friends");
    }
    let dan = story.to(CAL, &[dan], INVITE, DAN);
    let eve = story.accept(EVE, &[eve], 1);
    let dan = story.accept(DAN, &[dan], 1);
    let last = story.to(ANN, &[eve, dan], PROMOTE, DAN);
    let last = story.to(ANN, &[last], PROMOTE, EVE);
    let void = of_two(&mut story, last, DAN, EVE);
    let outcome = Outcome {
        members: vec![
            (ANN, "admin"),
            (BOB, "admin"),
            (CAL, "admin"),
            (DAN, "admin"),
        ],
        writers: vec![
            (ANN, 1, None),
            (BOB, 1, None),
            (CAL, 1, None),
            (DAN, 1, None),
            (EVE, 1, Some(None)),
        ],
        void: vec![void],
        ..basis()
    };
    cases.extend(ends_as("senior-by-depth", &story, &outcome));
    cases
}

/// What gives a place, and what ends it.
fn places() -> Vec<Case> {
    let mut cases = Vec::new();
    let with = |who: Actor, standing: &'static str| {
        let mut outcome = basis();
        outcome.members.push((who, standing));
        outcome
    };

    // Removed twice at once, and invited again by one who knew of one of both.
    let (mut story, last) = Story::three();
    let by_ann = story.end(ANN, &[last], Some(CAL), &[(CAL, 1, 6)]);
    story.end(BOB, &[last], Some(CAL), &[(CAL, 1, 2)]);
    let invited = story.to(ANN, &[by_ann], INVITE, CAL);
    let two = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin")],
        writers: vec![(ANN, 1, None), (BOB, 1, None), (CAL, 1, Some(Some(2)))],
        ..basis()
    };
    cases.extend(ends_as("invited-knowing-of-one-removal", &story, &two));
    let accepted = story.accept(CAL, &[invited], 2);
    let outcome = Outcome {
        void: vec![accepted],
        ..two.clone()
    };
    cases.extend(ends_as("accepted-knowing-of-one-removal", &story, &outcome));

    // A member accepts once more.
    let (mut story, last) = Story::three();
    let again = story.to(ANN, &[last], INVITE, CAL);
    let accepted = story.accept(CAL, &[again], 2);
    let outcome = Outcome {
        void: vec![accepted],
        ..basis()
    };
    cases.extend(ends_as("accepted-by-a-member", &story, &outcome));

    // Dan declines.
    let (mut story, last) = Story::three();
    let dan = story.to(ANN, &[last], INVITE, DAN);
    story.end(DAN, &[dan], None, &[]);
    cases.extend(ends_as("declined", &story, &basis()));

    // Who declined has no standing, and may not leave again.
    let declined = story.signed.len() - 1;
    let left = story.end(DAN, &[declined], None, &[]);
    let outcome = Outcome {
        void: vec![left],
        ..basis()
    };
    cases.extend(ends_as("declined-twice", &story, &outcome));

    // The offer is taken back; then also while Dan accepts.
    let (mut story, last) = Story::three();
    let dan = story.to(ANN, &[last], INVITE, DAN);
    story.end(BOB, &[dan], Some(DAN), &[]);
    cases.extend(ends_as("offer-taken-back", &story, &basis()));
    let accepted = story.accept(DAN, &[dan], 1);
    let outcome = Outcome {
        void: vec![accepted],
        ..basis()
    };
    cases.extend(ends_as("offer-taken-back-and-accepted", &story, &outcome));

    // Dan is made an administrator before it accepts, or while it does.
    let (mut story, last) = Story::three();
    let dan = story.to(ANN, &[last], INVITE, DAN);
    let promoted = story.to(ANN, &[dan], PROMOTE, DAN);
    cases.extend(ends_as(
        "promoted-while-invited",
        &story,
        &with(DAN, "invited"),
    ));
    let mut outcome = with(DAN, "admin");
    outcome.writers.push((DAN, 1, None));
    let mut later = story.clone();
    later.accept(DAN, &[promoted], 1);
    cases.extend(ends_as("promoted-before-accepting", &later, &outcome));
    story.accept(DAN, &[dan], 1);
    cases.extend(ends_as("promoted-while-accepting", &story, &outcome));

    // Being an administrator ends with the place; then also for who made the group.
    let (mut story, last) = Story::three();
    let gone = story.end(ANN, &[last], Some(BOB), &[(BOB, 1, 5)]);
    let again = story.to(ANN, &[gone], INVITE, BOB);
    story.accept(BOB, &[again], 2);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "member"), (CAL, "member")],
        writers: vec![
            (ANN, 1, None),
            (BOB, 1, Some(Some(5))),
            (BOB, 2, None),
            (CAL, 1, None),
        ],
        ..basis()
    };
    cases.extend(ends_as("promotion-ends-with-the-place", &story, &outcome));

    let (mut story, last) = Story::three();
    let mut after = last;
    for (by, who) in [(ANN, BOB), (BOB, ANN)] {
        if by.0 == BOB.0 {
            after = story.to(ANN, &[after], PROMOTE, BOB);
        }
        let gone = story.end(by, &[after], Some(who), &[(who, 1, 5)]);
        let again = story.to(by, &[gone], INVITE, who);
        after = story.accept(who, &[again], 2);
    }
    let outcome = Outcome {
        members: vec![(ANN, "member"), (BOB, "admin"), (CAL, "member")],
        writers: vec![
            (ANN, 1, Some(Some(5))),
            (ANN, 2, None),
            (BOB, 1, Some(Some(5))),
            (BOB, 2, None),
            (CAL, 1, None),
        ],
        ..basis()
    };
    cases.extend(ends_as("come-again-as-a-member", &story, &outcome));

    // Text where the table asks for none means nothing.
    let (mut story, last) = Story::three();
    let mut operation = story.plain(ANN, &[last], INVITE);
    operation.subject = Some(DAN);
    "late=all".clone_into(&mut operation.text);
    story.add(&operation);
    cases.extend(ends_as("invite-with-text", &story, &with(DAN, "invited")));
    cases
}

/// Which of two names is the later one.
fn order() -> Vec<Case> {
    let mut cases = Vec::new();

    // At one depth the greater hash is the later.
    let (mut story, last) = Story::three();
    let ours = story.text(ANN, &[last], RENAME, "ann's");
    let theirs = story.text(BOB, &[last], RENAME, "bob's");
    let name = if story.hashes[ours] > story.hashes[theirs] {
        "ann's"
    } else {
        "bob's"
    };
    cases.extend(ends_as(
        "renamed-by-two",
        &story,
        &Outcome { name, ..basis() },
    ));

    // Depth is that of the longest way.
    let (mut story, last) = three_administrators();
    let short = story.text(ANN, &[last], RENAME, "one");
    let mut long = last;
    for name in ["two", "three", "four"] {
        long = story.text(BOB, &[long], RENAME, name);
    }
    story.text(BOB, &[short, long], RENAME, "bob's");
    let mut other = last;
    for name in ["five", "six", "cal's"] {
        other = story.text(CAL, &[other], RENAME, name);
    }
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin"), (CAL, "admin")],
        name: "bob's",
        ..basis()
    };
    cases.extend(ends_as("depth-by-the-longest-way", &story, &outcome));
    cases
}

/// How far what somebody wrote counts.
fn cuts() -> Vec<Case> {
    let mut cases = Vec::new();

    // Two remove Cal at once, and one of both holds nothing of her log.
    let (mut story, last) = Story::three();
    story.end(ANN, &[last], Some(CAL), &[(CAL, 1, 6)]);
    story.end(BOB, &[last], Some(CAL), &[]);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin")],
        writers: vec![(ANN, 1, None), (BOB, 1, None), (CAL, 1, Some(None))],
        ..basis()
    };
    cases.extend(ends_as("cut-by-one-of-two", &story, &outcome));

    // Cal was removed, came again and left: that ends her second seat, not her first.
    let (mut story, last) = Story::three();
    let gone = story.end(ANN, &[last], Some(CAL), &[(CAL, 1, 9)]);
    let again = story.to(BOB, &[gone], INVITE, CAL);
    let accepted = story.accept(CAL, &[again], 2);
    story.end(CAL, &[accepted], None, &[(CAL, 2, 5)]);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin")],
        writers: vec![
            (ANN, 1, None),
            (BOB, 1, None),
            (CAL, 1, Some(Some(9))),
            (CAL, 2, Some(Some(5))),
        ],
        ..basis()
    };
    cases.extend(ends_as("each-seat-has-its-end", &story, &outcome));

    // Removed again, with other words about the first log: the first end is the one that counts.
    let (mut story, last) = Story::three();
    let gone = story.end(ANN, &[last], Some(CAL), &[(CAL, 1, 9)]);
    story.end(BOB, &[gone], Some(CAL), &[(CAL, 1, 4)]);
    let outcome = Outcome {
        members: vec![(ANN, "admin"), (BOB, "admin")],
        writers: vec![(ANN, 1, None), (BOB, 1, None), (CAL, 1, Some(Some(9)))],
        ..basis()
    };
    cases.extend(ends_as("removed-once-more", &story, &outcome));

    // Cal's key is taken by Dan as well, who leaves: it is hers, and Dan's leaving ends nothing of it.
    let (mut story, last) = Story::three();
    let dan = story.to(ANN, &[last], INVITE, DAN);
    let mut operation = story.plain(DAN, &[dan], ACCEPT);
    operation.seat = Some(seat(&story.group, DAN, key(CAL, 1), "Dan"));
    let taken = story.add(&operation);
    story.end(DAN, &[taken], None, &[(CAL, 1, 1)]);
    let order: Vec<Step> = (0..story.signed.len()).collect();
    let case = Case::valid(
        "membership/one-key-of-two",
        "membership",
        REQ,
        basis().json(&story),
    );
    cases.push(told(case, &story, &order));
    cases
}
