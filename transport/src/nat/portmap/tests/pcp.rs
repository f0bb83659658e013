//! PCP and NAT-PMP against a gateway on the loopback net, which only Linux gives whole.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::time::Duration;

use dchat_nat::lease::Failure;

use super::super::{MappingState, PortMapConfig, PortMapping};
use super::fake_pcp::{Gateway, Manner};
use super::{LONG, OUTSIDE, start, until};

fn config(gateway: &Gateway) -> PortMapConfig {
    PortMapConfig {
        upnp: false,
        gateway: Some(gateway.ip),
        ..PortMapConfig::default()
    }
}

/// What both protocols come to with a gateway of that manner.
async fn outcome(number: u8, manner: Manner) -> PortMapping {
    let gateway = Gateway::start(number, manner).await;
    let (mapper, _changes) = start(&config(&gateway));
    let asked = |state: &PortMapping| state.pcp != MappingState::Off;
    until(&mapper, |state| {
        asked(state) && state.nat_pmp != MappingState::Off && state.is_settled()
    })
    .await
}

fn mapped(port: u16) -> MappingState {
    MappingState::Mapped(SocketAddr::from((OUTSIDE, port)))
}

#[tokio::test]
async fn a_gateway_maps_and_the_mapping_is_withdrawn() {
    let gateway = Gateway::start(1, Manner::Honest).await;
    let (mapper, _changes) = start(&config(&gateway));
    let state = until(&mapper, |state| {
        matches!(state.pcp, MappingState::Mapped(_))
            && matches!(state.nat_pmp, MappingState::Mapped(_))
    })
    .await;
    assert_eq!(state.pcp, mapped(4002));
    assert_eq!(state.nat_pmp, mapped(4003));
    assert_eq!(state.addrs().len(), 2);
    mapper.withdraw(LONG).await;
    let mut asked = gateway.asked();
    asked.sort_unstable();
    assert_eq!(asked, [(0, 0), (0, 3600), (2, 0), (2, 3600)]);
}

#[tokio::test]
async fn a_gateway_of_the_older_protocol_is_used_with_it() {
    let state = outcome(2, Manner::Old).await;
    assert_eq!(state.pcp, MappingState::Refused(Failure::Unsupported));
    assert_eq!(state.nat_pmp, mapped(4003));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let state = outcome(3, Manner::Closed).await;
    let refused = MappingState::Refused(Failure::Denied);
    assert_eq!((state.pcp, state.nat_pmp), (refused, refused));
}

#[tokio::test]
async fn nonsense_is_told_as_such() {
    let state = outcome(4, Manner::Nonsense).await;
    let nonsense = MappingState::Nonsense;
    assert_eq!((state.pcp, state.nat_pmp), (nonsense, nonsense));
}

#[tokio::test]
async fn an_address_at_which_nobody_can_be_reached_is_not_believed() {
    let state = outcome(5, Manner::Claims([127, 0, 0, 1])).await;
    let refused = MappingState::Refused(Failure::NoAddress);
    assert_eq!((state.pcp, state.nat_pmp), (refused, refused));
    let state = outcome(6, Manner::Claims([0; 4])).await;
    let refused = MappingState::Refused(Failure::NoAddress);
    assert_eq!((state.pcp, state.nat_pmp), (refused, refused));
}

#[tokio::test]
async fn silence_is_told_and_does_not_hold_up_the_end() {
    let state = outcome(7, Manner::Silent).await;
    assert_eq!(state.pcp, MappingState::NoAnswer);
    assert_eq!(state.nat_pmp, MappingState::NoAnswer);
    let gateway = Gateway::start(8, Manner::Silent).await;
    let (mapper, _changes) = start(&config(&gateway));
    until(&mapper, |state| state.pcp == MappingState::Asking).await;
    let withdrawn = mapper.withdraw(Duration::from_millis(1));
    tokio::time::timeout(LONG, withdrawn).await.unwrap();
}

#[tokio::test]
async fn a_change_of_the_network_is_a_reason_to_ask_again() {
    let gateway = Gateway::start(9, Manner::Honest).await;
    let config = PortMapConfig {
        nat_pmp: false,
        ..config(&gateway)
    };
    let (mapper, changes) = start(&config);
    until(&mapper, |state| state.pcp == mapped(4002)).await;
    changes.send_replace(());
    let again = async {
        while gateway.asked().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, again).await.unwrap();
    until(&mapper, |state| state.pcp == mapped(4002)).await;
}
