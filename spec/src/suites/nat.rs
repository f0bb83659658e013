//! CANDIDATES, PUNCH, REACH and REACHED bodies (`50-nat` §2 to §4).

use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::multiaddr::Multiaddr;
use crate::structure::{Part, Structure};

use super::address::{direct_v4, direct_v6, longest, relayed};

/// What a NAT does, by codes.
#[derive(Clone, Copy)]
struct Class {
    mapping: u8,
    filtering: u8,
    allocation: u8,
    stride: u16,
    block: (u16, u16),
}

const UNKNOWN: Class = Class {
    mapping: 0,
    filtering: 0,
    allocation: 0,
    stride: 0,
    block: (0, 0),
};

fn class(class: Class) -> Structure {
    Structure::new()
        .u8("NatClass.mapping", class.mapping)
        .u8("NatClass.filtering", class.filtering)
        .u8("NatClass.allocation", class.allocation)
        .u16("NatClass.stride", class.stride)
        .u16("NatClass.block_first", class.block.0)
        .u16("NatClass.block_len", class.block.1)
}

fn candidate(kind: u8, address: &Part) -> Part {
    Structure::new()
        .u8("Candidate.kind", kind)
        .push("Candidate.address", address, true)
        .part()
}

/// A CANDIDATES body without extensions.
fn candidates_of(generation: u32, nat: Class, list: &[Part]) -> Structure {
    Structure::new()
        .u32("Candidates.generation", generation)
        .push("Candidates.class", &class(nat).part(), false)
        .list("Candidates.candidates", list, false)
        .extensions("Candidates.extensions", &[])
}

/// The body that stands for CANDIDATES elsewhere.
pub(super) fn candidates() -> Structure {
    candidates_of(1, UNKNOWN, &[candidate(0, &direct_v4().part())])
}

pub(super) fn prediction(stride: u16, count: u16) -> Part {
    Structure::new()
        .push("Prediction.address", &direct_v4().part(), true)
        .u16("Prediction.stride", stride)
        .u16("Prediction.count", count)
        .part()
}

/// A PUNCH body without extensions.
pub(super) fn punch(round: u32, answers: bool, prediction: Option<&Part>) -> Structure {
    Structure::new()
        .u32("Punch.round", round)
        .boolean("Punch.answers", answers)
        .option("Punch.prediction", prediction, false)
        .u16("Punch.sockets", 1)
        .extensions("Punch.extensions", &[])
}

/// A REACH body without extensions.
pub(super) fn reach(from: u8, target: &Part) -> Structure {
    Structure::new()
        .fixed("Reach.token", &[0x70; 16])
        .u8("Reach.from", from)
        .push("Reach.target", target, true)
        .extensions("Reach.extensions", &[])
}

/// A REACHED body without extensions.
pub(super) fn reached(result: u8) -> Structure {
    Structure::new()
        .u8("Reached.result", result)
        .extensions("Reached.extensions", &[])
}

pub(super) fn suite() -> Suite {
    let mut cases = of_candidates();
    cases.extend(of_punch());
    cases.extend(of_reach());
    Suite { name: "nat", cases }
}

/// A code over the last one of an enumeration.
fn no_such_code(id: &'static str, name: &'static str, bytes: &[u8], field: &'static str) -> Case {
    broken(id, name, &["DC-NAT-001"], bytes, "invalid").field(Some(field))
}

fn of_candidates() -> Vec<Case> {
    let plain = candidates_of(1, UNKNOWN, &[]);
    let symmetric = Class {
        mapping: 4,
        filtering: 3,
        allocation: 3,
        stride: 0,
        block: (40_960, 512),
    };
    let downward = Class {
        mapping: 3,
        filtering: 4,
        allocation: 2,
        stride: 0xfffe,
        block: (0, 0),
    };
    let every = [
        candidate(0, &direct_v4().part()),
        candidate(1, &direct_v4().part()),
        candidate(2, &direct_v6().part()),
        candidate(3, &relayed().part()),
    ];
    let most: Vec<Part> = (0..24).map(|_| candidate(3, &longest().part())).collect();
    let name = "Candidates";
    let with_class = |class: Class| candidates_of(1, class, &[]).bytes;
    let wrong = |mapping, filtering, allocation| {
        with_class(Class {
            mapping,
            filtering,
            allocation,
            ..UNKNOWN
        })
    };
    let wrong_kind = candidates_of(1, UNKNOWN, &[candidate(4, &direct_v4().part())]).bytes;
    let nowhere = Multiaddr::default().part();
    let wrong_address = candidates_of(1, UNKNOWN, &[candidate(0, &nowhere)]).bytes;
    let mut cases = vec![
        whole("nat/nothing-known", name, &plain),
        whole("nat/every-kind", name, &candidates_of(2, symmetric, &every)),
        whole(
            "nat/stride-of-minus-two",
            name,
            &candidates_of(3, downward, &[]),
        ),
        whole(
            "nat/most-candidates",
            name,
            &candidates_of(u32::MAX, UNKNOWN, &most),
        ),
        no_such_code("nat/mapping-5", name, &wrong(5, 0, 0), "NatClass.mapping"),
        no_such_code(
            "nat/filtering-5",
            name,
            &wrong(0, 5, 0),
            "NatClass.filtering",
        ),
        no_such_code(
            "nat/allocation-5",
            name,
            &wrong(0, 0, 5),
            "NatClass.allocation",
        ),
        no_such_code("nat/candidate-kind-4", name, &wrong_kind, "Candidate.kind"),
        broken(
            "nat/candidate-nowhere",
            name,
            &["DC-ID-020"],
            &wrong_address,
            "invalid",
        )
        .field(Some("Candidate.address")),
    ];
    cases.extend(fault::cuts("candidates", name, &plain));
    cases.extend(fault::counts(
        "candidates",
        name,
        &plain,
        "Candidates.candidates",
        24,
    ));
    cases.extend(fault::extensions(
        "candidates",
        name,
        &plain,
        "Candidates.extensions",
    ));
    cases
}

fn of_punch() -> Vec<Case> {
    let name = "Punch";
    let plain = punch(1, false, None);
    let predicted = punch(2, true, Some(&prediction(1, 12)));
    let answers = plain.replace("Punch.answers", &[2]);
    let option = plain.replace("Punch.prediction", &[2]);
    let mut cases = vec![
        whole("nat/punch-plain", name, &plain),
        whole("nat/punch-predicted", name, &predicted),
        whole(
            "nat/punch-predicted-downward",
            name,
            &punch(u32::MAX, false, Some(&prediction(0xffff, 1))),
        ),
        broken(
            "nat/punch-answers-2",
            name,
            &["DC-WIRE-006"],
            &answers,
            "not-boolean",
        )
        .field(Some("Punch.answers")),
        broken(
            "nat/punch-option-2",
            name,
            &["DC-WIRE-006"],
            &option,
            "not-boolean",
        )
        .field(Some("Punch.prediction")),
    ];
    cases.extend(fault::cuts("punch", name, &predicted));
    cases.extend(fault::extensions("punch", name, &plain, "Punch.extensions"));
    cases
}

fn of_reach() -> Vec<Case> {
    let (ask, answer) = ("Reach", "Reached");
    let plain = reach(0, &direct_v4().part());
    let nowhere = reach(0, &Multiaddr::default().part()).bytes;
    let mut cases = Vec::new();
    for (from, slug) in ["other-port", "other-node", "here"].into_iter().enumerate() {
        let body = reach(from as u8, &direct_v6().part());
        cases.push(whole(format!("nat/reach-from-{slug}"), ask, &body));
    }
    for (result, slug) in ["sent", "forbidden", "limited", "unable"]
        .into_iter()
        .enumerate()
    {
        let body = reached(result as u8);
        cases.push(whole(format!("nat/reached-{slug}"), answer, &body));
    }
    cases.extend([
        no_such_code(
            "nat/reach-from-3",
            ask,
            &plain.replace("Reach.from", &[3]),
            "Reach.from",
        ),
        no_such_code("nat/reached-4", answer, &reached(4).bytes, "Reached.result"),
        broken(
            "nat/reach-nowhere",
            ask,
            &["DC-ID-020"],
            &nowhere,
            "invalid",
        )
        .field(Some("Reach.target")),
    ]);
    cases.extend(fault::cuts("reach", ask, &plain));
    cases.extend(fault::cuts("reached", answer, &reached(0)));
    cases.extend(fault::extensions("reach", ask, &plain, "Reach.extensions"));
    cases
}
