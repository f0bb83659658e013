//! Which path is best?

use super::Attached;
use crate::path::address::PathId;
use crate::path::bounds;
use crate::path::context::Context;
use crate::path::measure::Measure;
use crate::path::path::Path;
use crate::path::selection::Score;

impl Attached {
    pub(super) fn compare_with_newly_proven(&mut self, cx: &mut Context<'_>) {
        match &mut self.measure {
            Some(measure) => measure.again = true,
            None => self.start_measure(cx),
        }
    }

    pub(super) fn start_measure(&mut self, cx: &mut Context<'_>) {
        self.measured = cx.now;
        self.measure = Some(Measure::new(self.paths.iter().count(), cx.now));
        self.paths.iter_mut().for_each(|path| path.rtt.restart());
        self.ask_all(cx);
    }

    pub(super) fn advance_measure(&mut self, cx: &mut Context<'_>) {
        let Some(mut measure) = self.measure.take() else {
            return;
        };
        if let Some(rounds) = measure.rounds.checked_sub(1) {
            measure.rounds = rounds;
            let slowest = self.paths.iter().map(|path| path.rtt.answer_within()).max();
            let settle = slowest.filter(|_| rounds == 0).unwrap_or_default();
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

    /// Prefers the best path if it is clearly better than the active one, and carries as much.
    pub(super) fn decide(&mut self, cx: &mut Context<'_>) {
        let score = |path: &Path, samples| {
            let rtt = path.rtt.least(samples)?;
            Some(Score::new(path.kind, path.remote, rtt))
        };
        let others = self.paths.others().iter();
        let mut ranked: Vec<(Score, PathId)> = others
            .filter_map(|path| Some((score(path, bounds::MEASURE_SAMPLES)?, path.id)))
            .collect();
        ranked.sort();
        if ranked.is_empty() || self.check.is_some() {
            return;
        }
        let Some(active) = score(&self.paths.active, 1) else {
            self.start_check(true, None, cx);
            return;
        };
        let dwelt = self.switched.is_none_or(|at| cx.now >= at + bounds::DWELL);
        for (score, id) in ranked {
            if !dwelt || !score.clearly_better_than(&active) {
                return;
            }
            if self.carries_our_data(id) {
                self.switch_to(id, cx);
                return;
            }
            // Should it carry as much it is taken in the next measurement.
            self.begin_fit(id, cx);
        }
    }

    /// Whether a path carries the connection's data; from a relay even one that carries less.
    fn carries_our_data(&self, id: PathId) -> bool {
        let mut others = self.paths.others().iter();
        others.find(|path| path.id == id).is_some_and(|path| {
            let enough = path.fits >= self.sizes.data();
            path.is_usable() && (enough || path.kind < self.paths.active.kind)
        })
    }
}
