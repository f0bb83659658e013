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
async fn a_survey_without_an_answer_ends_in_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server: StunServer = silent.local_addr().unwrap().to_string().parse().unwrap();
    let (endpoint, _events) = Endpoint::bind(config(2, NatConfig::default())).unwrap();
    let servers = [server];
    let report = within(endpoint.survey(&servers)).await.unwrap();
    assert!(!report.udp);
    assert!(report.sent <= 40);
}

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
