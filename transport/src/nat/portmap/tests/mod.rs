#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod fake_pcp;
mod fake_upnp;
mod pcp;
mod upnp;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

use super::{PortMapConfig, PortMapper, PortMapping};

const OUTSIDE: [u8; 4] = [203, 0, 113, 7];
/// More than any of our own deadlines: a test that waits for it has failed.
const LONG: Duration = Duration::from_secs(30);

fn start(config: &PortMapConfig) -> (PortMapper, watch::Sender<()>) {
    let changes = watch::Sender::new(());
    let bound: Vec<SocketAddr> = ["[::]:4001", "0.0.0.0:4001"]
        .map(|addr| addr.parse().unwrap())
        .to_vec();
    let mapper = PortMapper::start(config, &bound, &changes.subscribe(), [7; 32]);
    (mapper, changes)
}

async fn until(mapper: &PortMapper, wanted: impl Fn(&PortMapping) -> bool) -> PortMapping {
    let mut states = mapper.subscribe();
    let state = tokio::time::timeout(LONG, states.wait_for(|state| wanted(state)));
    *state.await.expect("in time").unwrap()
}

#[tokio::test]
async fn without_a_socket_that_others_could_reach_nobody_is_asked() {
    let changes = watch::Sender::new(());
    let bound = ["127.0.0.1:4001".parse().unwrap()];
    let config = PortMapConfig::default();
    let mapper = PortMapper::start(&config, &bound, &changes.subscribe(), [7; 32]);
    let none = super::MappingState::NoGateway;
    let state = until(&mapper, |state| state.pcp == none && state.upnp == none).await;
    assert_eq!(state.addrs(), []);
}

#[tokio::test]
async fn what_is_switched_off_stays_off() {
    let (mapper, _changes) = start(&PortMapConfig::off());
    assert_eq!(mapper.state(), PortMapping::default());
    assert!(mapper.state().is_settled());
}
