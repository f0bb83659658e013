//! Sending probes, within every limit there is.

use dchat_wire::limits;
use dchat_wire::probe::Probe;

use super::Attached;
use crate::path::address::PathId;
use crate::path::bounds;
use crate::path::context::{Context, Output};
use crate::path::leg::PathKind;

/// Probes of one round.
const ROUND_OF_ALL: u32 = (bounds::PATHS + bounds::RELAYED) as u32;

impl Attached {
    pub(super) fn ask_all(&mut self, cx: &mut Context<'_>) {
        let all: Vec<PathId> = self.paths.iter().map(|path| path.id).collect();
        for id in all {
            self.ask_path(id, cx);
        }
    }

    pub(super) fn ask_path(&mut self, id: PathId, cx: &mut Context<'_>) {
        self.ask_sized(id, limits::PROBE, cx);
    }

    /// Asks with a probe of this size, which only a proven path may be sent when it is padded.
    pub(super) fn ask_sized(&mut self, id: PathId, size: usize, cx: &mut Context<'_>) {
        let gone = self.paths.active.gone;
        let Some(path) = self.paths.get_mut(id).filter(|path| path.may_ask()) else {
            return;
        };
        // A retry to an address that has proven nothing waits for what it may still answer.
        if !path.proven && path.asked_within(bounds::MEASURE_GAP, cx.now) {
            return;
        }
        // Measurements and trials leave a round for when the active path is in question, and for what
        // may take its place.
        let spare = path.kind == PathKind::Relayed && !path.proven;
        let reserve = if self.check.is_some() || gone || spare {
            0
        } else {
            ROUND_OF_ALL
        };
        if !self.probes.take_above(reserve, cx.now) || !cx.common.all_probes.take(cx.now) {
            cx.common.stats.probes_withheld += 1;
            return;
        }
        let transaction = cx.common.transactions.next();
        path.ask(transaction, size, cx.now);
        cx.common.stats.probes_sent += 1;
        let route = path.route();
        let datagram = Probe::Ask { transaction }.seal(&self.keys.ours, size);
        let virt = cx.virt;
        cx.output(Output::Transmit {
            virt,
            route,
            datagram,
        });
    }
}
