//! The life of an attempt: how it begins, what it sends, how it ends.

use std::time::Instant;

use dchat_wire::Frame;
use dchat_wire::nat::CandidateKind;

use super::attempt::Attempt;
use super::bounds;
use super::io::Output;
use super::machine::{Agent, Next};
use super::outcome::Outcome;
use super::punching::Punching;
use crate::candidate::{seen, targets};
use crate::plan::{Plan, plan};

impl Agent {
    /// Drops the attempt without an outcome.
    pub(super) fn abandon(&mut self) {
        if self
            .attempt
            .take()
            .is_some_and(|mut attempt| attempt.stop_guessing())
        {
            self.push(Output::Close);
        }
    }

    /// Tells the peer our addresses, which has it begin an attempt.
    pub(super) fn announce(&mut self) {
        let Some(local) = &self.local else {
            return;
        };
        self.generation = self.generation.saturating_add(1);
        let candidates = local.candidates(self.generation, &self.permit);
        self.push(Output::Send(Frame::Candidates(candidates)));
    }

    pub(super) fn begin(&mut self, announce: bool, now: Instant) {
        self.abandon();
        self.next = None;
        if self.local.is_none() {
            return;
        }
        if announce {
            self.announce();
        }
        self.last_began = Some(now);
        self.attempt = Some(Attempt::new(now));
        self.set_up(false, now);
    }

    /// Brings the attempt up to both sides' candidates. `again` probes known addresses anew.
    pub(super) fn set_up(&mut self, again: bool, now: Instant) {
        let (Some(attempt), Some(local), Some(theirs)) =
            (&mut self.attempt, &self.local, &self.theirs)
        else {
            return;
        };
        let mut targets = targets(
            &theirs.candidates,
            &local.candidates,
            &self.permit,
            bounds::PRIVATE,
        );
        let family = |v6: bool| {
            let mut ours = local.candidates.iter();
            ours.any(|ours| {
                ours.kind != CandidateKind::Relayed && ours.address.socket().is_ipv6() == v6
            })
        };
        let families = [family(false), family(true)];
        targets.retain(|target| families[usize::from(target.remote.is_ipv6())]);
        attempt.pairs.announce(&targets, again, now);
        attempt.until = attempt.until.max(now + bounds::SETTLE);
        let sockets = self.config.sockets.min(bounds::SOCKETS);
        attempt.plan = plan(&local.class, &theirs.class, self.controlling, sockets);
        let seen = seen(&theirs.candidates, &self.permit).filter(|_| families[0]);
        let part = match attempt.plan {
            // Who is reached directly has no reason to begin guessing, but helps the peer.
            Plan::Guess(part)
                if self.config.guess
                    && seen.is_some()
                    && (part.sockets > 0) == part.needs_sockets()
                    && !(part.starts && self.direct.is_some()) =>
            {
                Some(part)
            }
            _ => None,
        };
        let running = attempt.punching.as_ref().map(|punching| punching.part);
        if running != part {
            let open = attempt.stop_guessing();
            attempt.punching = part.map(|part| Punching::new(part, now));
            if open {
                self.push(Output::Close);
            }
        }
    }

    /// Sends the next probe, if one is due and the pace allows.
    pub(super) fn fire(&mut self, now: Instant) {
        let Some(attempt) = self.attempt.as_mut().filter(|_| self.paced <= now) else {
            return;
        };
        let probe = loop {
            if let Some((from, remote)) = attempt.pairs.take(now) {
                if self.ledger.probe(remote.ip(), now) {
                    break Some((from, remote));
                }
                attempt.limited = true;
                continue;
            }
            let punching = attempt.punching.as_mut();
            let Some(volley) = punching.and_then(|punching| punching.volley.as_mut()) else {
                break None;
            };
            let Some((from, remote)) = volley.take(now) else {
                break None;
            };
            if self.ledger.guess(remote.ip(), now) {
                break Some((from, remote));
            }
            attempt.limited = true;
        };
        if let Some((from, remote)) = probe {
            attempt.probes += 1;
            self.paced = now + bounds::PACE;
            self.push(Output::Probe { from, remote });
        }
    }

    /// The attempt is over.
    pub(super) fn finish(&mut self, now: Instant) {
        let Some(attempt) = &self.attempt else {
            return;
        };
        let reason = self.verdict(attempt);
        let settled = attempt.won.is_some() || self.direct.is_some();
        self.abandon();
        if settled {
            return;
        }
        self.conclude(Outcome::Relayed(reason));
        let last = bounds::BACKOFF.len() - 1;
        let mut pause = bounds::BACKOFF[self.failures.min(last)];
        if !self.controlling {
            pause += pause / 4;
        }
        self.failures += 1;
        if self.next.is_none() {
            self.next = Some(Next {
                at: now + pause,
                announce: true,
            });
        }
    }
}
