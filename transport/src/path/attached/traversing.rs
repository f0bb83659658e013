//! Looking for direct paths with the peer's help: the agent says what to ask and when, here it is
//! asked, and an address that answers becomes a path.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::agent::{self, Agent, Outcome, Socket};
use dchat_wire::limits;
use dchat_wire::probe::Probe;

use super::Attached;
use crate::path::address::{Route, canonical, may_be_offered};
use crate::path::bounds;
use crate::path::context::{Context, Output};
use crate::path::leg::{LegId, PathKind};
use crate::path::limit::Bucket;
use crate::path::path;
use crate::path::questions::{Origin, Questions};

/// An agent at work for a connection.
#[derive(Debug)]
pub(super) struct Traversal {
    agent: Box<Agent>,
    /// The peer's loopback is ours.
    loopback: bool,
    questions: Questions,
    limit: Bucket,
}

impl Traversal {
    fn new(agent: Agent, loopback: bool) -> Self {
        Self {
            agent: Box::new(agent),
            loopback,
            questions: Questions::default(),
            limit: Bucket::new(bounds::QUESTIONS_PER_SECOND, bounds::QUESTION_BURST),
        }
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.agent.poll_timeout()
    }
}

impl Attached {
    /// Begins to look for direct paths; offers are not looked at any more.
    pub(in crate::path) fn traverse(&mut self, agent: Agent, loopback: bool, cx: &mut Context<'_>) {
        self.traversal = Some(Traversal::new(agent, loopback));
        self.trials.clear();
        self.trial_at = None;
        self.follow_agent(cx);
    }

    /// How the search stands.
    pub(in crate::path) fn outcome(&self) -> Option<Outcome> {
        Some(self.traversal.as_ref()?.agent.outcome())
    }

    /// Tells the agent something, if there is one, and does what it wants.
    pub(in crate::path) fn tell_agent(&mut self, input: agent::Input, cx: &mut Context<'_>) {
        if let Some(traversal) = &mut self.traversal {
            traversal.agent.handle_input(input, cx.now);
            self.follow_agent(cx);
        }
    }

    pub(super) fn advance_agent(&mut self, cx: &mut Context<'_>) {
        if let Some(traversal) = &mut self.traversal {
            traversal.agent.handle_timeout(cx.now);
            self.follow_agent(cx);
        }
    }

    fn follow_agent(&mut self, cx: &mut Context<'_>) {
        let virt = cx.virt;
        while let Some(output) = self
            .traversal
            .as_mut()
            .and_then(|traversal| traversal.agent.poll_output())
        {
            match output {
                agent::Output::Probe { from, remote } => self.question(from, remote, cx),
                agent::Output::Send(frame) => cx.output(Output::Signal {
                    virt,
                    frame: Box::new(frame),
                }),
                agent::Output::Sample => cx.output(Output::Sample { virt }),
                agent::Output::Open { sockets } => {
                    cx.output(Output::Scatter { virt, sockets });
                }
                agent::Output::Close => cx.output(Output::EndScatter { virt }),
                agent::Output::Outcome(outcome) => cx.output(Output::Outcome { virt, outcome }),
            }
        }
    }

    /// Asks an address from a socket, as the agent wants it.
    fn question(&mut self, from: Socket, remote: SocketAddr, cx: &mut Context<'_>) {
        let remote = canonical(remote);
        let loopback = self.traversal.as_ref().is_some_and(|of| of.loopback);
        if !may_be_offered(remote, loopback) {
            cx.common.stats.probes_withheld += 1;
            return;
        }
        match from {
            Socket::Main => {
                let legs: Vec<LegId> = cx.common.legs.reaching(remote).collect();
                for leg in legs {
                    self.question_from(Origin::Leg(leg), remote, cx);
                }
            }
            Socket::Extra(number) => self.question_from(Origin::Extra(number), remote, cx),
        }
    }

    fn question_from(&mut self, from: Origin, remote: SocketAddr, cx: &mut Context<'_>) {
        let Some(traversal) = &mut self.traversal else {
            return;
        };
        if !traversal.limit.take(cx.now) || !cx.common.all_probes.take(cx.now) {
            cx.common.stats.probes_withheld += 1;
            return;
        }
        let transaction = cx.common.transactions.next();
        traversal.questions.ask(transaction, from, remote, cx.now);
        cx.common.stats.probes_sent += 1;
        let datagram = Probe::Ask { transaction }.seal(&self.keys.ours, limits::PROBE);
        cx.output(transmit(cx, from, None, remote, datagram));
    }

    /// Whether an answer is one to a question of the agent's; with its round trip.
    pub(super) fn answers_question(
        &mut self,
        transaction: [u8; 8],
        from: Origin,
        remote: SocketAddr,
        now: Instant,
    ) -> Option<Duration> {
        let traversal = self.traversal.as_mut()?;
        traversal.questions.answer(transaction, from, remote, now)
    }

    /// An address has answered the agent: it is a path now.
    pub(in crate::path) fn found(
        &mut self,
        route: Route,
        observed: SocketAddr,
        rtt: Duration,
        cx: &mut Context<'_>,
    ) {
        let known = self
            .paths
            .iter()
            .find(|path| path.is_at(route.leg, route.remote));
        let id = known.map(|path| path.id).or_else(|| {
            self.paths
                .admit(route, path::Origin::Ours, &cx.common.legs, cx.now)
        });
        let Some(path) = id.and_then(|id| self.paths.get_mut(id)) else {
            return;
        };
        let first = path.prove(rtt, cx.now);
        let id = path.id;
        self.observed(id, observed, cx);
        self.learned(id, first, cx);
    }

    /// What came to the n-th socket of the scatter: the socket's answer to the agent's question, if
    /// it is one, and how the peer sees that socket. Questions are answered at once.
    pub(in crate::path) fn extra_in(
        &mut self,
        number: u16,
        remote: SocketAddr,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Option<(SocketAddr, Duration)> {
        match Probe::open(&self.keys.theirs, datagram) {
            Err(_) => {
                cx.common.stats.probe_invalid += 1;
                None
            }
            Ok(Probe::Ask { transaction }) => {
                let from = Socket::Extra(number);
                if self.answer(Origin::Extra(number), remote, None, transaction, cx) {
                    self.tell_agent(agent::Input::Asked { from, remote }, cx);
                }
                None
            }
            Ok(Probe::Answer {
                transaction,
                observed,
            }) => {
                let from = Origin::Extra(number);
                let rtt = self.answers_question(transaction, from, remote, cx.now);
                match rtt {
                    Some(_) => cx.common.stats.answers_received += 1,
                    None => cx.common.stats.answer_unmatched += 1,
                }
                Some((observed, rtt?))
            }
        }
    }

    /// Answers a question, within the limits. Whether it did.
    pub(super) fn answer(
        &mut self,
        from: Origin,
        remote: SocketAddr,
        local: Option<IpAddr>,
        transaction: [u8; 8],
        cx: &mut Context<'_>,
    ) -> bool {
        if !self.answers.allow(from, remote, transaction, cx.now) {
            cx.common.stats.probe_refused += 1;
            return false;
        }
        let answer = Probe::Answer {
            transaction,
            observed: remote,
        };
        cx.common.stats.answers_sent += 1;
        let datagram = answer.seal(&self.keys.ours, limits::PROBE);
        cx.output(transmit(cx, from, local, remote, datagram));
        true
    }

    /// The connection fell back from a direct path.
    pub(super) fn direct_path_lost(&mut self, cx: &mut Context<'_>) {
        self.tell_agent(agent::Input::Lost, cx);
    }

    /// Whether a path leaves by this leg.
    pub(in crate::path) fn uses(&self, leg: LegId) -> bool {
        self.paths.iter().any(|path| path.leg == leg)
    }

    /// Whether packets take a direct path.
    pub(super) fn is_direct(&self) -> bool {
        self.paths.active.kind == PathKind::Direct
    }

    /// Whether the path by this leg is of no use any more: it is not the active one, and it failed or
    /// is silent for long.
    pub(in crate::path) fn is_spent(&self, leg: LegId, now: Instant) -> bool {
        let path = self.paths.others().iter().find(|path| path.leg == leg);
        path.is_some_and(|path| path.failed.is_some() || !path.heard_within(bounds::CONSENT, now))
    }
}

fn transmit(
    cx: &Context<'_>,
    from: Origin,
    local: Option<IpAddr>,
    remote: SocketAddr,
    datagram: Vec<u8>,
) -> Output {
    let virt = cx.virt;
    match from {
        Origin::Leg(leg) => Output::Transmit {
            virt,
            route: Route { leg, local, remote },
            datagram,
        },
        Origin::Extra(socket) => Output::TransmitExtra {
            virt,
            socket,
            remote,
            datagram,
        },
    }
}
