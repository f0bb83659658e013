//! The version both sides speak (`30-transport` §3).

use crate::case::{Case, Suite};
use crate::json::Json;

type Range = (u16, u16);

pub(super) fn suite() -> Suite {
    let meeting: [(&str, Range, Range, u32); 6] = [
        ("same", (1, 1), (1, 1), 1),
        ("overlap", (1, 3), (2, 5), 3),
        ("inside", (1, 9), (4, 4), 4),
        ("touching", (1, 2), (2, 3), 2),
        ("we-are-newer", (3, 7), (1, 4), 4),
        ("widest", (1, 0xffff), (1, 0xffff), 0xffff),
    ];
    let apart: [(&str, Range, Range); 4] = [
        ("older-peer", (2, 2), (1, 1)),
        ("newer-peer", (1, 1), (2, 2)),
        ("gap", (1, 3), (5, 9)),
        ("neighbours", (4, 0xffff), (1, 3)),
    ];
    let mut cases: Vec<Case> = meeting
        .into_iter()
        .map(|(slug, one, other, version)| {
            let expected = Json::Object(vec![("version", Json::Number(version))]);
            let case = Case::valid(
                format!("version/{slug}"),
                "common-version",
                &["DC-CONN-023"],
                expected,
            );
            between(case, one, other)
        })
        .collect();
    cases.extend(apart.into_iter().map(|(slug, one, other)| {
        let case = Case::invalid(
            format!("version/{slug}"),
            "common-version",
            &["DC-CONN-024"],
            "no-common-version",
        );
        between(case, one, other)
    }));
    for (slug, one, other, claimed) in [
        ("not-the-highest", (1, 3), (2, 5), 2),
        ("not-in-the-other-range", (1, 3), (2, 5), 5),
    ] {
        let id = format!("version/{slug}");
        let case = Case::invalid(id, "common-version", &["DC-CONN-023"], "mismatch");
        cases.push(between(case, one, other).with("claimed", Json::Number(claimed)));
    }
    Suite {
        name: "version",
        cases,
    }
}

fn between(case: Case, one: Range, other: Range) -> Case {
    let json =
        |(low, high): Range| Json::List(vec![Json::Number(low.into()), Json::Number(high.into())]);
    case.with("one", json(one)).with("other", json(other))
}
