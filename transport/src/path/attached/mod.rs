//! A connection whose probe keys are known: its paths, and which one carries it.
//!
//! Three activities, each at most once at a time: a [`Check`] of the active path, a [`Measure`] of
//! all, and the trial of addresses the peer offered.

mod asking;
mod checking;
mod fitting;
mod measuring;
mod traversing;
mod trials;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use dchat_nat::agent::{self, Socket};
use dchat_wire::defect::{self, Defect};
use dchat_wire::limits;
use dchat_wire::probe::{Probe, ProbeKeys};

use crate::path::address::{ChannelAddress, PathId, Route, is_reserved};
use crate::path::answers::Answers;
use crate::path::bounds;
use crate::path::check::Check;
use crate::path::context::{Context, Output};
use crate::path::leg::{LegId, PathKind};
use crate::path::limit::Bucket;
use crate::path::measure::Measure;
use crate::path::path::{Fit, Origin, Path};
use crate::path::questions;
use crate::path::set::PathSet;
use crate::path::sizes::{self, Sizes};
use crate::path::switch::Outbound;

use traversing::Traversal;

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
    paths: PathSet,
    /// The first send since the active path was last heard; packets elsewhere say nothing of it.
    awaiting: Option<Instant>,
    /// When the peer was last heard, on any path.
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
    sizes: Sizes,
    traversal: Option<Traversal>,
}

impl Attached {
    /// Starts on the path the handshake took, which it proved, and measures it.
    pub(super) fn new(keys: ProbePair, mut first: Path, cx: &mut Context<'_>) -> Self {
        first.proven = true;
        // The handshake's datagrams were that large (RFC 9000 §14.1).
        first.fits = first.fits.max(sizes::BASE);
        let mut attached = Self {
            keys,
            paths: PathSet::new(first),
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
            sizes: Sizes::new(),
            traversal: None,
        };
        attached.start_measure(cx);
        attached
    }

    pub(super) fn active(&self) -> &Path {
        &self.paths.active
    }

    pub(super) fn their_tag(&self) -> [u8; 8] {
        self.keys.theirs.tag
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let doubt = self.doubt_at();
        let check = self.check.map(|check| check.wake_at());
        let measure = self.measure.map(|measure| measure.next);
        let fit = self.paths.iter().filter_map(|path| path.fit);
        let fit = fit.map(|fit| fit.due).min();
        let agent = self.traversal.as_ref().and_then(Traversal::wake_at);
        [doubt, check, measure, fit, agent, self.trial_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Packets of the peer's QUIC connection leave: `len` bytes in all, in datagrams of `size`.
    pub(super) fn data_out(
        &mut self,
        size: usize,
        len: usize,
        cx: &mut Context<'_>,
    ) -> Option<Outbound> {
        let now = cx.now;
        self.note_sent(len, now);
        let stale = now.saturating_duration_since(self.measured) >= bounds::REFRESH;
        if stale && self.measure.is_none() && self.check.is_none() {
            self.start_measure(cx);
        }
        if self.paths.active.gone {
            cx.common.stats.unmapped += 1;
            return None;
        }
        let relayed = self.paths.active.kind == PathKind::Relayed;
        if !self.sizes.passes(size, len, relayed) {
            cx.common.stats.oversized += 1;
            return None;
        }
        let route = self.paths.active.route();
        Some(Outbound {
            route,
            copy: self.copy_to(len, now),
        })
    }

    /// Where a datagram is to go as well while the active path is in doubt.
    fn copy_to(&mut self, len: usize, now: Instant) -> Option<Route> {
        self.check.filter(|check| check.doubt)?;
        let route = self.stand_in(now)?.route();
        let check = self.check.as_mut()?;
        check.copied += len;
        (check.copied <= bounds::COPIES).then_some(route)
    }

    /// A further channel leads to the peer.
    pub(super) fn offer_relayed(&mut self, leg: LegId, remote: SocketAddr, cx: &mut Context<'_>) {
        let route = Route {
            leg,
            local: None,
            remote,
        };
        if self.paths.contains(leg, remote) {
            return;
        }
        let id = self
            .paths
            .admit(route, Origin::Ours, &cx.common.legs, cx.now);
        if let Some(path) = id.and_then(|id| self.paths.get_mut(id)) {
            path.fit = Some(Fit {
                size: limits::PROBE,
                tries: 0,
                due: cx.now,
            });
            self.advance_fits(cx);
        }
    }

    /// A packet came to one of our connection ids, from anywhere.
    pub(super) fn data_in(&mut self, arrival: &Arrival, len: usize, cx: &mut Context<'_>) {
        let now = cx.now;
        self.hear(now);
        let active = self.paths.active.id;
        let (id, new) = match self.paths.met_by(arrival) {
            Some(path) => {
                path.hear(arrival.local, len, now);
                (path.id, false)
            }
            None => match self.newcomer(arrival, len, cx) {
                Some(id) => (id, true),
                None => return,
            },
        };
        if id == active {
            self.awaiting = None;
            self.check = self.check.filter(|check| check.follow.is_some());
            return;
        }
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
            Err(_) => cx.common.stats.probe_invalid += 1,
            Ok(Probe::Ask { transaction }) => self.asked(arrival, transaction, datagram.len(), cx),
            Ok(Probe::Answer {
                transaction,
                observed,
            }) => self.answered(arrival, transaction, observed, cx),
        }
    }

    /// The addresses the peer says it has, each with the leg it would be reached over.
    pub(super) fn offer(&mut self, offered: Vec<(LegId, SocketAddr)>, cx: &mut Context<'_>) {
        // The agent knows the peer's addresses, and more about them.
        if self.traversal.is_some() {
            return;
        }
        self.offered = offered;
        let offered = &self.offered;
        self.paths.retain_others(|path| {
            path.proven || path.heard.is_some() || offered.contains(&(path.leg, path.remote))
        });
        self.queue_trials(cx.now);
    }

    /// The operating system refused to send over a path.
    pub(super) fn send_failed(&mut self, leg: LegId, remote: SocketAddr, cx: &mut Context<'_>) {
        if let Some(path) = self.paths.iter_mut().find(|path| path.is_at(leg, remote)) {
            path.unpin();
        }
        let paused = self
            .doubt_not_before
            .is_some_and(|not_before| cx.now < not_before);
        if self.paths.active.is_at(leg, remote) {
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
        self.paths.iter_mut().for_each(Path::unpin);
        self.doubt_not_before = None;
        self.start_check(true, None, cx);
        self.queue_trials(cx.now);
        self.tell_agent(agent::Input::NetworkChanged, cx);
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        if self.trial_at.is_some_and(|at| at <= now) {
            self.next_trial(cx);
        }
        let agent = self.traversal.as_ref().and_then(Traversal::wake_at);
        if agent.is_some_and(|at| at <= now) {
            self.advance_agent(cx);
        }
        if self.doubt_at().is_some_and(|at| at <= now) {
            self.meet_silence(cx);
        }
        self.advance_fits(cx);
        if self.check.is_some_and(|check| check.wake_at() <= now) {
            self.advance_check(cx);
        }
        if self.measure.is_some_and(|measure| measure.next <= now) {
            self.advance_measure(cx);
        }
    }

    fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.lost = false;
        self.doubt_not_before = None;
    }

    fn asked(&mut self, arrival: &Arrival, transaction: [u8; 8], len: usize, cx: &mut Context<'_>) {
        let (from, local) = (arrival.from, arrival.local);
        if !self.answer(
            questions::Origin::Leg(arrival.leg),
            from,
            local,
            transaction,
            cx,
        ) {
            return;
        }
        if self.paths.active.is_at(arrival.leg, arrival.from) {
            self.hear(cx.now);
            self.awaiting = None;
        }
        let known = match self.paths.met_by(arrival) {
            Some(path) => {
                path.hear(arrival.local, len, cx.now);
                Some((path.id, path.proven))
            }
            None => self.newcomer(arrival, len, cx).map(|id| (id, false)),
        };
        if let Some((id, false)) = known {
            self.ask_path(id, cx);
        }
        if ChannelAddress::from_socket_addr(from).is_none() {
            let asked = agent::Input::Asked {
                from: Socket::Main,
                remote: from,
            };
            self.tell_agent(asked, cx);
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
        let leg = questions::Origin::Leg(arrival.leg);
        if let Some(rtt) = self.answers_question(transaction, leg, arrival.from, now) {
            cx.common.stats.answers_received += 1;
            let route = Route {
                local: None,
                ..arrival.back()
            };
            self.found(route, observed, rtt, cx);
            return;
        }
        let met = if defect::is(Defect::AcceptsStrayAnswers) {
            self.paths.iter_mut().find(|path| path.asked(transaction))
        } else {
            self.paths.met_by(arrival)
        };
        let Some(path) = met else {
            cx.common.stats.answer_unmatched += 1;
            return;
        };
        let Some(first) = path.answer(transaction, now) else {
            cx.common.stats.answer_unmatched += 1;
            return;
        };
        let id = path.id;
        cx.common.stats.answers_received += 1;
        path.hear(arrival.local, 0, now);
        self.observed(id, observed, cx);
        self.learned(id, first, cx);
    }

    /// The peer says how it sees us on a path.
    fn observed(&mut self, id: PathId, observed: SocketAddr, cx: &mut Context<'_>) {
        // Over a relay the peer sees a channel, and says so in vain.
        let path = self.paths.get_mut(id);
        let Some(path) = path.filter(|path| path.kind == PathKind::Direct) else {
            return;
        };
        if is_reserved(observed) {
            return;
        }
        if path.observed.replace(observed) != Some(observed) {
            let virt = cx.virt;
            cx.output(Output::Observed {
                virt,
                addr: observed,
            });
        }
    }

    /// A path has answered; `first` says that it had not before.
    fn learned(&mut self, id: PathId, first: bool, cx: &mut Context<'_>) {
        if id == self.paths.active.id {
            self.hear(cx.now);
            self.awaiting = None;
            self.active_answered(cx);
            return;
        }
        let found = self
            .paths
            .get_mut(id)
            .map(|path| (path.leg, path.kind, path.remote, path.rtt.smoothed()));
        if first {
            self.begin_fit(id, cx);
            self.compare_with_newly_proven(cx);
        }
        self.consider(id, cx);
        if let Some((_, PathKind::Direct, remote, rtt)) = found.filter(|_| first) {
            let answered = agent::Input::Answered {
                from: Socket::Main,
                remote,
                rtt: rtt.unwrap_or_default(),
            };
            self.tell_agent(answered, cx);
        }
    }

    fn newcomer(&mut self, arrival: &Arrival, len: usize, cx: &mut Context<'_>) -> Option<PathId> {
        if !self.newcomers.take(cx.now) {
            cx.common.stats.newcomers_refused += 1;
            return None;
        }
        let back = arrival.back();
        let id = self
            .paths
            .admit(back, Origin::Peers, &cx.common.legs, cx.now)?;
        self.paths.get_mut(id)?.hear(arrival.local, len, cx.now);
        Some(id)
    }
}
