//! The agent that looks for direct paths.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::agent::{Agent, Config, Input, Local, Outcome, Output, Reason, Socket, bounds};
use dchat_nat::candidate::Prefix;
use dchat_wire::nat::{Candidates, Prediction, Punch};
use dchat_wire::{Address, Frame};

use crate::samples;
use crate::script::{Script, forbidden, start};

/// Input: a byte of configuration, then a script of what the node, the peer and the network do.
///
/// Whatever that is: no probe goes to an address nobody may be made to send to; two probes are a
/// pace apart; no more goes to addresses that never answered than the bounds say; what is sent to
/// the peer counts up; a timer that is due does something; and an attempt ends.
///
/// # Panics
/// When it is not so.
pub fn agent(data: &[u8]) {
    let mut script = Script::new(data);
    let mut watch = Watch::new(script.u8());
    let mut steps = 0;
    while let Some(step) = script.step() {
        steps += 1;
        if steps > 200 || watch.total > 40_000 {
            break;
        }
        watch.step(step, &mut script);
    }
    watch.end();
}

struct Watch {
    agent: Agent,
    relay_only: bool,
    begin: Instant,
    now: Instant,
    last: Option<Instant>,
    sent: BTreeMap<IpAddr, u64>,
    total: u64,
    answered: BTreeSet<IpAddr>,
    answers: u64,
    outcomes: u64,
    /// Of the CANDIDATES and the rounds of ours, sent last.
    generation: u32,
    round: u32,
}

impl Watch {
    fn new(flags: u8) -> Self {
        let now = start();
        let config = Config {
            relay_only: flags & 7 == 7,
            guess: flags & 8 == 0,
            sockets: u16::from(flags >> 4) * 40,
            synthetic: vec![Prefix {
                address: Ipv6Addr::new(0xfd64, 0x6368, 0x6174, 0, 0, 0, 0, 0),
                bits: 48,
            }],
            ..Config::default()
        };
        let (one, other) = (samples::peer(1), samples::peer(2));
        let (ours, theirs) = if flags & 1 == 0 {
            (one, other)
        } else {
            (other, one)
        };
        let relay_only = config.relay_only;
        let mut watch = Self {
            agent: Agent::new(config, ours, theirs, [flags; 32], now),
            relay_only,
            begin: now,
            now,
            last: None,
            sent: BTreeMap::new(),
            total: 0,
            answered: BTreeSet::new(),
            answers: 0,
            outcomes: 0,
            generation: 0,
            round: 0,
        };
        watch.drain();
        watch
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        let from = |script: &mut Script<'_>| match script.u8() {
            number @ 128.. => Socket::Extra(u16::from(number - 128) * 4),
            _ => Socket::Main,
        };
        let input = match step % 12 {
            0 => Input::Local(Local {
                class: script.nat_class(),
                candidates: script.candidates(40),
            }),
            1 | 2 => Input::Candidates(script.candidates_frame()),
            3 | 4 => Input::Punch(punch(script)),
            5 => {
                let remote = script.socket();
                self.answered.insert(remote.ip());
                self.answers += 1;
                Input::Answered {
                    from: from(script),
                    remote,
                    rtt: Duration::from_millis(script.u8().into()),
                }
            }
            6 => Input::Asked {
                from: from(script),
                remote: script.socket(),
            },
            7 => {
                let public = script.flag().then(|| script.socket());
                Input::Sampled(public)
            }
            8 => Input::Lost,
            9 => Input::NetworkChanged,
            _ => return self.pass(script.time()),
        };
        self.agent.handle_input(input, self.now);
        self.drain();
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        let mut idle = 0;
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= until) {
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
            match output {
                Output::Probe { remote, .. } => self.probed(remote),
                Output::Open { sockets } => assert!(sockets <= bounds::SOCKETS),
                Output::Outcome(outcome) => {
                    self.outcomes += 1;
                    assert_eq!(
                        self.relay_only,
                        outcome == Outcome::Relayed(Reason::RelayOnly)
                    );
                }
                Output::Send(frame) => self.said(&frame),
                Output::Sample | Output::Close => {}
            }
        }
    }

    fn probed(&mut self, remote: SocketAddr) {
        assert!(!self.relay_only, "the own address shown");
        assert!(!forbidden(remote), "a probe to {remote}");
        let paced = self.last.is_none_or(|last| self.now >= last + bounds::PACE);
        assert!(paced, "two probes within the pace");
        self.last = Some(self.now);
        *self.sent.entry(remote.ip()).or_default() += 1;
        self.total += 1;
        self.check_budgets();
    }

    fn said(&mut self, frame: &Frame) {
        assert!(!self.relay_only, "said to the peer in relay-only mode");
        match frame {
            Frame::Candidates(Candidates { generation, .. }) => {
                assert_eq!(*generation, self.generation + 1);
                self.generation += 1;
            }
            Frame::Punch(punch) if !punch.answers => {
                assert!(punch.round > self.round, "a round again");
                self.round = punch.round;
            }
            Frame::Punch(_) => {}
            other => panic!("{} is no frame of the agent's", other.frame_type().name()),
        }
    }

    /// To those that never answered, windows of counting taken as they fall worst.
    fn check_budgets(&self) {
        let elapsed = self.now.duration_since(self.begin);
        let windows = |length: Duration| elapsed.as_secs() / length.as_secs() + 1;
        let ordinary = u64::from(bounds::PROBES_PER_IP) * windows(bounds::LEDGER_WINDOW);
        // An answer starts the count of guesses over.
        let guesses =
            u64::from(bounds::GUESSES_PER_WINDOW) * (windows(bounds::GUESS_WINDOW) + self.answers);
        let silent = self
            .sent
            .iter()
            .filter(|(ip, _)| !self.answered.contains(ip));
        let over: u64 = silent
            .clone()
            .map(|(_, sent)| sent.saturating_sub(ordinary))
            .sum();
        assert!(over <= guesses, "{over} beyond the ordinary, of {guesses}");
        let ips = bounds::LEDGER_IPS as u64 * windows(bounds::LEDGER_WINDOW)
            + bounds::GUESSED_IPS as u64 * (windows(bounds::GUESS_WINDOW) + self.answers);
        assert!(silent.count() as u64 <= ips, "too many addresses");
    }

    /// The network changes, both sides say what they have: that attempt ends.
    fn end(mut self) {
        let tell = |watch: &mut Self, input| {
            watch.agent.handle_input(input, watch.now);
            watch.drain();
        };
        tell(&mut self, Input::NetworkChanged);
        // Both behind NATs that map alike for all, and seen somewhere.
        let mut ours = Script::new(&[2, 4, 1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 9]);
        let mut theirs = Script::new(&[0, 2, 4, 1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 66, 9]);
        let local = Local {
            class: ours.nat_class(),
            candidates: ours.candidates(8),
        };
        tell(&mut self, Input::Local(local));
        let candidates = Candidates {
            generation: u32::MAX,
            ..theirs.candidates_frame()
        };
        tell(&mut self, Input::Candidates(candidates));
        let before = self.outcomes;
        self.pass(bounds::ATTEMPT + bounds::RESTART + bounds::CANDIDATES_WAIT);
        assert!(self.relay_only || self.outcomes > before, "it does not end");
        let outcome = self.agent.outcome();
        assert_ne!(outcome, Outcome::Relayed(Reason::StillTrying));
    }
}

fn punch(script: &mut Script<'_>) -> Punch {
    let prediction = script.flag().then(|| Prediction {
        address: Address::direct(script.socket()),
        stride: script.u16(),
        count: script.u16(),
    });
    Punch {
        round: script.u8().into(),
        answers: script.flag(),
        prediction,
        sockets: script.u16(),
        extensions: Default::default(),
    }
}
