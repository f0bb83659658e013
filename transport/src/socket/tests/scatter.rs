//! Extra sockets, on loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dchat_nat::agent::bounds::SOCKETS;
use tokio::net::UdpSocket;

use crate::path::VirtualAddress;
use crate::socket::bind;
use crate::socket::scatter::{Scatter, source};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn scatter(paths: &crate::socket::Paths, wanted: u16) -> Scatter {
    let virt = VirtualAddress::dialed(&[1; 32], 1);
    let runtime = tokio::runtime::Handle::current();
    Scatter::open(paths.shared(), &runtime, virt, LOOPBACK, wanted)
}

/// The addresses the first of them send from.
async fn senders(scatter: &Scatter, count: u16) -> Vec<SocketAddr> {
    let outside = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let to = outside.local_addr().unwrap();
    let mut senders = Vec::new();
    for number in 0..count {
        scatter.send(number, to, &[0x21; 64]);
        let mut buf = [0; 100];
        let (len, from) = outside.recv_from(&mut buf).await.unwrap();
        assert_eq!(len, 64);
        senders.push(from);
    }
    senders
}

#[tokio::test]
async fn each_sends_from_a_port_of_its_own_and_there_are_no_more_than_may_be() {
    let (_socket, paths, _events) = bind(&["127.0.0.1:0".parse().unwrap()], [3; 32]).unwrap();
    let scatter = scatter(&paths, u16::MAX);
    let mut ports = senders(&scatter, SOCKETS).await;
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), usize::from(SOCKETS));
    // There is no further one.
    assert!(scatter.adopt(SOCKETS).is_none());
}

#[tokio::test]
async fn what_comes_to_one_is_judged_and_after_the_end_nobody_listens() {
    let (_socket, paths, _events) = bind(&["127.0.0.1:0".parse().unwrap()], [3; 32]).unwrap();
    let scatter = scatter(&paths, 2);
    let ports = senders(&scatter, 2).await;
    let outside = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    for datagram in [&[0x21; 64][..], &[0x40; 64], b""] {
        outside.send_to(datagram, ports[0]).await.unwrap();
    }
    while paths.stats().foreign < 2 || paths.stats().probe_unknown < 1 {
        tokio::task::yield_now().await;
    }
    let kept = scatter.adopt(1).unwrap();
    drop(scatter);
    assert_eq!(kept.bound(), ports[1]);
    assert!(kept.is_adopted());
    // The first port is free as soon as its task has ended.
    loop {
        match UdpSocket::bind(ports[0]).await {
            Ok(_) => break,
            Err(_) => tokio::task::yield_now().await,
        }
    }
    assert!(UdpSocket::bind(ports[1]).await.is_err());
}

#[test]
fn they_are_bound_where_the_usual_socket_of_ipv4_is() {
    let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    assert_eq!(source(&[addr("[::]:1"), addr("0.0.0.0:1")]), Some(any));
    assert_eq!(source(&[addr("127.0.0.1:1")]), Some(LOOPBACK));
    assert_eq!(source(&[addr("[::]:1")]), None);
}
