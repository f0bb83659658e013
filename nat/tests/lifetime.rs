//! The idle time after which a mapping is gone, found through a node and through a STUN server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and begin at any time"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_nat::classify::{
    Lifetime, LifetimeConfig, LifetimeInput, LifetimeOutput, LifetimeProbe, Server, ServerKind,
    Socket,
};
use dchat_nat::stun;
use dchat_wire::nat::{ReachResult, reach_datagram};

/// A NAT whose mappings end after `life`, and which keeps ports or not.
struct World {
    life: Duration,
    keeps_ports: bool,
    /// The node says it sent what it did not.
    withholds: bool,
    /// So many of a hundred datagrams are lost, without a pattern.
    loses: u64,
    count: u64,
    next_port: u16,
    /// Port and last use, by socket.
    mapped: BTreeMap<Socket, (u16, Instant)>,
}

fn server(kind: ServerKind) -> Server {
    Server {
        address: "198.51.100.1:4001".parse().unwrap(),
        kind,
    }
}

impl World {
    fn new(life: u64) -> Self {
        Self {
            life: Duration::from_secs(life),
            keeps_ports: true,
            withholds: false,
            loses: 0,
            count: 0,
            next_port: 30_000,
            mapped: BTreeMap::new(),
        }
    }

    fn lost(&mut self) -> bool {
        self.count += 1;
        (self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 100 < self.loses
    }

    fn outside(&mut self, socket: Socket, now: Instant) -> SocketAddr {
        let alive = self
            .mapped
            .get(&socket)
            .filter(|(_, used)| now.saturating_duration_since(*used) < self.life);
        let port = match alive {
            Some((port, _)) => *port,
            None if self.keeps_ports => match socket {
                Socket::Fresh(nth) => 40_000 + u16::from(nth),
                Socket::Main => panic!("the main socket is none of its business"),
            },
            None => {
                self.next_port += 1;
                self.next_port
            }
        };
        self.mapped.insert(socket, (port, now));
        SocketAddr::new([203, 0, 113, 5].into(), port)
    }

    fn run(&mut self, kind: ServerKind) -> (Lifetime, Duration, u32) {
        let began = Instant::now();
        let mut now = began;
        let mut sent = 0;
        let config = LifetimeConfig::default();
        let mut probe = LifetimeProbe::new(config, server(kind), self.keeps_ports, [7; 32], began);
        for _ in 0..10_000 {
            while let Some(output) = probe.poll_output() {
                match output {
                    LifetimeOutput::Finished(lifetime) => {
                        assert_eq!(probe.poll_timeout(), None);
                        return (lifetime, now - began, sent);
                    }
                    LifetimeOutput::Close(socket) => {
                        self.mapped.remove(&socket);
                    }
                    LifetimeOutput::Send {
                        socket,
                        to,
                        datagram,
                    } => {
                        sent += 1;
                        let seen = self.outside(socket, now);
                        if !self.lost() {
                            let bytes = stun::answer(&datagram, seen).expect("a request");
                            let from = to;
                            let input = LifetimeInput::Datagram {
                                socket,
                                from,
                                bytes: &bytes,
                            };
                            probe.handle_input(input, now);
                        }
                    }
                    LifetimeOutput::Reach { token, target, .. } => {
                        sent += 1;
                        let result = ReachResult::Sent;
                        probe.handle_input(LifetimeInput::Reached { token, result }, now);
                        let open = self
                            .mapped
                            .iter()
                            .find(|(_, (port, used))| {
                                *port == target.port()
                                    && now.saturating_duration_since(*used) < self.life
                            })
                            .map(|(socket, _)| *socket);
                        if let Some(socket) = open
                            && !self.withholds
                            && !self.lost()
                        {
                            let input = LifetimeInput::Datagram {
                                socket,
                                from: server(kind).address,
                                bytes: &reach_datagram::seal(&token),
                            };
                            probe.handle_input(input, now);
                        }
                    }
                }
            }
            now = probe.poll_timeout().expect("ends by itself").max(now);
            probe.handle_timeout(now);
        }
        panic!("the search does not end");
    }
}

fn holds(lifetime: Lifetime, life: Duration) -> bool {
    match lifetime {
        Lifetime::Between { alive, dead } => {
            alive < life && life <= dead && dead - alive <= Duration::from_secs(16)
        }
        Lifetime::AtLeast(alive) => alive < life,
        Lifetime::Unknown => false,
    }
}

#[test]
fn a_node_finds_the_lifetime_behind_a_nat_that_keeps_ports() {
    for life in [20, 31, 60, 90, 120, 180, 230] {
        let mut world = World::new(life);
        let (lifetime, took, sent) = world.run(ServerKind::Node);
        assert!(holds(lifetime, world.life), "{life}: {lifetime:?}");
        assert!(took < Duration::from_secs(900), "{life}: {took:?}");
        assert!(sent < 100, "{life}: {sent}");
    }
}

#[test]
fn a_server_finds_it_where_ports_change() {
    for life in [20, 60, 120, 230] {
        let mut world = World::new(life);
        world.keeps_ports = false;
        let (lifetime, ..) = world.run(ServerKind::Stun);
        assert!(holds(lifetime, world.life), "{life}: {lifetime:?}");
    }
}

#[test]
fn lost_datagrams_do_not_shorten_it() {
    for loses in [2, 5, 8, 12] {
        let mut world = World::new(100);
        world.loses = loses;
        let (lifetime, ..) = world.run(ServerKind::Node);
        assert!(holds(lifetime, world.life), "{loses} %: {lifetime:?}");
    }
}

#[test]
fn a_mapping_that_outlives_every_trial_is_said_to_live_at_least_so_long() {
    let mut world = World::new(3_600);
    let (lifetime, ..) = world.run(ServerKind::Node);
    assert_eq!(lifetime, Lifetime::AtLeast(Duration::from_secs(240)));
}

#[test]
fn a_node_that_withholds_datagrams_proves_nothing() {
    let mut world = World::new(60);
    world.withholds = true;
    assert_eq!(world.run(ServerKind::Node).0, Lifetime::Unknown);
}

#[test]
fn a_server_alone_cannot_tell_behind_a_nat_that_keeps_ports() {
    let mut world = World::new(60);
    assert_eq!(world.run(ServerKind::Stun).0, Lifetime::Unknown);
}
