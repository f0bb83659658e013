//! What holds for the agent whatever it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::agent::{Agent, Config, Input, Local, Output, Socket, bounds};
use dchat_nat::candidate::{Permit, Prefix};
use dchat_wire::extension::Extensions;
use dchat_wire::nat::{
    Allocation, Candidate, CandidateKind, Candidates, Filtering, Mapping, NatClass, Prediction,
    Punch,
};
use dchat_wire::{Address, List};
use proptest::prelude::*;

use crate::world::{peers, start};

#[derive(Clone, Debug)]
enum Act {
    Input(Input),
    /// The timer, as often as it asks for it within this time.
    Pass(Duration),
}

fn any_socket() -> impl Strategy<Value = SocketAddr> {
    let ip = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
        (0u8..3, 1u8..4).prop_map(|(net, host)| IpAddr::V4(Ipv4Addr::new(20, net, 0, host))),
        (0u8..3).prop_map(|host| IpAddr::V4(Ipv4Addr::new(192, 168, 1, host))),
        Just(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Just(IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1))),
        Just(IpAddr::V6(Ipv6Addr::new(
            0xfd64, 0x6368, 0x6174, 1, 0, 0, 0, 9
        ))),
        Just(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9))),
        any::<u16>().prop_map(|host| IpAddr::V6(Ipv6Addr::new(0x2400, 1, 0, 0, 0, 0, 0, host))),
    ];
    (ip, prop_oneof![Just(0), any::<u16>()]).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn any_class() -> impl Strategy<Value = NatClass> {
    (0..5usize, 0..5usize, 0..5usize, any::<[u16; 3]>()).prop_map(|(m, f, a, [s, first, len])| {
        NatClass {
            mapping: Mapping::ALL[m],
            filtering: Filtering::ALL[f],
            allocation: Allocation::ALL[a],
            stride: s,
            block_first: first,
            block_len: len,
        }
    })
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0..4usize, any_socket()).prop_map(|(kind, socket)| Candidate {
        kind: CandidateKind::ALL[kind],
        address: Address::direct(socket),
    });
    proptest::collection::vec(one, 0..40)
}

fn any_from() -> impl Strategy<Value = Socket> {
    prop_oneof![Just(Socket::Main), any::<u16>().prop_map(Socket::Extra)]
}

fn any_act() -> impl Strategy<Value = Act> {
    let local = (any_class(), any_candidates())
        .prop_map(|(class, candidates)| Input::Local(Local { class, candidates }));
    let theirs =
        (0u32..40, any_class(), any_candidates()).prop_map(|(generation, class, candidates)| {
            Input::Candidates(Candidates {
                generation,
                class,
                candidates: List::first_of(candidates),
                extensions: Extensions::default(),
            })
        });
    let prediction =
        (any_socket(), any::<u16>(), any::<u16>()).prop_map(|(at, stride, count)| Prediction {
            address: Address::direct(at),
            stride,
            count,
        });
    let punch = (
        0u32..12,
        any::<bool>(),
        proptest::option::of(prediction),
        any::<u16>(),
    )
        .prop_map(|(round, answers, prediction, sockets)| {
            Input::Punch(Punch {
                round,
                answers,
                prediction,
                sockets,
                extensions: Extensions::default(),
            })
        });
    let answered = (any_from(), any_socket()).prop_map(|(from, remote)| Input::Answered {
        from,
        remote,
        rtt: Duration::from_millis(30),
    });
    let asked = (any_from(), any_socket()).prop_map(|(from, remote)| Input::Asked { from, remote });
    prop_oneof![
        2 => local.prop_map(Act::Input),
        4 => theirs.prop_map(Act::Input),
        3 => punch.prop_map(Act::Input),
        1 => answered.prop_map(Act::Input),
        2 => asked.prop_map(Act::Input),
        2 => proptest::option::of(any_socket()).prop_map(Input::Sampled).prop_map(Act::Input),
        1 => Just(Act::Input(Input::Lost)),
        1 => Just(Act::Input(Input::NetworkChanged)),
        5 => (0u64..4000).prop_map(Duration::from_millis).prop_map(Act::Pass),
        1 => (0u64..4000).prop_map(Duration::from_secs).prop_map(Act::Pass),
    ]
}

fn synthetic() -> Prefix {
    Prefix {
        address: Ipv6Addr::new(0xfd64, 0x6368, 0x6174, 0, 0, 0, 0, 0),
        bits: 48,
    }
}

/// Drives one agent and counts what it does.
struct Watch {
    agent: Agent,
    permit: Permit,
    now: Instant,
    last: Option<Instant>,
    sent: Vec<(Instant, SocketAddr)>,
    answered: BTreeSet<IpAddr>,
    outcomes: usize,
    outputs: usize,
}

impl Watch {
    fn new() -> Self {
        let now = start();
        let [ours, theirs] = peers();
        let config = Config {
            synthetic: vec![synthetic()],
            ..Config::default()
        };
        Self {
            agent: Agent::new(config, ours, theirs, [3; 32], now),
            permit: Permit {
                loopback: false,
                synthetic: vec![synthetic()],
            },
            now,
            last: None,
            sent: Vec::new(),
            answered: BTreeSet::new(),
            outcomes: 0,
            outputs: 0,
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Input(input) => {
                if let Input::Answered { remote, .. } = &input {
                    self.answered.insert(remote.ip());
                }
                self.agent.handle_input(input, self.now);
                self.drain();
            }
            Act::Pass(span) => self.pass(span),
        }
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        let mut idle = 0;
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= until) {
            // A timer that is due and does nothing would be a busy loop.
            idle = if due <= self.now { idle + 1 } else { 0 };
            assert!(idle < 8, "the timer stands still");
            self.now = self.now.max(due);
            self.agent.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            self.outputs += 1;
            match output {
                Output::Probe { remote, .. } => {
                    assert!(self.permit.scope(remote).is_some(), "a probe to {remote}");
                    if let Some(last) = self.last {
                        assert!(
                            self.now >= last + bounds::PACE,
                            "two probes within the pace"
                        );
                    }
                    self.last = Some(self.now);
                    self.sent.push((self.now, remote));
                }
                Output::Open { sockets } => assert!(sockets <= bounds::SOCKETS),
                Output::Outcome(_) => self.outcomes += 1,
                Output::Send(_) | Output::Sample | Output::Close => {}
            }
        }
    }

    /// Counts probes to IPs that never answered; windows overlap the ledger's by at most one.
    fn check_budgets(&self) {
        let mut per_ip: BTreeMap<IpAddr, Vec<Instant>> = BTreeMap::new();
        for (at, remote) in &self.sent {
            if !self.answered.contains(&remote.ip()) {
                per_ip.entry(remote.ip()).or_default().push(*at);
            }
        }
        let ordinary = usize::from(bounds::PROBES_PER_IP) * 2;
        let guessed = bounds::GUESSES_PER_WINDOW as usize * 2 + ordinary;
        for times in per_ip.values() {
            for (index, first) in times.iter().enumerate() {
                let window = times[index..]
                    .iter()
                    .take_while(|at| **at < *first + bounds::LEDGER_WINDOW)
                    .count();
                assert!(window <= guessed);
            }
        }
        let many = |times: &&Vec<Instant>| {
            times.iter().enumerate().any(|(index, first)| {
                let window = times[index..]
                    .iter()
                    .take_while(|at| **at < *first + bounds::LEDGER_WINDOW);
                window.count() > ordinary
            })
        };
        if self.answered.is_empty()
            && self.now < self.sent.first().map_or(self.now, |first| first.0) + bounds::GUESS_WINDOW
        {
            let flooded = per_ip.values().filter(many).count();
            assert!(
                flooded <= bounds::GUESSED_IPS * 2,
                "{flooded} IPs were guessed at"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Checks DC-NAT-013 (negative), DC-NAT-022 (positive, negative), DC-NAT-023 (negative).
    /// Checks DC-NAT-026 (negative).
    #[test]
    fn whatever_it_is_told_it_keeps_its_bounds(acts in proptest::collection::vec(any_act(), 0..60)) {
        let mut watch = Watch::new();
        for act in acts {
            watch.act(act);
        }
        watch.check_budgets();
    }

    #[test]
    fn an_attempt_ends_with_an_outcome(
        ours in any_class(),
        theirs in any_class(),
        own in any_candidates(),
        others in any_candidates(),
        later in proptest::collection::vec(any_act(), 0..20),
    ) {
        let mut watch = Watch::new();
        for act in later {
            // Only what a peer can cause.
            if matches!(act, Act::Input(Input::Candidates(_) | Input::Punch(_) | Input::Asked { .. })) {
                watch.act(act);
            }
        }
        let local = Local { class: ours, candidates: own };
        watch.act(Act::Input(Input::Local(local)));
        watch.act(Act::Input(Input::Candidates(Candidates {
            generation: 100,
            class: theirs,
            candidates: List::first_of(others),
            extensions: Extensions::default(),
        })));
        watch.pass(bounds::ATTEMPT + bounds::RESTART);
        prop_assert!(watch.outcomes >= 1);
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_outputs(
        acts in proptest::collection::vec(any_act(), 0..30),
    ) {
        let mut runs = [Watch::new(), Watch::new()];
        let base = runs[0].now;
        runs[1].now = base;
        let [ours, theirs] = peers();
        for run in &mut runs {
            run.agent = Agent::new(Config::default(), ours, theirs, [9; 32], base);
            run.permit = Permit { loopback: false, synthetic: Vec::new() };
            for act in acts.clone() {
                run.act(act);
            }
        }
        prop_assert_eq!(&runs[0].sent, &runs[1].sent);
        prop_assert_eq!(runs[0].outputs, runs[1].outputs);
    }
}
