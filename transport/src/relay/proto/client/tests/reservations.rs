//! Which relays are held, and what happens when one fails.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use dchat_wire::record::SignedRecord;
use dchat_wire::relay::{Refusal, RelayRefused, RelayReserved, Voucher};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame, PeerId};
use proptest::prelude::*;

use crate::relay::proto::client::VoucherError;
use crate::relay::proto::client::reservations::{
    Candidate, Config, Event, Input, Output, Reservations, SOCKETS,
};

const START_MS: u64 = 1_800_000_000_000;

fn identity(serial: u8) -> Identity {
    Identity::from_seed(&[serial; 32])
}

/// Derived once: it takes longer than all else here.
static IDS: LazyLock<Vec<PeerId>> =
    LazyLock::new(|| (0..=255).map(|serial| identity(serial).peer_id()).collect());

fn id(serial: u8) -> PeerId {
    IDS[usize::from(serial)]
}

fn ours() -> PeerId {
    id(200)
}

fn socket(serial: u8) -> SocketAddr {
    (Ipv4Addr::new(198, 51, 100, serial), 4001).into()
}

fn candidate(serial: u8, configured: bool) -> Candidate {
    Candidate {
        relay: id(serial),
        sockets: vec![socket(serial)],
        configured,
    }
}

/// Our side, with relays numbered from 1.
struct World {
    keeper: Reservations,
    now: Instant,
    unix_ms: u64,
    sequence: u64,
    /// Connections wanted and neither made nor given up.
    dialing: BTreeSet<u8>,
    /// Connected.
    up: BTreeSet<u8>,
    /// Asked and not answered.
    asked: BTreeMap<u8, u64>,
    circuits: Vec<Address>,
    events: Vec<Event>,
}

impl World {
    fn new(candidates: Vec<Candidate>) -> Self {
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

    fn serial(&self, relay: PeerId) -> u8 {
        (1..100).find(|&serial| id(serial) == relay).unwrap()
    }

    fn input(&mut self, input: Input) {
        self.keeper.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
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

    fn wait(&mut self, time: Duration) {
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

    fn pass(&mut self, to: Instant) {
        self.unix_ms += to.saturating_duration_since(self.now).as_millis() as u64;
        self.now = to;
    }

    /// From timeout to timeout.
    fn step_until(&mut self, done: impl Fn(&Self) -> bool) {
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
    fn behave(&mut self) {
        for serial in self.dialing() {
            self.up(serial, 50);
        }
        for serial in 1..100 {
            if self.asked.contains_key(&serial) {
                self.grant(serial);
            }
        }
    }

    fn up(&mut self, serial: u8, rtt_ms: u64) {
        self.up.insert(serial);
        self.input(Input::Up {
            relay: id(serial),
            socket: socket(serial),
            rtt: Duration::from_millis(rtt_ms),
        });
    }

    fn gone(&mut self, serial: u8) {
        self.up.remove(&serial);
        self.asked.remove(&serial);
        self.input(Input::Gone { relay: id(serial) });
    }

    fn voucher(&self, signer: u8, peer: PeerId, sequence: u64) -> SignedRecord {
        let voucher = Voucher {
            peer,
            extensions: Default::default(),
        };
        let hour = 3_600_000;
        SignedRecord::issue(&identity(signer), sequence, self.unix_ms, hour, &voucher)
    }

    fn reserved(&mut self, serial: u8, lifetime_s: u32, voucher: SignedRecord) {
        let frame = Frame::RelayReserved(RelayReserved {
            lifetime_s,
            channels: 64,
            bytes_per_s: 0,
            voucher,
            extensions: Default::default(),
        });
        self.answer(serial, Some(frame));
    }

    fn answer(&mut self, serial: u8, frame: Option<Frame>) {
        let ask = self.asked.remove(&serial).expect("asked");
        let unix_ms = self.unix_ms;
        self.input(Input::Answer {
            relay: id(serial),
            ask,
            frame,
            unix_ms,
        });
    }

    fn grant(&mut self, serial: u8) {
        self.sequence += 1;
        let voucher = self.voucher(serial, ours(), self.sequence);
        self.reserved(serial, 3600, voucher);
    }

    fn refuse(&mut self, serial: u8, reason: Refusal, retry_after_s: u32) {
        let refused = RelayRefused {
            reason,
            retry_after_s,
            extensions: Default::default(),
        };
        self.answer(serial, Some(Frame::RelayRefused(refused)));
    }

    fn hold(&mut self, serial: u8, rtt_ms: u64) {
        self.up(serial, rtt_ms);
        self.grant(serial);
    }

    fn held(&self) -> Vec<u8> {
        self.keeper
            .held()
            .map(|held| self.serial(held.relay))
            .collect()
    }

    fn dialing(&self) -> Vec<u8> {
        self.dialing.iter().copied().collect()
    }
}

fn found(count: u8) -> Vec<Candidate> {
    (1..=count).map(|serial| candidate(serial, false)).collect()
}

#[test]
fn two_relays_are_held_and_their_circuits_told() {
    let mut world = World::new(found(4));
    assert_eq!(world.dialing(), [1, 2]);
    world.hold(1, 30);
    world.hold(2, 20);
    assert_eq!(world.held(), [1, 2]);
    assert_eq!(world.dialing(), []);
    let circuit = |serial| Address::Circuit {
        socket: socket(serial),
        relay: id(serial),
        peer: Some(ours()),
    };
    assert_eq!(world.circuits, [circuit(1), circuit(2)]);
}

#[test]
fn those_the_user_named_come_first() {
    let mut list = found(3);
    list.push(candidate(4, true));
    let world = World::new(list);
    assert_eq!(world.dialing(), [1, 4]);
}

#[test]
fn one_relay_is_held_where_there_is_only_one() {
    let mut world = World::new(found(1));
    world.hold(1, 30);
    assert_eq!(world.held(), [1]);
}

#[test]
fn when_one_dies_the_next_is_asked_at_once_and_its_circuit_withdrawn() {
    let mut world = World::new(found(3));
    world.hold(1, 30);
    world.hold(2, 30);
    world.gone(1);
    assert_eq!(world.circuits.len(), 1);
    assert_eq!(world.dialing(), [3]);
    world.hold(3, 30);
    assert_eq!(world.held(), [2, 3]);
}

#[test]
fn the_only_relay_is_tried_again_and_again_ever_more_slowly() {
    let mut world = World::new(found(1));
    let mut waits = Vec::new();
    for _ in 0..12 {
        assert_eq!(world.dialing(), [1]);
        world.dialing.clear();
        world.gone(1);
        let before = world.now;
        while world.dialing.is_empty() {
            let due = world.keeper.poll_timeout().unwrap();
            world.wait(due - world.now);
        }
        waits.push(world.now - before);
    }
    assert!(waits[0] < Duration::from_secs(2));
    assert!(
        waits.windows(2).take(7).all(|pair| pair[1] > pair[0]),
        "{waits:?}"
    );
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(375)));
}

#[test]
fn a_slow_connection_does_not_keep_the_next_relay_waiting() {
    let mut world = World::new(found(3));
    world.hold(1, 30);
    world.wait(Duration::from_secs(2));
    assert_eq!(world.dialing(), [2, 3]);
    world.hold(3, 30);
    assert_eq!(world.held(), [1, 3]);
    assert_eq!(world.dialing(), [], "the slow one is given up");
}

#[test]
fn a_connection_that_is_there_already_is_used() {
    let mut world = World::new(vec![Candidate {
        sockets: Vec::new(),
        ..candidate(1, false)
    }]);
    assert_eq!(world.dialing(), [], "there is nowhere to dial");
    world.up(1, 10);
    world.grant(1);
    assert_eq!(world.held(), [1]);
}

#[test]
fn it_renews_at_about_half_its_time_and_not_all_at_once() {
    let mut world = World::new(found(2));
    world.hold(1, 30);
    world.hold(2, 30);
    let granted = world.now;
    let mut renewals = Vec::new();
    while renewals.len() < 2 {
        let due = world.keeper.poll_timeout().unwrap();
        world.wait(due - world.now);
        for serial in world.asked.keys().copied().collect::<Vec<_>>() {
            renewals.push(world.now - granted);
            world.grant(serial);
        }
    }
    for renewal in &renewals {
        let share = renewal.as_secs_f64() / 3600.0;
        assert!((0.449..=0.551).contains(&share), "{share}");
    }
    assert_ne!(renewals[0], renewals[1]);
    assert_eq!(world.held(), [1, 2]);
    assert!(
        !world
            .events
            .iter()
            .any(|event| matches!(event, Event::Lost { .. }))
    );
}

#[test]
fn a_renewal_without_answer_is_asked_again_until_the_time_is_over() {
    let mut world = World::new(found(1));
    world.hold(1, 30);
    let mut asks = BTreeSet::new();
    while world.held() == [1] {
        let due = world.keeper.poll_timeout().unwrap();
        world.wait(due - world.now);
        asks.extend(world.asked.values().copied());
    }
    assert!(asks.len() > 10);
    assert!(world.circuits.is_empty());
}

#[test]
fn a_refused_relay_rests_as_long_as_it_says_and_the_next_is_asked() {
    let mut world = World::new(found(3));
    world.hold(1, 30);
    world.up(2, 30);
    world.refuse(2, Refusal::Full, 120);
    assert_eq!(world.dialing(), [3]);
    world.dialing.clear();
    world.gone(3);
    world.wait(Duration::from_secs(80));
    world.dialing.remove(&3);
    assert!(!world.asked.contains_key(&2));
    world.wait(Duration::from_secs(80));
    assert!(world.asked.contains_key(&2) || world.dialing.contains(&2));
}

#[test]
fn a_relay_that_refuses_for_good_is_left_for_long() {
    let mut world = World::new(found(1));
    world.up(1, 30);
    world.refuse(1, Refusal::NotARelay, 0);
    let refused = world.now;
    world.step_until(|world| world.asked.contains_key(&1));
    let rest = (world.now - refused).as_secs() / 60;
    assert!(
        (45..=75).contains(&rest),
        "its policy may be another then: {rest} min"
    );
}

#[test]
fn a_renewal_refused_for_now_keeps_what_is_held_and_one_for_good_does_not() {
    let mut world = World::new(found(1));
    world.hold(1, 30);
    world.wait(Duration::from_secs(2000));
    world.refuse(1, Refusal::Limited, 5);
    assert_eq!(world.held(), [1]);
    world.wait(Duration::from_secs(6));
    world.refuse(1, Refusal::ShuttingDown, 60);
    assert_eq!(world.held(), []);
    assert!(world.circuits.is_empty());
}

#[test]
fn vouchers_that_prove_nothing_are_refused_by_name() {
    type Make = fn(&World) -> SignedRecord;
    let cases: [(Make, _); 3] = [
        (|world| world.voucher(2, ours(), 9), "WrongSigner"),
        (|world| world.voucher(1, id(3), 9), "OtherPeer"),
        (
            |world| {
                let mut forged = world.voucher(1, ours(), 9);
                forged.signature[0] ^= 1;
                forged
            },
            "BadSignature",
        ),
    ];
    for (voucher, name) in cases {
        let mut world = World::new(found(1));
        world.up(1, 30);
        let voucher = voucher(&world);
        world.reserved(1, 3600, voucher);
        assert_eq!(world.held(), []);
        let told = world.events.iter().find_map(|event| match event {
            Event::BadVoucher { error, .. } => Some(format!("{error:?}")),
            _ => None,
        });
        assert!(told.unwrap().contains(name));
    }
}

#[test]
fn a_replayed_voucher_is_refused_also_over_a_new_connection() {
    let mut world = World::new(found(1));
    world.up(1, 30);
    let old = world.voucher(1, ours(), 5);
    world.reserved(1, 3600, old.clone());
    assert_eq!(world.held(), [1]);
    world.gone(1);
    world.wait(Duration::from_secs(2));
    world.up(1, 30);
    world.reserved(1, 3600, old);
    assert_eq!(world.held(), []);
    let (relay, error) = (id(1), VoucherError::Replayed);
    assert!(world.events.contains(&Event::BadVoucher { relay, error }));
}

#[test]
fn an_expired_voucher_and_a_lifetime_of_nothing_are_not_held() {
    let mut world = World::new(found(1));
    world.up(1, 30);
    let old = world.voucher(1, ours(), 5);
    world.unix_ms += 2 * 3_600_000;
    world.reserved(1, 3600, old);
    assert_eq!(world.held(), []);
    let mut world = World::new(found(1));
    world.up(1, 30);
    let voucher = world.voucher(1, ours(), 5);
    world.reserved(1, 0, voucher);
    assert_eq!(world.held(), []);
}

#[test]
fn an_answer_to_an_older_question_is_ignored() {
    let mut world = World::new(found(1));
    world.up(1, 30);
    let stale = world.asked[&1];
    world.gone(1);
    world.wait(Duration::from_secs(2));
    world.up(1, 30);
    assert_ne!(world.asked[&1], stale);
    world.asked.insert(1, stale);
    world.grant(1);
    assert_eq!(world.held(), []);
}

#[test]
fn a_clearly_nearer_relay_takes_the_place_of_the_farthest_once_it_is_held() {
    let mut world = World::new(found(3));
    world.hold(1, 200);
    world.hold(2, 50);
    let rtt = |ms| Input::Rtt {
        relay: id(3),
        rtt: Duration::from_millis(ms),
    };
    world.input(rtt(150));
    assert_eq!(world.dialing(), [], "not clearly");
    world.input(rtt(20));
    assert_eq!(world.dialing(), [3]);
    assert_eq!(world.held(), [1, 2], "nothing is given up yet");
    world.hold(3, 20);
    assert_eq!(world.held(), [2, 3]);
    world.wait(Duration::from_secs(600));
    assert_eq!(world.dialing(), [], "and it stays so");
}

#[test]
fn a_relay_that_is_listed_no_more_is_left() {
    let mut world = World::new(found(2));
    world.hold(1, 30);
    world.hold(2, 30);
    world.input(Input::Candidates(vec![
        candidate(2, false),
        candidate(3, false),
    ]));
    assert_eq!(world.held(), [2]);
    assert_eq!(world.dialing(), [3]);
    assert_eq!(world.circuits.len(), 1);
}

#[test]
fn after_a_change_of_network_those_at_rest_are_tried_at_once() {
    let mut world = World::new(found(1));
    for _ in 0..8 {
        world.dialing.clear();
        world.gone(1);
        let due = world.keeper.poll_timeout().unwrap();
        world.wait(due - world.now);
    }
    world.dialing.clear();
    world.gone(1);
    assert_eq!(world.dialing(), []);
    world.input(Input::NetworkChanged);
    assert_eq!(world.dialing(), [1]);
}

#[test]
fn lists_are_bounded_and_we_are_no_relay_of_ours() {
    let mut list: Vec<_> = (1..=60).map(|serial| candidate(serial, false)).collect();
    list[0].relay = ours();
    list[1].sockets = (0..20).map(socket).collect();
    let mut keeper = Reservations::new(Config::default(), ours(), [1; 32]);
    keeper.handle_input(Input::Candidates(list), Instant::now());
    while let Some(output) = keeper.poll_output() {
        if let Output::Connect { relay, sockets } = output {
            assert_ne!(relay, ours());
            assert!(sockets.len() <= SOCKETS);
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Up(u8, u64),
    Gone(u8),
    Grant(u8),
    Refuse(u8, usize, u32),
    Silent(u8),
    Rtt(u8, u64),
    List(u8),
    Wait(u64),
    Network,
}

fn op() -> impl Strategy<Value = Op> {
    let serial = || 1..7u8;
    prop_oneof![
        8 => (serial(), 1..300u64).prop_map(|(serial, rtt)| Op::Up(serial, rtt)),
        2 => serial().prop_map(Op::Gone),
        8 => serial().prop_map(Op::Grant),
        2 => (serial(), 0..9usize, 0..200u32).prop_map(|(a, b, c)| Op::Refuse(a, b, c)),
        1 => serial().prop_map(Op::Silent),
        2 => (serial(), 1..300u64).prop_map(|(serial, rtt)| Op::Rtt(serial, rtt)),
        1 => any::<u8>().prop_map(Op::List),
        6 => (0..2_000u64).prop_map(Op::Wait),
        1 => Just(Op::Network),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Held are at most as many as wanted; the circuits are those of the held; and once the
    /// network behaves, as many are held as there are relays for.
    #[test]
    fn as_many_are_held_as_there_can_be_once_relays_behave(
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut world = World::new(found(6));
        for op in ops {
            match op {
                Op::Up(serial, rtt) if world.dialing.contains(&serial) => world.up(serial, rtt),
                Op::Gone(serial) => { world.dialing.remove(&serial); world.gone(serial); }
                Op::Grant(serial) if world.asked.contains_key(&serial) => world.grant(serial),
                Op::Refuse(serial, reason, retry) if world.asked.contains_key(&serial) =>
                    world.refuse(serial, Refusal::ALL[reason], retry),
                Op::Silent(serial) if world.asked.contains_key(&serial) => world.answer(serial, None),
                Op::Rtt(serial, rtt) => {
                    let rtt = Duration::from_millis(rtt);
                    world.input(Input::Rtt { relay: id(serial), rtt });
                }
                Op::List(bits) => {
                    let of = (1..7).filter(|bit| bits >> bit & 1 == 1);
                    world.input(Input::Candidates(
                        of.map(|serial| candidate(serial, serial == 1)).collect(),
                    ));
                }
                Op::Wait(seconds) => world.wait(Duration::from_secs(seconds)),
                Op::Network => world.input(Input::NetworkChanged),
                Op::Up(..) | Op::Grant(_) | Op::Refuse(..) | Op::Silent(_) => {}
            }
            let held = world.held();
            prop_assert!(held.len() <= 2);
            let circuits: Vec<_> = world.circuits.iter().map(|circuit| match circuit {
                Address::Circuit { relay, .. } => world.serial(*relay),
                Address::Direct { .. } => panic!("not a circuit"),
            }).collect();
            prop_assert_eq!(circuits, held);
        }
        world.input(Input::Candidates(found(6)));
        let end = world.now + Duration::from_secs(3 * 3600);
        world.behave();
        while let Some(due) = world.keeper.poll_timeout() && due < end {
            world.wait(due - world.now);
            world.behave();
        }
        prop_assert_eq!(world.held().len(), 2);
    }
}
