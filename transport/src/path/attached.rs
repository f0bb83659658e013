//! A connection whose probe keys are known: its paths, and which one carries it.
//!
//! Three activities, each at most once at a time: a [`Check`] of the active path, a [`Measure`] of
//! all, and the trial of addresses the peer offered.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use dchat_wire::limits;
use dchat_wire::probe::{Probe, ProbeKeys};

use super::address::{LegId, PathId, Route};
use super::answers::Answers;
use super::bounds;
use super::check::Check;
use super::context::{Context, Output};
use super::limit::Bucket;
use super::measure::Measure;
use super::path::{Origin, Path};
use super::selection::Score;

/// Probes of one round.
const ROUND_OF_ALL: u32 = bounds::PATHS as u32;

/// The two directions of a connection's probe keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbePair {
    /// For what we send.
    pub ours: ProbeKeys,
    /// For what the peer sends; its tag finds the connection.
    pub theirs: ProbeKeys,
}

/// Where a datagram came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The leg that received it.
    pub leg: LegId,
    /// The address of ours it was sent to, where the operating system says so.
    pub local: Option<IpAddr>,
    /// Its source, in [`canonical`](super::canonical) form.
    pub from: SocketAddr,
}

impl Arrival {
    /// The way back.
    #[must_use]
    pub fn back(&self) -> Route {
        Route {
            leg: self.leg,
            local: self.local,
            remote: self.from,
        }
    }
}

/// State of an attached connection.
#[derive(Debug)]
pub(super) struct Attached {
    keys: ProbePair,
    /// The active path is always among them.
    active: Path,
    others: Vec<Path>,
    next_id: u64,
    /// The first send since the peer was last heard.
    awaiting: Option<Instant>,
    heard: Instant,
    check: Option<Check>,
    measure: Option<Measure>,
    measured: Instant,
    switched: Option<Instant>,
    /// No check because of packets elsewhere before then.
    follow_after: Option<Instant>,
    /// No doubt before then.
    doubt_not_before: Option<Instant>,
    lost: bool,
    offered: Vec<(LegId, SocketAddr)>,
    trials: VecDeque<(LegId, SocketAddr)>,
    trial_at: Option<Instant>,
    probes: Bucket,
    newcomers: Bucket,
    answers: Answers,
}

impl Attached {
    /// Starts on the path the handshake took, which it proved, and measures it.
    pub(super) fn new(keys: ProbePair, mut first: Path, cx: &mut Context<'_>) -> Self {
        first.proven = true;
        let mut attached = Self {
            keys,
            next_id: first.id.0 + 1,
            active: first,
            others: Vec::new(),
            awaiting: None,
            heard: cx.now,
            check: None,
            measure: None,
            measured: cx.now,
            switched: None,
            follow_after: None,
            doubt_not_before: None,
            lost: false,
            offered: Vec::new(),
            trials: VecDeque::new(),
            trial_at: None,
            probes: Bucket::new(bounds::PROBES_PER_SECOND, bounds::PROBE_BURST),
            newcomers: Bucket::new(bounds::NEWCOMERS_PER_SECOND, bounds::NEWCOMER_BURST),
            answers: Answers::new(),
        };
        attached.start_measure(cx);
        attached
    }

    pub(super) fn active(&self) -> &Path {
        &self.active
    }

    pub(super) fn their_tag(&self) -> [u8; 8] {
        self.keys.theirs.tag
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let doubt = self.awaiting.map(|since| {
            let at = since + self.active.rtt.doubt_after();
            self.doubt_not_before
                .map_or(at, |not_before| at.max(not_before))
        });
        let check = self.check.map(|check| check.wake_at());
        let measure = self.measure.map(|measure| measure.next);
        [doubt, check, measure, self.trial_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// A packet of the peer's QUIC connection leaves on the active path.
    pub(super) fn data_out(&mut self, len: usize, cx: &mut Context<'_>) {
        let now = cx.now;
        let acknowledges = len <= bounds::ACK_ONLY
            && now.saturating_duration_since(self.heard) <= bounds::ACK_WINDOW;
        if self.awaiting.is_none() && self.check.is_none() && !acknowledges {
            self.awaiting = Some(now);
        }
        let stale = now.saturating_duration_since(self.measured) >= bounds::REFRESH;
        if stale && self.measure.is_none() && self.check.is_none() {
            self.start_measure(cx);
        }
    }

    /// A packet came to one of our connection ids, from anywhere.
    pub(super) fn data_in(&mut self, arrival: &Arrival, len: usize, cx: &mut Context<'_>) {
        let now = cx.now;
        self.hear(now);
        if is_at(&self.active, arrival) {
            self.active.hear(arrival.local, len, now);
            self.check = self.check.filter(|check| check.follow.is_some());
            return;
        }
        let (id, new) = match self.others.iter_mut().find(|path| is_at(path, arrival)) {
            Some(path) => {
                path.hear(arrival.local, len, now);
                (path.id, false)
            }
            None => match self.newcomer(arrival, len, cx) {
                Some(id) => (id, true),
                None => return,
            },
        };
        if let Some(check) = &mut self.check {
            // What we send is lost on the way, and here the peer says which way it went itself.
            check.follow = Some(id);
        } else if new || self.moved_away(now) {
            self.start_check(false, Some(id), cx);
        }
    }

    /// A datagram under our peer's tag came, from anywhere. Its MAC is checked here.
    pub(super) fn probe_in(&mut self, arrival: &Arrival, datagram: &[u8], cx: &mut Context<'_>) {
        match Probe::open(&self.keys.theirs, datagram) {
            Err(_) => cx.stats.probe_invalid += 1,
            Ok(Probe::Ask { transaction }) => self.asked(arrival, transaction, datagram.len(), cx),
            Ok(Probe::Answer {
                transaction,
                observed,
            }) => self.answered(arrival, transaction, observed, cx),
        }
    }

    /// The addresses the peer says it has, each with the leg it would be reached over.
    pub(super) fn offer(&mut self, offered: Vec<(LegId, SocketAddr)>, cx: &mut Context<'_>) {
        self.offered = offered;
        self.queue_trials(cx.now);
    }

    /// The operating system refused to send over a path.
    pub(super) fn send_failed(&mut self, leg: LegId, remote: SocketAddr, cx: &mut Context<'_>) {
        let arrival = Arrival {
            leg,
            local: None,
            from: remote,
        };
        if let Some(path) = self.others.iter_mut().find(|path| is_at(path, &arrival)) {
            path.unpin();
        }
        let paused = self
            .doubt_not_before
            .is_some_and(|not_before| cx.now < not_before);
        if is_at(&self.active, &arrival) {
            self.active.unpin();
            if !paused && !self.check.is_some_and(|check| check.doubt) {
                self.start_check(true, self.check.and_then(|check| check.follow), cx);
            }
            // It cannot answer: whoever does may have its place at once.
            if let Some(check) = &mut self.check {
                check.deadline = check.deadline.min(cx.now);
            }
        }
    }

    /// Our own addresses or routes are others now.
    pub(super) fn interfaces_changed(&mut self, cx: &mut Context<'_>) {
        self.active.unpin();
        self.others.iter_mut().for_each(Path::unpin);
        self.doubt_not_before = None;
        self.start_check(true, None, cx);
        self.queue_trials(cx.now);
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        if self.trial_at.is_some_and(|at| at <= now) {
            self.next_trial(cx);
        }
        let silent_since = self
            .awaiting
            .map(|since| since + self.active.rtt.doubt_after());
        if silent_since.is_some_and(|at| at <= now)
            && self
                .doubt_not_before
                .is_none_or(|not_before| not_before <= now)
        {
            self.start_check(true, None, cx);
        }
        if self.check.is_some_and(|check| check.wake_at() <= now) {
            self.advance_check(cx);
        }
        if self.measure.is_some_and(|measure| measure.next <= now) {
            self.advance_measure(cx);
        }
    }

    fn hear(&mut self, now: Instant) {
        self.awaiting = None;
        self.heard = now;
        self.lost = false;
        self.doubt_not_before = None;
    }

    /// Whether packets on another path say that the peer left the active one.
    fn moved_away(&self, now: Instant) -> bool {
        let silence = self
            .active
            .rtt
            .smoothed()
            .unwrap_or_default()
            .max(bounds::FOLLOW_MIN);
        let heard = self.active.heard.unwrap_or(self.active.created);
        now.saturating_duration_since(heard) >= silence
            && self.follow_after.is_none_or(|after| after <= now)
    }

    fn asked(&mut self, arrival: &Arrival, transaction: [u8; 8], len: usize, cx: &mut Context<'_>) {
        if !self.answers.allow(arrival.from, transaction, cx.now) {
            cx.stats.probe_refused += 1;
            return;
        }
        let answer = Probe::Answer {
            transaction,
            observed: arrival.from,
        };
        cx.stats.answers_sent += 1;
        cx.output(Output::Transmit {
            virt: cx.virt,
            route: arrival.back(),
            datagram: answer.seal(&self.keys.ours, limits::PROBE),
        });
        if is_at(&self.active, arrival) {
            self.hear(cx.now);
            self.active.hear(arrival.local, len, cx.now);
            return;
        }
        let known = match self.others.iter_mut().find(|path| is_at(path, arrival)) {
            Some(path) => {
                path.hear(arrival.local, len, cx.now);
                Some((path.id, path.proven))
            }
            None => self.newcomer(arrival, len, cx).map(|id| (id, false)),
        };
        if let Some((id, false)) = known {
            self.ask_path(id, cx);
        }
    }

    fn answered(
        &mut self,
        arrival: &Arrival,
        transaction: [u8; 8],
        observed: SocketAddr,
        cx: &mut Context<'_>,
    ) {
        let now = cx.now;
        let of_active = is_at(&self.active, arrival);
        let Some(path) = std::iter::once(&mut self.active)
            .chain(&mut self.others)
            .find(|path| is_at(path, arrival))
        else {
            cx.stats.answer_unmatched += 1;
            return;
        };
        let Some(first) = path.answer(transaction, now) else {
            cx.stats.answer_unmatched += 1;
            return;
        };
        cx.stats.answers_received += 1;
        path.hear(arrival.local, 0, now);
        if path.observed.replace(observed) != Some(observed) {
            let virt = cx.virt;
            cx.output(Output::Observed {
                virt,
                addr: observed,
            });
        }
        if of_active {
            self.hear(now);
            self.active_answered(cx);
        } else {
            if first {
                self.compare_with_newly_proven(cx);
            }
            if self.check.is_some_and(|check| check.deadline <= now) {
                self.advance_check(cx);
            }
        }
    }

    fn active_answered(&mut self, cx: &mut Context<'_>) {
        let Some(check) = self
            .check
            .filter(|check| self.active.answered_since(check.started))
        else {
            return;
        };
        self.check = None;
        if check.follow.is_some() {
            self.follow_after = Some(cx.now + bounds::FOLLOW_PAUSE);
        }
    }

    fn compare_with_newly_proven(&mut self, cx: &mut Context<'_>) {
        match &mut self.measure {
            Some(measure) => measure.again = true,
            None => self.start_measure(cx),
        }
    }

    fn start_check(&mut self, doubt: bool, follow: Option<PathId>, cx: &mut Context<'_>) {
        self.awaiting = None;
        self.check = Some(Check::new(
            doubt,
            follow,
            self.active.rtt.answer_within(),
            cx.now,
        ));
        if doubt {
            cx.stats.doubts += 1;
            self.others.iter_mut().for_each(Path::grant);
        }
        self.ask_for_check(cx);
    }

    fn ask_for_check(&mut self, cx: &mut Context<'_>) {
        match self.check {
            Some(Check {
                doubt: false,
                follow: Some(id),
                ..
            }) => {
                self.ask_path(self.active.id, cx);
                self.ask_path(id, cx);
            }
            Some(_) => self.ask_all(cx),
            None => {}
        }
    }

    /// Looks at the check once the active path had its time: another takes over, or all are asked
    /// again, or it ends.
    fn advance_check(&mut self, cx: &mut Context<'_>) {
        let Some(mut check) = self.check else {
            return;
        };
        if check.deadline <= cx.now {
            check.overdue = true;
            self.check = Some(check);
            if let Some(id) = self.successor(&check) {
                self.switch_to(id, cx);
                return;
            }
        }
        if check.next > cx.now {
            return;
        }
        if check.advance(cx.now) {
            self.check = Some(check);
            // The address the peer once reached us at may be what is wrong.
            self.active.unpin();
            self.ask_for_check(cx);
        } else {
            self.check = None;
            if check.doubt && self.heard < check.started {
                self.give_up(cx);
            }
        }
    }

    /// Who takes over from a silent active path: where the peer went, or else the best.
    fn successor(&self, check: &Check) -> Option<PathId> {
        let answered = || {
            self.others
                .iter()
                .filter(|path| path.answered_since(check.started))
        };
        let followed = answered().find(|path| Some(path.id) == check.follow);
        let best = || {
            answered().min_by_key(|path| {
                let rtt = path.rtt.smoothed().unwrap_or(bounds::ANSWER_UNKNOWN);
                Score::new(path.kind, path.remote, rtt)
            })
        };
        followed.or_else(best).map(|path| path.id)
    }

    fn give_up(&mut self, cx: &mut Context<'_>) {
        self.doubt_not_before = Some(cx.now + bounds::LOST_PAUSE);
        if !std::mem::replace(&mut self.lost, true) {
            let virt = cx.virt;
            cx.output(Output::Lost { virt });
        }
    }

    fn switch_to(&mut self, id: PathId, cx: &mut Context<'_>) {
        let Some(to) = self.others.iter_mut().find(|path| path.id == id) else {
            return;
        };
        std::mem::swap(&mut self.active, to);
        self.check = None;
        self.awaiting = None;
        self.switched = Some(cx.now);
        cx.stats.switches += 1;
        let (virt, path) = (cx.virt, self.active.info(cx.legs));
        cx.output(Output::Switched { virt, path });
    }

    fn start_measure(&mut self, cx: &mut Context<'_>) {
        self.measured = cx.now;
        self.measure = Some(Measure::new(1 + self.others.len(), cx.now));
        self.active.rtt.restart();
        self.others.iter_mut().for_each(|path| path.rtt.restart());
        self.ask_all(cx);
    }

    fn advance_measure(&mut self, cx: &mut Context<'_>) {
        let Some(mut measure) = self.measure.take() else {
            return;
        };
        if let Some(rounds) = measure.rounds.checked_sub(1) {
            measure.rounds = rounds;
            let paths = std::iter::once(&self.active).chain(&self.others);
            let slowest = paths
                .map(|path| path.rtt.answer_within())
                .max()
                .unwrap_or_default();
            let settle = if rounds == 0 {
                slowest
            } else {
                bounds::MEASURE_GAP
            };
            measure.next = cx.now + settle.max(bounds::MEASURE_GAP);
            self.measure = Some(measure);
            self.ask_all(cx);
        } else {
            self.decide(cx);
            if measure.again {
                self.start_measure(cx);
            }
        }
    }

    /// Prefers the best path if it is clearly better than the active one.
    fn decide(&mut self, cx: &mut Context<'_>) {
        let score = |path: &Path, samples| {
            path.rtt
                .least(samples)
                .map(|rtt| Score::new(path.kind, path.remote, rtt))
        };
        let best = self
            .others
            .iter()
            .filter_map(|path| Some((score(path, bounds::MEASURE_SAMPLES)?, path.id)))
            .min();
        let Some((best, id)) = best.filter(|_| self.check.is_none()) else {
            return;
        };
        match score(&self.active, 1) {
            None => self.start_check(true, None, cx),
            Some(active) => {
                let dwelt = self.switched.is_none_or(|at| cx.now >= at + bounds::DWELL);
                if dwelt && best.clearly_better_than(&active) {
                    self.switch_to(id, cx);
                }
            }
        }
    }

    fn queue_trials(&mut self, now: Instant) {
        self.trials = self
            .offered
            .iter()
            .copied()
            .filter(|(leg, addr)| {
                let mut known = std::iter::once(&self.active).chain(&self.others);
                !known.any(|path| path.leg == *leg && path.remote == *addr)
            })
            .collect();
        self.trial_at = (!self.trials.is_empty()).then_some(now);
    }

    /// Probes the next offered address, when one of the places for them is free.
    fn next_trial(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        if !self.trials.is_empty() {
            self.others
                .retain(|path| path.proven || now < path.created + bounds::TRIAL);
        }
        let on_trial = self.others.iter().filter(|path| !path.proven).count();
        if on_trial >= bounds::TRIALS {
            self.trial_at = Some(now + bounds::MEASURE_GAP);
            return;
        }
        if let Some((leg, remote)) = self.trials.pop_front() {
            let route = Route {
                leg,
                local: None,
                remote,
            };
            if let Some(id) = self.admit(route, Origin::Ours, cx) {
                self.ask_path(id, cx);
            }
        }
        self.trial_at = (!self.trials.is_empty()).then_some(now + bounds::PACE);
    }

    fn newcomer(&mut self, arrival: &Arrival, len: usize, cx: &mut Context<'_>) -> Option<PathId> {
        if !self.newcomers.take(cx.now) {
            cx.stats.newcomers_refused += 1;
            return None;
        }
        let id = self.admit(arrival.back(), Origin::Peers, cx)?;
        let path = self.others.iter_mut().find(|path| path.id == id)?;
        path.hear(arrival.local, len, cx.now);
        Some(id)
    }

    /// Makes room for a path: an unproven one goes first, then the one not heard for longest.
    fn admit(&mut self, route: Route, origin: Origin, cx: &mut Context<'_>) -> Option<PathId> {
        let kind = cx.legs.get(usize::from(route.leg.0))?.kind();
        if self.others.len() + 1 >= bounds::PATHS {
            let worst = (0..self.others.len()).min_by_key(|at| {
                self.others
                    .get(*at)
                    .map(|path| (path.proven, path.heard, path.created))
            })?;
            self.others.swap_remove(worst);
        }
        let id = PathId(self.next_id);
        self.next_id += 1;
        self.others.push(Path::new(id, kind, route, origin, cx.now));
        Some(id)
    }

    fn ask_all(&mut self, cx: &mut Context<'_>) {
        self.ask_path(self.active.id, cx);
        for at in 0..self.others.len() {
            if let Some(id) = self.others.get(at).map(|path| path.id) {
                self.ask_path(id, cx);
            }
        }
    }

    fn ask_path(&mut self, id: PathId, cx: &mut Context<'_>) {
        let mut paths = std::iter::once(&mut self.active).chain(&mut self.others);
        let Some(path) = paths.find(|path| path.id == id && path.may_ask()) else {
            return;
        };
        // A retry to an address that has proven nothing waits for what it may still answer.
        if !path.proven && path.asked_within(bounds::MEASURE_GAP, cx.now) {
            return;
        }
        // Measurements and trials leave a round for when the active path is in question.
        let reserve = if self.check.is_some() {
            0
        } else {
            ROUND_OF_ALL
        };
        if !self.probes.take_above(reserve, cx.now) || !cx.all_probes.take(cx.now) {
            cx.stats.probes_withheld += 1;
            return;
        }
        let transaction = cx.transactions.next();
        path.ask(transaction, cx.now);
        cx.stats.probes_sent += 1;
        let route = path.route();
        let datagram = Probe::Ask { transaction }.seal(&self.keys.ours, limits::PROBE);
        let virt = cx.virt;
        cx.output(Output::Transmit {
            virt,
            route,
            datagram,
        });
    }
}

fn is_at(path: &Path, arrival: &Arrival) -> bool {
    path.leg == arrival.leg && path.remote == arrival.from
}
