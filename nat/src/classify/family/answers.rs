//! What answers to the main and the fresh sockets teach.

use std::time::Instant;

use super::Family;
use crate::classify::asker::{Asker, Event};
use crate::classify::plausible;
use crate::classify::report::FaultKind;
use crate::scope::scope;
use crate::stun::Why;

impl Family {
    pub(super) fn main(&mut self, index: usize, event: &Event, asker: &mut Asker, now: Instant) {
        let own = self.index;
        let Some(target) = self.targets.get_mut(index) else {
            return;
        };
        target.settled = true;
        match event {
            Event::Answered {
                answer, sends, rtt, ..
            } => {
                target.rtt = Some(*rtt);
                target.in_turn = *sends == 1;
                if plausible(answer.mapped, own) {
                    target.mapped = Some(answer.mapped);
                } else {
                    asker.fault(target.address, FaultKind::Implausible);
                }
                let other = answer.other.filter(|_| !target.is_other);
                target.other = other.filter(|other| {
                    plausible(*other, own)
                        && other.ip() != target.address.ip()
                        // A server outside sends us nowhere inside.
                        && scope(other.ip()) == scope(target.address.ip())
                });
                if other.is_some() && target.other.is_none() {
                    asker.fault(target.address, FaultKind::NoOther);
                }
            }
            Event::Failed { why, starved } => {
                if let Why::Refused(_) = why {
                    asker.fault(target.address, FaultKind::Refused);
                }
                if target.is_other && !starved {
                    let operator = target.operator;
                    if let Some(named) = self.targets.iter().find(|t| t.operator == operator) {
                        asker.fault(named.address, FaultKind::NoOther);
                    }
                } else {
                    self.call_reserve(asker, now);
                }
            }
        }
    }

    pub(super) fn sampled(&mut self, index: usize, event: &Event, asker: &mut Asker, now: Instant) {
        let own = self.index;
        let Some(sample) = self.samples.get_mut(index) else {
            return;
        };
        sample.settled = true;
        if let Event::Answered { answer, sends, .. } = event
            && plausible(answer.mapped, own)
        {
            sample.mapped = Some(answer.mapped);
            sample.in_turn = *sends == 1;
        }
        let mapped = sample.mapped;
        let witness = self
            .witnesses
            .iter_mut()
            .enumerate()
            .find(|(_, (of, _))| *of == index);
        if let Some((nth, (_, witness))) = witness {
            match mapped {
                Some(mapped) => witness.begin((own, nth), mapped, asker, now),
                None => witness.abandon(),
            }
        }
    }
}
