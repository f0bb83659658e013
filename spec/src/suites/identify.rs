//! IDENTIFY and IDENTIFY_PUSH bodies (`30-transport` §3).

use crate::actor::ALICE;
use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::multiaddr::Multiaddr;
use crate::structure::{Part, Structure};

use super::address::{direct_v4, direct_v6, longest, relayed};

/// An IDENTIFY body without extensions.
pub(super) fn identify(revision: u64, observed: Option<&Part>, addresses: &[Part]) -> Structure {
    Structure::new()
        .u64("Identify.revision", revision)
        .option("Identify.observed", observed, true)
        .list("Identify.addresses", addresses, true)
        .extensions("Identify.extensions", &[])
}

pub(super) fn suite() -> Suite {
    let full = identify(2, Some(&direct_v4().part()), &[direct_v6().part()]);
    let none = identify(1, None, &[]);
    let mut cases = accepted();
    cases.extend(fault::cuts("identify", "Identify", &full));
    cases.extend(fault::counts(
        "identify",
        "Identify",
        &none,
        "Identify.addresses",
        16,
    ));
    cases.extend(fault::extensions(
        "identify",
        "Identify",
        &none,
        "Identify.extensions",
    ));
    cases.extend(refused(&none));
    Suite {
        name: "identify",
        cases,
    }
}

fn accepted() -> Vec<Case> {
    let most: Vec<Part> = (0..16).map(|_| longest().part()).collect();
    let some = [
        direct_v4().p2p(ALICE).part(),
        direct_v6().part(),
        relayed().part(),
    ];
    vec![
        whole(
            "identify/nothing-observed",
            "Identify",
            &identify(1, None, &[]),
        ),
        whole(
            "identify/observed-ip4",
            "Identify",
            &identify(1, Some(&direct_v4().part()), &[]),
        ),
        whole(
            "identify/observed-ip6",
            "Identify",
            &identify(1, Some(&direct_v6().part()), &[]),
        ),
        whole(
            "identify/some-addresses",
            "Identify",
            &identify(3, None, &some),
        ),
        whole(
            "identify/most-addresses",
            "Identify",
            &identify(u64::MAX, None, &most),
        ),
    ]
}

fn refused(none: &Structure) -> Vec<Case> {
    let observed = |tag: u8| none.replace("Identify.observed", &[tag]);
    let bad = Multiaddr::default().part();
    let wrong_observed = identify(1, Some(&bad), &[]).bytes;
    let wrong_address = identify(1, None, &[direct_v4().part(), bad]).bytes;
    let boolean = &["DC-WIRE-006"];
    let address = &["DC-ID-020"];
    let (at_observed, at_list) = (Some("Identify.observed"), Some("Identify.addresses"));
    vec![
        broken(
            "identify/option-2",
            "Identify",
            boolean,
            &observed(2),
            "not-boolean",
        )
        .field(at_observed),
        broken(
            "identify/option-255",
            "Identify",
            boolean,
            &observed(255),
            "not-boolean",
        )
        .field(at_observed),
        broken(
            "identify/observed-nowhere",
            "Identify",
            address,
            &wrong_observed,
            "invalid",
        )
        .field(at_observed),
        broken(
            "identify/address-nowhere",
            "Identify",
            address,
            &wrong_address,
            "invalid",
        )
        .field(at_list),
    ]
}
