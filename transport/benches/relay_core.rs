//! What the relay's state machine costs without any I/O: time for each forwarded packet of 1200
//! bytes, and memory for each reservation.
//!
//! `cargo bench -p dchat-transport --bench relay_core -- [--packets N] [--peers N]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement talks to its user and stops when something is wrong"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_transport::relay::proto::server::{Config, Input, Output, Relay};
use dchat_transport::relay::proto::{ConnId, Rate, StreamId};
use dchat_wire::relay::datagram::Datagram;
use dchat_wire::relay::{RelayAccept, RelayConnect, RelayReserve};
use dchat_wire::sign::Identity;
use dchat_wire::{Frame, PeerId};

const PACKET: usize = 1200;
/// Room that is never used up here.
const AMPLE: usize = usize::MAX / 2;

fn main() {
    let (mut packets, mut peers) = (2_000_000, 10_000);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            args.next()
                .and_then(|text| text.parse().ok())
                .expect("a number")
        };
        match arg.as_str() {
            "--packets" => packets = number(),
            "--peers" => peers = number(),
            "--bench" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    let mut world = reservations(peers);
    world.connect_pairs();
    world.forwarding("one channel", packets, 1, false);
    let pairs = world.channels.len();
    world.forwarding("all channels in turn", packets, pairs, false);
    world.forwarding("one channel, buffers shared", packets, 1, true);
    world.queueing(packets / 4);
}

/// A relay with peers that hold reservations.
struct World {
    relay: Relay,
    peers: Vec<PeerId>,
    /// For each pair of neighbours their connections and numbers.
    channels: Vec<[(ConnId, u32); 2]>,
    now: Instant,
}

fn reservations(count: usize) -> World {
    let identity = Identity::from_seed(&[1; 32]);
    let mut config = Config::new(identity);
    config.limits.reservations = count;
    config.limits.connections = count;
    config.limits.channels = count;
    // All come from one host here.
    config.limits.requests_per_peer = Rate {
        per_second: 1_000_000,
        burst: 1_000_000,
    };
    let peers: Vec<_> = (0..count as u64)
        .map(|serial| {
            let mut seed = [2; 32];
            seed[..8].copy_from_slice(&serial.to_le_bytes());
            Identity::from_seed(&seed).peer_id()
        })
        .collect();
    let now = Instant::now();
    let mut relay = Relay::new(config, now);
    let before = resident();
    let start = Instant::now();
    for (serial, &peer) in peers.iter().enumerate() {
        let conn = ConnId(serial as u64);
        let ip = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + serial as u32));
        let largest = 1300;
        relay.handle_input(
            Input::Up {
                conn,
                peer,
                ip,
                largest,
            },
            now,
        );
        let reserve = Frame::RelayReserve(RelayReserve {
            lifetime_s: 3600,
            extensions: Default::default(),
        });
        frame(&mut relay, conn, StreamId::theirs(0), reserve, now);
        while let Some(output) = relay.poll_output() {
            black_box(&output);
        }
        relay.handle_input(Input::Room { conn, bytes: AMPLE }, now);
    }
    let took = start.elapsed();
    assert_eq!(relay.stats().reservations, count);
    let bytes = resident().saturating_sub(before);
    println!(
        "{count} reservations: {} bytes each, {:.1} MiB together, {:.1} µs each to grant",
        bytes / count,
        bytes as f64 / f64::from(1 << 20),
        took.as_secs_f64() * 1e6 / count as f64,
    );
    World {
        relay,
        peers,
        channels: Vec::new(),
        now,
    }
}

fn frame(relay: &mut Relay, conn: ConnId, stream: StreamId, frame: Frame, now: Instant) {
    relay.handle_input(
        Input::Frame {
            conn,
            stream,
            frame,
            unix_ms: 1_700_000_000_000,
        },
        now,
    );
}

impl World {
    /// A channel between the first two, the next two, and so on.
    fn connect_pairs(&mut self) {
        let before = resident();
        let World {
            relay, peers, now, ..
        } = self;
        for caller in (0..peers.len() - 1).step_by(2) {
            let from = ConnId(caller as u64);
            let connect = Frame::RelayConnect(RelayConnect {
                peer: peers[caller + 1],
                extensions: Default::default(),
            });
            frame(relay, from, StreamId::theirs(4), connect, *now);
            let (mut incoming, mut opened) = (None, None);
            while let Some(output) = relay.poll_output() {
                match output {
                    Output::Open {
                        conn,
                        stream,
                        frame: asked,
                    } => {
                        let Frame::RelayIncoming(asked) = *asked else {
                            panic!("not INCOMING")
                        };
                        incoming = Some((conn, asked.channel));
                        let accept = RelayAccept {
                            extensions: Default::default(),
                        };
                        frame(relay, conn, stream, Frame::RelayAccept(accept), *now);
                    }
                    Output::Write { conn, frame, .. } => {
                        let Frame::RelayOpened(answer) = *frame else {
                            panic!("not OPENED")
                        };
                        opened = Some((conn, answer.channel));
                    }
                    _ => {}
                }
            }
            self.channels
                .push([opened.expect("opened"), incoming.expect("asked")]);
        }
        let bytes = resident().saturating_sub(before);
        let count = self.channels.len();
        println!("{count} channels: {} bytes each", bytes / count);
    }

    /// Each packet goes back the way it came, over and over.
    fn forwarding(&mut self, what: &str, packets: usize, channels: usize, shared: bool) {
        let mut buffers: Vec<_> = self.channels[..channels]
            .iter()
            .map(|[from, _]| (from.0, datagram(from.1)))
            .collect();
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            for serial in 0..packets {
                let (conn, datagram) = &mut buffers[serial % channels];
                let held = shared.then(|| datagram.clone());
                let input = Input::Datagram {
                    conn: *conn,
                    datagram: std::mem::take(datagram),
                };
                self.relay.handle_input(input, self.now);
                drop(held);
                let Some(Output::Transmit {
                    conn: to,
                    datagram: out,
                }) = self.relay.poll_output()
                else {
                    panic!("not forwarded")
                };
                (*conn, *datagram) = (to, out);
            }
            fastest = fastest.min(start.elapsed());
        }
        report(what, fastest, packets);
    }

    /// Each packet waits once: bursts of 64 while there is no room, then room for all.
    fn queueing(&mut self, packets: usize) {
        let [(from, number), (to, _)] = self.channels[0];
        let original = datagram(number);
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            for _ in 0..packets / 64 {
                self.relay
                    .handle_input(Input::Room { conn: to, bytes: 0 }, self.now);
                for _ in 0..64 {
                    let datagram = original.clone();
                    let input = Input::Datagram {
                        conn: from,
                        datagram,
                    };
                    self.relay.handle_input(input, self.now);
                }
                let bytes = AMPLE;
                self.relay
                    .handle_input(Input::Room { conn: to, bytes }, self.now);
                let mut sent = 0;
                while let Some(output) = self.relay.poll_output() {
                    sent += usize::from(matches!(output, Output::Transmit { .. }));
                }
                assert_eq!(sent, 64);
            }
            fastest = fastest.min(start.elapsed());
        }
        report(
            "waiting in a queue, buffers shared",
            fastest,
            packets / 64 * 64,
        );
    }
}

fn datagram(channel: u32) -> Bytes {
    let mut bytes = Vec::with_capacity(PACKET + 5);
    let packet = &[7; PACKET];
    Datagram::Whole { channel, packet }.append_to(&mut bytes);
    bytes.into()
}

fn report(what: &str, took: Duration, packets: usize) {
    let nanos = took.as_secs_f64() * 1e9 / packets as f64;
    println!("{PACKET}-byte packets, {what}: {nanos:.0} ns each");
}

/// Resident memory of this process, in bytes (proc(5), statm); 0 where there is no such file.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1);
    pages.and_then(|pages| pages.parse().ok()).unwrap_or(0) * 4096
}
