//! Trying the addresses the peer offered: a few at a time, one probe each.

use std::time::Instant;

use super::Attached;
use crate::path::address::Route;
use crate::path::bounds;
use crate::path::context::Context;
use crate::path::path::Origin;

impl Attached {
    pub(super) fn queue_trials(&mut self, now: Instant) {
        let offered = self.offered.iter().copied();
        self.trials = offered
            .filter(|(leg, addr)| !self.paths.contains(*leg, *addr))
            .collect();
        self.trial_at = (!self.trials.is_empty()).then_some(now);
    }

    /// Probes the next offered address, when one of the places for them is free.
    pub(super) fn next_trial(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        if !self.trials.is_empty() {
            self.paths
                .retain_others(|path| path.proven || now < path.created + bounds::TRIAL);
        }
        let on_trial = self
            .paths
            .others()
            .iter()
            .filter(|path| !path.proven)
            .count();
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
            if let Some(id) = self.paths.admit(route, Origin::Ours, &cx.common.legs, now) {
                self.ask_path(id, cx);
            }
        }
        self.trial_at = (!self.trials.is_empty()).then_some(now + bounds::PACE);
    }
}
