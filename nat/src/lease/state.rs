//! The four verbs of one mapping.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::epoch::Epoch;
use super::grant::{Failure, Grant, Refusal, Sound};

/// BLAKE3 context of the jitter.
const JITTER: &str = "dchat/1 2026-11 lease jitter";

/// How a gateway is asked. For the driver; the states are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// UPnP IGD, with pinholes for IPv6.
    Upnp,
    /// Port Control Protocol, RFC 6887.
    Pcp,
    /// NAT Port Mapping Protocol, RFC 6886.
    NatPmp,
}

/// Times of a [`Lease`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Life asked for. Default 1 h; RFC 6886 §3.3 recommends two, but what a crash leaves behind
    /// should not stay that long.
    pub lifetime: Duration,
    /// How long a request may stay without an answer. Default 10 s, longer than a driver's own
    /// repetitions take with a gateway that is alive.
    pub answer: Duration,
    /// Pause after a failure; it doubles up to [`Self::most`]. Default 30 s.
    pub first: Duration,
    /// Default 30 min.
    pub most: Duration,
    /// From one request to the next at least, whatever happens. Default 4 s (RFC 6887 §11.2.1).
    pub least: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(3_600),
            answer: Duration::from_secs(10),
            first: Duration::from_secs(30),
            most: Duration::from_secs(1_800),
            least: Duration::from_secs(4),
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// This local address, of the interface that leads to the gateway, is to be mapped.
    Wanted(SocketAddr),
    /// The gateway granted the request of this number.
    Granted(u32, Grant),
    /// The gateway refused the request of this number, or there is none that could.
    Refused(u32, Refusal),
    /// The gateway's clock as read from anything it sent (PCP, NAT-PMP).
    Epoch(u32),
    /// The gateway turns out not to have the mapping any more.
    Forgotten,
    /// Interfaces or routes have changed: this may be another gateway.
    NetworkChanged,
    /// The node ends.
    Shutdown,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the gateway, and answer with this number.
    Request {
        /// Of this request; answers to earlier ones are not taken.
        number: u32,
        /// What is to be mapped.
        internal: SocketAddr,
        /// The port outside to be suggested: the one held, or the local one; 0 for any.
        suggested: u16,
        /// For how long.
        lifetime: Duration,
    },
    /// Delete the mapping; no answer is waited for.
    Withdraw {
        /// What is mapped.
        internal: SocketAddr,
        /// The port outside.
        port: u16,
    },
    /// The state is another one.
    Changed(State),
}

/// How it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing is wanted.
    #[default]
    Idle,
    /// Asked for the first time, or after what was held became void.
    Asking,
    /// Held.
    Mapped {
        /// The port outside.
        port: u16,
        /// The address outside, where the gateway tells.
        external: Option<SocketAddr>,
        /// The gateway's own external address is a private one: a second NAT is behind it, so that
        /// this is no address for the world.
        behind: bool,
    },
    /// Not held.
    Failed(Failure),
    /// Given back.
    Withdrawn,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    internal: SocketAddr,
    sound: Sound,
    ends: Instant,
}

/// One mapping by one protocol.
#[derive(Debug)]
pub struct Lease {
    config: Config,
    jitter: blake3::OutputReader,
    wanted: Option<SocketAddr>,
    held: Option<Held>,
    epoch: Option<Epoch>,
    /// Number of the open request, and when it is given up.
    open: Option<(u32, Instant)>,
    number: u32,
    /// When the next request is due.
    next: Option<Instant>,
    /// When the last one was made.
    last: Option<Instant>,
    failures: u32,
    /// The port held is another's: ask for any.
    any_port: bool,
    state: State,
    outputs: VecDeque<Output>,
}

impl Lease {
    /// Idle.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            config,
            jitter: blake3::Hasher::new_derive_key(JITTER)
                .update(&seed)
                .finalize_xof(),
            wanted: None,
            held: None,
            epoch: None,
            open: None,
            number: 0,
            next: None,
            last: None,
            failures: 0,
            any_port: false,
            state: State::Idle,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        if self.state == State::Withdrawn {
            self.late(input);
            return;
        }
        match input {
            Input::Wanted(internal) => self.want(internal, now),
            Input::Granted(number, grant) => {
                if let Some(seconds) = grant.epoch {
                    self.clock(seconds, now);
                }
                if self.close(number) {
                    self.granted(&grant, now);
                }
            }
            Input::Refused(number, refusal) => {
                if self.close(number) {
                    self.refused(refusal, now);
                }
            }
            Input::Epoch(seconds) => {
                if self.clock(seconds, now) {
                    self.again(now);
                }
            }
            Input::Forgotten => self.again(now),
            Input::NetworkChanged => {
                self.held = None;
                self.epoch = None;
                self.afresh(now);
            }
            Input::Shutdown => self.shut_down(),
        }
        self.advance(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// The next thing to do; to be called until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.next.filter(|_| self.open.is_none());
        let open = self.open.map(|(_, until)| until);
        let ends = self.held.map(|held| held.ends);
        [next, open, ends].into_iter().flatten().min()
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    fn want(&mut self, internal: SocketAddr, now: Instant) {
        if self.wanted == Some(internal) {
            return;
        }
        self.withdraw();
        self.wanted = Some(internal);
        self.afresh(now);
    }

    /// What was held is void.
    fn afresh(&mut self, now: Instant) {
        self.any_port = false;
        self.failures = 0;
        if self.wanted.is_some() {
            self.become_state(State::Asking);
            self.again(now);
        }
    }

    /// An answer to what is open would say nothing about what is to be asked now.
    fn again(&mut self, now: Instant) {
        if self.wanted.is_some() {
            self.open = None;
            self.next = Some(now);
        }
    }

    /// Whether the gateway restarted.
    fn clock(&mut self, seconds: u32, now: Instant) -> bool {
        let later = Epoch::new(seconds, now);
        let restarted = self.epoch.is_some_and(|epoch| !epoch.continues(&later));
        self.epoch = Some(later);
        restarted && self.held.is_some()
    }

    /// Whether `number` was open.
    fn close(&mut self, number: u32) -> bool {
        let was = self.open.is_some_and(|(open, _)| open == number);
        if was {
            self.open = None;
        }
        was
    }

    fn granted(&mut self, grant: &Grant, now: Instant) {
        let Some(internal) = self.wanted else {
            return;
        };
        let sound = match grant.sound(internal) {
            Ok(sound) => sound,
            Err(failure) => return self.failed(failure, now),
        };
        let life = sound.lifetime;
        self.failures = 0;
        self.held = Some(Held {
            internal,
            sound,
            ends: now + life,
        });
        // Half to five eighths of its life (RFC 6887 §11.2.1).
        let pause = life / 2 + self.spread(life / 8);
        self.next = Some(now + pause.max(self.config.least));
        self.become_state(State::Mapped {
            port: sound.port,
            external: sound.external,
            behind: sound.behind,
        });
    }

    fn refused(&mut self, refusal: Refusal, now: Instant) {
        if refusal == Refusal::Taken && !self.any_port {
            // What we held is gone; another port may be free.
            self.any_port = true;
            self.held = None;
            self.next = Some(now);
            self.become_state(State::Asking);
            return;
        }
        self.failed(refusal.into(), now);
    }

    fn failed(&mut self, failure: Failure, now: Instant) {
        let doubled = self
            .config
            .first
            .saturating_mul(1 << self.failures.min(16))
            .min(self.config.most);
        let pause = match failure {
            Failure::Unsupported | Failure::Denied => self.config.most,
            _ => doubled,
        };
        self.failures = self.failures.saturating_add(1);
        // While something is held, it is to be saved before it ends.
        let pause = match self.held {
            Some(held) => pause.min(held.ends.saturating_duration_since(now) / 2),
            None => pause + self.spread(pause / 8),
        };
        self.next = Some(now + pause.max(self.config.least));
        if self.held.is_none() {
            self.become_state(State::Failed(failure));
        }
    }

    fn advance(&mut self, now: Instant) {
        if self.open.is_some_and(|(_, until)| until <= now) {
            self.open = None;
            self.failed(Failure::Silent, now);
        }
        if self.held.is_some_and(|held| held.ends <= now) {
            self.held = None;
            self.become_state(State::Failed(Failure::Expired));
        }
        if self.open.is_none()
            && self.next.is_some_and(|next| next <= now)
            && let Some(internal) = self.wanted
        {
            self.request(internal, now);
        }
    }

    fn request(&mut self, internal: SocketAddr, now: Instant) {
        let earliest = self.last.map(|last| last + self.config.least);
        if let Some(earliest) = earliest.filter(|earliest| *earliest > now) {
            self.next = Some(earliest);
            return;
        }
        self.number = self.number.wrapping_add(1);
        self.last = Some(now);
        self.next = None;
        self.open = Some((self.number, now + self.config.answer));
        let suggested = match self.held {
            _ if self.any_port => 0,
            Some(held) => held.sound.port,
            None => internal.port(),
        };
        self.outputs.push_back(Output::Request {
            number: self.number,
            internal,
            suggested,
            lifetime: self.config.lifetime,
        });
    }

    fn shut_down(&mut self) {
        if self.held.is_none()
            && self.open.is_some()
            && let Some(internal) = self.wanted
        {
            // It may have been granted without our knowing.
            let port = internal.port();
            self.outputs.push_back(Output::Withdraw { internal, port });
        }
        self.withdraw();
        self.open = None;
        self.next = None;
        self.become_state(State::Withdrawn);
    }

    /// After the end: what was granted late is given back.
    fn late(&mut self, input: Input) {
        if let Input::Granted(number, grant) = input
            && number == self.number
            && let Some(internal) = self.wanted.take()
            && let Ok(sound) = grant.sound(internal)
        {
            let port = sound.port;
            self.outputs.push_back(Output::Withdraw { internal, port });
        }
    }

    fn withdraw(&mut self) {
        if let Some(Held {
            internal, sound, ..
        }) = self.held.take()
        {
            let port = sound.port;
            self.outputs.push_back(Output::Withdraw { internal, port });
        }
    }

    fn become_state(&mut self, state: State) {
        if state != self.state {
            self.state = state;
            self.outputs.push_back(Output::Changed(state));
        }
    }

    /// Up to `most`, by the seed: gateways are not asked by everyone at the same time.
    fn spread(&mut self, most: Duration) -> Duration {
        let mut bytes = [0; 4];
        self.jitter.fill(&mut bytes);
        most.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
    }
}
