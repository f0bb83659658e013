//! The model of a QUIC connection, over a link that loses and reorders.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_spec::sim::net::{Fate, Pipe, Quality};
use dchat_spec::sim::quic::{Config, Connection, Event, Packet};
use dchat_spec::sim::{Clock, Queue, Rng, Time};

const CONFIG: Config = Config {
    idle: Duration::from_secs(30),
    keep_alive: Duration::from_secs(15),
};
const DELAY: Duration = Duration::from_millis(25);

struct Pair {
    clock: Clock,
    now: Time,
    ends: [Option<Connection>; 2],
    pipes: [Pipe; 2],
    flying: Queue<(usize, Bytes)>,
    /// What each end was told, and when.
    told: [Vec<(Time, Event)>; 2],
    sent: u64,
}

impl Pair {
    fn new(loss: f64, reorder: f64) -> Self {
        Self::seeded(1, loss, reorder)
    }

    fn seeded(seed: u64, loss: f64, reorder: f64) -> Self {
        let quality = Quality {
            loss,
            reorder,
            ..Quality::delayed(DELAY)
        };
        let clock = Clock::new(Instant::now());
        let now = clock.instant(Time::ZERO);
        let client = Connection::dial(CONFIG, [1; 32], [1; 8], [9; 8], now);
        Self {
            clock,
            now: Time::ZERO,
            ends: [Some(client), None],
            pipes: [0, 1].map(|index| Pipe::new(quality, Rng::new(seed, "quic", index))),
            flying: Queue::new(),
            told: Default::default(),
            sent: 0,
        }
    }

    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.drain();
            let timers = self
                .ends
                .iter()
                .flatten()
                .filter_map(Connection::poll_timeout);
            let timers = timers.map(|at| self.clock.time(at));
            let next = timers.chain(self.flying.next_at()).min();
            let Some(next) = next.filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            let now = self.clock.instant(self.now);
            if self.flying.next_at().is_some_and(|at| at <= self.now) {
                let (_, (to, bytes)) = self.flying.pop().unwrap();
                let packet = Packet::open(bytes).unwrap();
                if self.ends[to].is_none() {
                    self.ends[to] = Connection::accept(CONFIG, [2; 32], [2; 8], &packet, now);
                }
                if let Some(end) = &mut self.ends[to] {
                    end.handle_packet(packet, now);
                }
            }
            for end in self.ends.iter_mut().flatten() {
                end.handle_timeout(now);
            }
        }
    }

    fn drain(&mut self) {
        let now = self.clock.instant(self.now);
        for (index, end) in self.ends.iter_mut().enumerate() {
            let Some(end) = end else {
                continue;
            };
            while let Some(bytes) = end.poll_transmit(now) {
                self.sent += 1;
                if let Fate::Arrives(at) = self.pipes[index].pass(bytes.len(), self.now) {
                    self.flying.push(at, (1 - index, bytes));
                }
            }
            while let Some(event) = end.poll_event() {
                self.told[index].push((self.now, event));
            }
        }
    }

    fn connected(&self, end: usize) -> Option<Duration> {
        let mut told = self.told[end].iter();
        let connected = told.find(|(_, event)| matches!(event, Event::Connected { .. }));
        connected.map(|(at, _)| at.since(Time::ZERO))
    }
}

#[test]
fn the_client_is_done_after_one_round_trip_and_the_server_half_a_one_later() {
    let mut pair = Pair::new(0.0, 0.0);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.connected(0), Some(DELAY * 2));
    assert_eq!(pair.connected(1), Some(DELAY * 3));
    let exported = pair
        .ends
        .each_ref()
        .map(|end| end.as_ref().unwrap().exported());
    assert!(exported[0].is_some());
    assert_eq!(exported[0], exported[1]);
}

#[test]
fn streams_arrive_whole_and_in_order_whatever_the_link_does() {
    let mut pair = Pair::new(0.2, 0.2);
    pair.run(Duration::from_secs(20));
    let written: Vec<u8> = (0..50_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let client = pair.ends[0].as_mut().unwrap();
    let id = client.open();
    client.write(id, &written, true);
    pair.run(Duration::from_secs(20));
    let mut read = Vec::new();
    let mut ends = 0;
    for (_, event) in &pair.told[1] {
        if let Event::Stream { bytes, fin, .. } = event {
            read.extend_from_slice(bytes);
            ends += u32::from(*fin);
        }
    }
    assert!(read == written, "{} of {} bytes", read.len(), written.len());
    assert_eq!(ends, 1);
}

#[test]
fn a_datagram_comes_at_most_once_and_alone() {
    let mut pair = Pair::new(0.2, 0.2);
    pair.run(Duration::from_secs(20));
    for number in 0..100_u8 {
        let client = pair.ends[0].as_mut().unwrap();
        client.send_datagram(Bytes::from(vec![number; 1_300]));
        pair.run(Duration::from_millis(10));
    }
    pair.run(Duration::from_secs(5));
    let mut seen = [0; 100];
    for (_, event) in &pair.told[1] {
        if let Event::Datagram(bytes) = event {
            assert_eq!(bytes.len(), 1_300);
            seen[usize::from(bytes[0])] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times <= 1), "{seen:?}");
    let arrived: i32 = seen.iter().sum();
    assert!((60..100).contains(&arrived), "{arrived}");
}

#[test]
fn an_idle_connection_is_kept_alive_and_a_silent_one_ends() {
    let mut pair = Pair::new(0.0, 0.0);
    pair.run(Duration::from_secs(300));
    assert!(pair.ends.iter().flatten().all(|end| end.is_connected()));
    assert!(pair.sent < 100, "{}", pair.sent);
    pair.pipes.iter_mut().for_each(|pipe| pipe.set_cut(true));
    pair.run(Duration::from_secs(31 + 15));
    assert!(pair.ends.iter().flatten().all(Connection::is_closed));
}

#[test]
fn every_handshake_ends_although_the_client_writes_before_the_server_can_read() {
    for seed in 0..200 {
        let mut pair = Pair::seeded(seed, 0.3, 0.0);
        let client = pair.ends[0].as_mut().unwrap();
        let id = client.open();
        for _ in 0..300 {
            if pair.ends[0].as_ref().unwrap().is_connected() {
                pair.ends[0].as_mut().unwrap().write(id, &[0; 100], false);
            }
            pair.run(Duration::from_millis(20));
        }
        pair.run(Duration::from_secs(24));
        assert!(pair.connected(1).is_some(), "{seed}");
    }
}
