//! The agent itself: inputs and timers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::PeerId;
use dchat_wire::nat::{Candidate, Candidates, NatClass};

use super::attempt::Attempt;
use super::bounds;
use super::config::Config;
use super::io::{FIRST, Input, Local, Output, Socket};
use super::ledger::Ledger;
use super::outcome::{Outcome, Reason};
use super::rng::Rng;
use crate::candidate::{Permit, Target};

/// What the peer said of itself last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Theirs {
    pub(super) class: NatClass,
    pub(super) candidates: Vec<Candidate>,
}

/// An attempt that is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) at: Instant,
    /// Whether the peer is told, so that it begins one too.
    pub(super) announce: bool,
}

/// The agent of one connection.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(super) config: Config,
    pub(super) permit: Permit,
    pub(super) controlling: bool,
    pub(super) rng: Rng,
    /// Chooses the ports that are sprayed: the same in all rounds. Targets' ports differ each time,
    /// and another port tried would be another mapping of our NAT.
    pub(super) sprayed: Rng,
    pub(super) local: Option<Local>,
    pub(super) theirs: Option<Theirs>,
    /// Of the last CANDIDATES each way.
    pub(super) generation: u32,
    their_generation: u32,
    /// Of the last round each way.
    pub(super) round: u32,
    pub(super) their_round: u32,
    /// Whether the peer has said PUNCH.
    pub(super) punched: bool,
    pub(super) ledger: Ledger,
    pub(super) attempt: Option<Attempt>,
    pub(super) last_began: Option<Instant>,
    pub(super) next: Option<Next>,
    /// Until when the peer's CANDIDATES are waited for.
    patience: Option<Instant>,
    outcome: Outcome,
    /// Since when the peer is reached directly.
    pub(super) direct: Option<Instant>,
    /// Attempts that failed in a row, and direct paths that were soon lost in a row.
    pub(super) failures: usize,
    losses: usize,
    /// No probe before then.
    pub(super) paced: Instant,
    outputs: VecDeque<Output>,
}

impl Agent {
    /// The agent of a connection between us and a peer. `seed` must differ for each one; what is
    /// guessed depends on it.
    #[must_use]
    pub fn new(config: Config, ours: PeerId, theirs: PeerId, seed: [u8; 32], now: Instant) -> Self {
        let rng = Rng::new(seed);
        let mut agent = Self {
            permit: config.permit(),
            controlling: ours < theirs,
            sprayed: rng.fork(),
            rng,
            local: None,
            theirs: None,
            generation: 0,
            their_generation: 0,
            round: 0,
            their_round: 0,
            punched: false,
            ledger: Ledger::new(now),
            attempt: None,
            last_began: None,
            next: None,
            patience: None,
            outcome: Outcome::Relayed(Reason::StillTrying),
            direct: None,
            failures: 0,
            losses: 0,
            paced: now,
            outputs: VecDeque::new(),
            config,
        };
        if agent.config.relay_only {
            agent.conclude(Outcome::Relayed(Reason::RelayOnly));
        }
        agent
    }

    /// Takes what happened.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        if self.config.relay_only {
            return;
        }
        match input {
            Input::Local(local) => self.on_local(local, now),
            Input::Told(local) => self.on_told(local, now),
            Input::Candidates(candidates) => self.on_candidates(candidates, now),
            Input::Punch(punch) => self.on_punch(&punch, now),
            Input::Sampled(addr) => self.on_sampled(addr, now),
            Input::Answered { from, remote, rtt } => self.on_answered(from, remote, rtt, now),
            Input::Asked { from, remote } => self.on_asked(from, remote, now),
            Input::Lost => self.on_lost(now),
            Input::NetworkChanged => self.on_network_changed(),
        }
        self.fire(now);
    }

    /// Does what is due. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.patience.is_some_and(|until| until <= now) {
            self.patience = None;
            if self.attempt.is_none() && self.direct.is_none() {
                self.conclude(Outcome::Relayed(Reason::PeerDoesNotPunch));
            }
        }
        if let Some(next) = self.next.filter(|next| next.at <= now) {
            self.begin(next.announce, now);
        }
        self.advance_rounds(now);
        self.fire(now);
        let ended = self.attempt.as_ref().and_then(Attempt::end);
        if ended.is_some_and(|end| end <= now) {
            self.finish(now);
        }
    }

    /// The next thing to be done. Drain it after every call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` while nothing is under way.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let attempt = self.attempt.as_ref().map(|attempt| {
            let volley = attempt
                .punching
                .as_ref()
                .and_then(|punching| punching.volley.as_ref());
            let volley = volley.and_then(super::volley::Volley::next);
            let probes = attempt.pairs.next().into_iter().chain(volley).min();
            let probe = probes.map(|due| due.max(self.paced));
            probe.into_iter().fold(attempt.wake_at(), Instant::min)
        });
        let next = self.next.map(|next| next.at);
        [attempt, next, self.patience].into_iter().flatten().min()
    }

    /// How things stand.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn on_local(&mut self, local: Local, now: Instant) {
        if self.local.as_ref() == Some(&local) {
            return;
        }
        self.local = Some(local);
        self.announce();
        if self.theirs.is_none() {
            self.patience.get_or_insert(now + bounds::CANDIDATES_WAIT);
        } else {
            self.candidates_changed(now);
        }
    }

    fn on_told(&mut self, local: Local, now: Instant) {
        if self.generation > 0 || self.local.is_some() {
            return;
        }
        self.generation = FIRST;
        self.local = Some(local);
        if self.theirs.is_none() {
            self.patience.get_or_insert(now + bounds::CANDIDATES_WAIT);
        } else {
            self.candidates_changed(now);
        }
    }

    fn on_candidates(&mut self, candidates: Candidates, now: Instant) {
        if candidates.generation <= self.their_generation {
            return;
        }
        self.their_generation = candidates.generation;
        self.patience = None;
        let theirs = Theirs {
            class: candidates.class,
            candidates: candidates.candidates.into_vec(),
        };
        if self.theirs.as_ref() != Some(&theirs) {
            // It is elsewhere now, or its NAT another: what failed there says nothing.
            (self.failures, self.losses) = (0, 0);
        }
        self.theirs = Some(theirs);
        if self.local.is_some() {
            self.candidates_changed(now);
        }
    }

    /// Either side's addresses are others, or the peer begins again.
    fn candidates_changed(&mut self, now: Instant) {
        let rested = self.last_began.map_or(now, |began| began + bounds::RESTART);
        if self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.won.is_none())
        {
            self.set_up(rested <= now, now);
        } else if rested <= now {
            self.begin(false, now);
        } else {
            self.next = Some(Next {
                at: rested,
                announce: false,
            });
        }
    }

    fn on_asked(&mut self, from: Socket, remote: SocketAddr, now: Instant) {
        let Some(target) = Target::new(remote, None, &self.permit) else {
            return;
        };
        if self.local.is_none() {
            return;
        }
        // The peer's probe may overtake its CANDIDATES, which take the way over the relay.
        let rested = self
            .last_began
            .is_none_or(|began| began + bounds::RESTART <= now);
        if self.attempt.is_none() && self.direct.is_none() && rested {
            self.begin(false, now);
        }
        if let Some(attempt) = self
            .attempt
            .as_mut()
            .filter(|attempt| attempt.won.is_none())
        {
            attempt.asked = true;
            if from == Socket::Main && remote.is_ipv4() {
                attempt.learned = Some(remote);
            }
            if attempt.pairs.asked(from, target, now)
                && let Some(punching) = &mut attempt.punching
            {
                punching.hold(now);
            }
        }
    }

    fn on_answered(&mut self, from: Socket, remote: SocketAddr, rtt: Duration, now: Instant) {
        let Some(target) = Target::new(remote, None, &self.permit) else {
            return;
        };
        self.ledger.answered(remote.ip());
        let Some(attempt) = &mut self.attempt else {
            // Later than it was waited for, but it counts.
            if self.direct.is_none() {
                self.succeed(from, remote, rtt, 0, now);
            }
            return;
        };
        attempt.pairs.answered(from, remote);
        let rank = attempt.pairs.rank(from, remote).unwrap_or(target.rank);
        if attempt.won.is_some_and(|won| won <= rank) {
            return;
        }
        let first = attempt.won.replace(rank).is_none();
        if first {
            attempt.until = now + bounds::GRACE;
        }
        attempt.pairs.keep_better(rank);
        let probes = attempt.probes;
        let open = attempt.stop_guessing();
        self.succeed(from, remote, rtt, probes, now);
        if open {
            self.push(Output::Close);
        }
    }

    fn succeed(
        &mut self,
        from: Socket,
        remote: SocketAddr,
        rtt: Duration,
        probes: u32,
        now: Instant,
    ) {
        self.failures = 0;
        self.next = self.next.filter(|next| !next.announce);
        self.direct.get_or_insert(now);
        self.conclude(Outcome::Direct {
            from,
            remote,
            rtt,
            probes,
        });
    }

    fn on_lost(&mut self, now: Instant) {
        let trying = self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.won.is_none());
        let since = self.direct.take();
        if trying {
            // A peer that moves says so before its old address is missed: it is being looked for.
            self.outcome = Outcome::Relayed(Reason::StillTrying);
            return;
        }
        self.abandon();
        self.outcome = Outcome::Relayed(Reason::StillTrying);
        let held = since.is_some_and(|since| now.saturating_duration_since(since) >= bounds::HELD);
        self.losses = if held { 0 } else { self.losses };
        let last = bounds::LOST_BACKOFF.len() - 1;
        let pause = bounds::LOST_BACKOFF[self.losses.min(last)];
        self.losses += 1;
        if pause.is_zero() {
            self.begin(true, now);
        } else {
            self.next = Some(Next {
                at: now + pause,
                announce: true,
            });
        }
    }

    fn on_network_changed(&mut self) {
        let trying = self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.won.is_none());
        self.abandon();
        self.direct = None;
        self.local = None;
        self.next = None;
        self.patience = None;
        self.last_began = None;
        (self.failures, self.losses) = (0, 0);
        self.outcome = Outcome::Relayed(Reason::StillTrying);
        if trying {
            self.push(Output::Outcome(self.outcome));
        }
    }

    pub(super) fn conclude(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        self.push(Output::Outcome(outcome));
    }

    pub(super) fn push(&mut self, output: Output) {
        // Full only for a caller that does not drain.
        if self.outputs.len() < bounds::OUTPUTS {
            self.outputs.push_back(output);
        }
    }
}
