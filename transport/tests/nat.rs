//! What a node finds out about NATs with others on loopback, where there are none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use std::net::SocketAddr;

use dchat_nat::stun;
use dchat_transport::nat::{NatConfig, NatStatus, StunServer};
use dchat_transport::{Endpoint, EndpointConfig};
use dchat_wire::nat::Mapping;
use tokio::net::UdpSocket;

use common::within;

fn config(seed: u8, nat: NatConfig) -> EndpointConfig {
    EndpointConfig {
        nat,
        ..common::config(seed)
    }
}

/// A STUN server at that address, for as long as the runtime lives.
async fn stun_server(ip: &str) -> StunServer {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut bytes = [0; stun::MAX_DATAGRAM];
        loop {
            let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
            if let Some(answer) = stun::answer(&bytes[..length], from) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    addr.to_string().parse().unwrap()
}

async fn surveyed(endpoint: &Endpoint) -> NatStatus {
    let mut status = endpoint.nat();
    let status = status.wait_for(|status| status.report.is_some());
    within(status).await.unwrap().clone()
}

#[tokio::test]
async fn a_node_with_stun_servers_learns_that_nothing_stands_before_it() {
    let stun = vec![
        stun_server("127.0.0.1").await,
        stun_server("127.0.0.1").await,
    ];
    let nat = NatConfig {
        stun,
        ..NatConfig::default()
    };
    let (endpoint, _events) = Endpoint::bind(config(1, nat)).unwrap();
    let status = surveyed(&endpoint).await;
    let report = status.report.clone().unwrap();
    assert!(report.udp && report.v4.works, "{report:?}");
    assert!(report.sent <= 40);
    assert_eq!(status.class().mapping, Mapping::None, "{report:?}");
    assert_eq!(report.v4.public, endpoint.listen_addrs()[0].socket().into());
}

#[tokio::test]
async fn who_asks_during_a_survey_gets_its_report() {
    let stun = vec![stun_server("127.0.0.1").await];
    let nat = NatConfig {
        stun: stun.clone(),
        ..NatConfig::default()
    };
    let (endpoint, _events) = Endpoint::bind(config(5, nat)).unwrap();
    let (one, other) = tokio::join!(endpoint.survey(&stun), endpoint.diagnose(&stun));
    let (one, other) = (one.unwrap(), other.report.unwrap());
    assert!(std::sync::Arc::ptr_eq(&one, &other));
}

#[tokio::test]
async fn a_survey_without_an_answer_ends_in_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server: StunServer = silent.local_addr().unwrap().to_string().parse().unwrap();
    let (endpoint, _events) = Endpoint::bind(config(2, NatConfig::default())).unwrap();
    let servers = [server];
    let report = within(endpoint.survey(&servers)).await.unwrap();
    assert!(!report.udp);
    assert!(report.sent <= 40);
}

/// Checks DC-NAT-002 (positive), DC-NAT-003 (positive).
#[tokio::test]
async fn a_node_answers_stun_on_its_own_port_with_no_more_than_it_got() {
    let (endpoint, _events) = Endpoint::bind(config(3, NatConfig::default())).unwrap();
    let node: SocketAddr = endpoint.listen_addrs()[0].socket();
    let asker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let id = stun::TransactionId([7; 12]);
    let question = stun::request(id, stun::Change::Nothing);
    asker.send_to(&question, node).await.unwrap();
    let mut bytes = [0; stun::MAX_DATAGRAM];
    let (length, from) = within(asker.recv_from(&mut bytes)).await.unwrap();
    assert_eq!(from, node);
    assert!(length <= question.len());
    let stun::Message::Answer(answer) = stun::decode(&bytes[..length]).unwrap() else {
        panic!("an answer");
    };
    assert_eq!(answer.id, id);
    assert_eq!(answer.mapped, asker.local_addr().unwrap());
}

#[tokio::test]
async fn a_sample_is_the_address_of_a_socket_of_its_own() {
    let nat = NatConfig {
        stun: vec![stun_server("127.0.0.1").await],
        ..NatConfig::default()
    };
    let (endpoint, _events) = Endpoint::bind(config(4, nat)).unwrap();
    assert_eq!(endpoint.sample().await, None);
    surveyed(&endpoint).await;
    let sampled = endpoint.sample().await.unwrap();
    assert!(sampled.ip().is_loopback());
    assert_ne!(sampled, endpoint.listen_addrs()[0].socket());
}

/// Nodes that all answer REACH, on loopback networks of their own, where Linux gives them.
#[cfg(target_os = "linux")]
mod others {
    use dchat_nat::reach::Verdict;
    use dchat_transport::Events;
    use dchat_wire::nat::{Filtering, Reach, ReachFrom, ReachResult, Reached, reach_datagram};
    use dchat_wire::{Address, Frame, FrameReader};

    use super::*;

    fn node(network: u8, seed: u8) -> (Endpoint, Events, SocketAddr) {
        let mut config = config(seed, NatConfig::default());
        config.listen = vec![SocketAddr::from(([127, 9, network, 1], 0))];
        let (endpoint, events) = Endpoint::bind(config).unwrap();
        let addr = endpoint.listen_addrs()[0].socket();
        (endpoint, events, addr)
    }

    async fn connect(from: &Endpoint, to: SocketAddr) -> dchat_transport::Connection {
        within(from.connect(None, &[Address::direct(to)]))
            .await
            .unwrap()
    }

    async fn ask(
        connection: &dchat_transport::Connection,
        from: ReachFrom,
        target: SocketAddr,
    ) -> ReachResult {
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        let question = Frame::Reach(Reach {
            token: [5; 16],
            from,
            target: Address::direct(target),
            extensions: Default::default(),
        });
        send.write_all(&question.to_bytes()).await.unwrap();
        send.finish().unwrap();
        let answer = within(recv.read_to_end(1024)).await.unwrap();
        let mut reader = FrameReader::new();
        let frame = reader.read(&mut &answer[..]).unwrap();
        let Some(Frame::Reached(Reached { result, .. })) = frame else {
            panic!("an answer");
        };
        result
    }

    /// What arrives at a socket on the network of the asker, after REACH to its port.
    async fn reached(
        connection: &dchat_transport::Connection,
        from: ReachFrom,
        network: u8,
    ) -> SocketAddr {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 9, network, 1], 0)))
            .await
            .unwrap();
        let target = socket.local_addr().unwrap();
        assert_eq!(ask(connection, from, target).await, ReachResult::Sent);
        let mut bytes = [0; 128];
        let (length, from) = within(socket.recv_from(&mut bytes)).await.unwrap();
        assert_eq!(reach_datagram::open(&bytes[..length]), Some([5; 16]));
        from
    }

    #[tokio::test]
    async fn a_reach_comes_from_where_it_was_asked_for() {
        let (us, _a, _) = node(1, 11);
        let (first, _b, first_addr) = node(2, 12);
        let (_second, _c, second_addr) = node(3, 13);
        let to_first = connect(&us, first_addr).await;
        let from = reached(&to_first, ReachFrom::OtherPort, 1).await;
        assert_eq!(from.ip(), first_addr.ip());
        assert_ne!(from, first_addr);
        let from = reached(&to_first, ReachFrom::Here, 1).await;
        assert_eq!(from, first_addr);
        connect(&first, second_addr).await;
        let from = reached(&to_first, ReachFrom::OtherNode, 1).await;
        assert_eq!(from, second_addr);
    }

    /// Checks DC-NAT-005 (negative), DC-NAT-007 (negative).
    #[tokio::test]
    async fn a_reach_to_others_or_without_another_node_is_refused() {
        let (us, _a, us_addr) = node(4, 14);
        let (_first, _b, first_addr) = node(5, 15);
        let connection = connect(&us, first_addr).await;
        let foreign = SocketAddr::from(([127, 9, 6, 1], 4001));
        for from in [ReachFrom::OtherPort, ReachFrom::OtherNode] {
            assert_eq!(
                ask(&connection, from, foreign).await,
                ReachResult::Forbidden
            );
        }
        let alone = ask(&connection, ReachFrom::OtherNode, us_addr).await;
        assert_eq!(alone, ReachResult::Unable);
    }

    #[tokio::test]
    async fn with_two_nodes_a_survey_finds_no_nat_and_nothing_filtered() {
        let (us, _a, us_addr) = node(7, 17);
        let (first, _b, first_addr) = node(8, 18);
        let (_second, _c, second_addr) = node(9, 19);
        connect(&us, first_addr).await;
        connect(&us, second_addr).await;
        connect(&first, second_addr).await;
        let report = within(us.survey(&[])).await.unwrap();
        assert_eq!(report.v4.class.mapping, Mapping::None, "{report:?}");
        assert_eq!(report.v4.public, Some(us_addr));
        assert_eq!(report.v4.class.filtering, Filtering::None, "{report:?}");
        assert!(report.sent <= 40);
    }

    #[tokio::test]
    async fn strangers_of_two_networks_that_come_through_make_us_public() {
        let (us, _a, us_addr) = node(10, 20);
        let (first, _b, first_addr) = node(11, 21);
        let (second, _c, second_addr) = node(12, 22);
        let (_third, _d, third_addr) = node(13, 23);
        let (_fourth, _e, fourth_addr) = node(14, 24);
        connect(&first, third_addr).await;
        connect(&second, fourth_addr).await;
        connect(&us, first_addr).await;
        connect(&us, second_addr).await;
        let mut status = us.nat();
        let public = status.wait_for(|status| status.reachability != Verdict::Unknown);
        let verdict = within(public).await.unwrap().reachability;
        assert_eq!(verdict, Verdict::Public(us_addr));
    }
}
