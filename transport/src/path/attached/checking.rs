//! Is the active path alive, and who takes over if not?

use std::cmp::Reverse;
use std::time::Instant;

use super::Attached;
use crate::path::address::PathId;
use crate::path::bounds;
use crate::path::check::Check;
use crate::path::context::{Context, Output};
use crate::path::path::Path;
use crate::path::selection::Score;

impl Attached {
    /// Whether packets on another path say that the peer left the active one.
    pub(super) fn moved_away(&self, now: Instant) -> bool {
        let silence = self
            .paths
            .active
            .rtt
            .smoothed()
            .unwrap_or_default()
            .max(bounds::FOLLOW_MIN);
        let heard = self.paths.active.heard.unwrap_or(self.paths.active.created);
        now.saturating_duration_since(heard) >= silence
            && self.follow_after.is_none_or(|after| after <= now)
    }

    /// Something leaves over the active path. An acknowledgement of what came over it is not
    /// answered; whatever else is, on this path, as long as the peer uses it as well.
    pub(super) fn note_sent(&mut self, len: usize, now: Instant) {
        let acknowledges =
            len <= bounds::ACK_ONLY && self.paths.active.heard_within(bounds::ACK_WINDOW, now);
        let doubted = self.check.is_some_and(|check| check.doubt);
        if self.awaiting.is_none() && !doubted && !acknowledges {
            self.awaiting = Some(now);
        }
    }

    /// When the silence of the active path means something.
    pub(super) fn doubt_at(&self) -> Option<Instant> {
        let at = self.awaiting? + self.paths.active.rtt.doubt_after();
        Some(self.doubt_not_before.map_or(at, |after| at.max(after)))
    }

    /// Something was sent over the active path, and for long enough nothing came over it. When the
    /// peer is known to prefer another path that is as usual, and only the active path is asked;
    /// otherwise it is in doubt.
    pub(super) fn meet_silence(&mut self, cx: &mut Context<'_>) {
        let Some(check) = self.check else {
            let elsewhere = self.heard_elsewhere();
            let usual = self.follow_after.is_some_and(|after| cx.now < after);
            match elsewhere.filter(|_| usual) {
                Some(id) => {
                    self.start_check(false, Some(id), cx);
                    self.awaiting = Some(cx.now);
                }
                None => self.start_check(true, elsewhere, cx),
            }
            return;
        };
        self.awaiting = None;
        if !check.doubt {
            self.escalate(check, cx);
        }
    }

    /// The other path that was last heard while the active one was silent.
    fn heard_elsewhere(&self) -> Option<PathId> {
        let others = self.paths.others().iter();
        let since = others.filter(|path| path.heard.is_some() && path.heard >= self.awaiting);
        since.max_by_key(|path| path.heard).map(|path| path.id)
    }

    /// A check of where the peer went becomes a doubt: what was asked remains asked.
    fn escalate(&mut self, check: Check, cx: &mut Context<'_>) {
        self.awaiting = None;
        self.check = Some(check.escalated(cx.now));
        self.doubt(cx);
    }

    fn doubt(&mut self, cx: &mut Context<'_>) {
        cx.common.stats.doubts += 1;
        self.paths.iter_mut().for_each(Path::grant);
        self.ask_for_check(cx);
    }

    pub(super) fn active_answered(&mut self, cx: &mut Context<'_>) {
        let Some(check) = self
            .check
            .filter(|check| self.paths.active.answered_since(check.started))
        else {
            return;
        };
        self.check = None;
        if check.follow.is_some() {
            self.follow_after = Some(cx.now + bounds::FOLLOW_PAUSE);
        }
    }

    pub(super) fn start_check(
        &mut self,
        doubt: bool,
        follow: Option<PathId>,
        cx: &mut Context<'_>,
    ) {
        self.check = Some(Check::new(
            doubt,
            follow,
            self.paths.active.rtt.answer_within(),
            cx.now,
        ));
        if doubt {
            self.awaiting = None;
            self.doubt(cx);
        } else {
            self.ask_for_check(cx);
        }
    }

    pub(super) fn ask_for_check(&mut self, cx: &mut Context<'_>) {
        match self.check {
            Some(Check {
                doubt: false,
                follow: Some(id),
                ..
            }) => {
                self.ask_path(self.paths.active.id, cx);
                self.ask_path(id, cx);
            }
            Some(_) => self.ask_all(cx),
            None => {}
        }
    }

    /// Looks at the check once the active path had its time: another takes over, or all are asked
    /// again, or it ends.
    pub(super) fn advance_check(&mut self, cx: &mut Context<'_>) {
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
            if !check.doubt && self.awaiting.is_some() {
                self.escalate(check, cx);
                return;
            }
        }
        if check.next > cx.now {
            return;
        }
        if check.advance(cx.now) {
            self.check = Some(check);
            // The address the peer once reached us at may be what is wrong.
            self.paths.active.unpin();
            self.ask_for_check(cx);
        } else {
            self.check = None;
            if check.doubt && self.heard < check.started {
                self.give_up(cx);
            }
        }
    }

    /// Who takes over from a silent active path: where the peer went, or else the best; one that
    /// carries too little only when there is no other.
    fn successor(&self, check: &Check) -> Option<PathId> {
        let answered = || {
            let others = self.paths.others().iter();
            others.filter(|path| path.answered_since(check.started))
        };
        let usable = || answered().filter(|path| path.is_usable());
        let followed = usable().find(|path| Some(path.id) == check.follow);
        let best = || usable().min_by_key(|path| judged(path));
        let narrow = || answered().find(|path| path.is_narrow());
        followed.or_else(best).or_else(narrow).map(|path| path.id)
    }

    /// The path that also carries what is sent while the active one is in doubt: a relayed one, whose
    /// relay is no part of what makes a direct path fail, or else any other. It has answered of
    /// late.
    pub(super) fn stand_in(&self, now: Instant) -> Option<&Path> {
        let others = self.paths.others().iter();
        others
            .filter(|path| path.is_usable() && path.heard_within(bounds::CONSENT, now))
            .min_by_key(|path| (Reverse(path.kind), judged(path)))
    }

    /// Forgets the paths that are no more. When the active one is among them the best of the others
    /// takes its place at once, if one has ever worked.
    pub(in crate::path) fn lose(&mut self, is_gone: impl Fn(&Path) -> bool, cx: &mut Context<'_>) {
        self.paths.retain_others(|path| !is_gone(path));
        if !is_gone(&self.paths.active) {
            return;
        }
        self.paths.active.gone = true;
        let proven = self.paths.others().iter().filter(|path| path.proven);
        let next = proven.min_by_key(|path| {
            let stale = !path.heard_within(bounds::CONSENT, cx.now);
            (stale, !path.is_usable(), judged(path))
        });
        match next.map(|path| path.id) {
            Some(id) => {
                self.switch_to(id, cx);
                // It may be long since it was heard.
                self.start_check(true, None, cx);
            }
            None => self.give_up(cx),
        }
    }

    pub(super) fn give_up(&mut self, cx: &mut Context<'_>) {
        self.doubt_not_before = Some(cx.now + bounds::LOST_PAUSE);
        if !std::mem::replace(&mut self.lost, true) {
            let virt = cx.virt;
            cx.output(Output::Lost { virt });
            self.direct_path_lost(cx);
        }
    }

    pub(super) fn switch_to(&mut self, id: PathId, cx: &mut Context<'_>) {
        if self.check.is_some_and(|check| check.deadline <= cx.now) {
            self.paths.active.failed = Some(cx.now);
        }
        let was_direct = self.is_direct();
        if !self.paths.activate(id) {
            return;
        }
        self.paths.retain_others(|path| !path.gone);
        self.sizes.shrink(self.paths.active.fits);
        self.check = None;
        self.awaiting = None;
        self.switched = Some(cx.now);
        // It was said of the path that is left.
        self.follow_after = None;
        cx.common.stats.switches += 1;
        let (virt, path) = (cx.virt, self.paths.active.info(&cx.common.legs));
        cx.output(Output::Switched { virt, path });
        if was_direct && !self.is_direct() {
            self.direct_path_lost(cx);
        }
    }
}

fn judged(path: &Path) -> Score {
    let rtt = path.rtt.smoothed().unwrap_or(bounds::ANSWER_UNKNOWN);
    Score::new(path.kind, path.remote, rtt)
}
