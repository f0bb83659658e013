//! The same seed, the same world.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use dchat_spec::sim::nat::{Allocation, Behaviour, Filtering, Mapping};
use dchat_spec::sim::net::{Action, Net, Occurrence, Quality};
use dchat_spec::sim::{Rng, Time};

/// Two hosts behind a NAT flood a third, which answers, over links that do all they can; the NAT
/// reboots in between. What came of it, and the trace.
fn noisy(seed: u64) -> (u64, [u8; 32]) {
    let quality = Quality {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(10),
        loss: 0.1,
        reorder: 0.1,
        rate: Some(50_000),
        queue: 4_000,
        mtu: 1280,
    };
    let mut net = Net::new(seed);
    let home = net.realm();
    let behaviour = Behaviour::nat(
        Mapping::AddressAndPortDependent,
        Filtering::AddressDependent,
        Allocation::Random,
    );
    let public = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let nat = net.middlebox((home, Net::INTERNET), behaviour, vec![public], quality);
    let insides = [2, 3].map(|last| {
        let host = net.host();
        let ip = IpAddr::V4(Ipv4Addr::new(192, 168, 0, last));
        net.interface(host, home, vec![ip], quality);
        host
    });
    let server = net.host();
    let ip = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
    net.interface(server, Net::INTERNET, vec![ip], quality);
    let mut rng = Rng::new(seed, "load", 0);
    net.schedule(Duration::from_millis(1), 0);
    let mut received = 0;
    while let Some(occurrence) = net.next(Time::ZERO + Duration::from_secs(2)) {
        match occurrence {
            Occurrence::Due { token } => {
                let len = usize::try_from(rng.below(1400)).unwrap();
                let from = insides[usize::try_from(token % 2).unwrap()];
                let bytes = Bytes::from(vec![0; len]);
                net.send(from, (None, 4001), SocketAddr::new(ip, 4001), bytes)
                    .unwrap();
                if token == 500 {
                    net.apply(Action::Reboot(nat));
                }
                net.schedule(Duration::from_millis(1), token + 1);
            }
            Occurrence::Datagram { host, packet } => {
                received += 1;
                if host == server {
                    net.send(server, (None, 4001), packet.src, packet.payload)
                        .unwrap();
                }
            }
            Occurrence::Wake { .. } => {}
        }
    }
    (received, net.trace().digest())
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let (received, trace) = noisy(1);
    assert!(received > 100, "{received}");
    assert_eq!(noisy(1), (received, trace));
    assert_ne!(noisy(2).1, trace);
}
