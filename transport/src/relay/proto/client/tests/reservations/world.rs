//! Our side of reservations, and relays that do as a test says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use dchat_wire::record::SignedRecord;
use dchat_wire::relay::{Refusal, RelayRefused, RelayReserved, Voucher};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame, PeerId};

use crate::relay::proto::client::reservations::{
    Candidate, Config, Event, Input, Output, Reservations,
};

pub(super) const START_MS: u64 = 1_800_000_000_000;

pub(super) fn identity(serial: u8) -> Identity {
    Identity::from_seed(&[serial; 32])
}

/// Derived once: it takes longer than all else here.
pub(super) static IDS: LazyLock<Vec<PeerId>> =
    LazyLock::new(|| (0..=255).map(|serial| identity(serial).peer_id()).collect());

pub(super) fn id(serial: u8) -> PeerId {
    IDS[usize::from(serial)]
}

pub(super) fn ours() -> PeerId {
    id(200)
}

pub(super) fn socket(serial: u8) -> SocketAddr {
    (Ipv4Addr::new(198, 51, 100, serial), 4001).into()
}

pub(super) fn candidate(serial: u8, configured: bool) -> Candidate {
    Candidate {
        relay: id(serial),
        sockets: vec![socket(serial)],
        configured,
    }
}

/// Our side, with relays numbered from 1.
pub(super) struct World {
    pub(super) keeper: Reservations,
    pub(super) now: Instant,
    pub(super) unix_ms: u64,
    pub(super) sequence: u64,
    /// Connections wanted and neither made nor given up.
    pub(super) dialing: BTreeSet<u8>,
    /// Connected.
    pub(super) up: BTreeSet<u8>,
    /// Asked and not answered.
    pub(super) asked: BTreeMap<u8, u64>,
    pub(super) circuits: Vec<Address>,
    pub(super) events: Vec<Event>,
}

impl World {
    pub(super) fn new(candidates: Vec<Candidate>) -> Self {
        let mut world = Self {
            keeper: Reservations::new(Config::default(), ours(), [7; 32]),
            now: Instant::now(),
            unix_ms: START_MS,
            sequence: 0,
            dialing: BTreeSet::new(),
            up: BTreeSet::new(),
            asked: BTreeMap::new(),
            circuits: Vec::new(),
            events: Vec::new(),
        };
        world.input(Input::Candidates(candidates));
        world
    }

    pub(super) fn serial(&self, relay: PeerId) -> u8 {
        (1..100).find(|&serial| id(serial) == relay).unwrap()
    }

    pub(super) fn input(&mut self, input: Input) {
        self.keeper.handle_input(input, self.now);
        self.drain();
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.keeper.poll_output() {
            match output {
                Output::Connect { relay, sockets } => {
                    let serial = self.serial(relay);
                    assert_eq!(sockets, [socket(serial)]);
                    assert!(self.dialing.insert(serial), "dialed twice");
                }
                Output::Release { relay } => {
                    let serial = self.serial(relay);
                    self.dialing.remove(&serial);
                    self.asked.remove(&serial);
                }
                Output::Reserve { relay, ask, frame } => {
                    assert!(matches!(*frame, Frame::RelayReserve(_)));
                    let serial = self.serial(relay);
                    self.dialing.remove(&serial);
                    self.asked.insert(serial, ask);
                }
                Output::Circuits(circuits) => {
                    assert_ne!(circuits, self.circuits, "said without a change");
                    self.circuits = circuits;
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.keeper.poll_timeout()
            && due <= until
        {
            assert!(due > self.now, "a timeout that does nothing");
            self.pass(due);
            self.keeper.handle_timeout(self.now);
            self.drain();
        }
        self.pass(until);
    }

    pub(super) fn pass(&mut self, to: Instant) {
        self.unix_ms += to.saturating_duration_since(self.now).as_millis() as u64;
        self.now = to;
    }

    /// From timeout to timeout.
    pub(super) fn step_until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..1000 {
            if done(self) {
                return;
            }
            let due = self.keeper.poll_timeout().expect("something to wait for");
            self.wait(due - self.now);
        }
        panic!("it never comes");
    }

    /// Every relay that is dialed or asked does as it should.
    pub(super) fn behave(&mut self) {
        for serial in self.dialing() {
            self.up(serial, 50);
        }
        for serial in 1..100 {
            if self.asked.contains_key(&serial) {
                self.grant(serial);
            }
        }
    }

    pub(super) fn up(&mut self, serial: u8, rtt_ms: u64) {
        self.up.insert(serial);
        self.input(Input::Up {
            relay: id(serial),
            socket: socket(serial),
            rtt: Duration::from_millis(rtt_ms),
        });
    }

    pub(super) fn gone(&mut self, serial: u8) {
        self.up.remove(&serial);
        self.asked.remove(&serial);
        self.input(Input::Gone { relay: id(serial) });
    }

    pub(super) fn voucher(&self, signer: u8, peer: PeerId, sequence: u64) -> SignedRecord {
        self.aged_voucher(signer, peer, sequence, 0)
    }

    /// A voucher for an hour that was issued so many milliseconds ago.
    pub(super) fn aged_voucher(
        &self,
        signer: u8,
        peer: PeerId,
        sequence: u64,
        age_ms: u64,
    ) -> SignedRecord {
        let voucher = Voucher {
            peer,
            extensions: Default::default(),
        };
        let hour = 3_600_000;
        SignedRecord::issue(
            &identity(signer),
            sequence,
            self.unix_ms - age_ms,
            hour,
            &voucher,
        )
    }

    pub(super) fn reserved(&mut self, serial: u8, lifetime_s: u32, voucher: SignedRecord) {
        let frame = Frame::RelayReserved(RelayReserved {
            lifetime_s,
            channels: 64,
            bytes_per_s: 0,
            voucher,
            extensions: Default::default(),
        });
        self.answer(serial, Some(frame));
    }

    pub(super) fn answer(&mut self, serial: u8, frame: Option<Frame>) {
        let ask = self.asked.remove(&serial).expect("asked");
        let unix_ms = self.unix_ms;
        self.input(Input::Answer {
            relay: id(serial),
            ask,
            frame,
            unix_ms,
        });
    }

    pub(super) fn grant(&mut self, serial: u8) {
        self.sequence += 1;
        let voucher = self.voucher(serial, ours(), self.sequence);
        self.reserved(serial, 3600, voucher);
    }

    pub(super) fn refuse(&mut self, serial: u8, reason: Refusal, retry_after_s: u32) {
        let refused = RelayRefused {
            reason,
            retry_after_s,
            extensions: Default::default(),
        };
        self.answer(serial, Some(Frame::RelayRefused(refused)));
    }

    pub(super) fn hold(&mut self, serial: u8, rtt_ms: u64) {
        self.up(serial, rtt_ms);
        self.grant(serial);
    }

    pub(super) fn held(&self) -> Vec<u8> {
        self.keeper
            .held()
            .map(|held| self.serial(held.relay))
            .collect()
    }

    pub(super) fn dialing(&self) -> Vec<u8> {
        self.dialing.iter().copied().collect()
    }
}

pub(super) fn found(count: u8) -> Vec<Candidate> {
    (1..=count).map(|serial| candidate(serial, false)).collect()
}
