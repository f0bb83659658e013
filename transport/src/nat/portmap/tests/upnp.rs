//! UPnP against a device on loopback.

use std::net::SocketAddr;

use dchat_nat::lease::Failure;

use super::super::{MappingState, PortMapConfig};
use super::fake_upnp::{Device, Manner};
use super::{LONG, OUTSIDE, start, until};

fn config(device: &Device) -> PortMapConfig {
    PortMapConfig {
        pcp: false,
        nat_pmp: false,
        ssdp: Some(device.ssdp),
        ssdp_v6: Some(device.ssdp),
        ..PortMapConfig::default()
    }
}

/// What UPnP comes to with a device of that manner.
async fn outcome(manner: Manner) -> MappingState {
    let device = Device::start("127.0.0.1", manner).await;
    let (mapper, _changes) = start(&config(&device));
    let waiting = [MappingState::Off, MappingState::Asking];
    until(&mapper, |state| !waiting.contains(&state.upnp))
        .await
        .upnp
}

#[tokio::test]
async fn a_device_maps_and_the_mapping_is_withdrawn() {
    let device = Device::start("127.0.0.1", Manner::Honest).await;
    let (mapper, _changes) = start(&config(&device));
    let mapped = MappingState::Mapped(SocketAddr::from((OUTSIDE, 4001)));
    until(&mapper, |state| state.upnp == mapped).await;
    assert_eq!(device.asked("AddPortMapping"), ["AddPortMapping 4001 3600"]);
    mapper.withdraw(LONG).await;
    assert_eq!(
        device.asked("DeletePortMapping"),
        ["DeletePortMapping 4001"]
    );
}

#[tokio::test]
async fn another_port_is_taken_when_ours_is_anothers() {
    let MappingState::Mapped(addr) = outcome(Manner::Taken).await else {
        panic!("mapped");
    };
    assert_eq!(addr.ip(), std::net::IpAddr::from(OUTSIDE));
    assert_ne!(addr.port(), 4001);
}

#[tokio::test]
async fn a_device_that_knows_mappings_that_stay_only_gives_one() {
    let mapped = MappingState::Mapped(SocketAddr::from((OUTSIDE, 4001)));
    assert_eq!(outcome(Manner::Permanent).await, mapped);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let refused = MappingState::Refused(Failure::Denied);
    assert_eq!(outcome(Manner::Closed).await, refused);
}

#[tokio::test]
async fn a_device_that_hangs_or_answers_endless_nesting_is_as_one_that_is_not_there() {
    assert_eq!(outcome(Manner::Hangs).await, MappingState::NoAnswer);
    assert_eq!(outcome(Manner::Deep).await, MappingState::NoAnswer);
}

#[tokio::test]
async fn a_hole_in_the_firewall_is_made_and_withdrawn() {
    let device = Device::start("::1", Manner::Honest).await;
    let (mapper, _changes) = start(&config(&device));
    let mapped = MappingState::Mapped("[::1]:4001".parse().unwrap());
    until(&mapper, |state| state.pinhole == mapped).await;
    mapper.withdraw(LONG).await;
    assert_eq!(device.asked("DeletePinhole"), ["DeletePinhole 5"]);
}
