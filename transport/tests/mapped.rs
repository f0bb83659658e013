//! Addresses that a gateway opened are told to those who may know ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use common::{Node, config, start, within};
use dchat_transport::Event;
use dchat_wire::nat::{Candidate, CandidateKind, NatClass};
use dchat_wire::{Address, PeerId};

fn mapped() -> Address {
    Address::direct("198.51.100.7:4001".parse().unwrap())
}

/// A gateway opened a port for the node.
fn map(node: &Node) {
    let candidate = Candidate {
        kind: CandidateKind::Mapped,
        address: mapped(),
    };
    node.endpoint
        .set_local_candidates(NatClass::UNKNOWN, CandidateKind::Mapped, vec![candidate]);
}

/// What the node is told by `peer` first that `wanted` holds of.
async fn told(node: &mut Node, peer: PeerId, wanted: impl Fn(&[Address]) -> bool) -> Vec<Address> {
    node.expect(|event| match event {
        Event::Identified {
            peer: by,
            addresses,
            ..
        } if by == peer && wanted(&addresses) => Some(addresses),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_mapped_address_is_listened_at_and_told_to_contacts() {
    let (a, mut b) = (start(config(1)), start(config(2)));
    a.endpoint.trust(b.peer(), true);
    let at = [a.address()];
    within(b.endpoint.connect(Some(a.peer()), &at))
        .await
        .unwrap();
    let before = told(&mut b, a.peer(), |addresses| !addresses.is_empty()).await;
    assert_eq!(before, [a.address()]);
    map(&a);
    assert_eq!(a.endpoint.listen_addrs(), [a.address(), mapped()]);
    let after = told(&mut b, a.peer(), |addresses| addresses != before).await;
    assert_eq!(after, [a.address(), mapped()]);
}

#[tokio::test]
async fn in_relay_only_mode_a_mapped_address_is_told_to_nobody() {
    let mut hidden = config(4);
    hidden.relay_only = true;
    let node = start(hidden);
    map(&node);
    assert_eq!(node.endpoint.listen_addrs(), []);
}
