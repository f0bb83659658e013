//! The keeper: which relay to use next, and what to do with its answers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::relay::{Refusal, RelayRefused, RelayReserve, RelayReserved};
use dchat_wire::{Address, Frame, PeerId};

use super::config::{Candidate, Config, SOCKETS};
use super::event::{Event, Held, Input, Output};
use super::relay::{Relay, Renewal, State};
use crate::relay::proto::client::voucher;

/// The shortest reservation that is worth having: below it, renewals would be all the relay does.
const LIFETIME_MIN: Duration = Duration::from_secs(30);

/// The keeper of reservations; see the [module](super) for the contract.
#[derive(Debug)]
pub struct Reservations {
    config: Config,
    ours: PeerId,
    seed: [u8; 32],
    drawn: u64,
    asks: u64,
    relays: Vec<Relay>,
    circuits: Vec<Address>,
    outputs: VecDeque<Output>,
}

impl Reservations {
    /// A keeper that knows no relay yet. `seed` spreads renewals and retries.
    #[must_use]
    pub fn new(config: Config, ours: PeerId, seed: [u8; 32]) -> Self {
        Self {
            config,
            ours,
            seed,
            drawn: 0,
            asks: 0,
            relays: Vec::new(),
            circuits: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Candidates(list) => self.candidates(list),
            Input::Up { relay, socket, rtt } => self.up(relay, socket, rtt, now),
            Input::Rtt { relay, rtt } => {
                if let Some(at) = self.place(&relay) {
                    self.relays[at].rtt = Some(rtt);
                }
            }
            Input::Gone { relay } => self.gone(relay, now),
            Input::Answer {
                relay,
                ask,
                frame,
                unix_ms,
            } => self.answer(relay, ask, frame, unix_ms, now),
            Input::NetworkChanged => {
                for relay in &mut self.relays {
                    if let State::Resting { .. } = relay.state {
                        relay.state = State::Idle;
                    }
                    relay.failures = 0;
                }
            }
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for at in 0..self.relays.len() {
            self.relay_due(at, now);
        }
        self.settle(now);
    }

    /// The next thing to do for the caller.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Reservations::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.relays.iter().filter_map(Relay::due).min()
    }

    /// The reservations that are held.
    pub fn held(&self) -> impl Iterator<Item = Held> {
        self.relays.iter().filter_map(|relay| match relay.state {
            State::Held { until, .. } => Some(Held {
                relay: relay.relay,
                socket: relay.socket?,
                rtt: relay.rtt,
                until,
            }),
            State::Idle
            | State::Resting { .. }
            | State::Connecting { .. }
            | State::Asking { .. } => None,
        })
    }

    fn candidates(&mut self, list: Vec<Candidate>) {
        let mut before = std::mem::take(&mut self.relays);
        for candidate in list {
            let known = |relay: &Relay| relay.relay == candidate.relay;
            if self.relays.len() >= self.config.candidates
                || candidate.relay == self.ours
                || self.relays.iter().any(known)
            {
                continue;
            }
            let mut relay = match before.iter().position(known) {
                Some(at) => before.swap_remove(at),
                None => Relay {
                    relay: candidate.relay,
                    sockets: Vec::new(),
                    configured: false,
                    state: State::Idle,
                    socket: None,
                    rtt: None,
                    failures: 0,
                    sequence: None,
                },
            };
            relay.configured = candidate.configured;
            relay.sockets = candidate.sockets;
            relay.sockets.truncate(SOCKETS);
            self.relays.push(relay);
        }
        for relay in before {
            if relay.is_held() || relay.is_begun() {
                self.say(Output::Release { relay: relay.relay });
            }
        }
    }

    fn up(&mut self, id: PeerId, socket: SocketAddr, rtt: Duration, now: Instant) {
        let Some(relay) = self.relay(&id) else {
            return;
        };
        relay.socket = Some(socket);
        relay.rtt = Some(rtt);
        if let State::Connecting { .. } = relay.state {
            self.ask(id, now);
        }
    }

    fn gone(&mut self, id: PeerId, now: Instant) {
        let Some(relay) = self.relay(&id) else {
            return;
        };
        relay.socket = None;
        match relay.state {
            State::Idle | State::Resting { .. } => {}
            State::Connecting { .. } | State::Asking { .. } => self.failed(id, now),
            State::Held { .. } => self.lost(id, None, now),
        }
    }

    fn answer(
        &mut self,
        id: PeerId,
        answered: u64,
        frame: Option<Frame>,
        unix_ms: u64,
        now: Instant,
    ) {
        let Some(relay) = self.relay(&id) else {
            return;
        };
        let asked = match relay.state {
            State::Asking { ask, .. }
            | State::Held {
                renewal: Renewal::Asking { ask, .. },
                ..
            } => Some(ask),
            State::Idle | State::Resting { .. } | State::Connecting { .. } | State::Held { .. } => {
                None
            }
        };
        if asked != Some(answered) {
            return;
        }
        match frame {
            Some(Frame::RelayReserved(reserved)) => self.reserved(id, &reserved, unix_ms, now),
            Some(Frame::RelayRefused(refused)) => self.refused(id, &refused, now),
            Some(_) | None => self.unanswered(id, now),
        }
    }

    fn reserved(&mut self, id: PeerId, reserved: &RelayReserved, unix_ms: u64, now: Instant) {
        let ours = self.ours;
        let Some(relay) = self.relay(&id) else {
            return;
        };
        let checked = voucher::check(&reserved.voucher, &id, &ours, relay.sequence, unix_ms);
        let voucher = match checked {
            Ok(voucher) => voucher,
            Err(error) => {
                self.say(Output::Event(Event::BadVoucher { relay: id, error }));
                return self.lost(id, Some(self.config.never), now);
            }
        };
        relay.sequence = Some(voucher.sequence);
        let valid = Duration::from_millis(voucher.expires_at.saturating_sub(unix_ms));
        let lifetime = valid
            .min(Duration::from_secs(reserved.lifetime_s.into()))
            .min(self.config.lifetime.max(LIFETIME_MIN));
        if lifetime < LIFETIME_MIN {
            self.say(Output::Event(Event::Failed { relay: id }));
            return self.lost(id, Some(self.config.never), now);
        }
        let renew = self.spread(lifetime / 2, 10);
        if let Some(relay) = self.relay(&id) {
            relay.failures = 0;
            relay.state = State::Held {
                until: now + lifetime,
                renewal: Renewal::At(now + renew),
            };
        }
        self.say(Output::Event(Event::Held {
            relay: id,
            lifetime,
        }));
    }

    fn refused(&mut self, id: PeerId, refused: &RelayRefused, now: Instant) {
        let reason = refused.reason;
        self.say(Output::Event(Event::Refused { relay: id, reason }));
        let wait = match refused.retry_after_s {
            0 => self.config.never,
            seconds => {
                Duration::from_secs(seconds.into()).clamp(self.config.rest_min, self.config.never)
            }
        };
        // Asked later, the relay may do otherwise: what it gave still lasts. Its word that it is
        // going or wants us no more is taken at once.
        let momentary = matches!(reason, Refusal::Limited | Refusal::Full);
        if let Some(relay) = self.relay(&id)
            && let State::Held { until, renewal } = &mut relay.state
            && momentary
            && now + wait < *until
        {
            *renewal = Renewal::At(now + wait);
            return;
        }
        self.lost(id, Some(wait), now);
    }

    /// A question stayed without an answer.
    fn unanswered(&mut self, id: PeerId, now: Instant) {
        let again = self.config.give_up;
        match self.relay(&id).map(|relay| &mut relay.state) {
            Some(State::Held { until, renewal }) if now + again < *until => {
                *renewal = Renewal::At(now + again);
            }
            Some(State::Held { .. }) => self.lost(id, None, now),
            Some(_) => self.failed(id, now),
            None => {}
        }
    }

    fn failed(&mut self, id: PeerId, now: Instant) {
        self.say(Output::Event(Event::Failed { relay: id }));
        self.lost(id, None, now);
    }

    /// A relay is not used for a while: as long as is said, or longer after each failure.
    fn lost(&mut self, id: PeerId, wait: Option<Duration>, now: Instant) {
        let config = self.config;
        let Some(relay) = self.relay(&id) else {
            return;
        };
        let doubled = 1u32.checked_shl(relay.failures).unwrap_or(u32::MAX);
        let rest = config.rest_min.saturating_mul(doubled).min(config.rest_max);
        relay.failures = relay.failures.saturating_add(1);
        let held = relay.is_held();
        let rest = self.spread(wait.unwrap_or(rest), 25);
        if let Some(relay) = self.relay(&id) {
            relay.state = State::Resting { until: now + rest };
        }
        self.say(Output::Release { relay: id });
        if held {
            self.say(Output::Event(Event::Lost { relay: id }));
        }
    }

    fn relay_due(&mut self, at: usize, now: Instant) {
        let Some(relay) = self.relays.get_mut(at) else {
            return;
        };
        let id = relay.relay;
        match relay.state {
            State::Resting { until } if until <= now => relay.state = State::Idle,
            State::Connecting { until, .. } | State::Asking { until, .. } if until <= now => {
                self.failed(id, now);
            }
            State::Connecting {
                until,
                slow: Some(slow),
            } if slow <= now => relay.state = State::Connecting { until, slow: None },
            State::Held { until, .. } if until <= now => self.lost(id, None, now),
            State::Held {
                renewal: Renewal::At(at),
                ..
            } if at <= now => self.ask(id, now),
            State::Held {
                renewal: Renewal::Asking { until, .. },
                ..
            } if until <= now => self.unanswered(id, now),
            State::Idle
            | State::Resting { .. }
            | State::Connecting { .. }
            | State::Asking { .. }
            | State::Held { .. } => {}
        }
    }

    /// Asks a connected relay for a reservation, or for a longer one.
    fn ask(&mut self, id: PeerId, now: Instant) {
        self.asks += 1;
        let (ask, until) = (self.asks, now + self.config.give_up);
        let Some(relay) = self.relay(&id) else {
            return;
        };
        match &mut relay.state {
            State::Held { renewal, .. } => *renewal = Renewal::Asking { ask, until },
            state => *state = State::Asking { ask, until },
        }
        let frame = Frame::RelayReserve(RelayReserve {
            lifetime_s: u32::try_from(self.config.lifetime.as_secs()).unwrap_or(u32::MAX),
            extensions: Default::default(),
        });
        self.say(Output::Reserve {
            relay: id,
            ask,
            frame: Box::new(frame),
        });
    }

    /// Begins what is missing and ends what is too much.
    fn settle(&mut self, now: Instant) {
        self.give_up_surplus();
        while self.count(|relay| relay.is_held() || relay.is_promising(now)) < self.config.wanted {
            let Some(next) = self.best_idle() else {
                break;
            };
            self.begin(next, now);
        }
        let enough = self.count(Relay::is_held) >= self.config.wanted;
        if enough
            && self.count(Relay::is_begun) == 0
            && let Some(next) = self.best_idle()
            && let Some(worst) = self.worst_held()
            && self.relays[next].clearly_beats(&self.relays[worst])
        {
            self.begin(next, now);
        }
        self.publish();
    }

    /// With enough held, attempts that would not improve anything end, and what is held beyond it.
    fn give_up_surplus(&mut self) {
        while self.count(Relay::is_held) > self.config.wanted
            && let Some(worst) = self.worst_held()
        {
            self.leave(worst);
        }
        if self.count(Relay::is_held) < self.config.wanted {
            return;
        }
        for at in 0..self.relays.len() {
            let better = self
                .worst_held()
                .is_some_and(|worst| self.relays[at].clearly_beats(&self.relays[worst]));
            if self.relays[at].is_begun() && !better {
                self.leave(at);
            }
        }
    }

    fn leave(&mut self, at: usize) {
        let relay = &mut self.relays[at];
        relay.state = State::Idle;
        let relay = relay.relay;
        self.say(Output::Release { relay });
    }

    fn begin(&mut self, at: usize, now: Instant) {
        let relay = &mut self.relays[at];
        let id = relay.relay;
        if relay.socket.is_some() {
            return self.ask(id, now);
        }
        relay.state = State::Connecting {
            slow: Some(now + self.config.slow),
            until: now + self.config.give_up,
        };
        let sockets = relay.sockets.clone();
        self.say(Output::Connect { relay: id, sockets });
    }

    fn best_idle(&self) -> Option<usize> {
        let idle = |&at: &usize| {
            let relay = &self.relays[at];
            let reachable = relay.socket.is_some() || !relay.sockets.is_empty();
            relay.state == State::Idle && reachable
        };
        let places = (0..self.relays.len()).filter(idle);
        places.min_by_key(|&at| (self.relays[at].rank(), at))
    }

    fn worst_held(&self) -> Option<usize> {
        let places = (0..self.relays.len()).filter(|&at| self.relays[at].is_held());
        places.max_by_key(|&at| (self.relays[at].rank(), at))
    }

    fn count(&self, which: impl Fn(&Relay) -> bool) -> usize {
        self.relays.iter().filter(|relay| which(relay)).count()
    }

    fn publish(&mut self) {
        let mut circuits = Vec::new();
        for relay in self.relays.iter().filter(|relay| relay.is_held()) {
            let mut sockets: Vec<_> = relay.socket.into_iter().collect();
            for &socket in &relay.sockets {
                if !sockets.contains(&socket) && sockets.len() < SOCKETS {
                    sockets.push(socket);
                }
            }
            circuits.extend(sockets.into_iter().map(|socket| Address::Circuit {
                socket,
                relay: relay.relay,
                peer: Some(self.ours),
            }));
        }
        if circuits != self.circuits {
            self.circuits.clone_from(&circuits);
            self.say(Output::Circuits(circuits));
        }
    }

    fn say(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn place(&self, id: &PeerId) -> Option<usize> {
        self.relays.iter().position(|relay| relay.relay == *id)
    }

    fn relay(&mut self, id: &PeerId) -> Option<&mut Relay> {
        self.relays.iter_mut().find(|relay| relay.relay == *id)
    }

    /// `time`, give or take `percent`.
    fn spread(&mut self, time: Duration, percent: u32) -> Duration {
        self.drawn += 1;
        let hash = blake3::keyed_hash(&self.seed, &self.drawn.to_le_bytes());
        let share = u32::from(hash.as_bytes()[0]) + 1;
        // From -percent to +percent in 256 steps.
        let low = time.saturating_sub(time / 100 * percent);
        low.saturating_add((time / 100 * percent * 2 / 256).saturating_mul(share))
    }
}
