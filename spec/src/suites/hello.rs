//! HELLO bodies (`30-transport` §3).

use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::json::Json;
use crate::structure::{Part, Structure};

/// The versions of a HELLO.
pub(super) fn versions(low: u16, high: u16) -> Part {
    Part {
        bytes: [low.to_le_bytes(), high.to_le_bytes()].concat(),
        json: Json::List(vec![Json::Number(low.into()), Json::Number(high.into())]),
    }
}

/// A HELLO body without extensions.
pub(super) fn hello(versions: &Part, roles: u64, capabilities: &[u16]) -> Structure {
    hello_with(versions, roles, capabilities, &[])
}

/// A HELLO body.
pub(super) fn hello_with(
    versions: &Part,
    roles: u64,
    capabilities: &[u16],
    extensions: &[(u16, &[u8])],
) -> Structure {
    let instance: [u8; 16] = core::array::from_fn(|index| index as u8);
    let capabilities: Vec<Part> = capabilities.iter().copied().map(Part::u16).collect();
    Structure::new()
        .push("Hello.versions", versions, true)
        .fixed("Hello.instance", &instance)
        .u64("Hello.roles", roles)
        .list("Hello.capabilities", &capabilities, true)
        .extensions("Hello.extensions", extensions)
}

pub(super) fn suite() -> Suite {
    let ours = hello(&versions(1, 1), 0, &[1]);
    let mut cases = accepted();
    cases.extend(fault::cuts("hello", "Hello", &ours));
    cases.extend(fault::counts(
        "hello",
        "Hello",
        &ours,
        "Hello.capabilities",
        64,
    ));
    cases.extend(fault::extensions(
        "hello",
        "Hello",
        &ours,
        "Hello.extensions",
    ));
    cases.extend(refused());
    Suite {
        name: "hello",
        cases,
    }
}

fn accepted() -> Vec<Case> {
    let one = versions(1, 1);
    let most: Vec<u16> = (0..64).collect();
    vec![
        whole("hello/version-1", "Hello", &hello(&one, 0, &[1])),
        whole("hello/nothing-offered", "Hello", &hello(&one, 0, &[])),
        whole("hello/all-roles", "Hello", &hello(&one, 7, &[1])),
        whole("hello/unknown-roles", "Hello", &hello(&one, u64::MAX, &[1]))
            .comment("unknown bits are ignored (DC-CONN-025)"),
        whole(
            "hello/unknown-capabilities",
            "Hello",
            &hello(&one, 0, &[0, 1, 2, 0xffff]),
        ),
        whole("hello/most-capabilities", "Hello", &hello(&one, 0, &most)),
        whole(
            "hello/highest-version",
            "Hello",
            &hello(&versions(1, 0xffff), 0, &[1]),
        ),
        whole(
            "hello/newer-only",
            "Hello",
            &hello(&versions(2, 3), 0, &[1]),
        )
        .comment("decodes; the connection is then closed with VERSION"),
        whole(
            "hello/reserved-extension",
            "Hello",
            &hello_with(&one, 0, &[1], &[(0x3a5a, &[1, 2, 3, 4])]),
        ),
    ]
}

fn refused() -> Vec<Case> {
    let one = versions(1, 1);
    let all = [
        (
            "version-0",
            hello(&versions(0, 1), 0, &[1]),
            "Hello.versions",
        ),
        (
            "versions-0-to-0",
            hello(&versions(0, 0), 0, &[1]),
            "Hello.versions",
        ),
        (
            "versions-reversed",
            hello(&versions(2, 1), 0, &[1]),
            "Hello.versions",
        ),
        (
            "capabilities-descending",
            hello(&one, 0, &[2, 1]),
            "Hello.capabilities",
        ),
        (
            "capability-twice",
            hello(&one, 0, &[1, 1]),
            "Hello.capabilities",
        ),
    ];
    all.into_iter()
        .map(|(slug, structure, field)| {
            let id = format!("hello/{slug}");
            broken(id, "Hello", &["DC-WIRE-001"], &structure.bytes, "invalid").field(Some(field))
        })
        .collect()
}
