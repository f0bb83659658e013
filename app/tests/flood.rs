//! Strangers' datagrams at the port: a running node stays up, small and frugal.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]
#![allow(clippy::print_stderr, reason = "the figures are for whoever runs it")]

mod support;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use support::command::{object, output};
use support::pair::Side;

/// Datagrams sent at once.
const BATCH: usize = 64;
/// Strangers that still listen for a late answer.
const ASKERS: usize = 512;
/// Least bytes of a datagram that may hold a client's Initial, to which QUIC itself allows an answer
/// of three times as much (RFC 9000 §8.1).
const INITIAL: usize = 1200;
/// What a node may grow by: its tables of strangers, full, and what the allocator keeps of them.
const GROWTH_KIB: u64 = 64 * 1024;

/// How many datagrams are sent where nothing else is asked for: a few seconds' worth.
const DATAGRAMS: usize = 20_000;

/// `DCHAT_FLOOD_SECONDS=60` floods for that long instead.
fn seconds() -> Option<Duration> {
    let seconds = std::env::var("DCHAT_FLOOD_SECONDS").ok()?;
    Some(Duration::from_secs(seconds.parse().unwrap()))
}

/// Checks DC-GEN-003 (negative).
#[test]
fn random_and_mutated_datagrams_cost_no_crash_no_memory_and_no_larger_answer() {
    let (alice, bob) = (Side::new("Alice"), Side::new("Bob"));
    let mut alice_daemon = alice.start();
    let target = socket_of(&alice.addr);
    let samples = overheard(&alice, &bob, target);
    assert!(samples.len() >= 4, "{} datagrams overheard", samples.len());

    let before = resident_kib(alice_daemon.id());
    let mut most = before;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let begun = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    let mut askers = VecDeque::new();
    loop {
        for _ in 0..BATCH {
            askers.push_back(Asker::ask(sent, random.datagram(&samples), target));
            sent += 1;
        }
        until_read(target);
        askers.iter_mut().for_each(Asker::hear);
        while askers.len() > ASKERS {
            answered += askers
                .pop_front()
                .map_or(0, |asker| usize::from(asker.answer > 0));
        }
        most = most.max(resident_kib(alice_daemon.id()));
        assert!(!alice_daemon.has_ended(), "the node died of a datagram");
        assert!(
            most <= before + GROWTH_KIB,
            "grew from {before} to {most} KiB after {sent} datagrams"
        );
        let over = seconds().map_or(sent >= DATAGRAMS, |long| begun.elapsed() >= long);
        if over {
            break;
        }
    }
    eprintln!(
        "{sent} datagrams in {:.0?}: {answered} answers, resident {before} KiB before, {most} KiB \
         at most",
        begun.elapsed()
    );

    // Nobody who has business here is kept out.
    let _bob_daemon = bob.start();
    output(&mut bob.verb(&["send", &alice.peer, "still there?", "--timeout", "60"]));
    alice_daemon.wait_for("message", |event| event["text"] == "still there?");
}

/// One stranger with an address of its own, who asks once.
struct Asker {
    socket: UdpSocket,
    question: Vec<u8>,
    answer: usize,
}

impl Asker {
    /// The `n`th, who asks `target`.
    fn ask(n: usize, question: Vec<u8>, target: SocketAddr) -> Self {
        let [.., b, c, d] = (n as u32).to_be_bytes();
        let socket = UdpSocket::bind((Ipv4Addr::new(127, b | 1, c, d.max(1)), 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        // A full socket buffer is the attacker's problem.
        let _ = socket.send_to(&question, target);
        Self {
            socket,
            question,
            answer: 0,
        }
    }

    /// Counts what came back, and checks that it is not more than was asked with.
    fn hear(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok(len) = self.socket.recv(&mut buffer) {
            self.answer += len;
        }
        let asked = self.question.len();
        let allowed = if asked >= INITIAL { 3 * asked } else { asked };
        assert!(
            self.answer <= allowed,
            "{} bytes in answer to {asked}: {:02x?}",
            self.answer,
            self.question
        );
    }
}

/// Waits until the node has read what was sent to it before: it answers a packet of a version that
/// it does not speak at once (RFC 9000 §6.1).
fn until_read(target: SocketAddr) {
    let mut question = [0; INITIAL];
    question[..15].copy_from_slice(b"\xc0\x1a\x2a\x3a\x4a\x08destined\x00");
    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    let patience = Some(Duration::from_millis(100));
    asker.set_read_timeout(patience).unwrap();
    for _ in 0..100 {
        let _ = asker.send_to(&question, target);
        if asker.recv(&mut [0; 2048]).is_ok() {
            return;
        }
    }
    panic!("the node answers nobody any more");
}

/// The datagrams of a conversation that Bob begins with Alice, as they arrive at hers, until the two
/// find that there is a shorter way. Both are contacts afterwards.
fn overheard(alice: &Side, bob: &Side, target: SocketAddr) -> Vec<Vec<u8>> {
    let outside = UdpSocket::bind("127.0.0.1:0").unwrap();
    let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
    for socket in [&outside, &inside] {
        socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
    }
    let port = outside.local_addr().unwrap().port();
    let peer = &alice.peer;
    let through = format!("/ip4/127.0.0.1/udp/{port}/quic-v1/p2p/{peer}");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let relay = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let mut client = None;
        let mut buffer = [0; 2048];
        loop {
            if let Ok((len, from)) = outside.recv_from(&mut buffer) {
                client = Some(from);
                heard.push(buffer[..len].to_vec());
                let _ = inside.send_to(&buffer[..len], target);
            }
            if let (Ok(len), Some(client)) = (inside.recv(&mut buffer), client) {
                let _ = outside.send_to(&buffer[..len], client);
            }
            if stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Empty) {
                return heard;
            }
        }
    });
    let invite = object(&mut alice.verb(&["invite", "--json"]));
    output(&mut bob.verb(&["add", invite["invite"].as_str().unwrap()]));
    let mut command = bob.daemon_command();
    command.args(["--dial", &through]);
    let mut daemon = support::daemon::Daemon::start(&bob.path(), command);
    daemon.wait_for("peer_connected", |event| {
        event["peer_id"] == alice.peer.as_str()
    });
    output(&mut bob.verb(&["send", &alice.peer, "hello"]));
    daemon.stop();
    drop(stop);
    relay.join().unwrap()
}

fn socket_of(addr: &str) -> SocketAddr {
    let parts: Vec<&str> = addr.split('/').collect();
    format!("{}:{}", parts[2], parts[4]).parse().unwrap()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// An xorshift generator: the same datagrams each time, but for the conversation they come from.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most + 1);
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Garbage, a sample as it was, or one with bytes changed, cut, appended or moved.
    fn datagram(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        let mut datagram = samples[self.below(samples.len())].clone();
        match self.below(8) {
            0 => return self.bytes(1472),
            // The first byte decides who reads it: give each reader its share.
            1 => {
                let mut garbage = self.bytes(1471);
                let first = [0x00, 0x01, 0x21, 0x22, 0x23, 0x40, 0xc0, 0xff];
                garbage.insert(0, first[self.below(first.len())]);
                return garbage;
            }
            2 => {}
            3 => datagram.truncate(self.below(datagram.len())),
            4 => {
                let more = self.bytes(1472 - datagram.len().min(1472));
                datagram.extend_from_slice(&more);
            }
            5 => {
                let other = &samples[self.below(samples.len())];
                let at = self.below(datagram.len().min(other.len()));
                datagram.truncate(at);
                datagram.extend_from_slice(&other[at..]);
            }
            _ => {
                for _ in 0..=self.below(8) {
                    let at = self.below(datagram.len());
                    datagram[at] = self.next() as u8;
                }
            }
        }
        datagram
    }
}
