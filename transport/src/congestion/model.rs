//! The model of one path: how much it delivers, how far away it is, and what window follows.
//!
//! Phases:
//! * **Startup**: the window grows by what is acknowledged (doubling a round) until the RTT shows a
//!   queue, the rate stops growing for three rounds, or more than 5 % of a round is lost.
//! * **Drain**: the window is the volume (rate × RTT) and half the allowance until no more than that is in flight.
//! * **Cruise** (4 to 7 rounds), **Up** (one round at 5/4, more while the rate still grows),
//!   **Down** (one round at 9/10 and half the allowance): the probing cycle.
//! * **Compete**: the queue did not empty in ten rounds although we drained once: CUBIC's law.
//!   Left when a round sees the queue empty.
//! * **ProbeRtt**: the smallest RTT was not seen for 10 s: a quarter of the volume for 200 ms.
//! * **Trial**: ProbeRtt out of Compete found the queue empty, but a rival that has just backed off
//!   looks like none: three rounds as in Cruise, and back to Compete as soon as a queue stands.

use std::time::{Duration, Instant};

use super::{bursts::Snapshot, cubic::CubicLaw, rate::MaxRate, round::Round};

/// Smallest window in packets: keeps acknowledgements coming in pairs (BBR's minimum).
const MIN_WINDOW_PACKETS: u64 = 4;
/// Largest window: above it no path and no flow control of ours reaches; keeps quinn's pacer on,
/// which is off beyond 4 GiB.
const MAX_WINDOW: u64 = 1 << 30;
/// Queue allowed to stand: what CoDel calls a good queue (RFC 8289 §4.3). It also covers coarse
/// acknowledgements, and on paths shorter than that it keeps scheduling delays from starving us.
const STANDING_QUEUE: Duration = Duration::from_millis(5);
/// Shortest round: on loopback a round trip is shorter than the sender's own scheduling.
const MIN_ROUND: Duration = Duration::from_millis(5);
/// After this long without seeing the smallest RTT it is measured again (BBR's 10 s).
const MIN_RTT_LIFETIME: Duration = Duration::from_secs(10);
/// Time at a quarter of the volume: long enough for queues we made to empty (BBR's 200 ms).
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);
/// Rounds a queue must stand before we believe in a competitor: one whole probing cycle.
const COMPETE_ROUNDS: u32 = 10;
/// Rounds in which a rival that just backed off is given time to show again.
const TRIAL_ROUNDS: u32 = 2;
/// What the window is steered by.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Startup {
        best: u64,
        flat_rounds: u32,
    },
    Drain,
    Cruise {
        rounds_left: u32,
    },
    Up {
        rate_before: u64,
    },
    Down,
    Compete(CubicLaw),
    Trial {
        law: CubicLaw,
        rounds_left: u32,
    },
    ProbeRtt {
        until: Option<Instant>,
        smallest: Option<Duration>,
        then: Option<CubicLaw>,
    },
}

/// One acknowledged batch of a path, until `on_end_acks`.
#[derive(Clone, Copy, Debug)]
struct Batch {
    newest_sent: Instant,
    snapshot: Snapshot,
    usable: bool,
    acked: u64,
    rtt: Option<Duration>,
}

/// Rate model and window of one path.
#[derive(Clone, Debug)]
pub(super) struct PathModel {
    mtu: u64,
    phase: Phase,
    window: u64,
    rate: MaxRate,
    min_rtt: Option<Duration>,
    min_rtt_at: Instant,
    probed_rtts: u32,
    probed_rtt: Option<Duration>,
    delivered: u64,
    delivered_at: Instant,
    first_sent: Instant,
    limited_until: u64,
    round: Round,
    batch: Option<Batch>,
    queued_rounds: u32,
    drained_since_low: bool,
    bound: Option<u64>,
    recovery: Option<Instant>,
    rival: Option<(CubicLaw, Instant)>,
    visit_rounds: u32,
    visit_rtt: Option<Duration>,
    restart: bool,
    dice: u64,
}

impl PathModel {
    /// A path nothing is known of yet.
    pub(super) fn new(now: Instant, mtu: u16, seed: u64) -> Self {
        let mtu = u64::from(mtu);
        Self {
            mtu,
            phase: Phase::Startup {
                best: 0,
                flat_rounds: 0,
            },
            window: initial_window(mtu),
            rate: MaxRate::default(),
            min_rtt: None,
            min_rtt_at: now,
            probed_rtts: 0,
            probed_rtt: None,
            delivered: 0,
            delivered_at: now,
            first_sent: now,
            limited_until: 0,
            round: Round::new(now, 0),
            batch: None,
            queued_rounds: 0,
            drained_since_low: false,
            bound: None,
            recovery: None,
            rival: None,
            visit_rounds: 0,
            visit_rtt: None,
            restart: true,
            dice: seed,
        }
    }

    /// Bytes that may be in flight on this path.
    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// Delivery rate in bytes a second, 0 while unknown.
    pub(super) fn rate(&self) -> u64 {
        self.rate.value()
    }

    /// Smallest RTT of the path, once known.
    pub(super) fn min_rtt(&self) -> Option<Duration> {
        self.min_rtt
    }

    /// Short name of the phase, for logs.
    pub(super) fn phase_name(&self) -> &'static str {
        match self.phase {
            Phase::Startup { .. } => "startup",
            Phase::Drain => "drain",
            Phase::Cruise { .. } => "cruise",
            Phase::Up { .. } => "up",
            Phase::Down => "down",
            Phase::Compete(_) => "compete",
            Phase::ProbeRtt { .. } => "probe-rtt",
            Phase::Trial { .. } => "trial",
        }
    }

    /// Time within which sent bursts may share a record entry: a 64th of an RTT.
    pub(super) fn coalesce(&self) -> Duration {
        self.min_rtt.unwrap_or_default() / 64
    }

    /// Traffic moves to this path. What was learnt on earlier visits holds; the RTT is checked
    /// anew, since acknowledgements may now return by another way.
    pub(super) fn enter(&mut self, now: Instant) {
        self.restart = true;
        self.min_rtt_at = now;
        self.visit_rounds = 0;
        self.visit_rtt = None;
        self.queued_rounds = 0;
        self.drained_since_low = false;
        self.bound = None;
        self.round = Round::new(now, self.delivered);
        if !matches!(self.phase, Phase::Startup { .. }) {
            self.cruise();
        }
    }

    /// Traffic moves away.
    pub(super) fn leave(&mut self) {
        self.limited_until = 0;
    }

    /// The path's packet size changed.
    pub(super) fn set_mtu(&mut self, mtu: u16) {
        self.mtu = u64::from(mtu);
        self.window = self.window.max(self.floor());
    }

    /// A burst leaves at `now` with `in_flight` bytes of this path before it.
    pub(super) fn on_sent(&mut self, now: Instant, in_flight: u64) -> Snapshot {
        if in_flight == 0 || self.restart {
            // Silence is not slowness: rates count from here.
            self.restart = false;
            self.delivered_at = now;
            self.first_sent = now;
        }
        Snapshot {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            app_limited: self.limited_until > self.delivered,
        }
    }

    /// A packet of `bytes`, sent at `sent`, arrived. `rtt`: a sample this path may believe.
    pub(super) fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        snapshot: Snapshot,
        usable: bool,
        rtt: Option<Duration>,
    ) {
        self.delivered += bytes;
        self.delivered_at = now;
        let batch = self.batch.get_or_insert(Batch {
            newest_sent: sent,
            snapshot,
            usable,
            acked: 0,
            rtt: None,
        });
        batch.acked += bytes;
        if sent >= batch.newest_sent {
            batch.newest_sent = sent;
            batch.snapshot = snapshot;
            batch.usable = usable;
        }
        batch.rtt = match (batch.rtt, rtt) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }

    /// The batch of acknowledgements is complete; `in_flight` bytes of this path remain.
    pub(super) fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        self.first_sent = batch.newest_sent;
        if app_limited {
            self.limited_until = (self.delivered + in_flight).max(1);
        }
        self.round.acked += batch.acked;
        self.round.limited |= app_limited;
        if let Some(rtt) = batch.rtt {
            self.observe_rtt(now, rtt);
        }
        if batch.usable {
            self.observe_rate(now, &batch);
        }
        self.grow(now, &batch, app_limited);
        if batch.snapshot.delivered >= self.round.ends_at_delivered
            && now.saturating_duration_since(self.round.began) >= MIN_ROUND
        {
            self.end_round(now);
        }
        self.within_round(now, in_flight);
        self.set_window();
    }

    /// `bytes` of this path are lost, the newest sent at `sent`; `marked`: an ECN mark instead.
    pub(super) fn on_loss(&mut self, now: Instant, sent: Instant, bytes: u64, marked: bool) {
        self.round.lost += bytes;
        let queued = marked || self.round.rtt.is_some_and(|rtt| rtt > self.queued_rtt());
        let news = self.recovery.is_none_or(|recovery| sent > recovery);
        let floor = MIN_WINDOW_PACKETS as f64;
        match &mut self.phase {
            Phase::Compete(law) if news => {
                law.on_loss(now, floor);
                self.recovery = Some(now);
            }
            Phase::Startup { .. } if self.round.excessive_loss(self.mtu) => {
                self.recovery = Some(now);
                self.phase = Phase::Drain;
                self.bound_to(self.round.acked);
            }
            Phase::Cruise { .. } | Phase::Up { .. } | Phase::Drain | Phase::Down
                if news && (marked || self.round.excessive_loss(self.mtu)) =>
            {
                self.recovery = Some(now);
                let share = if queued { 7 } else { 9 };
                self.bound_to(self.window * share / 10);
            }
            _ => {}
        }
        self.set_window();
    }

    /// Nothing sent over several timeouts arrived: begin anew from the smallest window.
    pub(super) fn on_persistent_congestion(&mut self, now: Instant) {
        self.phase = Phase::Startup {
            best: 0,
            flat_rounds: 0,
        };
        self.rate = MaxRate::default();
        self.bound = None;
        self.round = Round::new(now, self.delivered);
        self.window = self.floor();
    }

    fn floor(&self) -> u64 {
        MIN_WINDOW_PACKETS * self.mtu
    }

    /// Rate × smallest RTT, what the path itself holds.
    fn volume(&self) -> u64 {
        over(self.rate.value(), self.min_rtt.unwrap_or_default())
    }

    /// RTT above which a queue beyond our own allowance stands.
    fn queued_rtt(&self) -> Duration {
        let rtt = self.min_rtt.unwrap_or_default();
        rtt + STANDING_QUEUE + (rtt / 16).max(Duration::from_millis(1))
    }

    /// RTT below which the queue counts as empty.
    fn empty_rtt(&self) -> Duration {
        let rtt = self.min_rtt.unwrap_or_default();
        rtt + STANDING_QUEUE / 2 + rtt / 16
    }

    fn observe_rtt(&mut self, now: Instant, rtt: Duration) {
        let smallest = |known: Option<Duration>| Some(known.map_or(rtt, |known| known.min(rtt)));
        self.round.rtt = smallest(self.round.rtt);
        self.round.rtt_samples += 1;
        self.visit_rtt = smallest(self.visit_rtt);
        if let Phase::ProbeRtt { smallest: seen, .. } = &mut self.phase {
            *seen = smallest(*seen);
        }
        let near = self
            .min_rtt
            .is_none_or(|known| rtt <= known + known / 32 + Duration::from_micros(100));
        if near {
            self.min_rtt_at = now;
            self.probed_rtts = 0;
            self.probed_rtt = None;
        }
        self.min_rtt = smallest(self.min_rtt);
    }

    fn observe_rate(&mut self, now: Instant, batch: &Batch) {
        let snapshot = &batch.snapshot;
        let acking = now.saturating_duration_since(snapshot.delivered_at);
        let sending = batch
            .newest_sent
            .saturating_duration_since(snapshot.first_sent);
        let interval = acking.max(sending);
        // Shorter than a round trip: acknowledgements bunched up, not a rate.
        if interval.is_zero() || self.min_rtt.is_some_and(|rtt| interval < rtt) {
            return;
        }
        let bytes = self.delivered.saturating_sub(snapshot.delivered);
        let rate = (bytes as f64 / interval.as_secs_f64()) as u64;
        if !snapshot.app_limited || rate >= self.rate.value() {
            self.rate.add(rate);
        }
    }

    fn grow(&mut self, now: Instant, batch: &Batch, app_limited: bool) {
        if app_limited {
            return;
        }
        let mtu = self.mtu as f64;
        match &mut self.phase {
            Phase::Startup { .. } => {
                self.window = (self.window + batch.acked).min(MAX_WINDOW);
            }
            Phase::Compete(law) => {
                if let Some(rtt) = batch.rtt {
                    law.on_ack(now, batch.acked as f64 / mtu, rtt);
                }
            }
            _ => {}
        }
    }

    fn end_round(&mut self, now: Instant) {
        let round = self.round;
        self.round = Round::new(now, self.delivered);
        if !round.limited {
            self.rate.next_round();
        }
        self.visit_rounds = self.visit_rounds.saturating_add(1);
        if self.visit_rounds == 2
            && let Some(seen) = self.visit_rtt
        {
            self.min_rtt = Some(seen);
        }
        if let Some(bound) = self.bound
            && !round.excessive_loss(self.mtu)
        {
            let bound = bound + bound / 16;
            self.bound = (bound < self.volume() * 3 / 2).then_some(bound);
        }
        match round.rtt {
            Some(rtt) if rtt > self.queued_rtt() => self.queued_rounds += 1,
            // Neither: a rival's sawtooth comes down this far without emptying the queue.
            Some(rtt) if rtt > self.empty_rtt() => {
                self.queued_rounds = self.queued_rounds.saturating_sub(1);
            }
            _ => {
                self.queued_rounds = 0;
                self.drained_since_low = false;
            }
        }
        self.next_phase(now, &round);
    }

    fn next_phase(&mut self, now: Instant, round: &Round) {
        let rate = self.rate.value();
        match self.phase {
            Phase::Startup { best, flat_rounds } => {
                let grown = round.limited || rate >= best + best / 4;
                let flat_rounds = if grown { 0 } else { flat_rounds + 1 };
                self.phase = if flat_rounds >= 3 {
                    Phase::Drain
                } else {
                    Phase::Startup {
                        best: best.max(rate),
                        flat_rounds,
                    }
                };
            }
            Phase::Drain | Phase::Compete(_) | Phase::ProbeRtt { .. } => {}
            Phase::Trial { law, rounds_left } => {
                let queued = round.rtt.is_some_and(|rtt| rtt > self.queued_rtt());
                if queued {
                    self.phase = Phase::Compete(law.resumed(now));
                } else if rounds_left > 0 {
                    let rounds_left = rounds_left - 1;
                    self.phase = Phase::Trial { law, rounds_left };
                } else {
                    self.rival = Some((law, now));
                    self.cruise();
                }
            }
            Phase::Cruise { rounds_left: 0 } => self.phase = Phase::Up { rate_before: rate },
            Phase::Cruise { rounds_left } => {
                self.phase = Phase::Cruise {
                    rounds_left: rounds_left - 1,
                };
            }
            Phase::Up { rate_before } => {
                let growing = rate > rate_before + rate_before / 16;
                let queued = round.rtt.is_some_and(|rtt| rtt > self.queued_rtt());
                self.phase = if growing && !queued {
                    Phase::Up { rate_before: rate }
                } else {
                    Phase::Down
                };
            }
            Phase::Down => {
                self.drained_since_low = true;
                self.cruise();
            }
        }
        self.change_rivalry(now, round);
    }

    /// Enters or leaves `Compete` by what the round saw of the queue.
    fn change_rivalry(&mut self, now: Instant, round: &Round) {
        let Some(rtt) = round.rtt else {
            return;
        };
        match self.phase {
            Phase::Compete(law) if rtt <= self.empty_rtt() => {
                self.rival = Some((law, now));
                self.cruise();
            }
            Phase::Cruise { .. } | Phase::Up { .. } | Phase::Down
                if self.queued_rounds >= COMPETE_ROUNDS && self.drained_since_low =>
            {
                self.phase = Phase::Compete(match self.rival.take() {
                    Some((law, left)) if now.saturating_duration_since(left) < MIN_RTT_LIFETIME => {
                        law.resumed(now)
                    }
                    _ => {
                        // What keeps our share of the rate in the queue as it stands.
                        let share = over(self.rate.value(), rtt).max(self.floor());
                        CubicLaw::new(now, share as f64 / self.mtu as f64)
                    }
                });
            }
            _ => {}
        }
    }

    fn within_round(&mut self, now: Instant, in_flight: u64) {
        match self.phase {
            Phase::Startup { .. } if self.round.delayed(self.min_rtt) => self.phase = Phase::Drain,
            Phase::Drain if in_flight <= self.window => self.cruise(),
            Phase::ProbeRtt {
                until,
                smallest,
                then,
            } => match until {
                None if in_flight <= self.window.max(self.floor()) => {
                    let time = PROBE_RTT_TIME.max(self.min_rtt.unwrap_or_default());
                    self.phase = Phase::ProbeRtt {
                        until: Some(now + time),
                        smallest: None,
                        then,
                    };
                }
                Some(until) if now >= until => self.end_probe_rtt(now, smallest, then),
                _ => {}
            },
            Phase::Cruise { .. } | Phase::Down | Phase::Compete(_)
                if now.saturating_duration_since(self.min_rtt_at) > MIN_RTT_LIFETIME =>
            {
                let then = match self.phase {
                    Phase::Compete(law) => Some(law),
                    _ => None,
                };
                self.phase = Phase::ProbeRtt {
                    until: None,
                    smallest: None,
                    then,
                };
            }
            _ => {}
        }
    }

    /// A rival's queue inflates what a single probe sees, so beside one the RTT rises only when
    /// three probes in a row (30 s) agree.
    fn end_probe_rtt(&mut self, now: Instant, seen: Option<Duration>, then: Option<CubicLaw>) {
        self.min_rtt_at = now;
        self.queued_rounds = 0;
        self.drained_since_low = false;
        let Some(seen) = seen else {
            self.cruise();
            return;
        };
        match then {
            Some(law) if seen > self.empty_rtt() => {
                self.phase = Phase::Compete(law.resumed(now));
                self.probed_rtts += 1;
                self.probed_rtt = Some(self.probed_rtt.map_or(seen, |rtt| rtt.min(seen)));
                if self.probed_rtts >= 3 {
                    self.min_rtt = self.probed_rtt.take();
                    self.probed_rtts = 0;
                }
            }
            Some(law) => {
                self.min_rtt = Some(seen);
                self.phase = Phase::Trial {
                    law,
                    rounds_left: TRIAL_ROUNDS,
                };
            }
            None => {
                self.min_rtt = Some(seen);
                self.cruise();
            }
        }
    }

    fn cruise(&mut self) {
        // splitmix64: deterministic from the seed.
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let rounds_left = 4 + ((mixed >> 40) % 4) as u32;
        self.phase = Phase::Cruise { rounds_left };
    }

    fn bound_to(&mut self, bytes: u64) {
        self.bound = Some(bytes.max(self.volume()).max(self.floor()));
    }

    fn set_window(&mut self) {
        let volume = self.volume();
        let standing = over(self.rate.value(), STANDING_QUEUE).max(3 * self.mtu);
        // The allowance stays in part even while draining: where the RTT is shorter than the
        // allowance (loopback, a LAN) the volume alone is less than one wake-up of the sender.
        let bounded = |window: u64| self.bound.map_or(window, |bound| window.min(bound));
        let window = match self.phase {
            Phase::Startup { .. } => self.window,
            Phase::Drain => volume + standing / 2,
            Phase::Cruise { .. } | Phase::Trial { .. } => bounded(volume + standing),
            Phase::Up { .. } => bounded(volume + volume / 4 + standing),
            Phase::Down => bounded(volume * 9 / 10 + standing / 2),
            Phase::Compete(law) => (law.window() * self.mtu as f64) as u64,
            Phase::ProbeRtt { .. } => (volume + standing) / 4,
        };
        self.window = window.clamp(self.floor(), MAX_WINDOW);
    }
}

/// Ten packets, at least 14,720 bytes' worth (RFC 9002 §7.2).
pub(super) fn initial_window(mtu: u64) -> u64 {
    (10 * mtu).min(14_720.max(2 * mtu))
}

fn over(rate: u64, time: Duration) -> u64 {
    (rate as f64 * time.as_secs_f64()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MTU: u64 = 1452;

    proptest! {
        #[test]
        fn the_window_stays_within_its_bounds_whatever_is_reported(
            events in proptest::collection::vec(
                (0u8..12, 0u64..10_000_000, 0u64..300_000, any::<bool>()),
                1..400,
            ),
        ) {
            let mut now = Instant::now();
            let mut model = PathModel::new(now, MTU as u16, 1);
            let mut sent = vec![(now, model.on_sent(now, 0))];
            for (event, bytes, micros, flag) in events {
                now += Duration::from_micros(micros);
                match event {
                    0..=2 => sent.push((now, model.on_sent(now, bytes))),
                    3..=7 => {
                        let (at, snapshot) = sent[bytes as usize % sent.len()];
                        let rtt = flag.then(|| now - at);
                        model.on_ack(now, at, bytes, snapshot, flag, rtt);
                        model.on_end_acks(now, bytes, micros % 3 == 0);
                    }
                    8 => model.on_loss(now, now, bytes, flag),
                    9 => model.on_persistent_congestion(now),
                    10 => model.enter(now),
                    _ => now += MIN_RTT_LIFETIME,
                }
                prop_assert!(model.window() >= MIN_WINDOW_PACKETS * MTU);
                prop_assert!(model.window() <= MAX_WINDOW);
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_cycle_and_another_one_another() {
        let cycle = |seed| {
            let mut model = PathModel::new(Instant::now(), 1452, seed);
            let rounds = (0..32).map(|_| {
                model.cruise();
                match model.phase {
                    Phase::Cruise { rounds_left } => rounds_left,
                    _ => 0,
                }
            });
            rounds.collect::<Vec<_>>()
        };
        assert_eq!(cycle(7), cycle(7));
        assert_ne!(cycle(7), cycle(8));
        assert!(cycle(7).iter().all(|rounds| (4..8).contains(rounds)));
    }
}
