//! Does a path carry datagrams as large as the connection's?
//!
//! A direct path is taken only after it has answered a probe as large as the connection's data, at
//! least 1,200 bytes. One that answers 1,200 but not more is still better than a relay: it is taken,
//! larger packets are lost on it as on any smaller path, and quinn falls back to 1,200 within half a
//! second. It is not taken from another direct path for a shorter round trip. One that answers only
//! small probes carries no QUIC; it is the last resort when nothing else answers at all.
//!
//! A further relayed path is asked in the same way, with probes of the smallest size.

use super::Attached;
use crate::path::address::PathId;
use crate::path::bounds;
use crate::path::context::Context;
use crate::path::path::Fit;
use crate::path::sizes;

impl Attached {
    /// Begins to find out whether a path carries what it would have to, unless that is known.
    pub(super) fn begin_fit(&mut self, id: PathId, cx: &mut Context<'_>) {
        let wanted = self.sizes.data();
        let Some(path) = self.paths.get_mut(id) else {
            return;
        };
        if !path.proven || path.fits >= wanted || path.fit.is_some() {
            return;
        }
        let lately = path.unfit.filter(|(_, at)| cx.now < *at + bounds::REFRESH);
        if lately.is_some_and(|(size, _)| wanted >= size) {
            return;
        }
        path.fit = Some(Fit {
            size: wanted,
            tries: 0,
            due: cx.now,
        });
        self.advance_fits(cx);
    }

    /// Sends the padded probes that are due, and gives up on sizes that had their tries.
    pub(super) fn advance_fits(&mut self, cx: &mut Context<'_>) {
        let due = self.paths.iter();
        let due = due.filter(|path| path.fit.is_some_and(|fit| fit.due <= cx.now));
        let due: Vec<PathId> = due.map(|path| path.id).collect();
        for id in due {
            self.advance_fit(id, cx);
        }
    }

    fn advance_fit(&mut self, id: PathId, cx: &mut Context<'_>) {
        let Some(path) = self.paths.get_mut(id) else {
            return;
        };
        let Some(mut fit) = path.fit else {
            return;
        };
        if fit.tries >= bounds::FIT_TRIES && !path.proven {
            path.fit = None;
            return;
        }
        if fit.tries >= bounds::FIT_TRIES {
            path.unfit = Some((fit.size, cx.now));
            path.fit = None;
            if fit.size <= sizes::BASE || path.fits >= sizes::BASE {
                self.consider(id, cx);
                return;
            }
            fit.size = sizes::BASE;
            fit.tries = 0;
        }
        fit.tries += 1;
        fit.due = cx.now + path.rtt.answer_within();
        path.fit = Some(fit);
        self.ask_sized(id, fit.size, cx);
    }

    /// Something was learned of a path: is it to be taken at once? So it is when the active one is
    /// gone or overdue, and when it is of a better tier.
    pub(super) fn consider(&mut self, id: PathId, cx: &mut Context<'_>) {
        let now = cx.now;
        let Some(path) = self.paths.others().iter().find(|path| path.id == id) else {
            return;
        };
        let rested = path.failed.is_none_or(|at| now >= at + bounds::DWELL);
        let better = path.kind < self.paths.active.kind && rested;
        let gone = self.paths.active.gone;
        if path.is_usable() && (better || gone) || path.is_narrow() && gone {
            self.switch_to(id, cx);
        } else if self.check.is_some_and(|check| check.deadline <= now) {
            self.advance_check(cx);
        }
    }
}
